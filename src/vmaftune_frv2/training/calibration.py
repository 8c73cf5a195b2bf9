"""Conformal calibration on out-of-fold residuals, and how well it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.intervals import ALL, BIAS, LEVELS, Intervals

MIN_ROWS = 50
"""Rows of an encoder that quantiles of its own need."""
FOLDS = 10
RIDGE, HELD_RIDGE = 1e-3, 0.1
"""Of the weights of covariates, and of those that tell whole sources apart, which are few."""
REPORTED = (0.5, 0.8, 0.9, 0.95)
ERROR_FLOOR = 0.16
"""Of the median error: how far below it errors still count as smaller ones. Logarithms of lucky hits are noise."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """Out-of-fold predictions and the truth.

    Args:
        covariates: [N] each.
        predicted: [N].
        true: [N].
        encoders: [N] names.
        groups: [N] what was left out together.
        low, high: range of what is predicted.
        held: covariates that tell whole sources apart.
    """

    covariates: Mapping[str, Vector]
    predicted: Vector
    true: Vector
    encoders: NDArray[np.str_]
    groups: NDArray[np.int64]
    low: float = 0.0
    high: float = 100.0
    held: tuple[str, ...] = ()

    def where(self, mask: NDArray[np.bool_]) -> Residuals:
        """Some of them."""
        return replace(
            self,
            covariates={name: values[mask] for name, values in self.covariates.items()},
            predicted=self.predicted[mask],
            true=self.true[mask],
            encoders=self.encoders[mask],
            groups=self.groups[mask],
        )


def calibrate(residuals: Residuals) -> Intervals:
    """Fits the typical error on the residuals, then its quantiles per encoder.

    Groups count alike, however many rows they have: the next source is one draw among groups. The quantiles are of
    errors over what a fit without their groups calls typical, where there are groups enough for that.
    """
    error = np.abs(residuals.predicted - residuals.true)
    scale = _fit_scale(residuals)
    fold = _folds(residuals.groups)
    if fold.max() + 1 < FOLDS:
        typical = scale.typical_error(residuals.covariates)
    else:
        typical = np.empty(len(error))
        for number in range(FOLDS):
            mine = fold == number
            typical[mine] = _fit_scale(residuals.where(~mine)).typical_error(residuals.where(mine).covariates)
    scores, weight = error / typical, _group_weights(residuals.groups)
    quantiles = {ALL: _quantiles(scores, weight)}
    for encoder in dict.fromkeys(residuals.encoders.tolist()):
        mine = residuals.encoders == encoder
        if mine.sum() >= MIN_ROWS:
            quantiles[encoder] = _quantiles(scores[mine], weight[mine])
    return Intervals(scale.weights, quantiles)


def _fit_scale(residuals: Residuals) -> Intervals:
    """The typical error, by ridge regression of its logarithm; quantiles of 1."""
    error, weight = np.abs(residuals.predicted - residuals.true), _group_weights(residuals.groups)
    names = list(residuals.covariates)
    X = np.column_stack([np.ones(len(error)), *(residuals.covariates[name] for name in names)])
    target = np.log(error + max(ERROR_FLOOR * float(np.median(error)), 1e-6))
    weighed = X.T * weight
    ridge = np.diag([RIDGE, *(HELD_RIDGE if name in residuals.held else RIDGE for name in names)])
    solved = np.linalg.solve(weighed @ X + ridge, weighed @ target)
    return Intervals(dict(zip([BIAS, *names], map(float, solved), strict=True)), {ALL: (1.0,) * len(LEVELS)})


def _folds(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] folds of whole groups, 0 to at most FOLDS - 1."""
    present, group = np.unique(groups, return_inverse=True)
    folds: NDArray[np.int64] = np.random.default_rng(0).permutation(len(present))[group] % FOLDS
    return folds


def _group_weights(groups: NDArray[np.int64]) -> Vector:
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weight: Vector = 1.0 / np.sqrt(counts[inverse])
    weight /= weight.sum()
    return weight


def _quantiles(scores: Vector, weight: Vector) -> tuple[float, ...]:
    order = np.argsort(scores)
    reached = np.cumsum(weight[order]) / weight.sum()
    # The finite-sample correction of split conformal prediction.
    wanted = np.minimum(np.asarray(LEVELS) * (1.0 + 1.0 / len(scores)), 1.0)
    return tuple(float(v) for v in np.interp(wanted, reached, scores[order]))


@dataclass(frozen=True)
class Coverage:
    """Measured coverage of intervals calibrated without the sources they are judged on.

    Args:
        measured: {nominal: share of rows inside}.
        by_encoder: {encoder: {nominal: share}}.
        width: {nominal: mean width}.
        mae: mean absolute error of the same rows.
    """

    measured: dict[str, float]
    by_encoder: dict[str, dict[str, float]]
    width: dict[str, float]
    mae: float


def cross_coverage(residuals: Residuals, of: NDArray[np.bool_] | None = None) -> Coverage:
    """Calibrates on nine tenths of the groups, judges on the tenth, ten times.

    Args:
        residuals: of at least two groups.
        of: [N] which of them are judged; None judges all.
    """
    fold, levels = _folds(residuals.groups), REPORTED
    wanted = np.ones(len(fold), dtype=bool) if of is None else of
    inside = np.zeros((len(levels), len(fold)), dtype=bool)
    width = np.zeros((len(levels), len(fold)))
    for number in np.unique(fold):
        judged = (fold == number) & wanted
        mine = residuals.where(judged)
        intervals = calibrate(residuals.where(fold != number))
        for index, level in enumerate(levels):
            half = intervals.half_width(mine.covariates, mine.encoders.tolist(), level)
            low = np.maximum(mine.predicted - half, mine.low)
            high = np.minimum(mine.predicted + half, mine.high)
            inside[index, judged] = (mine.true >= low - 1e-9) & (mine.true <= high + 1e-9)
            width[index, judged] = high - low
    names = [f"{level:g}" for level in levels]
    return Coverage(
        measured={name: float(inside[i, wanted].mean()) for i, name in enumerate(names)},
        by_encoder={
            str(encoder): {
                name: float(inside[i, wanted & (residuals.encoders == encoder)].mean())
                for i, name in enumerate(names)
            }
            for encoder in dict.fromkeys(residuals.encoders[wanted].tolist())
        },
        width={name: float(width[i, wanted].mean()) for i, name in enumerate(names)},
        mae=float(np.abs(residuals.predicted - residuals.true)[wanted].mean()),
    )
