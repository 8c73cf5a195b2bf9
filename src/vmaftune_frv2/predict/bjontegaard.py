"""Rate-distortion curves side by side: bitrate at a VMAF, and the mean difference of bitrate at equal VMAF.

Source: G. Bjontegaard, "Calculation of average PSNR differences between RD-curves" (ITU-T SG16 Q.6, VCEG-M33,
2001), which fits a cubic to four points. These curves have a point per crf, so they are joined by straight lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.predict.results import Prediction

Vector = NDArray[np.float64]
BELOW, ABOVE = 15.0, 5.0
"""VMAF points round the target over which curves are compared."""
LEAST_OVERLAP = 5.0
"""VMAF points that both curves must have in common."""


def rate_curve(predictions: Iterable[Prediction]) -> tuple[Vector, Vector]:
    """The curve of one line: VMAF rising, and the log of the bitrate; of two equally good encodes, the cheaper.

    Args:
        predictions: of one encoder at one preset, with a bitrate above 0.

    Returns:
        [N] VMAF and [N] log kbit/s.
    """
    best_first = sorted((p.kbps, p.vmaf) for p in predictions)
    vmaf, rate = list[float](), list[float]()
    for kbps, quality in best_first:
        if not vmaf or quality > vmaf[-1]:
            vmaf.append(quality)
            rate.append(math.log(kbps))
    return np.asarray(vmaf), np.asarray(rate)


def rate_at(curve: tuple[Vector, Vector], vmaf: float) -> float | None:
    """kbit/s at a VMAF, None where the curve does not reach so far."""
    quality, rate = curve
    if not len(quality) or not quality[0] <= vmaf <= quality[-1]:
        return None
    return math.exp(float(np.interp(vmaf, quality, rate)))


def bd_rate(
    reference: tuple[Vector, Vector], curve: tuple[Vector, Vector], low: float, high: float
) -> float | None:
    """Mean difference of bitrate at equal VMAF, as a share of the reference's.

    Args:
        reference: as ``rate_curve`` gives it.
        curve: what is compared with it.
        low: lowest VMAF that counts.
        high: highest.

    Returns:
        -0.2 where a fifth is saved; None where the curves have less than ``LEAST_OVERLAP`` in common.
    """
    if not len(reference[0]) or not len(curve[0]):
        return None
    low, high = max(low, reference[0][0], curve[0][0]), min(high, reference[0][-1], curve[0][-1])
    if high - low < LEAST_OVERLAP:
        return None
    knots = np.unique(np.concatenate([reference[0], curve[0], [low, high]]))
    knots = knots[(knots >= low) & (knots <= high)]
    off = np.interp(knots, *curve) - np.interp(knots, *reference)
    area = float(np.sum((off[1:] + off[:-1]) / 2 * np.diff(knots)))
    return math.expm1(area / (high - low))
