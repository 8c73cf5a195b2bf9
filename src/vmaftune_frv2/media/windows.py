"""Windows spread over a source: a few short parts that stand for all of it, opened without reading the rest."""

from __future__ import annotations

import dataclasses
import itertools

from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.listing import NoFramesError, open_window
from vmaftune_frv2.media.shots import find_cuts, measure_changes
from vmaftune_frv2.media.source import Source, Window
from vmaftune_frv2.media.together import together

ROOM = 3.0
"""How far a window may move away from a cut: it stays within this many times its length."""


def spread_windows(ffmpeg: FFmpeg, source: Source, count: int, seconds: float, jobs: int = 1) -> list[Source]:
    """Windows, one in the middle of each of ``count`` equal stretches of a source.

    Where the file can be seeked in, a window moves within its stretch so that no cut falls into it, if there is
    such a place nearby.

    Args:
        ffmpeg: decodes the windows and what is near them, nothing else.
        source: opened at its middle (``open_source`` with ``trust_header``), which tells how long it is.
        count: windows.
        seconds: of each.
        jobs: windows that are looked at at once.

    Returns:
        Sources that differ in window and frames, in order; all of the source as the only one where it is no longer
        than the windows together.

    Raises:
        InputError: a window cannot be decoded, or none of them holds frames.
        ToolError: ffmpeg failed.
    """
    if source.window is None or source.duration_s is None:
        return [source]
    duration = source.duration_s
    if count * seconds >= duration:
        return [open_window(ffmpeg, source, None)]
    stretch = duration / count
    middles = [(index + 0.5) * stretch for index in range(count)]

    def place(middle: float) -> Source | None:
        start = _place(ffmpeg, source, middle, seconds, min(stretch, ROOM * seconds))
        try:
            return open_window(ffmpeg, source, Window(start, seconds))
        except NoFramesError:
            return None  # the container says that it lasts longer than its video does

    found = [part for part in together(place, middles, jobs) if part is not None]
    if not found:
        raise NoFramesError(f"{source.label}: no window holds frames; the file is shorter than it says")
    return found


def _place(ffmpeg: FFmpeg, source: Source, middle: float, seconds: float, room: float) -> float:
    """Where the window round ``middle`` begins: in the shot nearest to there that is long enough for it."""
    if not source.seekable or room <= seconds:
        return middle - seconds / 2
    begins, centred = max(middle - room / 2, 0.0), middle - seconds / 2
    changes = measure_changes(ffmpeg, dataclasses.replace(source, window=Window(begins, room)))
    times = [*changes.times, begins + room]
    edges = [0, *find_cuts(changes.sizes), len(changes.times)]
    half_frame = 0.5 / float(source.framerate)
    starts = []
    for first, end in itertools.pairwise(edges):
        # Half a frame before its first frame: it is found there however times were rounded.
        earliest, latest = times[first] - half_frame, times[end] - half_frame - seconds
        if latest >= earliest:
            starts.append(min(max(centred, earliest), latest))
    return max(min(starts, key=lambda start: abs(start - centred), default=centred), 0.0)
