"""What the packets of a window tell of an encode of the whole, where it was encoded with frames round it.

Three things tell a window that is encoded on its own from the same frames in the whole encode: it begins with a
keyframe, the encoder has not yet reached its stride, and near its end it has nothing to look ahead to. So each
window is encoded with a few frames round it, and only its own are scored and counted. What a keyframe takes beyond
other frames shows in the frames before the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.media.encode import Encoded
from vmaftune_frv2.media.source import Source

DUE = 0.75
"""Share of the longest distance from which on a keyframe is due: x264 then cuts ever more readily."""


@dataclass(frozen=True)
class Packets:
    """What one window tells of the whole.

    Args:
        frames: counted.
        bytes: of their packets, without what regular keyframes take beyond other frames.
        excess: bytes that a keyframe takes beyond another frame, None where the window has no frames before it.
        cuts: keyframes among them that pictures asked for, rather than their distance.
        header: bytes of the file that are neither packets nor notes on frames.
    """

    frames: int
    bytes: float
    excess: float | None
    cuts: int
    header: float


def counted_frames(frames: int, gop: Gop) -> int:
    """Frames of which a window counts the bytes: whole groups, as in one the bits of several fall on the first."""
    return max(gop.mini * round(frames / gop.mini), gop.mini)


def with_margins(source: Source, gop: Gop) -> Source:
    """A window with the frames round it that are to be encoded with it; itself where they are not known."""
    if gop.reach == 0:
        return source
    further = max(counted_frames(source.frames, gop) - source.frames, 0)
    return source.with_margins(gop.lead, gop.lookahead + further)


def count_packets(source: Source, encoded: Encoded, gop: Gop) -> Packets:
    """Counts the frames of a window that was encoded with margins.

    Args:
        source: the window, with its margins.
        encoded: with the sizes of its frames.
        gop: how the encoder groups frames.
    """
    margins, noted = source.margins, encoded.frame_sizes
    assert margins is not None
    assert noted is not None
    before, sizes = margins.before, noted.sizes
    frames = min(counted_frames(source.frames, gop), len(sizes) - before)
    regular, cuts = _keyframes(noted.keyframes, gop.keyframe_interval(float(source.framerate)), before, frames)
    inside, lead = float(sum(sizes[before : before + frames])), float(sum(sizes[:before]))
    excess = None
    own = [sizes[n] for n in noted.keyframes if before <= n < before + frames and n]
    if regular > 1 and len(own) < frames:  # not from the first, where an encoder notes its options
        excess = max(sum(own) / len(own) - (inside - sum(own)) / (frames - len(own)), 0.0)
    elif before and before * regular < frames:
        excess = max((lead - before * inside / frames) / (1 - before * regular / frames), 0.0)
    header = encoded.size_bytes - float(sum(sizes)) - gop.container_bytes * len(sizes)
    return Packets(frames, inside - regular * (excess or 0.0), excess, cuts, header)


def _keyframes(found: Sequence[int], interval: int | None, first: int, frames: int) -> tuple[int, int]:
    """Keyframes of a window: those due to their distance, and others."""
    regular = cuts = last = 0
    for number in found:
        if first <= number < first + frames and number:
            due = interval is not None and number - last >= DUE * interval
            regular, cuts = regular + due, cuts + (not due)
        last = number
    return regular, cuts
