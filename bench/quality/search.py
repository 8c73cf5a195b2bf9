"""Encodes until the answer is pinned down: this package's search against bisection and an interpolating one.

Searches run on measured curves of real clips, by nets that never saw the clip's title. A curve is the monotone
interpolation (PCHIP) of the measured cells of one (clip, encoder, preset), of which there must be five; what a
probe between two of them would tell is interpolated too. A search ends when a measured VMAF lies in
[target, target + 0.5], or the largest crf that reaches the target and its failing neighbour have both been
measured. Every encode counts.

Where an encoder takes crfs between whole ones, this package's search uses them, as ``predict --verify`` does where
no crf is named; a neighbour is then one step of the encoder away. "Whole crfs" is the same search without these;
all others search whole crfs.

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
from vmaftune_frv2.contract.crf import Crf, crf_range
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.encoders import ENCODERS
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
    """One measured curve, at every step of a search."""

    encoder: str
    preset: str
    crfs: list[Crf]
    vmaf: NDArray[np.float64]
    told: NDArray[np.float64]
    complexity: NDArray[np.float64] | None

    def point(self, crf: Crf) -> Point:
        index = self.crfs.index(crf)
        return Point(Cell(self.encoder, self.preset, crf), float(self.vmaf[index]), 0.0, self.told[index])


def line_of(measured: Sequence[Measured], step: float, wide: bool) -> Line:
    """The curve through the measured cells of one clip, encoder and preset.

    Args:
        measured: in crf order.
        step: of the crfs.
        wide: whether over all of SEARCHED, beyond the measured cells as steeply as the curve ended.
    """
    cell = measured[0].cell
    at = np.asarray([row.cell.crf for row in measured], dtype=float)
    low, high = SEARCHED[cell.encoder] if wide else (at[0], at[-1])
    crfs = crf_range(int(min(low, at[0])), int(max(high, at[-1])), step)
    inside = np.clip(crfs, at[0], at[-1])
    told = np.stack([row.descriptor for row in measured if row.descriptor is not None])
    interpolated = np.column_stack([np.interp(inside, at, column) for column in told.T])
    curve = PchipInterpolator(at, np.minimum.accumulate([row.score for row in measured]))
    first, last = (max(float(curve(a) - curve(a + 1)), LEAST_SLOPE) for a in (at[0], at[-1] - 1))
    beyond = np.asarray(crfs) - inside
    vmaf = np.clip(curve(inside) + first * np.maximum(-beyond, 0) - last * np.maximum(beyond, 0), 0.0, 100.0)
    interpolated[:, DESCRIPTOR.index("vmaf")] = vmaf
    return Line(cell.encoder, cell.preset, list(crfs), vmaf, interpolated, measured[0].complexity)


def begin(line: Line, goal: Goal, learnt: FirstCrf | None, typical: list[list[float]]) -> Crf:
    """Where ``predict`` begins: where the source itself, else the typical curve, expects the target."""
    if learnt is not None and line.complexity is not None:
        guess = learnt.crf(line.encoder, line.preset, goal.middle, line.complexity)
        if guess is not None:
            return min(line.crfs, key=lambda crf: abs(crf - guess))
    crf, vmaf = np.asarray(typical).T
    return max((c for c in line.crfs if np.interp(c, crf, vmaf) >= goal.middle), default=line.crfs[0])


def ours(line: Line, goal: Goal, model: CurveModel, first: Crf) -> tuple[int, float]:
    """Encodes that this package's search needs, and by how much its pick lies above the target."""
    points = [line.point(first)]
    cells = [Cell(line.encoder, line.preset, crf) for crf in line.crfs]
    while True:
        measured = {point.cell.crf: point.vmaf for point in points}
        state = judge(goal, line.crfs, measured)
        if state.decided:
            return len(points), np.nan if state.best is None else measured[state.best] - goal.target
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


def searches(unseen: Unseen) -> Iterator[tuple[str, Line, Goal, dict[str, float]]]:
    """(range, line, goal, {searcher: encodes, and where it ended}) of every search."""
    curves = measured_curves(unseen.rows, GROUP_BY)
    lines: dict[str, list[list[Measured]]] = {}
    for group, measured in unseen.lines():
        lines.setdefault(group, []).append(measured)
    for group, members in lines.items():
        pairs = zip(unseen.rows, unseen.groups, strict=True)
        typical = typical_curves([row for row, other in pairs if other != group and row.judged])
        learnt = fit_curves([curve for curve in curves if curve.group != group])
        opened = unseen.predictor(group)
        for measured, target, wide in product(members, TARGETS, (False, True)):
            narrow, line = line_of(measured, 1, False), line_of(measured, 1, wide)
            if not narrow.vmaf[0] >= target > narrow.vmaf[-1]:
                continue
            fine = line_of(measured, ENCODERS.crf_step(line.encoder), wide)
            goal = Goal(target)
            known = goal, learnt, typical[line.encoder][line.preset]
            whole, above = ours(line, goal, opened, begin(line, *known))
            between, nearer = ours(fine, goal, opened, begin(fine, *known))
            found = {
                "whole crfs": whole,
                "this package": between,
                "interpolating": stepwise(line, goal, interpolate(goal)),
                "bisection": stepwise(line, goal, bisect),
                "oracle": oracle(line, goal),
                "VMAF above target, whole crfs": above,
                "this package's": nearer,
            }
            yield "default range" if wide else "measured range", line, goal, found


def main() -> None:
    counts: dict[tuple[str, str], dict[str, list[float]]] = {}
    for where, line, goal, found in searches(fit_unseen(__doc__)):
        for key in ("all", line.encoder, f"target {goal.target:g}"):
            for name, count in found.items():
                counts.setdefault((where, key), {}).setdefault(name, []).append(count)
    for (where, key), by_name in sorted(counts.items()):
        shown = "  ".join(f"{name} {np.nanmean(values):.2f}" for name, values in by_name.items())
        print(f"{where:14s} {key:10s} {len(by_name['oracle']):4d} searches: {shown}")
    for where in sorted({where for where, _ in counts}):
        every = counts[where, "all"]
        mine = np.mean(every["this package"])
        ratios = [f"{name} {np.mean(every[name]) / mine:.2f}x" for name in ("bisection", "interpolating")]
        print(f"{where}: {', '.join(ratios)} the encodes; most of one search {max(every['this package'])}")


if __name__ == "__main__":
    main()
