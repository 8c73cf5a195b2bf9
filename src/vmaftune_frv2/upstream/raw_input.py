"""What upstream reads as raw video, and whether it is: a container read so gives noise, and scores of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.raw import is_raw
from vmaftune_frv2.contract.row_rules import BITRATE_TOLERANCE

_MAGIC = (
    (4, b"ftyp", "an MP4 or QuickTime file"), (0, b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (0, b"YUV4MPEG2", "a Y4M file"), (0, b"RIFF", "an AVI file"), (0, b"DKIF", "an IVF file"),
    (0, b"FLV\x01", "a Flash video"), (0, b"OggS", "an Ogg file"), (0, b"\x06\x0e+4", "an MXF file"),
    (0, b"\x00\x00\x01\xba", "an MPEG program stream"), (0, b"\x30\x26\xb2\x75", "a Windows Media file"),
)  # fmt: skip
_PLANAR = re.compile(r"yuv(a?)j?(4[0-9]{2})p([0-9]*)(?:le|be)?")
_CHROMA = {"410": (4, 4), "411": (4, 1), "420": (2, 2), "422": (2, 1), "440": (1, 2), "444": (1, 1)}
"""Columns and rows of luma per sample of a chroma plane."""
_TS_PACKET = 188
_FRAME_TOLERANCE = 0.5


def misread(job: Any) -> str | None:
    """Why a source is no raw video of the stated size; None where it may be one, or is not there.

    Args:
        job: upstream's ``CorpusJob``.
    """
    source = Path(job.source)
    if source.is_dir():
        return f"{source} is a folder; give the raw video in it"
    try:
        with source.open("rb") as stream:
            head = stream.read(_TS_PACKET + 1)
        size = source.stat().st_size
    except OSError:
        return None
    what, frames = _container(head), _frames(job, size)
    whole = frames is not None and frames.is_integer() and frames > 0
    if what is not None and not (whole and is_raw(str(source))):  # raw video may begin with any bytes
        return (
            f"{source} is {what}, and this vmaftune reads it as raw video; decode it first, or sweep it with"
            " `vmaf-tune-frv2 corpus`, which takes it as it is"
        )
    if frames is not None and not whole:
        return f"{source} is no {job.width}x{job.height} {job.pix_fmt}: its {size} bytes are {frames:.2f} frames"
    return None


def _container(head: bytes) -> str | None:
    """What a file is by how it begins, None where it may be raw video."""
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        return "an MPEG transport stream"
    return next((name for start, magic, name in _MAGIC if head[start : start + len(magic)] == magic), None)


def wrong_duration(job: Any) -> str | None:
    """Why the stated duration is not the raw source's; None where it is, or nobody can tell.

    Args:
        job: upstream's ``CorpusJob``.
    """
    try:
        frames = _frames(job, Path(job.source).stat().st_size)
    except OSError:
        frames = None
    rate, seconds = float(job.framerate), float(job.duration_s)
    if not rate > 0:
        return f"the frame rate is {rate:g}"
    if frames is None:
        return None if seconds > 0 else "the duration is 0 (--duration), so the bitrate would be 0, too"
    if abs(frames - seconds * rate) <= max(_FRAME_TOLERANCE, BITRATE_TOLERANCE * frames):
        return None
    lasts = f"{job.source} lasts {frames / rate:.10g} s ({frames:.0f} frames at {rate:g} per second)"
    return f"the duration is {seconds:g} s, but {lasts}; say --duration {frames / rate:.10g}"


def _frames(job: Any, size: int) -> float | None:
    """Frames in so many bytes, None for pixel formats whose frames we cannot count."""
    width, height = (int(getattr(job, f"src_{name}", None) or getattr(job, name)) for name in ("width", "height"))
    planar = _PLANAR.fullmatch(job.pix_fmt)
    if planar is None or planar[2] not in _CHROMA or width < 1 or height < 1:
        return None
    across, down = _CHROMA[planar[2]]
    samples = width * height * (2 if planar[1] else 1) + 2 * -(-width // across) * -(-height // down)
    return size / (samples * (2 if int(planar[3] or 8) > 8 else 1))
