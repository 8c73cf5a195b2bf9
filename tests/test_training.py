"""The training room: nets, stacked fitting, metrics, gate, export."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from scipy import stats

from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.errors import InputError, ModelError
from vmaftune_frv2.training.curve_net import CurveConfig, CurveNet
from vmaftune_frv2.training.export import check, to_onnx
from vmaftune_frv2.training.fit import CHUNK, FitOptions, Member, Table, fit
from vmaftune_frv2.training.gate import judge
from vmaftune_frv2.training.metrics import agreement
from vmaftune_frv2.training.net import FRRegressor, NetConfig

OPTIONS = FitOptions(epochs=5, batch_size=16, seed=0)
SMALL = NetConfig(hidden=8)
EVERY = np.ones(60, dtype=bool)


@pytest.fixture
def table() -> Table:
    generator = np.random.default_rng(1)
    features = generator.uniform(0, 1, (60, 6))
    codec = generator.uniform(0, 1, (60, 8)).astype(np.float32)
    return Table(features, (codec,), 100 * features[:, 0] * (1 - 0.5 * codec[:, 7]))


def small() -> FRRegressor:
    return FRRegressor(SMALL)


def curves() -> CurveNet:
    return CurveNet(CurveConfig(in_features=6, num_codecs=8, hidden=8))


def with_anchors(table: Table) -> Table:
    """The same rows as pairs: another row's codec block as the probe's, and an anchor."""
    probe = table.rest[0][::-1].copy()
    return dataclasses.replace(table, rest=(probe, *table.rest, probe[:, 0] * 4 - 2))


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (small, lambda table: table),
        (lambda: FRRegressor(dataclasses.replace(SMALL, depth=3, emit_variance=True)), lambda table: table),
        (curves, with_anchors),
    ],
    ids=["regressor", "variance", "curves"],
)
def test_a_stack_fits_each_member_as_it_would_fit_alone(table: Table, build, shape) -> None:
    table = shape(table)
    members = [Member(np.arange(60) % 7 != seed % 7, seed) for seed in range(CHUNK + 3)]
    stacked = fit(build, table, members, OPTIONS)
    assert len(stacked) == len(members)
    for index in (0, 1, CHUNK - 1, CHUNK, CHUNK + 2):
        (alone,) = fit(build, table, [members[index]], OPTIONS)
        assert alone.scaler == stacked[index].scaler
        mine, others = (net.predict(table.features, *table.rest) for net in (alone, stacked[index]))
        np.testing.assert_allclose(mine, others, rtol=0, atol=1e-3)
    first, last = (net.predict(table.features, *table.rest) for net in (stacked[0], stacked[-1]))
    assert np.abs(first - last).max() > 0.1


def test_a_left_out_row_has_no_influence(table: Table) -> None:
    kept = np.arange(60) >= 10
    (before,) = fit(small, table, [Member(kept, 0)], OPTIONS)
    features, targets = table.features.copy(), table.targets.copy()
    features[~kept], targets[~kept] = 50.0, 0.0
    (after,) = fit(small, Table(features, table.rest, targets), [Member(kept, 0)], OPTIONS)
    assert before.scaler == after.scaler
    said = (net.predict(table.features, *table.rest) for net in (before, after))
    np.testing.assert_array_equal(*said)


def test_a_repeated_row_counts_once_for_the_scaling(table: Table) -> None:
    again = Table(
        np.concatenate([table.features, table.features[:9]]),
        (np.concatenate([table.rest[0], table.rest[0][:9]]),),
        np.concatenate([table.targets, table.targets[:9]]),
        repeated=9,
    )
    (fitted,) = fit(small, again, [Member(np.ones(69, dtype=bool), 0)], OPTIONS)
    assert fitted.scaler == FeatureScaler.fit(table.features)


def test_a_large_feature_that_varies_little_is_scaled_as_well_as_any(table: Table) -> None:
    shifted = dataclasses.replace(table, features=table.features + 2.0**24 + 1)
    said = [
        fitted.predict(each.features, *each.rest)
        for each in (table, shifted)
        for fitted in fit(small, each, [Member(EVERY, 0)], OPTIONS)
    ]
    np.testing.assert_allclose(*said, rtol=0, atol=1e-3)


def test_fitting_learns(table: Table) -> None:
    options = dataclasses.replace(OPTIONS, epochs=100, lr=2e-2)
    (fitted,) = fit(lambda: FRRegressor(NetConfig(hidden=32)), table, [Member(EVERY, 0)], options)
    assert agreement(fitted.predict(table.features, *table.rest), table.targets).rmse < 0.15 * table.targets.std()


def test_threads_of_torch_are_as_they_were(table: Table) -> None:
    before = torch.get_num_threads()
    fit(small, table, [Member(EVERY, 0)], OPTIONS)
    assert torch.get_num_threads() == before


def test_one_failing_stack_ends_the_others_early(table: Table) -> None:
    class Interrupt:
        def start(self, total: int) -> None:
            pass

        epochs = 0

        def advance(self) -> None:
            self.epochs += 1
            if self.epochs == 3:
                raise KeyboardInterrupt

    progress = Interrupt()
    options = dataclasses.replace(OPTIONS, epochs=2000)
    members = [Member(EVERY, seed) for seed in range(CHUNK + 1)]
    with pytest.raises(KeyboardInterrupt):
        fit(small, table, members, options, progress)
    assert progress.epochs < options.epochs


@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_a_diverged_fit_is_refused(table: Table, lr: float) -> None:
    with pytest.raises(InputError, match=r"training diverged .* --lr"):
        fit(small, table, [Member(EVERY, 0)], dataclasses.replace(OPTIONS, lr=lr))


@pytest.mark.parametrize(
    ("config", "inputs", "output"),
    [
        (NetConfig(), {"features": 6, "codec": 8}, ("score", 1)),
        (NetConfig(num_codecs=0), {"features": 6}, ("score", 1)),
        (NetConfig(in_features=22, num_codecs=6), {"features": 22, "codec": 6}, ("score", 1)),
        (NetConfig(num_codecs=14, depth=3, hidden=16), {"features": 6, "codec": 14}, ("score", 1)),
        (NetConfig(emit_variance=True), {"features": 6, "codec": 8}, ("score_logvar", 2)),
    ],
    ids=["v2", "codec-blind", "superseded-22+6", "vocabulary-2", "variance"],
)
def test_every_shape_exports_and_runs_in_onnxruntime(config: NetConfig, inputs, output) -> None:
    torch.manual_seed(0)
    net = FRRegressor(config).eval()
    session = onnxruntime.InferenceSession(to_onnx(net, "net"), providers=["CPUExecutionProvider"])
    assert {node.name: node.shape[1] for node in session.get_inputs()} == inputs
    feed = {name: np.random.default_rng(2).random((7, width), np.float32) for name, width in inputs.items()}
    (out,) = session.run([output[0]], feed)
    assert out.shape == ((7,) if output[1] == 1 else (7, 2))
    expected = net(*(torch.from_numpy(v) for v in feed.values())).detach().numpy()
    np.testing.assert_allclose(out, expected, atol=1e-3)


def test_export_is_refused_when_onnxruntime_and_torch_disagree() -> None:
    torch.manual_seed(0)
    data = to_onnx(FRRegressor(SMALL), "net")
    torch.manual_seed(1)
    with pytest.raises(ModelError, match="differ by"):
        check(data, FRRegressor(SMALL), {"features": 6, "codec": 8})


def test_metrics_agree_with_scipy() -> None:
    generator = np.random.default_rng(3)
    true = np.round(generator.uniform(0, 100, 200))
    predicted = np.round(true + generator.normal(0, 10, 200))
    found = agreement(predicted, true)
    assert found.plcc == pytest.approx(stats.pearsonr(predicted, true).statistic)
    assert found.srocc == pytest.approx(stats.spearmanr(predicted, true).statistic)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((predicted - true) ** 2)))
    assert (found.mae, found.p95) == pytest.approx(
        (np.mean(abs(predicted - true)), np.percentile(abs(predicted - true), 95))
    )


def test_correlation_of_constants_is_zero_or_undefined_never_nan() -> None:
    varied, constant = np.array([1.0, 2.0, 3.0]), np.full(3, 7.0)
    assert agreement(constant, varied).plcc == 0.0
    assert agreement(varied, constant).plcc is None
    assert agreement(varied[:1], varied[:1]).plcc is None


@pytest.mark.parametrize(
    ("aware", "blind", "references", "encoders", "unmet"),
    [
        ([0.96, 0.96], [0.90, 0.90], 50, 5, []),
        ([0.96, 0.92], [0.90, 0.90], 50, 5, ["mean fold PLCC"]),
        ([0.96, 0.96], [0.956, 0.956], 50, 5, ["PLCC lift over codec-blind"]),
        ([0.96, None], [0.90, None], 49, 4, ["references", "encoders"]),
        ([None], [None], 50, 5, ["mean fold PLCC", "PLCC lift over codec-blind"]),
        ([0.96], None, 50, 5, []),
    ],
)
def test_the_gate_names_each_condition_that_is_not_met(aware, blind, references, encoders, unmet) -> None:
    gate = judge(aware, blind, references, encoders)
    assert [line.name for line in gate.lines if not line.met] == unmet
    assert gate.met == (not unmet)
