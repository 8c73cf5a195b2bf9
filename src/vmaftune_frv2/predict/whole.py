"""What a whole encode takes, from windows of it that were encoded with frames before and after them.

Three things tell a window that is encoded on its own from the same frames in the whole encode: it begins with a
keyframe, the encoder has not yet reached its stride, and near its end it has nothing to look ahead to. So each
window is encoded with a few frames round it, and only its own are scored and counted. What a keyframe takes beyond
other frames is told by the frames before the window, and added as often as the whole would have keyframes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vmaftune_frv2.contract.gop import Gop
    from vmaftune_frv2.media.encode import Encoded
    from vmaftune_frv2.media.source import Source


@dataclass(frozen=True)
class Counted:
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


def count(source: Source, encoded: Encoded, gop: Gop) -> Counted:
    """Counts the frames of a window that was encoded with margins.

    Args:
        source: the window, with its margins.
        encoded: with the sizes of its frames.
        gop: how the encoder groups frames.
    """
    margins, noted = source.margins, encoded.frame_sizes
    assert margins is not None
    assert noted is not None
    before, sizes = margins.before, np.asarray(noted.sizes, dtype=np.float64)
    frames = min(counted_frames(source.frames, gop), len(sizes) - before)
    regular, cuts = _keyframes(noted.keyframes, gop.keyframe_interval(float(source.framerate)), before, frames)
    inside, lead = float(sizes[before : before + frames].sum()), float(sizes[:before].sum())
    excess = None
    if before and before * regular < frames:
        excess = max((lead - before * inside / frames) / (1 - before * regular / frames), 0.0)
    header = encoded.size_bytes - float(sizes.sum()) - gop.container_bytes * len(sizes)
    return Counted(frames, inside - regular * (excess or 0.0), excess, cuts, header)


def _keyframes(found: Sequence[int], interval: int | None, first: int, frames: int) -> tuple[int, int]:
    """Keyframes of a window: those due to their distance, and others."""
    regular = cuts = last = 0
    for number in found:
        if first <= number < first + frames and number:
            regular, cuts = (regular + 1, cuts) if interval and number - last >= interval else (regular, cuts + 1)
        last = number
    return regular, cuts


@dataclass(frozen=True)
class SamplingError:
    """Typical absolute errors of what windows say of the whole.

    Args:
        vmaf: of the mean VMAF.
        log_rate: of the natural logarithm of the bitrate.
    """

    vmaf: float
    log_rate: float


_USUAL = SamplingError(0.68, 0.23)
"""Deviations between windows of usual sources, in VMAF and in logarithms of bytes; they count as two windows."""
_TYPICAL = SamplingError(1.02, 0.49)
"""Typical errors over the standard error of a mean of windows: in VMAF windows also err together."""


def sampling_error(vmaf: Sequence[float], rates: Sequence[float], share: float) -> SamplingError:
    """How wrong windows may be of the whole, by how they differ from each other.

    Args:
        vmaf: [N] mean VMAF of each window.
        rates: [N] bitrate of each, of whatever unit.
        share: of the whole's frames that the windows have.
    """
    return SamplingError(
        _TYPICAL.vmaf * _standard_error(np.asarray(vmaf), _USUAL.vmaf, share),
        _TYPICAL.log_rate * _standard_error(np.log(rates), _USUAL.log_rate, share),
    )


def _standard_error(values: NDArray[np.float64], usual: float, share: float) -> float:
    """Of the mean of N values that stand for ``share`` of all; their variance is shrunk to a usual one."""
    count = len(values)
    squares = float(((values - values.mean()) ** 2).sum())
    variance = (2.0 * usual**2 + squares) / (count + 1)
    return math.sqrt(variance * max(1.0 - share, 0.0) / count)


def whole_bytes(windows: Sequence[Counted], frames: int, framerate: float, gop: Gop, pace: float = 1.0) -> float:
    """Bytes of the whole encode.

    Args:
        windows: what its windows tell, at least one.
        frames: of the whole.
        framerate: frames per second.
        gop: how the encoder groups frames.
        pace: what a frame of the whole takes over one of the windows, see ``media.pace``.
    """
    counted = sum(window.frames for window in windows)
    rate = sum(window.bytes for window in windows) / counted
    known = [window.excess for window in windows if window.excess is not None]
    excess = sum(known) / len(known) if known else 0.0
    header = sum(window.header for window in windows) / len(windows)
    cuts = sum(window.cuts for window in windows) / counted
    keyframes = _keyframes_of(frames, gop.keyframe_interval(framerate), cuts)
    return header + frames * (rate * pace + gop.container_bytes) + excess * keyframes


def _keyframes_of(frames: int, interval: int | None, cuts: float) -> float:
    """Keyframes of the whole beside those at cuts, which come ``cuts`` times per frame and put the others off."""
    if interval is None:
        return 1.0
    expected = cuts * interval
    share = expected / math.expm1(expected) if expected > 1e-9 else 1.0
    return 1.0 + (frames - 1) // interval * share
