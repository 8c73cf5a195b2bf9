"""Headerless YUV: size, pixel format and frame rate, which no header gives."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.errors import UsageError

RAW_SUFFIXES = (".yuv", ".raw")
HIGHEST_FRAMERATE = 100_000
UPSTREAM_FRAMERATE = Fraction(24)
"""Frame rate of a raw source that names none, as in the upstream tool."""
UPSTREAM_PIX_FMT = "yuv420p"


@dataclass(frozen=True)
class RawFormat:
    """How to read a headerless YUV file."""

    width: int
    height: int
    pix_fmt: str
    framerate: Fraction


def is_raw(path: str) -> bool:
    """Whether a source is headerless YUV, by its name."""
    return Path(path).suffix.lower() in RAW_SUFFIXES


def parse_framerate(text: str) -> Fraction:
    """A frame rate as a fraction; the NTSC decimals become their exact thousand-and-firsts.

    Raises:
        UsageError: not a positive number, or one that no video has.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, HIGHEST_FRAMERATE) <= rate <= HIGHEST_FRAMERATE:
        raise UsageError(f"--framerate {text!r}: not a frame rate; write 25, 23.976 or 24000/1001")
    ntsc = Fraction(round(rate) * 1000, 1001)
    return ntsc if rate != round(rate) and abs(ntsc - rate) < Fraction(1, 1000) else rate
