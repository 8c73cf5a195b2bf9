"""Encodes until the answer is pinned down: this package's search against bisection and an interpolating one.

Searches run on measured curves of real clips, by nets that never saw the clip's title. A curve is the monotone
interpolation (PCHIP) of the measured cells of one (clip, encoder, preset), of which there must be five; what a
probe between two of them would tell is interpolated too. A search ends when a measured VMAF lies in
[target, target + 0.5], or the largest crf that reaches the target and its failing neighbour have both been
measured. Every encode counts.

Every search is run twice: over the crfs that were measured, whose ends give away where the answer lies, and over
the range in which ab-av1 searches by default; beyond the measured cells a curve goes on as steeply as it ended.

    python bench/quality/search.py [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from unseen import GROUP_BY, Unseen, fit_unseen

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.first_crf import FirstCrf
from vmaftune_frv2.predict.curve_model import CurveModel, Point
from vmaftune_frv2.predict.curves import predict_curve
from vmaftune_frv2.predict.search import Goal, judge, next_crf
from vmaftune_frv2.training.fit_first_crf import fit_curves, measured_curves
from vmaftune_frv2.training.learnable import Measured
from vmaftune_frv2.training.typical import typical_curves

TARGETS = (80.0, 90.0, 95.0)
LEAST_SLOPE = 0.02
"""VMAF points a crf step, beyond the measured cells."""
SEARCHED = {
    "libx264": (10, 46),
    "libx265": (10, 46),
    "libsvtav1": (5, 63),
    "libvpx-vp9": (10, 55),
    "libvvenc": (10, 55),
}
"""ab-av1's default --min-crf and --max-crf, as far as the encoder goes."""


@dataclass
class Line:
    """One measured curve."""

    encoder: str
    preset: str
    crfs: list[int]
    vmaf: NDArray[np.float64]
    told: NDArray[np.float64]
    complexity: NDArray[np.float64] | None

    def point(self, crf: int) -> Point:
        index = self.crfs.index(crf)
        return Point(Cell(self.encoder, self.preset, crf), float(self.vmaf[index]), 0.0, self.told[index])


def line_of(measured: Sequence[Measured]) -> Line:
    """The curve through the measured cells of one clip, encoder and preset, in crf order."""
    cell = measured[0].cell
    at = np.asarray([row.cell.crf for row in measured], dtype=float)
    crfs = list(range(int(at[0]), int(at[-1]) + 1))
    falling = np.minimum.accumulate([row.score for row in measured])
    told = np.stack([row.descriptor for row in measured if row.descriptor is not None])
    interpolated = np.column_stack([np.interp(crfs, at, column) for column in told.T])
    vmaf = PchipInterpolator(at, falling)(crfs)
    interpolated[:, DESCRIPTOR.index("vmaf")] = vmaf
    return Line(cell.encoder, cell.preset, crfs, vmaf, interpolated, measured[0].complexity)


def widened(line: Line) -> Line:
    """The same curve over all of SEARCHED."""
    low, high = SEARCHED[line.encoder]
    crfs = np.arange(min(low, line.crfs[0]), max(high, line.crfs[-1]) + 1)
    inside = np.clip(crfs, line.crfs[0], line.crfs[-1]) - line.crfs[0]
    first, last = max(line.vmaf[0] - line.vmaf[1], LEAST_SLOPE), max(line.vmaf[-2] - line.vmaf[-1], LEAST_SLOPE)
    vmaf = line.vmaf[inside]
    vmaf = vmaf + first * np.maximum(line.crfs[0] - crfs, 0) - last * np.maximum(crfs - line.crfs[-1], 0)
    vmaf = np.clip(vmaf, 0.0, 100.0)
    told = line.told[inside].copy()
    told[:, DESCRIPTOR.index("vmaf")] = vmaf
    return Line(line.encoder, line.preset, crfs.tolist(), vmaf, told, line.complexity)


def begin(line: Line, goal: Goal, learnt: FirstCrf | None, typical: list[list[float]]) -> int:
    """Where ``predict`` begins: where the source itself, else the typical curve, expects the target."""
    if learnt is not None and line.complexity is not None:
        guess = learnt.crf(line.encoder, line.preset, goal.target, line.complexity)
        if guess is not None:
            return min(line.crfs, key=lambda crf: abs(crf - guess))
    crf, vmaf = np.asarray(typical).T
    return max((c for c in line.crfs if np.interp(c, crf, vmaf) >= goal.target), default=line.crfs[0])


def ours(line: Line, goal: Goal, model: CurveModel, first: int) -> int:
    """Encodes that this package's search needs."""
    points = [line.point(first)]
    cells = [Cell(line.encoder, line.preset, crf) for crf in line.crfs]
    while True:
        measured = {point.cell.crf: point.vmaf for point in points}
        if judge(goal, line.crfs, measured).decided:
            return len(points)
        curve = predict_curve(model, points, cells)
        points.append(line.point(next_crf(goal, line.crfs, measured, curve.mean, curve.typical)))


def stepwise(line: Line, goal: Goal, choose: Callable[[dict[int, float], int, int], int]) -> int:
    """Encodes that a search without a model needs; ``choose`` sees what is measured and the open interval."""
    measured: dict[int, float] = {}
    while True:
        state = judge(goal, line.crfs, measured)
        if state.decided:
            return len(measured)
        low, high = state.open[0] - 1, state.open[-1] + 1
        crf = min(max(choose(measured, low, high), low + 1), high - 1)
        measured[crf] = line.point(crf).vmaf


def bisect(measured: dict[int, float], low: int, high: int) -> int:
    """The middle of what is open."""
    return (low + high) // 2


def interpolate(goal: Goal) -> Callable[[dict[int, float], int, int], int]:
    """The middle first, a cut to four tenths of the rest while one side is open, then linear interpolation."""

    def choose(measured: dict[int, float], low: int, high: int) -> int:
        if low in measured and high in measured:
            share = (measured[low] - goal.target) / (measured[low] - measured[high])
            return round(low + share * (high - low))
        if len(measured) == 1:
            (known,) = measured
            end = high if low in measured else low
            return round(0.4 * known + 0.6 * end)
        return (low + high) // 2 if not measured else (high - 1 if low in measured else low + 1)

    return choose


def oracle(line: Line, goal: Goal) -> int:
    """Encodes of one who knows the curve: the answer, and its neighbour where that must be shown to fail."""
    reaching = [crf for crf, vmaf in zip(line.crfs, line.vmaf, strict=True) if vmaf >= goal.target]
    if not reaching or reaching[-1] == line.crfs[-1]:
        return 1
    return 1 if line.vmaf[line.crfs.index(reaching[-1])] <= goal.target + goal.tolerance else 2


def searches(unseen: Unseen) -> Iterator[tuple[str, Line, Goal, dict[str, int]]]:
    """(range, line, goal, {searcher: encodes}) of every search."""
    curves = measured_curves(unseen.rows, GROUP_BY)
    lines: dict[str, list[Line]] = {}
    for group, measured in unseen.lines():
        lines.setdefault(group, []).append(line_of(measured))
    for group, members in lines.items():
        pairs = zip(unseen.rows, unseen.groups, strict=True)
        typical = typical_curves([row for row, other in pairs if other != group and row.judged])
        learnt = fit_curves([curve for curve in curves if curve.group != group])
        opened = unseen.predictor(group)
        for line, target in product(members, TARGETS):
            if not line.vmaf[0] >= target > line.vmaf[-1]:
                continue
            goal = Goal(target)
            for name, over in (("measured range", line), ("default range", widened(line))):
                first = begin(over, goal, learnt, typical[line.encoder][line.preset])
                yield (
                    name,
                    line,
                    goal,
                    {
                        "this package": ours(over, goal, opened, first),
                        "interpolating": stepwise(over, goal, interpolate(goal)),
                        "bisection": stepwise(over, goal, bisect),
                        "oracle": oracle(over, goal),
                    },
                )


def main() -> None:
    counts: dict[tuple[str, str], dict[str, list[int]]] = {}
    for where, line, goal, found in searches(fit_unseen(__doc__)):
        for key in ("all", line.encoder, f"target {goal.target:g}"):
            for name, count in found.items():
                counts.setdefault((where, key), {}).setdefault(name, []).append(count)
    for (where, key), by_name in sorted(counts.items()):
        shown = "  ".join(f"{name} {np.mean(values):.2f}" for name, values in by_name.items())
        print(f"{where:14s} {key:10s} {len(by_name['oracle']):4d} searches: {shown}")
    for where in sorted({where for where, _ in counts}):
        every = counts[where, "all"]
        mine = np.mean(every["this package"])
        ratios = [f"{name} {np.mean(every[name]) / mine:.2f}x" for name in ("bisection", "interpolating")]
        print(f"{where}: {', '.join(ratios)} the encodes; most of one search {max(every['this package'])}")


if __name__ == "__main__":
    main()
