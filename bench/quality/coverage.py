"""How often the 90 % interval holds, by how many cells of a line are known.

Asks `predict_curve` for measured cells of real clips, by nets that never saw the clip's title, from one, two and
three other measured cells of the same clip, encoder and preset, and counts how often the measured VMAF lies in
the interval. Lines are those of `unseen.py`, of which five cells must have been measured; known cells are drawn
at random among them, so that nothing is interpolated. "between" has a known cell on either side, "beyond" on one
only. The intervals were calibrated on left-out titles, the judged one among them, which is one of many. Every
line counts alike. The last column is by how much the half widths would have to be multiplied for a coverage of
exactly 90 %.

    python bench/quality/coverage.py [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from unseen import LINES, fit_unseen

from vmaftune_frv2.predict.curve_model import CurveModel, Point
from vmaftune_frv2.predict.curves import LEVEL, predict_curve
from vmaftune_frv2.training.learnable import Measured

KNOWN = (1, 2, 3)
DRAWS = 6
"""Choices of known cells per line and number of them."""


@dataclass
class Tally:
    """Errors, half widths and weights of some predictions."""

    error: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def shown(self) -> str:
        error, half, weight = map(np.asarray, (self.error, self.half, self.weight))
        weight = weight / weight.sum()
        inside = float((weight * (error <= half + 1e-9)).sum())
        ratio = error / np.maximum(half, 1e-9)
        order = np.argsort(ratio)
        factor = float(np.interp(LEVEL, np.cumsum(weight[order]), ratio[order]))
        mae, width = float((weight * error).sum()), float(2 * (weight * half).sum())
        return f"{len(error):7d} {100 * inside:9.1f} % {mae:6.2f} {width:6.2f} {factor:7.2f}"


def point(row: Measured) -> Point:
    assert row.descriptor is not None
    return Point(row.cell, row.score, 0.0, row.descriptor)


def judge(line: Sequence[Measured], model: CurveModel, draw: np.random.Generator) -> dict[tuple[str, ...], Tally]:
    """What is found on one line, by what it counts towards."""
    found: dict[tuple[str, ...], Tally] = {}
    for count in KNOWN:
        choices = list(combinations(line, count))
        picked = draw.permutation(len(choices))[:DRAWS]
        rest = len(line) - count
        for known in (choices[index] for index in picked):
            asked = [row for row in line if row not in known]
            curve = predict_curve(model, [point(row) for row in known], [row.cell for row in asked])
            crfs = [row.cell.crf for row in known]
            for index, row in enumerate(asked):
                where = "between" if min(crfs) < row.cell.crf < max(crfs) else "beyond"
                error = abs(row.score - curve.mean[index])
                half = curve.typical[index] * model.intervals.quantile(row.cell.encoder, LEVEL)
                for key in ((str(count), "all"), (str(count), where), (str(count), row.cell.encoder)):
                    tally = found.setdefault(key, Tally())
                    tally.error.append(float(error))
                    tally.half.append(float(half))
                    tally.weight.append(1.0 / (len(picked) * rest))
    return found


def main() -> None:
    unseen = fit_unseen(__doc__)
    lines, draw = unseen.lines(), np.random.default_rng(0)
    tallies: dict[tuple[str, ...], Tally] = {}
    for group, line in lines:
        for key, found in judge(line, unseen.predictor(group), draw).items():
            tally = tallies.setdefault(key, Tally())
            tally.error += found.error
            tally.half += found.half
            tally.weight += found.weight
    print(f"{len(lines)} lines of {len({group for group, _ in lines})} titles, nominal {100 * LEVEL:g} %")
    print("known  cells         predicted  coverage    MAE  width  factor")
    for what in ("all", "between", "beyond", *(encoder for encoder, _ in LINES)):
        for count in map(str, KNOWN):
            if (count, what) in tallies:
                print(f"{count:5s}  {what:12s} {tallies[count, what].shown()}")


if __name__ == "__main__":
    main()
