"""The curves of one source: every cell, predicted from all its measured cells together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.cells import Cell, by_line
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.curve_model import CurveModel, Point

Vector = NDArray[np.float64]
LEVEL = 0.9
"""Nominal coverage of the intervals shown."""
STRETCH = (0.4, 2.5)
"""How far a measured slope may correct a predicted one beyond the last measured cell."""
HALF_TRUST = 4.0
"""Crf steps between two measured cells at which half of that correction is believed: over one step it is noise."""


@dataclass(frozen=True)
class Curve:
    """One quantity over N cells.

    Args:
        mean: [N] predictions.
        low: [N] lower ends of the intervals.
        high: [N] upper ends.
        typical: [N] typical errors; 0 where a cell was measured.
    """

    mean: Vector
    low: Vector
    high: Vector
    typical: Vector


def predict_curve(
    model: CurveModel, points: Sequence[Point], cells: Sequence[Cell], level: float = LEVEL
) -> Curve:
    """Predicts cells from measured ones: exact at those, falling with crf.

    A cell whose encoder and preset were measured is predicted from the nearest measured cells of that preset;
    one of another preset from all measured cells of its encoder; one of an encoder without any from those of the
    encoders that the model learnt it from.

    Args:
        model: of the quantity.
        points: measured cells of one source, at least one that every cell's encoder was learnt from.
        cells: N cells.
        level: nominal coverage of the intervals.

    Raises:
        ModelError: an encoder was not learnt from cells of any measured one.
    """
    every = sorted({*cells, *(point.cell for point in points)})  # by encoder, preset, crf
    found = [model.from_point(point, every) for point in points]
    mean, typical, other = np.empty(len(every)), np.empty(len(every)), np.zeros(len(every), dtype=bool)
    for line, places in by_line(range(len(every)), lambda place: every[place].line).items():
        members = np.asarray(places)
        here = [index for index, point in enumerate(points) if point.cell.line == line]
        own = [index for index, point in enumerate(points) if point.cell.encoder == line.encoder]
        used = here or own or _learnt_from(model, points, line.encoder)
        other[members] = not (here or own)
        values = np.stack([found[index][0][members] for index in used])
        errors = np.stack([found[index][1][members] for index in used])
        if here:
            crfs = np.asarray([every[index].crf for index in members], dtype=np.float64)
            at = np.asarray([points[index].cell.crf for index in here], dtype=np.float64)
            mean[members], typical[members] = _bridge(model, values, errors, at, crfs)
        else:
            mean[members], typical[members] = _blend(model, values, errors)
        mean[members] = _falling(mean[members], typical[members])
    place = {cell: index for index, cell in enumerate(every)}
    asked = np.asarray([place[cell] for cell in cells])
    known = {point.cell: point.value(model.quantity) for point in points}
    exact = np.asarray([known.get(cell, value) for cell, value in zip(cells, mean[asked], strict=True)])
    factor = [
        model.intervals.quantile(cell.encoder, level, bool(from_another))
        for cell, from_another in zip(cells, other[asked], strict=True)
    ]
    return _with_intervals(model, exact, typical[asked], np.asarray(factor))


def _learnt_from(model: CurveModel, points: Sequence[Point], encoder: str) -> list[int]:
    """Points of other encoders from which an encoder's cells can be predicted."""
    found = [index for index, point in enumerate(points) if model.learns_from(encoder, point)]
    if not found:
        probed = ", ".join(dict.fromkeys(point.cell.encoder for point in points))
        raise ModelError(
            f"{model.sidecar.id} did not learn {encoder} from cells of {probed}; measure one of its own"
        )
    return found


def _with_intervals(model: CurveModel, mean: Vector, typical: Vector, factor: Vector) -> Curve:
    low, high = mean - typical * factor, mean + typical * factor
    if model.space.bounded:
        low, high = np.clip(low, 0.0, SCORE_MAX), np.clip(high, 0.0, SCORE_MAX)
    return Curve(mean, low, high, typical)


def _blend(model: CurveModel, values: Vector, errors: Vector) -> tuple[Vector, Vector]:
    """[P, N] predictions and typical errors of P points to [N] each: weighted by precision."""
    weight = 1.0 / np.maximum(errors, 1e-3) ** 2
    weight = weight / weight.sum(axis=0)
    z = (weight * model.space.enter(values)).sum(axis=0)
    # Points of one source err together: their mean is as wrong as they are on average.
    together: Vector = (weight * errors).sum(axis=0)
    return model.space.leave(z), together


def _bridge(model: CurveModel, values: Vector, errors: Vector, at: Vector, crfs: Vector) -> tuple[Vector, Vector]:
    """Predictions along one (encoder, preset) line from P points on it.

    Between two points the predictions of both are blended linearly in crf, as the mean of a Brownian bridge;
    beyond the outermost one its prediction is stretched as the measured drop was against the predicted one.

    Args:
        model: gives the space.
        values: [P, N] predictions from each point.
        errors: [P, N] typical errors.
        at: [P] crfs of the points.
        crfs: [N] crfs of the cells, ascending, those of the points among them.
    """
    order = np.argsort(at)
    at, z, errors = at[order], model.space.enter(values)[order], errors[order]
    if len(at) == 1:
        return values[0], errors[0]
    right = np.clip(np.searchsorted(at, crfs), 1, len(at) - 1)
    left = right - 1
    column = np.arange(len(crfs))
    share = np.clip((crfs - at[left]) / (at[right] - at[left]), 0.0, 1.0)
    mean = (1.0 - share) * z[left, column] + share * z[right, column]
    a, b = errors[left, column], errors[right, column]
    typical = a * b / np.maximum(np.hypot(a, b), 1e-9)
    measured = z[:, np.searchsorted(crfs, at)]  # [P, P] each point, predicted from each
    for outside, end, inner in ((crfs < at[0], 0, 1), (crfs > at[-1], -1, -2)):
        predicted = measured[end, inner] - measured[end, end]
        if outside.any() and abs(predicted) > 1e-6:
            ratio = np.clip((measured[inner, inner] - measured[end, end]) / predicted, *STRETCH)
            apart = abs(at[end] - at[inner])
            trust = apart / (apart + HALF_TRUST)
            mean[outside] = measured[end, end] + (z[end, outside] - measured[end, end]) * ratio**trust
        typical[outside] = errors[end, outside]
    return model.space.leave(mean), typical


def _falling(mean: Vector, typical: Vector) -> Vector:
    """[N] predictions in crf order, made to fall without moving a measured one."""
    values: Vector = mean.copy()
    fixed = np.flatnonzero(typical <= 0.0)
    for before, after in zip([-1, *fixed], [*fixed, len(values)], strict=True):
        top = values[before] if before >= 0 else np.inf
        bottom = values[after] if after < len(values) else -np.inf
        inner = slice(before + 1, after)
        values[inner] = np.clip(np.minimum.accumulate(values[inner]), min(bottom, top), top)
    return values
