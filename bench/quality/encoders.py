"""How far the first probe of a further encoder lies from what was expected of it, in every order of the encoders.

Simulates `predict SOURCE --target-vmaf 93` on measured curves of real clips, by nets that never saw the clip's
title. Every encoder is probed once, in the preset that the default call probes it in; the first one where the
complexity of the source, learnt without the title too, expects the target, every further one where all cells that
were probed before it do. Curves are those of search.py: of five measured cells at least, interpolated between, and
candidates are the crfs from the first to the last. A clip takes part with the encoders whose curve meets the
target.

All orders are walked: those that begin with libx264, as `predict` does wherever it is asked for, and those of the
other encoders without it. Errors are expected less measured VMAF; every order of a clip counts alike, and every
clip. "inside" is the share whose measured VMAF lies in the 90 % interval.

    python bench/quality/encoders.py [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5] [--target-vmaf 93]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from search import Line, begin, line_of
from unseen import GROUP_BY, Unseen, add_arguments, fit

from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER, Cell
from vmaftune_frv2.predict.curve_model import CurveModel, Point
from vmaftune_frv2.predict.curves import predict_curve
from vmaftune_frv2.predict.search import Goal, next_crf
from vmaftune_frv2.training.fit_first_crf import fit_curves, measured_curves
from vmaftune_frv2.training.typical import typical_curves

PROBED = (
    ("libx264", "veryfast"),
    ("libx265", "ultrafast"),
    ("libsvtav1", "10"),
    ("libvpx-vp9", "5"),
    ("libvvenc", "faster"),
    ("libaom-av1", "6"),
)
"""The first preset of each encoder."""
MISS = 3.0
"""VMAF points that an expectation should be within, on average."""


class Asked(CurveModel):
    """A predictor that is asked once what a measured cell says of all cells of a clip: orders share most cells."""

    def __init__(self, model: CurveModel, cells: Sequence[Cell]) -> None:
        super().__init__(model.sidecar, model.shift)
        said: dict[Cell, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        place = {cell: index for index, cell in enumerate(cells)}

        def remembered(point: Point, asked: Sequence[Cell]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            if point.cell not in said:
                said[point.cell] = model.from_point(point, cells)
            rows = [place[cell] for cell in asked]
            return said[point.cell][0][rows], said[point.cell][1][rows]

        object.__setattr__(self, "from_point", remembered)


@dataclass(frozen=True)
class Clip:
    """A clip, and what the nets that never saw its title say of it."""

    lines: dict[str, Line]
    goal: Goal
    model: CurveModel
    first: Callable[[Line], int]

    def probe(self, encoder: str, known: Sequence[Point]) -> Probe:
        """The first encode of an encoder, after those of others."""
        line = self.lines[encoder]
        before = tuple(point.cell.encoder for point in known)
        if not known:
            return Probe(before, line.point(self.first(line)))
        cells = [Cell(encoder, line.preset, crf) for crf in line.crfs]
        curve = predict_curve(self.model, known, cells)
        point = line.point(next_crf(self.goal, line.crfs, {}, curve.mean, curve.typical))
        at = line.crfs.index(point.cell.crf)
        inside = bool(curve.low[at] <= point.vmaf <= curve.high[at])
        return Probe(before, point, float(curve.mean[at] - point.vmaf), inside)

    def walk(self, encoders: Sequence[str], known: tuple[Point, ...] = ()) -> Iterator[Probe]:
        """The probes of every order of some encoders after those that are known, each once."""
        for encoder in encoders:
            probe = self.probe(encoder, known)
            yield probe
            yield from self.walk([other for other in encoders if other != encoder], (*known, probe.point))


@dataclass(frozen=True)
class Probe:
    """The first encode of an encoder.

    Args:
        before: encoders that were probed before it.
        point: what was measured.
        error: expected less measured VMAF; None where nothing was known.
        inside: whether the interval holds.
    """

    before: tuple[str, ...]
    point: Point
    error: float | None = None
    inside: bool = True


def clips(unseen: Unseen, target: float) -> Iterator[Clip]:
    """Those with two encoders whose curve meets the target."""
    curves, goal = measured_curves(unseen.rows, GROUP_BY), Goal(target)
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for group, measured in unseen.lines(PROBED):
        line = line_of(measured, 1, False)
        if line.vmaf[0] >= target > line.vmaf[-1]:
            found.setdefault((group, measured[0].source), {})[line.encoder] = line

    @cache
    def first_of(group: str) -> Callable[[Line], int]:
        rows = zip(unseen.rows, unseen.groups, strict=True)
        typical = typical_curves([row for row, other in rows if other != group and row.judged])
        learnt = fit_curves([curve for curve in curves if curve.group != group])
        return lambda line: begin(line, goal, learnt, typical[line.encoder][line.preset])

    for (group, _), lines in found.items():
        if len(lines) > 1:
            cells = [Cell(line.encoder, line.preset, crf) for line in lines.values() for crf in line.crfs]
            yield Clip(lines, goal, Asked(unseen.predictor(group), cells), first_of(group))


def told(probes: Sequence[Probe]) -> str:
    """Figures of some probes."""
    if not probes:
        return f"{'-':>6}"
    errors = np.asarray([probe.error for probe in probes])
    inside = 100 * np.mean([probe.inside for probe in probes])
    return (
        f"{np.abs(errors).mean():6.2f} {errors.mean():+6.2f} {np.percentile(np.abs(errors), 95):6.2f}"
        f" {np.abs(errors).max():6.2f} {inside:6.1f} %"
    )


def by_position(title: str, probes: Sequence[Probe]) -> None:
    """Prints what was found of each encoder, and after how many others it was probed."""
    further = [probe for probe in probes if probe.error is not None]
    positions = range(1, 1 + max((len(probe.before) for probe in further), default=0))
    print(
        f"\n{title}\n{'mean error after':12}"
        + "".join(f"{n:6d}" for n in positions)
        + "    all   bias    p95  worst   inside"
    )
    for encoder in (*(name for name, _ in PROBED), "all"):
        mine = [probe for probe in further if encoder in ("all", probe.point.cell.encoder)]
        if mine:
            errors = [[abs(probe.error or 0.0) for probe in mine if len(probe.before) == n] for n in positions]
            print(
                f"{encoder:16}"
                + "".join(f"{np.mean(e):6.2f}" if e else f"{'-':>6}" for e in errors)
                + f" {told(mine)}"
            )


def by_pair(probes: Sequence[Probe]) -> None:
    """Prints the mean error of every encoder after every other one."""
    names = [name for name, _ in PROBED]
    print("\nmean error of (column) after (row) alone\n" + " " * 12 + "".join(f"{name:>12}" for name in names))
    for known in names:
        row = [[p for p in probes if p.before == (known,) and p.point.cell.encoder == name] for name in names]
        means = [f"{np.mean([abs(p.error or 0.0) for p in mine]):12.2f}" if mine else f"{'-':>12}" for mine in row]
        print(f"{known:12}" + "".join(means))


def report(unseen: Unseen, target: float) -> None:
    """Walks all orders of every clip and prints what was found."""
    begun: list[Probe] = []
    without: list[Probe] = []
    pairs: list[Probe] = []
    count = 0
    for clip in clips(unseen, target):
        count += 1
        others = [encoder for encoder in clip.lines if encoder != UNIVERSAL_ENCODER]
        firsts = {encoder: clip.probe(encoder, ()).point for encoder in clip.lines}
        if UNIVERSAL_ENCODER in firsts:
            begun += clip.walk(others, (firsts[UNIVERSAL_ENCODER],))
        without += clip.walk(others)
        pairs += [clip.probe(b, [point]) for a, point in firsts.items() for b in clip.lines if a != b]
    print(f"{count} clips, target {target:g}")
    by_position("all encoders, libx264 first", begun)
    by_position("without libx264", without)
    by_pair(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target-vmaf", type=float, default=93.0)
    arguments = add_arguments(parser).parse_args()
    report(fit(arguments), arguments.target_vmaf)


if __name__ == "__main__":
    main()
