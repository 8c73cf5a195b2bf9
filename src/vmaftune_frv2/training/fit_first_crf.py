"""Learning where a search begins: ridge regression of the crf that meets a VMAF level on a source's complexity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import Line
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.first_crf import LEVELS, WEIGHTS, FirstCrf
from vmaftune_frv2.contract.rows import Clip
from vmaftune_frv2.training.baselines import falling_curve
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured

RIDGE = 1.0
"""Of standard-scaled inputs; added to sums over curves, not to means."""
MIN_CELLS = 4
"""A curve of fewer cells shows too little of where it crosses a level."""
MIN_CURVES = 8
"""Curves of an encoder across a level, below which the nearest level with more stands in."""
JUDGED_LEVELS = (80.0, 90.0, 95.0)

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The measured curve of one clip on one (encoder, preset).

    Args:
        group: what is left out together.
        line: encoder and native preset.
        complexity: [K] of the source, in the order of COMPLEXITY.
        crossings: [L] crf at each of LEVELS; NaN where the measured cells do not reach it.
        judged: whether figures count it.
    """

    group: str
    line: Line
    complexity: Vector
    crossings: Vector
    judged: bool


def fit_first_crf(rows: Sequence[Measured], group_by: str) -> FirstCrf | None:
    """Learns from every source whose complexity is known, and judges how far off it is on those left out.

    Args:
        rows: usable rows.
        group_by: as ``groups.group_names`` reads it.

    Returns:
        None where too few sources have a complexity.
    """
    curves = measured_curves(rows, group_by)
    fitted = fit_curves(curves)
    return replace(fitted, figures=_figures(curves)) if fitted else None


def measured_curves(rows: Sequence[Measured], group_by: str) -> list[Curve]:
    """The curves of rows whose source's complexity is known."""
    lines: dict[tuple[Clip, Line], list[tuple[Measured, str]]] = {}
    for row, group in zip(rows, group_names(rows, group_by), strict=True):
        if row.complexity is not None and ENCODERS.find(row.cell.encoder):
            lines.setdefault((row.clip, row.cell.line), []).append((row, group))
    curves = []
    for (_, line), members in lines.items():
        crfs = np.asarray([row.cell.crf for row, _ in members], dtype=np.float64)
        if len(set(crfs.tolist())) < MIN_CELLS:
            continue
        first, group = members[0]
        assert first.complexity is not None
        crossings = _crossings(*falling_curve(crfs, np.asarray([row.score for row, _ in members])))
        curves.append(Curve(group, line, first.complexity, crossings, first.judged))
    return curves


def fit_curves(curves: Sequence[Curve]) -> FirstCrf | None:
    """Ridge regression per encoder and level; None where no encoder has enough curves."""
    if not curves:
        return None
    scaler = FeatureScaler.fit(np.stack([curve.complexity for curve in curves]))
    weights = {}
    for encoder in dict.fromkeys(curve.line.encoder for curve in curves):
        mine = [curve for curve in curves if curve.line.encoder == encoder]
        ordinal = ENCODERS.get(encoder).preset_ordinal
        inputs = np.asarray([[*scaler.transform(curve.complexity), ordinal(curve.line.preset)] for curve in mine])
        wanted = np.stack([curve.crossings for curve in mine])
        known = np.flatnonzero(np.isfinite(wanted).sum(axis=0) >= MIN_CURVES)
        if len(known):
            rows = {level: _ridge(inputs, wanted[:, level]) for level in known}
            nearest = [known[np.argmin(np.abs(known - level))] for level in range(len(LEVELS))]
            weights[encoder] = np.stack([rows[level] for level in nearest])
    return FirstCrf(scaler, weights) if weights else None


def _crossings(crfs: Vector, vmaf: Vector) -> Vector:
    """[L] the crf at which a falling curve passes each level; NaN outside of what was measured."""
    inside = (np.asarray(LEVELS) <= vmaf[0]) & (np.asarray(LEVELS) >= vmaf[-1])
    return np.where(inside, np.interp(LEVELS, vmaf[::-1], crfs[::-1]), np.nan)


def _ridge(inputs: Vector, wanted: Vector) -> Vector:
    """[W] one of each of WEIGHTS; the preset's and the bias are not held back."""
    known = np.isfinite(wanted)
    X, y = inputs[known], wanted[known]
    centre, mean = X.mean(axis=0), y.mean()
    held = np.full(X.shape[1], RIDGE)
    held[WEIGHTS.index("preset_ordinal")] = 1e-6
    Z = X - centre
    weights = np.linalg.solve(Z.T @ Z + np.diag(held), Z.T @ (y - mean))
    return np.concatenate([weights, [mean - centre @ weights]])


def _figures(curves: Sequence[Curve]) -> dict[str, float]:
    """Mean absolute error in crf steps on left-out groups, and that of the mean crossing of the others."""
    judged = [curve for curve in curves if curve.judged]
    errors: list[tuple[float, float]] = []
    for group in dict.fromkeys(curve.group for curve in judged):
        others = [curve for curve in curves if curve.group != group]
        fitted = fit_curves(others)
        for curve in judged if fitted else ():
            if curve.group == group:
                errors += _errors(fitted, others, curve)
    if not errors:
        return {}
    learnt, typical = np.mean(errors, axis=0)
    return {"crossings": len(errors), "mae_crf": float(learnt), "typical_mae_crf": float(typical)}


def _errors(fitted: FirstCrf | None, others: Sequence[Curve], curve: Curve) -> list[tuple[float, float]]:
    """(of what was learnt, of the mean crossing) at each of JUDGED_LEVELS that the curve crosses."""
    line = [o.crossings for o in others if o.line == curve.line]
    found = []
    for level in JUDGED_LEVELS:
        column = LEVELS.index(level)
        true = curve.crossings[column]
        learnt = fitted.crf(*curve.line, level, curve.complexity) if fitted else None
        usual = [crossings[column] for crossings in line if np.isfinite(crossings[column])]
        if learnt is not None and np.isfinite(true) and usual:
            found.append((abs(learnt - true), abs(float(np.mean(usual)) - true)))
    return found
