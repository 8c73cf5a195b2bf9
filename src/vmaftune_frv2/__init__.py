"""Codec-aware VMAF regression for ``vmaf-tune``: sweep, train, predict."""

__version__ = "0.1.0"
