"""What a whole encode takes, from windows of it, and how wrong that may be; see ``corpus.packets``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vmaftune_frv2.contract.gop import Gop
    from vmaftune_frv2.corpus.packets import Packets


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


def whole_bytes(windows: Sequence[Packets], frames: int, framerate: float, gop: Gop, pace: float = 1.0) -> float:
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
