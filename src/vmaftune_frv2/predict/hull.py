"""The convex hull of bitrate and quality, and rungs along it.

Source: Netflix, "Per-Title Encode Optimization" (2015); de Cock et al., "Complexity-based consistent-quality
encoding in the cloud" (ICIP 2016): of a title's encodes at all sizes, those on the convex hull are worth having.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
JND = 6.0
"""VMAF points of about one just noticeable difference, a rule of thumb of the trade; the step between rungs."""


def upper_hull(rate: Vector, quality: Vector) -> list[int]:
    """Vertices of the upper convex hull, from the lowest rate to the highest quality.

    Args:
        rate: [N] log bitrates, N >= 1.
        quality: [N] VMAF.

    Returns:
        Indices; rate and quality both rise from each to the next, the slope between them falls.
    """
    best_first = np.lexsort((-quality, rate))
    hull: list[int] = []
    for index in map(int, best_first):
        if hull and quality[index] <= quality[hull[-1]]:
            continue
        while len(hull) > 1 and _turn(rate, quality, hull[-2], hull[-1], index) >= 0.0:
            hull.pop()
        hull.append(index)
    return hull


def _turn(x: Vector, y: Vector, a: int, b: int, c: int) -> float:
    """Positive where a, b, c turn left: b lies under the line from a to c; 0 where it lies on it."""
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


def gaps(rate: Vector, quality: Vector) -> Vector:
    """[N] VMAF points that each encode lies below the hull at its bitrate; 0 on the hull."""
    hull = upper_hull(rate, quality)
    reached: Vector = np.interp(rate, rate[hull], quality[hull])
    return np.maximum(reached - quality, 0.0)


def steps(low: float, high: float, count: int | None) -> list[float]:
    """VMAF of the rungs, from the highest down.

    Args:
        low: lowest.
        high: highest, at least ``low``.
        count: how many; None for one per JND.
    """
    if count is None:
        count = 1 + round((high - low) / JND)
    return [float(value) for value in np.linspace(high, low, count)] if count > 1 else [high]


def choose(
    rate: Vector, quality: Vector, wanted: Sequence[float], bonus: Vector, least_step: float = 1.0
) -> list[int]:
    """For each step the encode that misses it and the hull by the fewest VMAF points together.

    Args:
        rate: [N] log bitrates.
        quality: [N] VMAF.
        wanted: VMAF of the rungs, falling.
        bonus: [N] points that an encode may miss by for free.
        least_step: how many times the bitrate of a rung is that of the next one, at least.

    Returns:
        Indices in the order of ``wanted``, in which rate and quality both fall; fewer than were wanted where no
        encode is left for a step, or the one that is fits the next step better.
    """
    missed, chosen = gaps(rate, quality) - bonus, list[int]()
    for number, vmaf in enumerate(wanted):
        left = np.full(len(rate), True)
        if chosen:
            last = chosen[-1]
            left = (
                (rate < rate[last]) & (rate <= rate[last] - np.log(least_step) + 1e-9) & (quality < quality[last])
            )
        if not left.any():
            break
        index = int(np.argmin(np.where(left, np.abs(quality - vmaf) + missed, np.inf)))
        following = wanted[number + 1] if number + 1 < len(wanted) else -np.inf
        if abs(quality[index] - vmaf) <= abs(quality[index] - following):
            chosen.append(index)
    return chosen
