"""VMAF models beside the default one: v1, NEG, 4K, phone. The canonical-6 are the plain extractors' with each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, VmafTune, read_rows
from model_kit import edit
from plugin_kit import plugin_in, sweep
from training_kit import made_rows, train, write_rows
from vmaftune_frv2.contract.features import CANONICAL6, read_metric
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import FFmpeg

V1 = "vmaf_v1.0.16_3d0h"
PHONE = "vmaf_v0.6.1:enable_transform=true"
CELL = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "40")
Measure = Callable[..., dict[str, Any]]


@pytest.fixture
def measure(vmaf_tune: VmafTune, tmp_path: Path) -> Measure:
    """The row of one cell of a source, scored with a model."""

    def run(source: Path, model: str, *options: object) -> dict[str, Any]:
        corpus = tmp_path / "rows.jsonl"
        told = vmaf_tune("corpus", source, *CELL, "--vmaf-model", model, *options, "--output", corpus)
        assert told.code == ExitCode.OK, told.err
        return read_rows(corpus)[-1]

    return run


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p"])
@pytest.mark.parametrize(
    "model", [V1, "vmaf_v1.0.16_hfr_3d0h", "vmaf_v1.0.16_1d5h_2160", "vmaf_v0.6.1neg", "vmaf_float_v0.6.1", PHONE]
)
def test_every_model_scores_and_the_features_stay(model: str, pix_fmt: str, clip: Clips, measure: Measure) -> None:
    source = clip("testsrc2", size="320x180", frames=6, pix_fmt=pix_fmt)
    plain, row = measure(source, "vmaf_v0.6.1"), measure(source, model)
    assert row["vmaf_model"] == model
    assert row["per_frame_vmaf"] != plain["per_frame_vmaf"]
    assert row["per_frame_features"] == plain["per_frame_features"]
    for feature in CANONICAL6:
        assert row[f"{feature}_mean"] == plain[f"{feature}_mean"]


def test_v1_model_logs_features_of_its_own_beside_the_plain_ones(clip: Clips, tmp_path: Path) -> None:
    site = plugin_in(
        tmp_path / "site",
        "keeper",
        """
        import json
        @hookimpl
        def vmaftune_scored(row, payload):
            open("log.json", "w").write(json.dumps(payload))
        """,
    )
    source = clip("testsrc2", size="320x180", frames=4, filters="rotate=0.2*n")
    told = sweep(source, tmp_path / "rows.jsonl", *CELL, "--vmaf-model", V1, path=site)
    assert told.code == ExitCode.OK, told.err
    metrics = json.loads(Path("log.json").read_text())["frames"][2]["metrics"]
    own = {name for name in metrics if name.startswith(("integer_adm2_", "integer_motion2_"))}
    assert len(own) == 2
    (row,) = read_rows(tmp_path / "rows.jsonl")
    for feature in CANONICAL6:
        assert row["per_frame_features"][feature][2] == metrics[f"integer_{feature}"]
    only = {name: value for name, value in metrics.items() if name in own or "vif" in name}
    for feature in ("adm2", "motion2"):
        with pytest.raises(KeyError):
            read_metric(only, feature)


def test_full_features_are_the_plain_ones_too(clip: Clips, measure: Measure) -> None:
    source = clip("testsrc2", size="320x240", frames=4)
    plain = measure(source, "vmaf_v0.6.1", "--feature-set", "full")
    row = measure(source, V1, "--feature-set", "full")
    assert row["full_features"] == plain["full_features"]
    assert row["full_features"]["motion"] is not None


@pytest.mark.parametrize(("model", "size"), [(V1, "160x96"), ("vmaf_v1.0.16_5d0h", "320x240")])
def test_source_too_small_for_a_model_is_refused_before_the_first_encode(
    model: str, size: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    told = vmaf_tune("corpus", clip("testsrc2", size=size), *CELL, "--vmaf-model", model, "--output", "c.jsonl")
    assert told.code == ExitCode.INPUT
    (line,) = told.err.splitlines()
    assert f"{size} is too small for VMAF model {model}" in line
    assert not Path("c.jsonl").exists()


@pytest.mark.parametrize(
    ("model", "code", "says"),
    [
        ("x':log_path='y", ExitCode.USAGE, "is no VMAF model; write a name, as vmaf_v1.0.16_3d0h"),
        ("vmaf_v0.6.1:disable_clip=true", ExitCode.USAGE, "is no VMAF model"),
        ("vmaf_4k_v0.6.1:enable_transform=true", ExitCode.USAGE, "vmaf_4k_v0.6.1 has no variant for phones"),
        ("vmaf_v9", ExitCode.TOOL, "libvmaf cannot score with model 'vmaf_v9'"),
    ],
)
def test_what_is_no_model_is_refused(
    model: str, code: int, says: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    told = vmaf_tune("corpus", clip("testsrc2"), *CELL, "--vmaf-model", model, "--output", "c.jsonl")
    assert told.code == code
    assert says in told.err.splitlines()[0]
    assert not Path("c.jsonl").exists()


def test_doctor_lists_every_kind_of_model(vmaf_tune: VmafTune, ffmpeg: FFmpeg) -> None:
    told = vmaf_tune("doctor", "--json")
    assert told.code == ExitCode.OK, told.out
    checks = {check["name"].removeprefix("libvmaf "): check for check in json.loads(told.out)["checks"]}
    kinds = {
        "vmaf_v0.6.1": "HD", "vmaf_v0.6.1neg": "NEG", "vmaf_4k_v0.6.1": "4K", PHONE: "phone",
        V1: "v1", "vmaf_v1.0.16_5d0h": "v1", "vmaf_v1.0.16_3d0h_2160": "v1", "vmaf_v1.0.16_hfr_5d0h": "v1",
    }  # fmt: skip
    for model, kind in kinds.items():
        assert checks[model]["ok"]
        assert kind in checks[model]["detail"]
        assert checks[model]["needed"] == (kind != "v1")


def mixed() -> Path:
    rows = made_rows(3, 1)
    return write_rows(Path("mixed.jsonl"), [*rows, *(row | {"vmaf_model": V1} for row in rows)])


def test_training_does_not_mix_models() -> None:
    told = train(mixed(), code=ExitCode.INPUT)
    assert (
        f"vmaf_v0.6.1 (36 rows), {V1} (36 rows)" in told.err or "mixes scores of several VMAF models" in told.err
    )


def test_rows_of_another_model_get_no_prediction(vmaf_tune: VmafTune) -> None:
    corpus = mixed()
    train(corpus, "--vmaf-model", V1)
    told = vmaf_tune("predict", "--corpus", corpus, "--model", "out/fr_regressor_v2.onnx", "--format", "jsonl")
    assert told.code == ExitCode.NEGATIVE
    assert {json.loads(line)["vmaf_model"] for line in told.out.splitlines()} == {V1}
    count = len(told.out.splitlines())
    assert f"{count} rows got no prediction: scored with vmaf_v0.6.1, and the model predicts {V1}" in told.err


def test_predictors_of_two_models_are_not_mixed(
    vmaf_tune: VmafTune, curve_models: Sequence[Any], source: Path, tmp_path: Path
) -> None:
    _, vmaf, _, bitrate = curve_models
    for path in (vmaf, vmaf.with_suffix(".json")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit(tmp_path / "vmaf_curve_v2.json", lambda found: found.update(vmaf_model=V1))
    told = vmaf_tune("predict", source, "--model", tmp_path / vmaf.name, "--bitrate-model", bitrate)
    assert told.code == ExitCode.MODEL
    assert f"vmaf_curve_v2 learnt from scores of {V1}, bitrate_curve_v2 from those of vmaf_v0.6.1" in told.err
