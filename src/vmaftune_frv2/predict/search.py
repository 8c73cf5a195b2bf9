"""Looking for the crf that a target asks for, one real encode at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.crf import Crf

Vector = NDArray[np.float64]
SPREAD = 1.1
"""Standard deviation of an error over its typical absolute value."""
LEAST_SPREAD = 0.05
DRIFT = 0.2
"""Standard deviation of a predicted difference from a measured cell of the line, over that difference."""
BALANCE = 0.1
"""What an even chance of passing is worth, against deciding the search at once."""


@dataclass(frozen=True)
class Goal:
    """The highest crf whose VMAF is at least ``target``; good enough within ``tolerance`` above it."""

    target: float
    tolerance: float = 0.5

    @property
    def middle(self) -> float:
        """The VMAF that a search aims at: amid what is good enough."""
        return min(self.target + self.tolerance / 2.0, SCORE_MAX)


@dataclass(frozen=True)
class State:
    """What measurements say so far.

    Args:
        best: highest candidate that was measured to reach the target, below every failure; None if there is none.
        open: ascending candidates that may yet be better; none when the search is decided.
    """

    best: Crf | None
    open: tuple[Crf, ...]

    @property
    def decided(self) -> bool:
        """Whether the best is within tolerance, its neighbour fails, or the range ends."""
        return not self.open


def judge(goal: Goal, crfs: Sequence[Crf], measured: Mapping[Crf, float]) -> State:
    """Where a search stands.

    Args:
        goal: what is looked for.
        crfs: ascending candidates.
        measured: {crf: VMAF} of candidates and of any other crf.
    """
    # Noise may let a higher crf pass above one that fails; the answer stays below the first failure.
    fails = min((crf for crf, vmaf in measured.items() if vmaf < goal.target), default=math.inf)
    passing = [crf for crf, vmaf in measured.items() if vmaf >= goal.target and crf < fails]
    best = max((crf for crf in passing if crf in crfs), default=None)
    if best is not None and measured[best] <= goal.target + goal.tolerance:
        return State(best, ())
    # A crf that passes and is no candidate vouches for the candidates below it: only their highest is of interest.
    vouched = max((crf for crf in crfs if passing and crf <= max(passing)), default=-math.inf)
    least = vouched if best is None else max(vouched, best)
    return State(best, tuple(crf for crf in crfs if least <= crf < fails and crf not in measured))


def next_crf(goal: Goal, crfs: Sequence[Crf], measured: Mapping[Crf, float], mean: Vector, typical: Vector) -> Crf:
    """The candidate most likely to decide the search; among equals the one that halves what is unsure.

    Args:
        goal: what is looked for.
        crfs: [N] ascending candidates.
        measured: {crf: VMAF}, not decided.
        mean: [N] predicted VMAF.
        typical: [N] typical errors.
    """
    candidates = judge(goal, crfs, measured).open
    sigma = np.maximum(np.minimum(SPREAD * typical, DRIFT * _away(mean, measured)), LEAST_SPREAD)
    expected = dict(zip(crfs, zip(mean, sigma, strict=True), strict=True))

    def worth(crf: Crf) -> float:
        passes = _above(goal.target, *expected[crf])
        decides = passes - _above(goal.target + goal.tolerance, *expected[crf])
        if crf == candidates[-1]:
            decides = passes
        if crf == candidates[0]:
            decides += 1.0 - passes
        return float(decides + BALANCE * min(passes, 1.0 - passes))

    return max(candidates, key=worth)


def _away(mean: Vector, measured: Mapping[Crf, float]) -> Vector:
    """[N] how far each prediction lies from the nearest measured VMAF; curves pass through these."""
    if not measured:
        return np.full_like(mean, np.inf)
    found: Vector = np.abs(mean[:, None] - np.asarray(list(measured.values()))).min(axis=1)
    return found


def _above(target: float, mean: float, sigma: float) -> float:
    """Probability that a normal variable is at least ``target``."""
    return 0.5 * math.erfc((target - mean) / (sigma * math.sqrt(2.0)))
