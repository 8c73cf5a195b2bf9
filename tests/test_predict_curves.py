"""Curves from several measured points: exact at those, falling, and honest about what lies between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmaftune_frv2.contract.anchor import AnchorSpace, CurveStart
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.intervals import Intervals
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.curve_model import CurveModel, Point
from vmaftune_frv2.predict.curves import predict_curve
from vmaftune_frv2.predict.predictor import WIDEN, Predictor

WIDTH = len(DESCRIPTOR)
TOLD = np.zeros(WIDTH)
LENGTH = DESCRIPTOR.index("log_frames")
SEEN = {"presets": ["medium"], "crf_min": 18, "crf_max": 48}
INTERVALS = Intervals(
    {"bias": 0.0, "log_moved": 0.5, "other_encoder": 0.7}, {"all": [0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3]}
)


@dataclass
class Net:
    """Stands for the nets: shifts by crf, as told; remembers what it was fed."""

    slope: float = -0.1
    fed: list[np.ndarray] = field(default_factory=list)

    def __call__(self, scaled: np.ndarray, probe: np.ndarray, codec: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        self.fed.append(scaled)
        z = anchor + self.slope * 51 * (codec[:, -1] - probe[:, -1])
        return np.stack([self.leave(z), self.leave(z + 0.02)])

    def leave(self, z: np.ndarray) -> np.ndarray:
        return AnchorSpace(2.0).leave(z)


class RateNet(Net):
    """The same for log bits per pixel, whose space is the identity."""

    def leave(self, z: np.ndarray) -> np.ndarray:
        return z


ALL = dict.fromkeys(("libx264", "libx265", "libsvtav1"), ("libx264", "libx265"))


def model(
    quantity: str = "score", net: Net | None = None, learnt_from: dict[str, tuple[str, ...]] | None = ALL
) -> CurveModel:
    """A curve model of a stand-in net."""
    sidecar = Sidecar(
        id=quantity,
        onnx="",
        sha256="",
        opset=17,
        input_names=(),
        output_names=(),
        notes="",
        feature_order=DESCRIPTOR,
        curve=CurveStart(quantity, 2.0 if quantity == "score" else None, learnt_from),
        block=CodecBlock.of_version(4),
        intervals=INTERVALS,
        scaler=FeatureScaler((0.0,) * WIDTH, (1.0,) * WIDTH),
        cells={"libx264": SEEN, "libx265": SEEN},
    )
    return CurveModel(sidecar, net or (Net() if quantity == "score" else RateNet()))


def point(crf: int, vmaf: float, encoder: str = "libx264", told: np.ndarray = TOLD) -> Point:
    return Point(Cell(encoder, "medium", crf), vmaf, -2.0 - crf / 10, told)


def cells(*crfs: int, encoder: str = "libx264", preset: str = "medium") -> list[Cell]:
    return [Cell(encoder, preset, crf) for crf in crfs]


GRID = cells(*range(18, 49))
measured = st.dictionaries(st.integers(18, 48), st.floats(1, 99.9), min_size=1, max_size=6)


@given(measured)
@settings(max_examples=100, deadline=None)
def test_measured_points_are_exact_and_the_rest_falls_between_falling_ones(found: dict[int, float]) -> None:
    values = sorted(found.values(), reverse=True)
    points = [point(crf, vmaf) for crf, vmaf in zip(sorted(found), values, strict=True)]
    curve = predict_curve(model(), points[::-1], GRID)
    assert (np.diff(curve.mean) <= 1e-9).all()
    for p in points:
        at = GRID.index(p.cell)
        assert curve.mean[at] == curve.low[at] == curve.high[at] == p.vmaf
        assert curve.typical[at] == 0
    others = [i for i, cell in enumerate(GRID) if cell.crf not in found]
    assert (curve.low[others] <= curve.mean[others]).all()
    assert (curve.mean[others] <= curve.high[others]).all()
    assert (curve.typical[others] > 0).all()


def test_points_that_rise_with_crf_stay_as_they_were_measured() -> None:
    points = [point(20, 90.0), point(30, 91.0), point(40, 60.0)]
    curve = predict_curve(model(), points, GRID)
    assert [curve.mean[GRID.index(p.cell)] for p in points] == [90.0, 91.0, 60.0]
    assert np.isfinite(curve.mean).all()


def test_a_second_point_narrows_what_lies_between_and_bridges_the_error() -> None:
    one = predict_curve(model(), [point(20, 95.0)], GRID)
    true = one.mean[GRID.index(cells(40)[0])] - 10.0
    two = predict_curve(model(), [point(20, 95.0), point(40, true)], GRID)
    between = slice(3, 22)
    assert (two.typical[between] < one.typical[between]).all()
    off = np.abs(two.mean - one.mean)[2:23]
    assert (np.diff(off) > -0.3).all()  # from nothing at 20 to all of it at 40
    assert off[-1] == pytest.approx(10.0)


def test_a_measured_slope_corrects_what_lies_beyond() -> None:
    flat, steep = (predict_curve(model(), [point(20, top), point(30, 80.0)], GRID) for top in (82.0, 97.0))
    beyond = slice(GRID.index(cells(31)[0]), None)
    assert (flat.mean[beyond] > steep.mean[beyond]).all()


def test_another_preset_uses_its_encoders_cells_and_another_encoder_all_that_it_learnt_from() -> None:
    points = [point(20, 95.0), point(30, 80.0), point(28, 70.0, "libx265")]
    preset = predict_curve(model(), points, cells(25, preset="slow"))
    alone = predict_curve(model(), points[:2], cells(25, preset="slow"))
    assert preset.mean == alone.mean
    foreign = predict_curve(model(), points, cells(25, encoder="libsvtav1", preset="8"))
    own = predict_curve(model(), points, cells(25, encoder="libx265"))
    assert foreign.typical > own.typical > 0


@pytest.mark.parametrize("learnt_from", [None, {"libsvtav1": ("libx264",)}], ids=["older", "libx264 only"])
def test_cells_of_encoders_that_nothing_was_learnt_from_are_not_used(learnt_from) -> None:
    deaf, asked = model(learnt_from=learnt_from), cells(25, encoder="libsvtav1", preset="8")
    points = [point(28, 80.0), point(28, 30.0, "libx265")]
    assert predict_curve(deaf, points, asked).mean == predict_curve(deaf, points[:1], asked).mean
    assert predict_curve(model(), points, asked).mean < predict_curve(model(), points[:1], asked).mean
    with pytest.raises(ModelError, match="did not learn libsvtav1 from cells of libx265"):
        predict_curve(deaf, points[1:], asked)


def test_what_only_other_encoders_tell_of_has_quantiles_of_its_own() -> None:
    quantiles = {"all": [9.0] * 8, "libsvtav1": [1.0] * 8, "libsvtav1 from another": [2.0] * 8}
    sidecar = replace(model().sidecar, intervals=Intervals({"bias": 0.0}, quantiles))
    asked = cells(30, encoder="libsvtav1")
    for probe, factor in ((point(28, 70.0), 2.0), (point(25, 70.0, "libsvtav1"), 1.0)):
        curve = predict_curve(CurveModel(sidecar, Net()), [probe], asked)
        assert curve.high - curve.mean == pytest.approx(factor * curve.typical)
    older = Intervals({"bias": 0.0}, {name: quantiles[name] for name in ("all", "libsvtav1")})
    curve = predict_curve(CurveModel(replace(sidecar, intervals=older), Net()), [point(28, 70.0)], asked)
    assert curve.high - curve.mean == pytest.approx(curve.typical)


def test_length_is_held_and_is_nothing_strange() -> None:
    net = Net()
    long = TOLD.copy()
    long[LENGTH] = 8.0
    told = point(28, 90.0, told=long)
    assert model().is_like_training(told)
    model(net=net).from_point(told, GRID)
    assert (net.fed[0][:, LENGTH] == 1.0).all()
    odd = TOLD.copy()
    odd[0] = 40.0
    assert not model().is_like_training(point(28, 90.0, told=odd))
    model(net=net).from_point(point(28, 90.0, told=odd), GRID)
    assert (net.fed[1][:, 0] == 4.0).all()


def test_intervals_widen_outside_of_training() -> None:
    predictor = Predictor(model(), model("log_bits_per_pixel"))
    odd = TOLD.copy()
    odd[3] = -5.0

    def predict(told: np.ndarray, *asked: Cell) -> list[Any]:
        return predictor.predict([point(30, 85.0, told=told)], asked, 1000, 25.0)

    (inside,) = predict(TOLD, *cells(33))
    (strange,) = predict(odd, *cells(33))
    assert not inside.extrapolated
    assert strange.extrapolated
    assert strange.vmaf == inside.vmaf
    assert strange.vmaf_high - strange.vmaf == pytest.approx(WIDEN * (inside.vmaf_high - inside.vmaf))
    assert np.log(strange.kbps / strange.kbps_low) == pytest.approx(WIDEN * np.log(inside.kbps / inside.kbps_low))
    assert strange.typical_error == pytest.approx(WIDEN * inside.typical_error)
    at_probe, other_preset, beyond = predict(TOLD, *cells(30), *cells(30, preset="slow"), *cells(50))
    assert not at_probe.extrapolated
    assert at_probe.measured
    assert other_preset.extrapolated
    assert beyond.extrapolated
