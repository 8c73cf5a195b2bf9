"""How well predicted scores agree with measured ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of N predictions with the truth.

    Args:
        n: number of pairs.
        plcc: Pearson's linear correlation; 0 where the predictions do not vary, None where the truth
            does not.
        srocc: Spearman's rank correlation, likewise.
        rmse: root mean square error, VMAF points.
        mae: mean absolute error, VMAF points.
        p95: 95th percentile of the absolute error, VMAF points.
    """

    n: int
    plcc: float | None
    srocc: float | None
    rmse: float
    mae: float
    p95: float


def agreement(predicted: Vector, true: Vector) -> Agreement:
    """Compares [N] predictions with [N] true scores, N >= 1."""
    error = np.abs(predicted - true)
    return Agreement(
        n=len(true),
        plcc=pearson(predicted, true),
        srocc=pearson(_ranks(predicted), _ranks(true)),
        rmse=math.sqrt(float(np.mean(error**2))),
        mae=float(np.mean(error)),
        p95=float(np.percentile(error, 95)),
    )


BANDS = (0.0, 40.0, 60.0, 75.0, 85.0, 92.0, 100.0)
"""Edges of the bands of true VMAF that errors are reported by."""


def by_band(predicted: Vector, true: Vector) -> dict[str, Agreement]:
    """{"60-75": agreement of the pairs whose truth lies there}, bands without pairs left out."""
    found = {}
    for low, high in pairwise(BANDS):
        mine = (true >= low) & ((true < high) | (high == BANDS[-1]))
        if mine.any():
            found[f"{low:g}-{high:g}"] = agreement(predicted[mine], true[mine])
    return found


def pearson(predicted: Vector, true: Vector) -> float | None:
    """Pearson's r; 0 if only the predictions are constant, None if the truth is (or N < 2)."""
    if len(true) < 2 or np.ptp(true) < 1e-9:
        return None
    if np.ptp(predicted) < 1e-6:
        return 0.0
    return float(np.corrcoef(predicted, true)[0, 1])


def _ranks(values: Vector) -> Vector:
    """Average ranks, ties shared."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    average: Vector = (last - (counts - 1) / 2.0)[inverse]
    return average
