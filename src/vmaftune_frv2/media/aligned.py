"""Scoring two videos of which it is known what belongs together: which frames, and which part of the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.extractors import usable_extractors
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.legs import LOG, Leg, pair_argv
from vmaftune_frv2.media.opening import muxed_frames
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source, scale_filter
from vmaftune_frv2.media.vmaf import Scored, judging_filter, parse_log

_CHROMA = ("420", "422", "444")
_DEPTHS = {8: "", 10: "10le", 12: "12le", 16: "16le"}
"""{bits per sample that libvmaf takes: how ffmpeg's name of a pixel format ends}."""


@dataclass(frozen=True)
class Aligned:
    """Two videos, cropped alike, and the frames of them that belong together.

    Args:
        distorted: what is judged; scaled to the size of the reference, if it has another one.
        reference: what it is judged against.
        offset: number of the reference's frame that the first of ``distorted`` shows.
    """

    distorted: Source
    reference: Source
    offset: int

    @property
    def first(self) -> tuple[int, int]:
        """Numbers of the first frames that are compared, of ``distorted`` and of the reference."""
        return max(0, -self.offset), max(0, self.offset)

    @property
    def frames(self) -> int:
        """How many are compared."""
        mine, theirs = self.first
        return min(self.distorted.frames - mine, self.reference.frames - theirs)

    @property
    def scaled(self) -> bool:
        """Whether the sizes differ."""
        return _size(self.distorted) != _size(self.reference)

    @property
    def pix_fmt(self) -> str:
        """The format that both are compared in: the chroma of ``distorted``, the depth of the deeper one."""
        name = self.distorted.pix_fmt
        rgb = "444" if "gbr" in name or "rgb" in name else "420"
        chroma = next((each for each in _CHROMA if each in name), rgb)
        deeper = min(max(self.distorted.depth, self.reference.depth), max(_DEPTHS))
        return f"yuv{chroma}p{next(end for depth, end in _DEPTHS.items() if depth >= deeper)}"


def score_aligned(
    ffmpeg: FFmpeg,
    pair: Aligned,
    model: str,
    *,
    full_features: bool = False,
    also: Sequence[str] = (),
    threads: int = 1,
) -> Scored:
    """Scores the frames that belong together, at the size of the reference.

    Args:
        ffmpeg: has the libvmaf filter.
        pair: the videos.
        model: VMAF model.
        full_features: whether the log is to have all of FULL_FEATURES that this libvmaf can give.
        also: further models.
        threads: of libvmaf.

    Raises:
        ToolError: libvmaf failed, or did not pair every frame.
    """
    size, what = _size(pair.reference), f"scoring {pair.distorted.label} against {pair.reference.label}"
    extractors = usable_extractors(ffmpeg, *size, pair.pix_fmt) if full_features else None
    mine, theirs = pair.first
    scale = scale_filter(*size) if pair.scaled else ""
    judged = Leg(
        pair.distorted.input_argv(),
        pair.distorted.stream,
        pair.distorted.filters + _same_range(pair) + _trim(mine, pair.frames, pair.distorted) + scale,
    )
    against = Leg(
        pair.reference.input_argv(),
        pair.reference.stream,
        pair.reference.reference_filters + _trim(theirs, pair.frames, pair.reference),
    )
    with scratch_dir(None, "score-") as folder:
        vmaf = judging_filter(model, threads, extractors, also)
        done = ffmpeg.run(pair_argv(judged, against, pair.pix_fmt, vmaf), cwd=folder)
        log = folder / LOG
        if not done.ok or not log.is_file():
            raise ToolError(done.describe(f"{what} failed"), done.returncode)
        scored = parse_log(json.loads(log.read_text(encoding="utf-8")), done.seconds, also)
    if (muxed_frames(done), len(scored.vmaf)) != (pair.frames, pair.frames):
        raise ToolError(f"{what}: {pair.frames} frames were to be paired, {len(scored.vmaf)} are")
    return scored


def _size(source: Source) -> tuple[int, int]:
    return source.width, source.height


def _trim(first: int, frames: int, source: Source) -> str:
    whole = (first, frames) == (0, source.frames)
    return "" if whole else f"trim=start_frame={first}:end_frame={first + frames},"


def _same_range(pair: Aligned) -> str:
    """What brings samples to the reference's range where both say theirs; a lost label changes nothing."""
    mine, theirs = pair.distorted.full_range, pair.reference.full_range
    if mine == theirs or (theirs and pair.distorted.colour.get("color_range") != "tv"):
        return ""
    said = {True: "pc", False: "tv"}
    return f"scale=in_range={said[mine]}:out_range={said[theirs]},"
