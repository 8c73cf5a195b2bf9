"""The training room: nets, stacked fitting, metrics, gate, export."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from scipy import stats

from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.training.export import check, to_onnx
from vmaftune_frv2.training.fit import FitOptions, Member, fit
from vmaftune_frv2.training.gate import judge
from vmaftune_frv2.training.metrics import agreement
from vmaftune_frv2.training.net import FRRegressor, NetConfig

OPTIONS = FitOptions(epochs=5, batch_size=16, seed=0)
SMALL = NetConfig(hidden=8)


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    features = generator.uniform(0, 1, (60, 6))
    codec = generator.uniform(0, 1, (60, 8)).astype(np.float32)
    return features, codec, 100 * features[:, 0] * (1 - 0.5 * codec[:, 7])


def test_a_stack_fits_each_member_as_it_would_fit_alone(rows) -> None:
    features, codec, targets = rows
    members = [
        Member(np.arange(60) % 3 != 0, seed=0),
        Member(np.arange(60) % 3 != 1, seed=0),
        Member(np.arange(60) < 50, seed=5),
    ]
    stacked = fit(SMALL, features, codec, targets, members, OPTIONS)
    for member, together in zip(members, stacked, strict=True):
        (alone,) = fit(SMALL, features, codec, targets, [member], OPTIONS)
        assert alone.scaler == together.scaler
        np.testing.assert_allclose(
            alone.predict(features, codec), together.predict(features, codec), rtol=0, atol=1e-3
        )
    assert np.abs(stacked[0].predict(features, codec) - stacked[2].predict(features, codec)).max() > 0.1


def test_a_left_out_row_has_no_influence(rows) -> None:
    features, codec, targets = rows
    kept = np.arange(60) >= 10
    (before,) = fit(SMALL, features, codec, targets, [Member(kept, 0)], OPTIONS)
    features, targets = features.copy(), targets.copy()
    features[~kept], targets[~kept] = 50.0, 0.0
    (after,) = fit(SMALL, features, codec, targets, [Member(kept, 0)], OPTIONS)
    assert before.scaler == after.scaler
    np.testing.assert_array_equal(before.predict(rows[0], codec), after.predict(rows[0], codec))


def test_fitting_learns(rows) -> None:
    features, codec, targets = rows
    options = dataclasses.replace(OPTIONS, epochs=100, lr=2e-2)
    (fitted,) = fit(NetConfig(hidden=32), features, codec, targets, [Member(np.ones(60, bool), 0)], options)
    assert agreement(fitted.predict(features, codec), targets).rmse < 0.15 * targets.std()


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
        check(data, FRRegressor(SMALL))


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
    ],
)
def test_the_gate_names_each_condition_that_is_not_met(aware, blind, references, encoders, unmet) -> None:
    gate = judge(aware, blind, references, encoders)
    assert [line.name for line in gate.lines if not line.met] == unmet
    assert gate.met == (not unmet)
