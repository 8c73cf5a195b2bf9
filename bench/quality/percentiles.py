"""How well percentiles of the frames' VMAF and their harmonic mean are predicted; how often the intervals hold.

Asks `predict_curve` as `coverage.py` does, by nets that never saw the clip's title, from one and two measured
cells of a clip, encoder and preset, for every other measured cell of it. A percentile of a cell starts from
the same percentile of the measured cell's frames, everything else is as for the mean. "kept gap" is the
simpler rule beside it: the mean as predicted, and as far below it as the measured cell's percentile is below
its mean, in the space that predictions are made in. "factor" is by how much the half widths of the mean's 90
% interval would have to be multiplied for a coverage of exactly 90 %, "as shown" is the coverage with the
factors that `predict` uses. Every line counts alike. "below mean" is by how much a percentile lies below the
mean, in the same space, at the median.

    python bench/quality/percentiles.py [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from coverage import DRAWS, point
from unseen import LINES, fit_unseen

from vmaftune_frv2.contract.frame_pools import HARMONIC_MEAN, MEAN, pool_frames
from vmaftune_frv2.contract.quality_targets import percentile_name
from vmaftune_frv2.predict.curve_model import CurveModel
from vmaftune_frv2.predict.curves import LEVEL, predict_curve
from vmaftune_frv2.predict.pool_figures import wider
from vmaftune_frv2.training.learnable import Measured

PERCENTS = (0, 1, 2, 5, 10, 25, 50)
POOLS = (MEAN, HARMONIC_MEAN, *map(percentile_name, PERCENTS))


@dataclass
class Tally:
    """Errors, errors of the simpler rule, half widths of the mean's interval and weights of some predictions."""

    error: list[float] = field(default_factory=list)
    simple: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def shown(self, factor: float) -> str:
        error, simple, half, weight = map(np.asarray, (self.error, self.simple, self.half, self.weight))
        weight = weight / weight.sum()
        needed = error / np.maximum(half, 1e-9)
        order = np.argsort(needed)
        exact = float(np.interp(LEVEL, np.cumsum(weight[order]), needed[order]))
        as_mean, as_shown = (
            100.0 * float((weight * (error <= times * half + 1e-9)).sum()) for times in (1.0, factor)
        )
        mae, kept = float((weight * error).sum()), float((weight * simple).sum())
        return f"{len(error):7d} {mae:6.2f} {kept:9.2f} {as_mean:9.1f} % {exact:7.2f} {as_shown:9.1f} %"


def frames_of(row: Measured) -> list[float]:
    assert row.frames is not None
    return [float(value) for value in row.frames[:, -1]]


def judge(
    line: Sequence[Measured], pool: str, count: int, model: CurveModel, draw: np.random.Generator
) -> Iterator[tuple[str, float, float, float, float]]:
    """(encoder, error, error of the simpler rule, half width, weight) of every cell, from ``count`` others."""
    truth = {row.cell: pool_frames(frames_of(row), pool) for row in line}
    choices = list(combinations(line, count))
    picked = draw.permutation(len(choices))[:DRAWS]
    for known in (choices[index] for index in picked):
        asked = [row for row in line if row not in known]
        cells = [row.cell for row in asked]
        curve = predict_curve(model, [replace(point(row), vmaf=truth[row.cell]) for row in known], cells)
        mean = predict_curve(model, [point(row) for row in known], cells).mean
        near = [min(known, key=lambda other: abs(other.cell.crf - row.cell.crf)) for row in asked]
        gap = model.space.enter([truth[row.cell] for row in near]) - model.space.enter([r.score for r in near])
        kept = model.space.leave(model.space.enter(mean) + gap)
        for index, row in enumerate(asked):
            wanted = truth[row.cell]
            half = curve.typical[index] * model.intervals.quantile(row.cell.encoder, LEVEL)
            errors = abs(wanted - curve.mean[index]), abs(wanted - kept[index])
            yield row.cell.encoder, *errors, half, 1.0 / (len(picked) * len(asked))


def main() -> None:
    unseen = fit_unseen(__doc__)
    lines = unseen.lines()
    print(f"{len(lines)} lines of {len({group for group, _ in lines})} titles, nominal {100 * LEVEL:g} %")
    print("known  pool           cells         predicted    MAE  kept gap  coverage  factor  as shown")
    for count in (1, 2):
        for pool in POOLS:
            tallies: dict[str, Tally] = {}
            draw = np.random.default_rng(0)
            for group, line in lines:
                for encoder, error, simple, half, weight in judge(
                    line, pool, count, unseen.predictor(group), draw
                ):
                    for key in ("all", encoder):
                        tally = tallies.setdefault(key, Tally())
                        tally.error.append(float(error))
                        tally.simple.append(float(simple))
                        tally.half.append(float(half))
                        tally.weight.append(weight)
            for what in ("all", *(encoder for encoder, _ in LINES)):
                print(f"{count:5d}  {pool:14s} {what:12s} {tallies[what].shown(wider(pool))}", flush=True)
    space = unseen.predictor(lines[0][0]).space
    for percent in PERCENTS:
        name = percentile_name(percent)
        gaps = [
            space.enter(row.score) - space.enter(pool_frames(frames_of(row), name))
            for _, line in lines
            for row in line
        ]
        print(f"{name} below mean: {float(np.median(gaps)):.3f}")


if __name__ == "__main__":
    main()
