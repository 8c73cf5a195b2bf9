"""Scores of other VMAF models on the scale of the one that the curve models learnt, and back.

VMAF models agree on what is better, each on a scale of its own. A score of another model is read as the score of
the learnt one that usually goes with it, the curves predict on that scale, and what they say is read back. What is
lost that way widens the intervals. ``bench/quality/vmaf_models.py`` fits the scales and measures the factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmaftune_frv2.contract.frame_pools import FRAMES
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF, VMAF_ALSO, Row
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL

KNOTS = (0.0, 20.0, 40.0, 50.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0, 100.0)
"""Scores of ``DEFAULT_MODEL`` at which scales are known; between them they are straight."""


@dataclass(frozen=True)
class Scale:
    """How one VMAF model's scores go with the learnt one's.

    Args:
        values: scores of the model at KNOTS, rising.
        wider: factor of an interval's half width.
        error: typical absolute error of a score that is read, VMAF points.
        top: the learnt model's usual score where the model gives its best; above it nothing can be told.
    """

    values: Sequence[float]
    wider: float = 1.0
    error: float = 0.0
    top: float = 100.0

    def learnt(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores of the model as scores of the learnt one, same shape."""
        return np.minimum(np.interp(np.asarray(scores, dtype=np.float64), self.values, KNOTS), self.top)

    def shown(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The inverse of ``learnt`` below ``top``."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), KNOTS, self.values))

    def row(self, row: Row) -> Row:
        """A row scored with the model, as the learnt one might have scored it."""
        frames = self.learnt(row[PER_FRAME_VMAF])
        return {**row, PER_FRAME_VMAF: frames.tolist(), "vmaf_score": float(frames.mean())}


SAME = Scale(KNOTS)
SCALES: Mapping[str, Scale] = {
    "vmaf_4k_v0.6.1": Scale(
        (39.69, 50.27, 60.83, 68.34, 74.21, 80.90, 87.12, 90.76, 93.92, 97.80, 100.00), 1.25, 0.25, 99.4
    ),
    "vmaf_v0.6.1neg": Scale(
        (8.62, 22.99, 37.34, 48.38, 57.81, 67.88, 77.42, 82.94, 87.87, 93.02, 99.49), 1.1, 0.2
    ),
    "vmaf_v0.6.1:enable_transform=true": Scale(
        (21.76, 39.82, 57.85, 70.78, 80.10, 88.22, 94.59, 97.68, 99.89, 99.99, 100.00), 1.4, 0.1, 96.3
    ),
    "vmaf_v1.0.16_3d0h": Scale(
        (16.68, 33.87, 51.01, 60.34, 67.69, 75.82, 83.17, 86.95, 90.72, 94.59, 99.16), 1.25, 0.4, 99.7
    ),
}
"""{model: its scale}, of models that were measured."""
UNMEASURED = Scale(KNOTS, 2.0, 1.5)
"""Of a model that was not: its scores are read as they are."""


def scale_of(model: str, learnt: str | None) -> Scale:
    """The scale of scores of ``model``, for curve models that learnt those of ``learnt``.

    Args:
        model: by libvmaf's name.
        learnt: likewise; None where the curve models do not say, which is as if it were ``model``.
    """
    if learnt in (None, model):
        return SAME
    if learnt != DEFAULT_MODEL:
        return UNMEASURED
    return SCALES.get(model, UNMEASURED)


def further_scores(row: Row) -> dict[str, dict[str, float]]:
    """{further VMAF model: {pool: its score}} of a measured row."""
    return {
        model: {pool: value for pool, value in scores.items() if pool != FRAMES}
        for model, scores in (row.get(VMAF_ALSO) or {}).items()
    }
