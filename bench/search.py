"""Encodes until the answer is pinned down: this package's search against bisection and an interpolating one.

Searches run on measured curves of real clips, by nets that never saw the clip's title. A curve is the monotone
interpolation (PCHIP) of the measured cells of one (clip, encoder, preset), of which there must be five; what a
probe between two of them would tell is interpolated too. A search ends when a measured VMAF lies in
[target, target + 0.5], or the largest crf that reaches the target and its failing neighbour have both been
measured. Every encode counts.

    python bench/search.py [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import ANCHORED_VOCABULARY, CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.first_crf import FirstCrf
from vmaftune_frv2.contract.sidecar import SCORE, Sidecar
from vmaftune_frv2.predict.anchored import Anchored, Point
from vmaftune_frv2.predict.curves import predict_curve
from vmaftune_frv2.predict.search import Goal, judge, next_crf
from vmaftune_frv2.training.anchored import AnchoredModel, fit_anchored
from vmaftune_frv2.training.first_crf import fit_curves, measured_curves
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured, load_corpus
from vmaftune_frv2.training.pairs import make_pairs
from vmaftune_frv2.training.train import SCORE_FIT, SCORE_NET
from vmaftune_frv2.training.typical import typical_curves

TARGETS = (80.0, 90.0, 95.0)
LINES = (
    ("libx264", "medium"),
    ("libx265", "medium"),
    ("libsvtav1", "10"),
    ("libvpx-vp9", "5"),
    ("libvvenc", "faster"),
)
MIN_POINTS = 5


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


def lines_of(rows: Sequence[Measured], groups: Sequence[str]) -> list[tuple[str, Line]]:
    """(group, curve) of every clip, encoder and preset that was measured densely."""
    found: dict[tuple[str, str, str, str], list[Measured]] = {}
    for row, group in zip(rows, groups, strict=True):
        if row.judged and row.descriptor is not None and (row.cell.encoder, row.cell.preset) in LINES:
            found.setdefault((group, row.source, row.cell.encoder, row.cell.preset), []).append(row)
    lines = []
    for (group, _, encoder, preset), measured in found.items():
        if len(measured) < MIN_POINTS:
            continue
        measured.sort(key=lambda row: row.cell.crf)
        at = np.asarray([row.cell.crf for row in measured], dtype=float)
        crfs = list(range(int(at[0]), int(at[-1]) + 1))
        falling = np.minimum.accumulate([row.score for row in measured])
        told = np.stack([row.descriptor for row in measured if row.descriptor is not None])
        interpolated = np.column_stack([np.interp(crfs, at, column) for column in told.T])
        vmaf = PchipInterpolator(at, falling)(crfs)
        interpolated[:, DESCRIPTOR.index("vmaf")] = vmaf
        lines.append((group, Line(encoder, preset, crfs, vmaf, interpolated, measured[0].complexity)))
    return lines


def predictor(model: AnchoredModel, group: str) -> Anchored:
    """The nets that never saw a group, as ``predict`` would open them."""
    nets = model.folded[group]
    sidecar = Sidecar(
        id="fold", onnx="", sha256="", opset=17, input_names=(), output_names=(), scaler=nets[0].scaler,
        block=CodecBlock.of_version(ANCHORED_VOCABULARY), notes="", feature_order=DESCRIPTOR, quantity=SCORE,
        anchor_pad=model.config.pad, intervals=model.intervals,
    )  # fmt: skip

    def shift(features, probe_codec, codec, anchor):  # type: ignore[no-untyped-def]
        return np.stack([net.run_scaled(features, probe_codec, codec, anchor) for net in nets])

    return Anchored(sidecar, shift)


def begin(line: Line, goal: Goal, learnt: FirstCrf | None, typical: list[list[float]]) -> int:
    """Where ``predict`` begins: where the source itself, else the typical curve, expects the target."""
    if learnt is not None and line.complexity is not None:
        guess = learnt.crf(line.encoder, line.preset, goal.target, line.complexity)
        if guess is not None:
            return min(line.crfs, key=lambda crf: abs(crf - guess))
    crf, vmaf = np.asarray(typical).T
    return max((c for c in line.crfs if np.interp(c, crf, vmaf) >= goal.target), default=line.crfs[0])


def ours(line: Line, goal: Goal, model: Anchored, first: int) -> int:
    """Encodes that this package's search needs."""
    points = [line.point(first)]
    cells = [Cell(line.encoder, line.preset, crf) for crf in line.crfs]
    while True:
        measured = {point.cell.crf: point.vmaf for point in points}
        if judge(goal, line.crfs, measured).settled:
            return len(points)
        curve = predict_curve(model, points, cells)
        points.append(line.point(next_crf(goal, line.crfs, measured, curve.mean, curve.typical)))


def stepwise(line: Line, goal: Goal, choose: Callable[[dict[int, float], int, int], int]) -> int:
    """Encodes that a search without a model needs; ``choose`` sees what is measured and the open interval."""
    measured: dict[int, float] = {}
    while True:
        state = judge(goal, line.crfs, measured)
        if state.settled:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    corpora = Path(__file__).parent / "corpus"
    parser.add_argument("--corpus", type=Path, nargs="+", default=[corpora / "clips.jsonl.gz"])
    parser.add_argument("--only-learn", type=Path, nargs="*", default=[corpora / "made.jsonl.gz"])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.corpus, None, arguments.only_learn)
    groups = group_names(corpus.rows, "stem-prefix")
    pairs = make_pairs(corpus.rows, CodecBlock.of_version(ANCHORED_VOCABULARY), "score", "stem-prefix")
    model = fit_anchored(SCORE_NET, pairs, SCORE_FIT, arguments.seeds)
    counts: dict[str, dict[str, list[int]]] = {}
    curves = measured_curves(corpus.rows, "stem-prefix")
    learnt: dict[str, FirstCrf | None] = {}
    typical: dict[str, dict[str, dict[str, list[list[float]]]]] = {}
    for group, line in lines_of(corpus.rows, groups):
        if group not in typical:
            others = [row for row, other in zip(corpus.rows, groups, strict=True) if other != group and row.judged]
            typical[group] = typical_curves(others)
            learnt[group] = fit_curves([curve for curve in curves if curve.group != group])
        opened = predictor(model, group)
        for target in TARGETS:
            if not line.vmaf[0] >= target > line.vmaf[-1]:
                continue
            goal = Goal(target)
            found = {
                "this package": ours(
                    line, goal, opened, begin(line, goal, learnt[group], typical[group][line.encoder][line.preset])
                ),
                "interpolating": stepwise(line, goal, interpolate(goal)),
                "bisection": stepwise(line, goal, bisect),
                "oracle": oracle(line, goal),
            }
            for key in ("all", line.encoder, f"target {target:g}"):
                for name, count in found.items():
                    counts.setdefault(key, {}).setdefault(name, []).append(count)
    for key, by_name in counts.items():
        shown = "  ".join(f"{name} {np.mean(values):.2f}" for name, values in by_name.items())
        print(f"{key:12s} {len(by_name['oracle']):5d} searches: {shown}")
    mine = np.mean(counts["all"]["this package"])
    for name in ("bisection", "interpolating"):
        print(f"{name}: {np.mean(counts['all'][name]) / mine:.2f}x the encodes")
    print(f"most encodes of one search: {max(counts['all']['this package'])}")
    assert math.isfinite(mine)


if __name__ == "__main__":
    main()
