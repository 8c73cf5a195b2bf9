"""What is no number, or none that can be, is refused wherever it comes in; it is never an answer."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from conftest import Clips, VmafTune, read_rows
from model_kit import edit, set_weight
from training_kit import write_rows
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.weights import float_tensors
from vmaftune_frv2.resources import shipped_models_dir

FEATURES = {
    "adm2": 0.93, "vif_scale0": 0.5, "vif_scale1": 0.8, "vif_scale2": 0.88, "vif_scale3": 0.92, "motion2": 4.0,
}  # fmt: skip
GRID = ("--encoder", "libx264", "--preset", "medium", "--crf", "28")
NO_NUMBERS = ("nan", "inf", "-inf", "-1")
OPTIONS = {
    "corpus": ("--duration", "--sample-clip-seconds", "--timeout", "--framerate"),
    "train-v2": ("--lr", "--weight-decay", "--dropout"),
    "predict": (
        "--target-vmaf", "--tolerance", "--confidence", "--max-bitrate", "--min-vmaf-frame",
        "--sample-clip-seconds", "--sample-seconds", "--framerate",
    ),
    "ladder": ("--tolerance", "--max-bitrate", "--sample-clip-seconds", "--vmaf-range", "--framerate"),
    "per-shot": ("--target-vmaf", "--min-vmaf-frame", "--sample-seconds"),
}  # fmt: skip


def line_of(err: str) -> str:
    """The one line that says what is wrong."""
    (line,) = (line for line in err.splitlines() if line.startswith("Error: "))
    return line


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command, options in OPTIONS.items() for option in options]
)
def test_option_takes_finite_numbers_only(
    command: str, option: str, value: str, clip: Clips, vmaf_tune: VmafTune
) -> None:
    given = f"{value}:95" if option == "--vmaf-range" else value
    source: tuple[object, ...] = ("--smoke",) if command == "train-v2" else (clip("testsrc2"), *GRID[:2])
    source += ("--heights", "96") if command == "ladder" else ()
    told = vmaf_tune(command, *source, f"{option}={given}")
    assert told.code == ExitCode.USAGE
    assert option in line_of(told.err)
    assert "encoded" not in told.err
    assert told.out == ""


@pytest.fixture
def models(model_dir: Path, tmp_path: Path) -> Path:
    """A folder of models to spoil."""
    return Path(shutil.copytree(model_dir, tmp_path / "models"))


@pytest.fixture
def ask(vmaf_tune: VmafTune, models: Path) -> Callable[..., Any]:
    """Predicts one cell from features."""

    def run(features: dict[str, Any] = FEATURES, *options: object, model: object = None) -> Any:
        Path("f.json").write_text(json.dumps(features))
        chosen = model or models / "fr_regressor_v2.onnx"
        return vmaf_tune(
            "predict", "--features", "f.json", "--model", chosen, *(options or GRID), "--format", "json"
        )

    return run


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("adm2", -5), ("adm2", 1e300), ("adm2", 2.5), ("vif_scale0", -0.01), ("vif_scale3", 7), ("motion2", -1),
        ("motion2", 1e4), ("motion2", -1e300),
    ],
)  # fmt: skip
def test_feature_that_libvmaf_never_gives_is_refused_by_name(feature: str, value: float, ask: Any) -> None:
    told = ask(FEATURES | {feature: value})
    assert (told.code, told.out) == (ExitCode.INPUT, "")
    top = "256" if feature == "motion2" else "2"
    assert f"f.json: feature {feature} is {value!r}; it lies in 0..{top}" in line_of(told.err)


def test_features_unlike_training_are_marked(vmaf_tune: VmafTune) -> None:
    Path("f.json").write_text(json.dumps(FEATURES))
    Path("far.json").write_text(json.dumps(FEATURES | {"adm2": 0.2}))
    for name, extrapolated in (("f.json", False), ("far.json", True)):
        told = vmaf_tune("predict", "--features", name, *GRID, "--format", "json")
        assert told.code == ExitCode.OK, told.err
        (record,) = json.loads(told.out)
        assert record["extrapolated"] is extrapolated


def test_log_with_text_for_a_number_is_one_clear_line(ask: Any) -> None:
    told = ask({"frames": [{"metrics": FEATURES | {"adm2": "much"}}]})
    assert told.code == ExitCode.INPUT
    assert "f.json: the libvmaf log holds what is no number" in line_of(told.err)


def sidecar(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    return lambda folder: edit(folder / "fr_regressor_v2.json", change)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "weight NaN": (lambda m: set_weight(m, "fr_regressor_v2", "hidden0.weight", math.nan), "hidden0.weight holds"),
    "bias NaN": (lambda m: set_weight(m, "fr_regressor_v2", "head.bias", math.nan), "head.bias holds"),
    "weight infinite": (lambda m: set_weight(m, "fr_regressor_v2", "head.weight", math.inf), "head.weight holds"),
    "weight absurd": (lambda m: set_weight(m, "fr_regressor_v2", "hidden1.weight", -1e20), "hidden1.weight holds"),
    "scores absurd": (lambda m: set_weight(m, "fr_regressor_v2", "score_max", -1e6), "as VMAF, which cannot be"),
    "mean NaN": (sidecar(lambda s: s["feature_mean"].__setitem__(0, math.nan)), "feature_mean[0] is nan"),
    "mean infinite": (sidecar(lambda s: s["feature_mean"].__setitem__(1, -math.inf)), "feature_mean[1] is -inf"),
    "mean beyond floats": (sidecar(lambda s: s["feature_mean"].__setitem__(1, 10**400)), "feature_mean[1] is too"),
    "mean impossible": (
        sidecar(lambda s: s["feature_mean"].__setitem__(0, 1e30)),
        "mean of adm2 is 1e+30",
    ),
    "mean text": (sidecar(lambda s: s["feature_mean"].__setitem__(0, "0.9")), "feature_mean holds '0.9'"),
    "std NaN": (sidecar(lambda s: s["feature_std"].__setitem__(0, math.nan)), "feature_std[0] is nan"),
    "std negative": (sidecar(lambda s: s["feature_std"].__setitem__(0, -1.0)), "std above 0"),
    "crf range NaN": (sidecar(lambda s: s["cells"]["libx264"].update(crf_min=math.nan)), "crf_min is nan"),
    "crf range reversed": (sidecar(lambda s: s["cells"]["libx264"].update(crf_min=99)), "above crf_max"),
    "registry infinite": (
        lambda m: edit(m / "registry.json", lambda r: r.update(schema_version=math.inf)),
        "schema_version is inf",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_model_gives_no_answer(what: str, models: Path, ask: Any) -> None:
    spoil, says = BROKEN[what]
    spoil(models)
    told = ask()
    assert (told.code, told.out) == (ExitCode.MODEL, "")
    assert says in line_of(told.err)


@pytest.mark.parametrize("what", ["weight NaN", "mean NaN", "std negative"])
def test_broken_model_gives_no_answer_of_rows_either(
    what: str, models: Path, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    BROKEN[what][0](models)
    told = vmaf_tune("predict", "--corpus", corpus_path, "--model", models / "fr_regressor_v2.onnx")
    assert (told.code, told.out) == (ExitCode.MODEL, "")


ENSEMBLE = "fr_regressor_v2_ensemble_v1"
MEMBERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "weight NaN": (lambda m: member_weight(m, math.nan), "holds a weight"),
    "quantile NaN": (
        lambda m: manifest(m, lambda i: i["quantiles"]["all"].__setitem__(0, math.nan)),
        "quantiles.all[0] is nan",
    ),
    "quantile negative": (
        lambda m: manifest(m, lambda i: i["quantiles"]["all"].__setitem__(0, -3.0)),
        "rising from 0 or more",
    ),
    "weights text": (lambda m: manifest(m, lambda i: i["weights"].update(bias="x")), "weights of intervals holds"),
    "other VMAF": (
        lambda m: edit(m / f"{ENSEMBLE}_seed0.json", lambda s: s.update(vmaf_model="vmaf_v1.0.16_3d0h")),
        "its vmaf_model is not that of",
    ),
}


def manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(folder / f"{ENSEMBLE}.json", lambda found: change(found["confidence"]["intervals"]))


def member_weight(folder: Path, value: float) -> None:
    name = f"{ENSEMBLE}_seed0"
    set_weight(folder, name, "hidden0.weight", value)
    digest = json.loads((folder / f"{name}.json").read_text())["sha256"]
    edit(folder / f"{ENSEMBLE}.json", lambda found: found["members"][0].update(sha256=digest))


@pytest.mark.parametrize("what", MEMBERS)
def test_broken_ensemble_gives_no_interval(
    what: str, models: Path, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    spoil, says = MEMBERS[what]
    spoil(models)
    told = vmaf_tune("predict", "--corpus", corpus_path, "--model", models / "fr_regressor_v2.onnx")
    assert (told.code, told.out) == (ExitCode.MODEL, "")
    assert says in line_of(told.err)


CURVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "VMAF weight NaN": (lambda m: set_weight(m, "vmaf_curve_v2", "hidden0.weight", math.nan), "holds a weight"),
    "bits weight absurd": (lambda m: set_weight(m, "bitrate_curve_v2", "head.weight", 1e12), "holds a weight"),
    "bits impossible": (
        lambda m: set_weight(m, "bitrate_curve_v2", "head.bias", 1e6, at=6),
        "as log_bits_per_pixel, which cannot be",
    ),
    "descriptor mean NaN": (
        lambda m: edit(m / "vmaf_curve_v2.json", lambda s: s["feature_mean"].__setitem__(7, math.nan)),
        "feature_mean[7] is nan",
    ),
    "pad": (
        lambda m: edit(m / "vmaf_curve_v2.json", lambda s: s["anchor"].update(pad=-1.0)),
        "anchor's pad is -1.0",
    ),
    "interval weight": (
        lambda m: edit(m / "vmaf_curve_v2.json", lambda s: s["intervals"]["weights"].update(bias=math.nan)),
        "intervals.weights.bias is nan",
    ),
    "first crf": (
        lambda m: edit(m / "vmaf_curve_v2.json", lambda s: s["first_crf"]["feature_std"].__setitem__(0, 0.0)),
        "std above 0",
    ),
}


@pytest.mark.parametrize("what", CURVES)
def test_broken_curve_model_gives_no_answer(
    what: str, curve_models: Sequence[Any], source: Path, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    # Those of the session learnt no first crf: their corpus has no complexity.
    models = shipped_models_dir() if what == "first crf" else curve_models[1].parent
    folder = Path(shutil.copytree(models, tmp_path / "curves"))
    spoil, says = CURVES[what]
    spoil(folder)
    named = ("--model", folder / "vmaf_curve_v2.onnx", "--bitrate-model", folder / "bitrate_curve_v2.onnx")
    probe = ("--probe", "libx264:veryfast:33", "--encoder", "libx264", "--preset", "medium")
    told = vmaf_tune("predict", source, *probe, *named)
    assert (told.code, told.out) == (ExitCode.MODEL, "")
    assert says in line_of(told.err)


@pytest.mark.parametrize(("key", "value"), [("adm2_mean", -5.0), ("vif_scale1_mean", 3.0), ("motion2_mean", -0.5)])
def test_row_with_a_feature_that_cannot_be_is_invalid(
    key: str, value: float, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    row = read_rows(corpus_path)[0] | {key: value}
    row = {name: each for name, each in row.items() if name != "per_frame_features"}
    told = vmaf_tune("validate", write_rows(Path("rows.jsonl"), [row]))
    assert told.code == ExitCode.NEGATIVE
    assert f"rows.jsonl:1: {key} = {value}: libvmaf's {key.removesuffix('_mean')} lies in 0.." in told.out


COMPLEXITY = {
    **{
        f"{copy}_{name}": value
        for copy in ("denoised", "blurred", "averaged")
        for name, value in ({**FEATURES, "vmaf": 90.0}).items()
        if name != "motion2"
    },
    "motion2": 3.0, "motion2_std": 1.0, "interpolation_psnr": 30.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [("blurred_vmaf", -50.0), ("denoised_adm2", 9.0), ("motion2", -1.0), ("motion2_std", -1.0), (None, None)],
)
def test_complexity_that_cannot_be_makes_a_row_invalid(
    key: str | None, value: float, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    changed = COMPLEXITY if key is None else COMPLEXITY | {key: value}
    row = read_rows(corpus_path)[0] | {"source_complexity": changed}
    told = vmaf_tune("validate", write_rows(Path("rows.jsonl"), [row]))
    assert told.code == (ExitCode.OK if key is None else ExitCode.NEGATIVE), told.out
    assert key is None or f"source_complexity.{key} = {value}: it lies in 0.." in told.out


def test_frame_with_a_score_that_cannot_be_makes_a_row_invalid(corpus_path: Path, vmaf_tune: VmafTune) -> None:
    row = read_rows(corpus_path)[0]
    scores = row["per_frame_vmaf"]
    spread = [scores[0] + 200.0, scores[1] - 200.0, *scores[2:]]
    told = vmaf_tune("validate", write_rows(Path("rows.jsonl"), [row | {"per_frame_vmaf": spread}]))
    assert told.code == ExitCode.NEGATIVE
    assert "per_frame_vmaf" in told.out
    assert "VMAF lies in 0..100" in told.out


@pytest.mark.parametrize(
    "option", [("--crf", "0:99999999999"), ("--probe", "libx264:medium:\N{SUPERSCRIPT TWO}"), ("--crf", "nan")]
)
def test_crf_that_is_no_number_is_one_clear_line(
    option: tuple[str, str], clip: Clips, curve_models: Sequence[object], vmaf_tune: VmafTune
) -> None:
    told = vmaf_tune("predict", clip("testsrc2"), "--encoder", "libx264", *curve_models, *option)
    assert told.code == ExitCode.USAGE
    assert option[1] in line_of(told.err)


def test_model_that_does_not_say_its_vmaf_is_warned_of(
    models: Path, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    for path in (models / "fr_regressor_v2.json", *models.glob(f"{ENSEMBLE}_seed*.json")):
        edit(path, lambda found: found.update(vmaf_model=None))
    told = vmaf_tune("predict", "--corpus", corpus_path, "--model", models / "fr_regressor_v2.onnx")
    assert told.code == ExitCode.OK, told.err
    assert "Warning: fr_regressor_v2 does not name the VMAF model that it learnt" in told.err


@pytest.mark.parametrize("path", sorted(shipped_models_dir().glob("*.onnx")), ids=lambda path: path.stem)
def test_weights_are_read_as_the_onnx_package_reads_them(path: Path) -> None:
    found = dict(float_tensors(path.read_bytes()))
    graph, kind = onnx.load(str(path)).graph, onnx.TensorProto.FLOAT
    floats = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer if t.data_type == kind}
    assert floats.keys() <= found.keys()
    for name, weights in floats.items():
        values = found[name]
        assert values is not None
        np.testing.assert_array_equal(values, weights.ravel())
