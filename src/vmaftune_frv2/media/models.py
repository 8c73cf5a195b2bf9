"""Which VMAF model a source is scored with."""

from __future__ import annotations

from vmaftune_frv2.media.vmaf import DEFAULT_MODEL

UHD_MODEL = "vmaf_4k_v0.6.1"
UHD_HEIGHT = 2160


def default_vmaf_model(height: int) -> str:
    """The model for a source of ``height`` luma rows: the 4K one from 2160 rows on, else the HD one.

    Both are SDR models, and libvmaf has no other: an HDR source is scored with them too, see
    ``model_warning``.
    """
    return UHD_MODEL if height >= UHD_HEIGHT else DEFAULT_MODEL


def model_warning(transfer: str, model: str) -> str | None:
    """What to tell, once per run, of an HDR source that is scored with a model of libvmaf; None for SDR."""
    if not transfer:
        return None
    return f"HDR source ({transfer.upper()}): libvmaf has no HDR model, {model} judges it as if it were SDR"
