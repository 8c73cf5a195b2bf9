"""Intervals, the curves that never rise, and what simpler models say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.intervals import ALL, LEVELS, Intervals, score_covariates
from vmaftune_frv2.training.baselines import crf_curves, falling_curve, linear
from vmaftune_frv2.training.calibration import MIN_ROWS, Residuals, calibrate, cross_coverage
from vmaftune_frv2.training.dataset import Dataset

ENCODERS = np.asarray(["libx264", "libx265", "libvvenc"])
SCALES = {"libx264": 1.0, "libx265": 2.0, "libvvenc": 4.0}


def residuals(seed: int, groups: int, rows: int) -> Residuals:
    """Errors that grow with the spread of the ensemble, differ by encoder, and lean one way within a group."""
    generator = np.random.default_rng(seed)
    count = groups * rows
    encoders = ENCODERS[generator.integers(0, 3, count)]
    spread = np.exp(generator.normal(0, 1, count))
    predicted = generator.uniform(40, 95, count)
    lean = np.repeat(generator.normal(0, 0.5, groups), rows)
    scale = 0.3 * spread * np.asarray([SCALES[name] for name in encoders])
    true = predicted + scale * (generator.normal(0, 1, count) + lean)
    group = np.repeat(np.arange(groups), rows)
    return Residuals(score_covariates(predicted, spread), predicted, true, encoders, group, -np.inf, np.inf)


def covered(intervals: Intervals, fresh: Residuals, level: float) -> np.ndarray:
    half = intervals.half_width(fresh.covariates, fresh.encoders.tolist(), level)
    return np.abs(fresh.true - fresh.predicted) <= half


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_intervals_cover_fresh_groups_as_often_as_they_say(level: float) -> None:
    intervals, fresh = calibrate(residuals(1, 80, 60)), residuals(2, 200, 30)
    inside = covered(intervals, fresh, level)
    assert inside.mean() == pytest.approx(level, abs=0.03)
    for encoder in ENCODERS:
        assert inside[fresh.encoders == encoder].mean() == pytest.approx(level, abs=0.04)


def test_intervals_are_wide_where_errors_are_large() -> None:
    known, fresh = residuals(1, 80, 60), residuals(2, 200, 30)
    told_nothing = {"one": np.zeros(len(known.true))}
    constant = calibrate(dataclasses.replace(known, covariates=told_nothing))
    spread = fresh.covariates["log_spread"]
    for some in (spread > np.quantile(spread, 0.8), spread < np.quantile(spread, 0.2)):
        inside = covered(calibrate(known), fresh, 0.9)[some].mean()
        flat = dataclasses.replace(fresh, covariates={"one": np.zeros(len(fresh.true))})
        assert abs(inside - 0.9) < 0.12
        assert abs(inside - 0.9) < abs(covered(constant, flat, 0.9)[some].mean() - 0.9)


def test_coverage_is_measured_on_groups_that_calibration_did_not_see() -> None:
    # Every group has an error of its own: within a group all is known, of a new one nothing.
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(12), 40)
    error = np.repeat(np.exp(generator.normal(0, 1.5, 12)), 40)
    predicted = np.full(480, 70.0)
    some = Residuals(
        {"group": np.repeat(np.log(error[::40]), 40)}, predicted, predicted + error, np.full(480, "libx264"), group
    )
    blind = Residuals(
        score_covariates(predicted, np.ones(480)), predicted, predicted + error, some.encoders, group
    )
    assert cross_coverage(some).width["0.9"] < cross_coverage(blind).width["0.9"]
    measured = cross_coverage(blind).measured["0.95"]
    assert 0.6 < measured < 1.0
    in_sample = covered(calibrate(blind), blind, 0.95).mean()
    assert measured < in_sample


def of_sources(seed: int, groups: int, told: int, luck: float = 0.0) -> Residuals:
    """Errors as large as the source is hard; of ``told`` numbers that each source has, the first says how hard.

    Args:
        luck: how far sources differ besides, which nothing tells.
    """
    generator = np.random.default_rng(seed)
    source = generator.normal(0, 1, (groups, told)).repeat(40, axis=0)
    error = np.exp(source[:, 0] / 2) * generator.normal(0, 1, len(source))
    error *= np.exp(generator.normal(0, luck, groups)).repeat(40)
    covariates = {f"source{index}": column for index, column in enumerate(source.T)}
    predicted, group = np.full(len(source), 70.0), np.arange(groups).repeat(40)
    encoders = np.full(len(source), "libx264")
    return Residuals(covariates, predicted, predicted + error, encoders, group, held=tuple(covariates))


def test_what_tells_hard_sources_from_easy_ones_is_heard() -> None:
    known, fresh = of_sources(1, 60, 5), of_sources(2, 300, 5)
    hard = fresh.covariates["source0"]
    told = covered(calibrate(known), fresh, 0.9)
    deaf = {"one": np.zeros(len(known.true))}
    constant = calibrate(dataclasses.replace(known, covariates=deaf, held=()))
    untold = covered(constant, dataclasses.replace(fresh, covariates={"one": np.zeros(len(hard))}), 0.9)
    for some in (hard > 1, hard < -1):
        assert abs(told[some].mean() - 0.9) < 0.7 * abs(untold[some].mean() - 0.9)


def test_what_only_seems_to_tell_sources_apart_costs_no_coverage() -> None:
    # Twenty numbers of forty sources explain much of the luck that these had.
    shares = []
    for seed in range(5):
        known = dataclasses.replace(of_sources(seed, 40, 20, luck=1.0), held=())
        shares.append(covered(calibrate(known), of_sources(100 + seed, 200, 20, luck=1.0), 0.9).mean())
    assert np.mean(shares) == pytest.approx(0.9, abs=0.03)


def test_what_tells_sources_apart_is_believed_with_reserve() -> None:
    fresh = of_sources(100, 200, 20, luck=1.0)
    widths, shares = {}, {}
    for held in (True, False):
        intervals = []
        for seed in range(5):
            known = of_sources(seed, 40, 20, luck=1.0)
            intervals.append(calibrate(known if held else dataclasses.replace(known, held=())))
        widths[held] = np.mean([i.half_width(fresh.covariates, fresh.encoders.tolist(), 0.9) for i in intervals])
        shares[held] = np.mean([covered(i, fresh, 0.9) for i in intervals])
    assert widths[True] < 0.9 * widths[False]
    assert shares[True] > shares[False] - 0.01


@pytest.mark.parametrize("groups", [(0, 1), (3, 13), (7, 2, 500)])
def test_coverage_takes_any_group_numbers(groups: tuple[int, ...]) -> None:
    some = residuals(5, len(groups), 20)
    renamed = Residuals(some.covariates, some.predicted, some.true, some.encoders, np.repeat(groups, 20))
    assert all(0 <= share <= 1 for share in cross_coverage(renamed).measured.values())


def test_an_encoder_with_few_rows_takes_the_quantiles_of_all() -> None:
    some = residuals(3, 10, 30)
    encoders = np.asarray(["libx264"] * (len(some.true) - MIN_ROWS + 1) + ["libaom-av1"] * (MIN_ROWS - 1))
    intervals = calibrate(Residuals(some.covariates, some.predicted, some.true, encoders, some.groups))
    assert set(intervals.quantiles) == {ALL, "libx264"}
    assert intervals.quantile("libaom-av1", 0.9) == intervals.quantile("never heard of", 0.9)


def test_intervals_survive_json() -> None:
    intervals = calibrate(residuals(1, 10, 60))
    assert Intervals.from_json(intervals.to_json()) == Intervals(
        intervals.weights, {name: list(values) for name, values in intervals.quantiles.items()}, intervals.floor
    )
    with pytest.raises(ValueError, match="other levels"):
        Intervals.from_json(intervals.to_json() | {"levels": [0.5]})
    for values in intervals.quantiles.values():
        assert len(values) == len(LEVELS)
        assert list(values) == sorted(values)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.floats(0, 100, allow_nan=False, allow_subnormal=False)),
        min_size=1,
        max_size=30,
    )
)
def test_a_falling_curve_is_the_isotonic_regression(points: list[tuple[int, float]]) -> None:
    x, y = (np.asarray(column, dtype=np.float64) for column in zip(*points, strict=True))
    at, curve = falling_curve(x, y)
    distinct, counts = np.unique(x, return_counts=True)
    means = [y[x == value].mean() for value in distinct]
    np.testing.assert_array_equal(at, distinct)
    wanted = isotonic_regression(means, weights=counts, increasing=False).x
    np.testing.assert_allclose(curve, wanted, atol=1e-6)


def dataset(seed: int = 0) -> Dataset:
    """Six sources whose VMAF is linear in features, encoder and crf."""
    generator = np.random.default_rng(seed)
    cells = [Cell(e, "medium", crf) for e in ("libx264", "libx265") for crf in (20, 30, 40)]
    groups = np.repeat(np.arange(6), len(cells))
    features = generator.uniform(0, 1, (6, 6))[groups]
    crf = np.tile([cell.crf for cell in cells], 6)
    x264 = np.tile([cell.encoder == "libx264" for cell in cells], 6)
    targets = 90 - crf * np.where(x264, 1.0, 0.5) + 10 * features[:, 0]
    return Dataset(
        features=features,
        codec=CodecBlock.of_version(1).matrix(cells * 6),
        targets=targets,
        groups=groups,
        group_names=tuple("abcdef"),
        references=6,
        judged=np.ones(len(groups), dtype=bool),
        cells=tuple(cells * 6),
    )


def test_the_linear_baseline_finds_what_is_linear() -> None:
    data = dataset()
    ask = data.groups == 2
    assert linear(data, ~ask, ask) == pytest.approx(data.targets[ask], abs=0.5)


def test_the_crf_curves_are_the_means_of_other_sources() -> None:
    data = dataset()
    ask = data.groups == 2
    wanted = [
        data.targets[~ask & np.asarray([other == cell for other in data.cells])].mean()
        for cell, asked in zip(data.cells, ask, strict=True)
        if asked
    ]
    assert crf_curves(data, ~ask, ask) == pytest.approx(wanted)


@pytest.mark.parametrize("baseline", [linear, crf_curves])
def test_baselines_do_not_look_at_what_they_are_asked(baseline) -> None:
    data, other = dataset(), dataset()
    ask = data.groups == 2
    other.targets[ask] = 0.0
    np.testing.assert_array_equal(baseline(data, ~ask, ask), baseline(other, ~ask, ask))


def test_crf_curves_know_nothing_of_an_encoder_they_never_saw() -> None:
    data = dataset()
    x264 = data.encoders == "libx264"
    np.testing.assert_allclose(crf_curves(data, x264, ~x264), data.targets[x264].mean())


def test_some_rows_are_learnt_again_as_an_unknown_encoder_s() -> None:
    data = dataset()
    block = CodecBlock.of_version(1)
    table = data.table(block)
    count = len(table.targets) - len(data)
    assert table.repeated == count
    assert 1 <= count <= len(data) / 4
    features, (codec,), targets = table.features[-count:], table.rest, table.targets[-count:]
    shown = dict(zip(block.layout, codec[-count:].T, strict=True))
    assert {name: set(values.tolist()) for name, values in shown.items() if values.any()} == {
        "encoder_onehot[unknown]": {1.0}, "preset_norm": {0.5}, "crf_norm": {0.5},
    }  # fmt: skip
    for row, target in zip(features, targets, strict=True):
        same = (data.features == row).all(axis=1) & (data.targets == target)
        assert same.any()


def test_a_vocabulary_without_an_unknown_slot_shows_nothing_again() -> None:
    data = dataset()
    block = CodecBlock.of_version(3)
    whole = dataclasses.replace(data, codec=block.matrix(list(data.cells)))
    assert len(whole.table(block).targets) == len(data)
