"""What an encoder notes of each frame it codes, pooled to a row's ``enc_internal_*`` keys.

x264 writes such notes in the first pass of two. With its full settings kept (``-fastfirstpass 0``) a first
pass under crf is the very encode that a single pass gives, byte by byte, so the notes cost no second encode.
x265 notes the same quantities, but the options text in its stream then grows by 15 bytes; the other
encoders' notes are not readable. Their keys stay null.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.encoder import Encoder

KEYS = tuple(
    f"enc_internal_{name}"
    for name in (
        "qp_mean", "qp_std", "bits_mean", "bits_std", "mv_mean", "mv_std", "itex_mean", "ptex_mean",
        "intra_ratio", "skip_ratio",
    )
)  # fmt: skip
"""The row keys, in the row's order."""


@dataclass(frozen=True)
class _Frame:
    """One frame's notes; bits are of the coded frame, blocks are macroblocks."""

    intra: bool
    qp: float
    texture_bits: float
    motion_bits: float
    other_bits: float
    intra_blocks: float
    inter_blocks: float
    skipped_blocks: float

    @property
    def bits(self) -> float:
        return self.texture_bits + self.motion_bits + self.other_bits

    @property
    def blocks(self) -> float:
        return self.intra_blocks + self.inter_blocks + self.skipped_blocks


def stats_argv(encoder: Encoder, prefix: Path) -> list[str] | None:
    """Codec arguments that make an encoder write its notes, None where it writes none that can be read.

    They go after the encoder's own arguments and leave its ``-x264-params`` alone.

    Args:
        encoder: which.
        prefix: where to; the file is ``stats_file(prefix)``, another with what x264 alone reads lies beside
            it. No character of it is special.
    """
    if not encoder.pass_log:
        return None
    return ["-pass", "1", "-passlogfile", str(prefix), "-fastfirstpass", "0"]


def stats_file(prefix: Path) -> Path:
    """The file that an encode with ``stats_argv(..., prefix)`` writes."""
    return prefix.with_name(f"{prefix.name}-0.log")


def read_stats(path: Path, frames: int) -> dict[str, float | None]:
    """Pools an encoder's notes over the frames of one encode.

    - ``qp_mean``, ``qp_std``: the frame's quantizer (``q``), before adaptive quantization;
    - ``bits_mean``, ``bits_std``: bits per frame, texture + motion vectors + the rest;
    - ``mv_mean``, ``mv_std``: bits per frame that motion vectors and modes took;
    - ``itex_mean``, ``ptex_mean``: texture bits per intra frame (types I, i), per inter frame (P, B, b);
    - ``intra_ratio``, ``skip_ratio``: shares of all macroblocks of the clip, 0 to 1.

    Deviations are the population's. The definitions are those of the upstream tool, except that what
    cannot be known is None: all keys where the notes are missing or do not cover every frame,
    ``ptex_mean`` where all frames are intra.

    Args:
        path: the file, which may be missing.
        frames: frames of the encode.
    """
    noted = _read(path)
    if len(noted) != frames or not frames:
        return dict.fromkeys(KEYS)
    blocks = sum(frame.blocks for frame in noted)
    pooled = (
        *_mean_and_std([frame.qp for frame in noted]),
        *_mean_and_std([frame.bits for frame in noted]),
        *_mean_and_std([frame.motion_bits for frame in noted]),
        _mean([frame.texture_bits for frame in noted if frame.intra]),
        _mean([frame.texture_bits for frame in noted if not frame.intra]),
        sum(frame.intra_blocks for frame in noted) / blocks if blocks else None,
        sum(frame.skipped_blocks for frame in noted) / blocks if blocks else None,
    )
    return dict(zip(KEYS, pooled, strict=True))


def _read(path: Path) -> list[_Frame]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    notes = (line for line in lines if line.startswith("in:"))
    return [frame for frame in map(_parse, notes) if frame is not None]


def _parse(line: str) -> _Frame | None:
    """One line such as ``in:0 out:0 type:I ... q:25.23 aq:20.39 tex:14051 mv:1126 misc:5871 imb:80 ...;``."""
    tokens = dict(token.partition(":")[::2] for token in line.split())
    try:
        numbers = [float(tokens[name]) for name in ("q", "tex", "mv", "misc", "imb", "pmb", "smb")]
        return _Frame(tokens["type"] in ("I", "i"), *numbers)
    except (KeyError, ValueError):
        return None  # a torn line; the frame count will tell


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.pstdev(values)
