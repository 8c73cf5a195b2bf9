"""What percentiles and the harmonic mean of the frames' VMAF are, beside their mean: measured on left-out titles.

``bench/quality/percentiles.py`` measures both tables.
"""

from __future__ import annotations

import numpy as np

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.frame_pools import HARMONIC_MEAN, MEAN

_PERCENTS = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0)
_WIDER = (1.5, 1.35, 1.3, 1.2, 1.1, 1.05, 1.0)
_HARMONIC = 1.0
_BELOW = (0.38, 0.34, 0.3, 0.26, 0.2, 0.1, 0.0)


def wider(pool: str) -> float:
    """Factor of an interval's half width, over the mean's, for a pool as ``frame_pools.pool_frames`` takes it."""
    if pool in (MEAN, HARMONIC_MEAN):
        return 1.0 if pool == MEAN else _HARMONIC
    return float(np.interp(_percent(pool), _PERCENTS, _WIDER))


def usual_mean(pool: str, value: float, space: AnchorSpace) -> float:
    """The mean VMAF of a usual clip whose ``pool`` is ``value``.

    Args:
        pool: as above.
        value: VMAF.
        space: that of the curve model of VMAF, in which the distance is much the same everywhere.
    """
    if pool in (MEAN, HARMONIC_MEAN):
        return value
    below = float(np.interp(_percent(pool), _PERCENTS, _BELOW))
    return float(space.leave(space.enter(value) + below))


def _percent(pool: str) -> float:
    return float(pool.removeprefix("p"))
