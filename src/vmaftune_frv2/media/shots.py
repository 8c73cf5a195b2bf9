"""The shots of a source: where its pictures change at once and for good."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.progress import step

MIN_SHOT_FRAMES = 4
"""A shorter shot is a flash, or what the window cut off."""
CUT_THRESHOLD = 5.0
"""Percent of the luma range by which a cut's change exceeds every change around it."""

MEASURE = "scale=64:36:flags=area,format=yuv420p,scdet=threshold=100,metadata=print:key=lavfi.scd.mafd:file=-"
"""Filters that print each frame's change. Small pictures, averaged: grain cancels out, what they show does not."""
_CHANGE = re.compile(r"pts_time:(\S+)\s+lavfi\.scd\.mafd=(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Shots:
    """The shots of the frames in use.

    Args:
        count: how many, at least 1.
        durations_s: seconds of each, in order.
    """

    count: int
    durations_s: tuple[float, ...]

    def row_values(self) -> dict[str, float]:
        """The row's shot keys: count, mean seconds, and the population's standard deviation in seconds."""
        return {
            "shot_count": self.count,
            "shot_avg_duration_sec": statistics.fmean(self.durations_s),
            "shot_duration_std_sec": statistics.pstdev(self.durations_s),
        }


def detect_shots(ffmpeg: FFmpeg, source: Source, *, timeout: float | None = None) -> Shots:
    """Finds the hard cuts of the frames in use.

    A cut is a frame that differs from the one before by ``CUT_THRESHOLD`` more than any of the
    ``MIN_SHOT_FRAMES - 1`` frames to either side does. So steady motion, noise, repeated frames and flashes
    are no cuts; neither are fades, dissolves, and cuts between pictures of the same luma.

    Args:
        ffmpeg: has the scdet filter.
        source: whose frames are looked at, by number.
        timeout: seconds until it is given up.

    Raises:
        ToolError: ffmpeg failed, or did not measure every frame of the source.
    """
    changes = measure_changes(ffmpeg, source, timeout=timeout)
    if len(changes.sizes) != source.frames:
        raise ToolError(f"shots: {len(changes.sizes)} frames of {source.frames} of {source.label} were measured")
    numbers = [0, *find_cuts(changes.sizes), source.frames]
    if source.variable:
        ends = (*changes.times, changes.times[0] + source.encoded_seconds)
        durations = tuple(ends[end] - ends[first] for first, end in itertools.pairwise(numbers))
    else:
        durations = tuple(float((end - first) / source.framerate) for first, end in itertools.pairwise(numbers))
    return Shots(len(durations), durations)


@dataclass(frozen=True)
class Changes:
    """How much each frame in use differs from the one before.

    Args:
        times: seconds of each frame, from the first frame of the file that is shown.
        sizes: mean absolute luma difference to the frame before, percent of the range; the first frame's is 0.
    """

    times: tuple[float, ...]
    sizes: tuple[float, ...]


def measure_changes(ffmpeg: FFmpeg, source: Source, *, timeout: float | None = None) -> Changes:
    """Measures the change from each frame in use to the next; decodes them all.

    Args:
        ffmpeg: has the scdet filter.
        source: whose frames are looked at.
        timeout: seconds until it is given up.

    Raises:
        ToolError: ffmpeg failed.
    """
    argv = ["-hide_banner", "-nostdin", "-v", "error", *source.input_argv(), "-map", f"0:{source.stream}"]
    argv += ["-vf", f"{source.filters}{MEASURE}", "-fps_mode", "passthrough", "-f", "null", "-"]
    with step("shots", source.frames):
        done = ffmpeg.run(argv, timeout=timeout)
    if not done.ok:
        raise ToolError(done.describe(f"finding the shots of {source.label} failed"), done.returncode)
    found = _CHANGE.findall(done.stdout)
    return Changes(tuple(source.since_first(float(time)) for time, _ in found), read_changes(done.stdout))


def read_changes(printed: str) -> tuple[float, ...]:
    """[N] what ``MEASURE`` printed of N frames, as ``Changes.sizes``."""
    return tuple(float(size) for _, size in _CHANGE.findall(printed))


def find_cuts(changes: Sequence[float]) -> list[int]:
    """Numbers of the frames that begin a shot, without the first frame.

    Args:
        changes: for each frame, the mean absolute luma difference to the one before, in percent of the
            range (ffmpeg's ``lavfi.scd.mafd``). The first frame's is not looked at.
    """
    reach = MIN_SHOT_FRAMES - 1
    cuts = []
    for n in range(MIN_SHOT_FRAMES, len(changes) - reach):
        around = [*changes[n - reach : n], *changes[n + 1 : n + 1 + reach]]
        if changes[n] - max(around) >= CUT_THRESHOLD:
            cuts.append(n)
    return cuts
