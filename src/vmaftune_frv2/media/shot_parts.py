"""The shots of a source as parts of it that can be encoded one by one."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.probe import NoFramesError, count_frames
from vmaftune_frv2.media.shots import Changes, find_cuts, measure_changes
from vmaftune_frv2.media.source import Source, Window
from vmaftune_frv2.media.together import together


@dataclass(frozen=True)
class Shot:
    """A shot, and the part of it that stands for it.

    Args:
        first: number of its first frame.
        end: number of the frame after its last.
        start_s: seconds from the first instant of the source to its first frame.
        end_s: seconds to its end.
        whole: the source, windowed to the shot.
        part: the same, or the middle of it.
    """

    first: int
    end: int
    start_s: float
    end_s: float
    whole: Source
    part: Source


def find_shots(ffmpeg: FFmpeg, source: Source, longest_s: float, jobs: int = 1) -> list[Shot]:
    """Finds the shots of a source; decodes all of it once, and every part once more.

    Args:
        ffmpeg: decodes.
        source: how to open it; its own window and frame count play no part.
        longest_s: seconds of a shot that stand for it, where it is longer.
        jobs: parts that are opened at once.

    Raises:
        ToolError: ffmpeg failed.
        InputError: the source holds no frames.
    """
    seekable = source.window is None or source.window.seekable
    whole = dataclasses.replace(source, window=None)
    changes = measure_changes(ffmpeg, whole)
    if not changes.sizes:
        raise InputError(f"{source.label}: no frames to encode")
    total, rate = len(changes.sizes), float(source.framerate)
    edges = [0, *find_cuts(changes.sizes), total]
    longest = max(1, round(longest_s * rate))

    def shot(span: tuple[int, int]) -> Shot:
        first, end = span
        frames = min(end - first, longest)
        at = first + (end - first - frames) // 2
        part = _part(ffmpeg, whole, changes, (at, at + frames), seekable)
        end_s = changes.times[end] if end < total else changes.times[-1] + 1 / rate
        exact = part.window is not None and part.window.seekable
        return Shot(first, end, changes.times[first], end_s, _windowed(whole, changes, span, exact), part)

    return list(together(shot, list(itertools.pairwise(edges)), jobs))


def _part(ffmpeg: FFmpeg, whole: Source, changes: Changes, span: tuple[int, int], seekable: bool) -> Source:
    """The frames of ``span``: found by a seek where one finds them, else counted from the start."""
    if seekable:
        part = _windowed(whole, changes, span, True)
        try:
            found = count_frames(ffmpeg, str(whole.path), whole.raw, part.window, whole.framerate)
        except NoFramesError:
            found = 0
        if found == part.frames:
            return part
    return _windowed(whole, changes, span, False)


def _windowed(whole: Source, changes: Changes, span: tuple[int, int], seekable: bool) -> Source:
    first, end = span
    if seekable:
        start = _before(whole, changes, first)
        window = Window(start, _before(whole, changes, end) - start)
    else:
        rate = whole.framerate
        window = Window(float(first / rate), float((end - first) / rate), seekable=False)
    return dataclasses.replace(whole, window=window, frames=end - first)


def _before(whole: Source, changes: Changes, frame: int) -> float:
    """Seconds to halfway between a frame and the one before: no rounding of a time moves it past either."""
    times = changes.times
    if frame <= 0:
        return 0.0
    if frame >= len(times):
        return times[-1] + 0.5 / float(whole.framerate)
    return (times[frame - 1] + times[frame]) / 2
