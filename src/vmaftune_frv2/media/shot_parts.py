"""The shots of a source as parts of it that can be encoded one by one."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.listing import NoFramesError, list_frames, open_window
from vmaftune_frv2.media.shots import MEASURE, find_cuts, read_changes
from vmaftune_frv2.media.source import Source, Surroundings, between
from vmaftune_frv2.media.together import together
from vmaftune_frv2.progress import count, step


@dataclass(frozen=True)
class Shot:
    """A shot, and the part of it that stands for it.

    Args:
        first: number of its first frame.
        end: number of the frame after its last.
        start_s: seconds from the first frame of the source to its own.
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


def find_shots(ffmpeg: FFmpeg, source: Source, longest_s: float, jobs: int = 1) -> tuple[Source, list[Shot]]:
    """Finds the shots of a source; decodes all of it once, and every part once more.

    Args:
        ffmpeg: decodes.
        source: how to open it; its own window and frame count play no part.
        longest_s: seconds of a shot that stand for it, where it is longer.
        jobs: parts that are opened at once.

    Returns:
        All of the source, and its shots.

    Raises:
        ToolError: ffmpeg failed.
        InputError: the source holds no frames.
    """
    with step("shots", round((source.duration_s or 0.0) * float(source.framerate)) or None):
        listing = list_frames(ffmpeg, source.whole(), MEASURE)
    whole, times = listing.source, (*listing.times, listing.source.encoded_seconds)
    edges = [0, *find_cuts(read_changes(listing.printed)), whole.frames]

    def shot(span: tuple[int, int]) -> Shot:
        middle = _middle(times, span, longest_s)
        part = _opened(ffmpeg, whole, times, middle)
        if middle != span:
            around = Surroundings(times[span[0] : span[1] + 1], middle[0] - span[0])
            part = dataclasses.replace(part, surroundings=around)
        windowed = dataclasses.replace(_windowed(whole, times, span), seekable=part.seekable)
        return Shot(*span, times[span[0]], times[span[1]], windowed, part)

    spans = list(itertools.pairwise(edges))
    with count("reading", "shots", len(spans)) as opened:

        def counted(span: tuple[int, int]) -> Shot:
            found = shot(span)
            opened.add()
            return found

        return whole, list(together(counted, spans, jobs))


def _middle(times: Sequence[float], span: tuple[int, int], longest_s: float) -> tuple[int, int]:
    """Frames round the middle of a shot that last no longer than ``longest_s``, one at least."""
    first, end = span
    while end - first > 1 and times[end] - times[first] > longest_s + _ROUNDING_S:
        # Each end gives way in turn, the one that lies further from the middle first.
        if end - span[0] > span[1] - first:
            end -= 1
        else:
            first += 1
    return first, end


_ROUNDING_S = 1e-6


def _opened(ffmpeg: FFmpeg, whole: Source, times: Sequence[float], span: tuple[int, int]) -> Source:
    """The frames of ``span``: found by a seek where one finds them, else from the start."""
    part = _windowed(whole, times, span)
    if part.seekable:
        try:
            found = open_window(ffmpeg, part, part.window)
        except NoFramesError:
            found = None
        if found is not None and found.frames == part.frames:
            return found
    return open_window(ffmpeg, dataclasses.replace(part, seekable=False), part.window)


def _windowed(whole: Source, times: Sequence[float], span: tuple[int, int]) -> Source:
    """The frames of ``span``."""
    return dataclasses.replace(whole.through(between(times, *span)), frames=span[1] - span[0])
