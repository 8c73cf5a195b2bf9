"""The search for the crf of a target, against brute force on made-up curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmaftune_frv2.contract.crf import crf_range
from vmaftune_frv2.predict.search import Goal, judge, next_crf

CRFS = list(range(18, 46))


def search(goal: Goal, crfs: list[int], truth: dict[int, float], mean, typical, known=()) -> dict[int, float]:
    """What is measured until the search is decided, the most unlikely encode counts included."""
    measured = {crf: truth[crf] for crf in known}
    while not judge(goal, crfs, measured).decided:
        crf = next_crf(goal, crfs, measured, np.asarray(mean), np.asarray(typical))
        assert crf in crfs
        assert crf not in measured
        measured[crf] = truth[crf]
    return measured


def check(goal: Goal, crfs: list[int], measured: dict[int, float]) -> None:
    """A decided search is one that measurements prove."""
    best = judge(goal, crfs, measured).best
    failing = [crf for crf, vmaf in measured.items() if vmaf < goal.target]
    if best is None:
        assert any(crf <= crfs[0] for crf in failing)
        return
    assert best in crfs
    assert measured[best] >= goal.target
    assert not any(crf < best for crf in failing)
    above = [crf for crf in crfs if crf > best]
    within = measured[best] <= goal.target + goal.tolerance
    assert within or not above or any(best < crf <= above[0] for crf in failing)


drops = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 2.0, 6.0]), min_size=27, max_size=27)


@given(
    drops,
    st.floats(30, 100),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.floats(-15, 15),
    st.floats(0.0, 8.0),
    st.sets(st.integers(14, 50), max_size=3),
    st.integers(1, 6),
)
@settings(max_examples=300, deadline=None)
def test_monotone_curves_give_what_brute_force_gives(drops, target, tolerance, bias, sigma, known, step) -> None:
    curve = 98.0 - np.cumsum([0.0, *drops])
    truth = dict(zip(CRFS, curve, strict=True))
    truth |= {crf: float(curve[0]) for crf in range(14, 18)} | {crf: float(curve[-1]) for crf in range(46, 51)}
    crfs, goal = CRFS[::step], Goal(target, tolerance)
    mean = [truth[crf] + bias for crf in crfs]
    measured = search(goal, crfs, truth, mean, np.full(len(crfs), sigma), known)
    check(goal, crfs, measured)
    best = judge(goal, crfs, measured).best
    reaching = [crf for crf in crfs if truth[crf] >= target]
    if best is None:
        assert not reaching
    else:
        highest = max(reaching)
        assert best == highest or target <= truth[best] <= target + tolerance


@given(
    st.lists(st.floats(0, 100), min_size=28, max_size=28),
    st.floats(0, 100),
    st.lists(st.floats(0, 100), min_size=28, max_size=28),
    st.sets(st.integers(18, 45), max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_noise_neither_keeps_it_going_nor_fools_it(curve, target, mean, known) -> None:
    goal = Goal(target)
    truth = dict(zip(CRFS, curve, strict=True))
    measured = search(goal, CRFS, truth, mean, np.full(28, 2.0), known)
    check(goal, CRFS, measured)


def test_a_good_prediction_needs_few_encodes() -> None:
    generator = np.random.default_rng(0)
    counts = []
    for _ in range(200):
        truth = 99.0 - np.cumsum(generator.uniform(0.2, 2.5, len(CRFS)))
        mean = truth + generator.normal(0, 0.4)
        measured = search(Goal(85.0), CRFS, dict(zip(CRFS, truth, strict=True)), mean, np.full(len(CRFS), 0.4))
        counts.append(len(measured))
    assert np.mean(counts) < 2.2
    assert max(counts) <= 5


@pytest.mark.parametrize(
    ("measured", "best", "still"),
    [
        ({}, None, (20, 25, 30)),
        ({25: 90.2}, 25, ()),
        ({25: 92.0}, 25, (30,)),
        ({25: 80.0}, None, (20,)),
        ({25: 92.0, 30: 80.0}, 25, ()),
        ({20: 80.0}, None, ()),
        ({30: 95.0}, 30, ()),
        ({27: 92.0}, None, (25, 30)),  # beside the candidates: it vouches for 25, nobody has measured that
        ({27: 80.0}, None, (20, 25)),
        ({25: 80.0, 30: 95.0}, None, (20,)),  # a pass above a failure is noise
    ],
)
def test_where_a_search_stands(measured: dict[int, float], best: int | None, still: tuple[int, ...]) -> None:
    state = judge(Goal(90.0), [20, 25, 30], measured)
    assert (state.best, state.open) == (best, still)


@given(
    st.lists(st.floats(0.3, 3.0), min_size=28, max_size=28),
    st.floats(0.6, 1.6),
    st.integers(0, 260),
    st.sampled_from([4, 10]),
)
@settings(max_examples=100, deadline=None)
def test_fine_steps_hit_the_target_where_whole_crfs_straddle_it(drops, slope, place, parts) -> None:
    crfs = list(crf_range(18, 44, 1 / parts))
    curve = np.interp(crfs, range(18, 46), 98.0 - np.cumsum(drops))
    goal = Goal(float(np.interp(18 + place / 10, crfs, curve)) - 0.2)
    truth = dict(zip(crfs, curve, strict=True))
    first = crfs[0]
    mean = curve[0] + slope * (curve - curve[0])
    measured = search(goal, crfs, truth, mean, np.full(len(crfs), 1.0), [first])
    check(goal, crfs, measured)
    best = judge(goal, crfs, measured).best
    assert best is not None
    assert measured[best] - goal.target <= max(goal.tolerance, 3.0 / parts + 1e-9) or best == crfs[-1]


def test_a_prediction_next_to_a_measured_cell_is_trusted() -> None:
    crfs = list(crf_range(24, 28, 0.1))
    mean = 90.0 - 1.0 * (np.asarray(crfs) - 26.0)
    chosen = next_crf(Goal(90.0), crfs, {26.1: 89.9}, mean, np.full(len(crfs), 0.7))
    assert 90.1 <= mean[crfs.index(chosen)] <= 90.4
