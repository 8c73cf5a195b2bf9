"""Looking for the crf that a target asks for, one real encode at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import Cell

Vector = NDArray[np.float64]
SPREAD = 1.1
"""Standard deviation of an error over its typical absolute value."""
LEAST_SPREAD = 0.05
BALANCE = 0.25
"""What an even chance of passing is worth, against settling the search at once."""


@dataclass(frozen=True)
class Goal:
    """The highest crf whose VMAF is at least ``target``; good enough within ``tolerance`` above it."""

    target: float
    tolerance: float = 0.5


@dataclass(frozen=True)
class State:
    """What measurements say so far.

    Args:
        best: highest measured crf that reaches the target, None while none does.
        fails: lowest measured crf that does not, None while all do.
        settled: the best is within tolerance, or its neighbour fails, or the range ends.
    """

    best: int | None
    fails: int | None
    settled: bool


def judge(goal: Goal, crfs: Sequence[int], measured: Mapping[int, float]) -> State:
    """Where a search stands.

    Args:
        goal: what is looked for.
        crfs: ascending candidates.
        measured: {crf: VMAF}.
    """
    passing = [crf for crf, vmaf in measured.items() if vmaf >= goal.target]
    # Noise may let a higher crf pass above one that fails; the answer stays below the first failure.
    fails = min((crf for crf, vmaf in measured.items() if vmaf < goal.target), default=None)
    below = [crf for crf in passing if fails is None or crf < fails]
    best = max(below, default=None)
    within = best is not None and measured[best] <= goal.target + goal.tolerance
    low = crfs.index(best) if best is not None else -1
    high = crfs.index(fails) if fails is not None else len(crfs)
    return State(best, fails, within or high - low <= 1)


def next_crf(goal: Goal, crfs: Sequence[int], measured: Mapping[int, float], mean: Vector, typical: Vector) -> int:
    """The candidate most likely to settle the search; among equals the one that halves what is unsure.

    Args:
        goal: what is looked for.
        crfs: [N] ascending candidates.
        measured: {crf: VMAF}, not settled.
        mean: [N] predicted VMAF.
        typical: [N] typical errors.
    """
    state = judge(goal, crfs, measured)
    low = crfs.index(state.best) if state.best is not None else -1
    high = crfs.index(state.fails) if state.fails is not None else len(crfs)
    sigma = np.maximum(SPREAD * typical, LEAST_SPREAD)
    passes = np.asarray([_above(goal.target, m, s) for m, s in zip(mean, sigma, strict=True)])
    beyond = np.asarray([_above(goal.target + goal.tolerance, m, s) for m, s in zip(mean, sigma, strict=True)])
    hit = passes - beyond

    def worth(index: int) -> float:
        settles = hit[index]
        if index + 1 == high:
            settles = passes[index]
        if index - 1 == low:
            settles = settles + (1.0 - passes[index])
        return float(settles + BALANCE * min(passes[index], 1.0 - passes[index]))

    return crfs[max(range(low + 1, high), key=worth)]


def _above(target: float, mean: float, sigma: float) -> float:
    """Probability that a normal variable is at least ``target``."""
    return 0.5 * math.erfc((target - mean) / (sigma * math.sqrt(2.0)))


@dataclass(frozen=True)
class Step:
    """One real encode.

    Args:
        cell: what was encoded.
        predicted: the VMAF expected of it, None of a first probe.
        vmaf: measured.
    """

    cell: Cell
    predicted: float | None
    vmaf: float
