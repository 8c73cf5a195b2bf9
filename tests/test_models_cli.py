"""``vmaf-tune models``: what is listed, and which faults are told."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from conftest import VmafTune, invoke
from model_kit import edit, reregister, set_weight, write
from training_kit import made_rows, write_rows
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE
from vmaftune_frv2.resources import shipped_models_dir

ENSEMBLE = "fr_regressor_v2_ensemble_v1"
IDS = {
    "fr_regressor_v1", "fr_regressor_v2", "vmaf_curve_v2", "bitrate_curve_v2",
    f"{ENSEMBLE}_seed0", f"{ENSEMBLE}_seed1",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of model, read-only by convention."""
    folder = tmp_path_factory.mktemp("models")
    corpus = write_rows(folder / "corpus.jsonl", made_rows(3, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "train-v2", "--corpus", corpus, "--epochs", 1, "--seeds", 2, "--curves", "--out-dir", folder / "m"
        )
    assert result.code == 0, result.err
    return folder / "m"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """The same models, free to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "models"))


def test_everything_that_training_writes_is_listed_and_verifies(vmaf_tune: VmafTune, trained: Path) -> None:
    result = vmaf_tune("models", "--model-dir", trained)
    assert (result.code, result.err) == (0, "")
    name, headers, *rows = result.out.splitlines()
    assert name == str(trained)
    assert headers.split()[:2] == ["model", "for"]
    assert {row.split()[0] for row in rows} == IDS | {ENSEMBLE}
    assert all(row.split()[1] == "smoke" and row.endswith(" yes") for row in rows)
    by_id = {row.split()[0]: row for row in rows}
    for text in ("features, codec ", "probe libx264:medium:28", "vmaf_v0.6.1", "PLCC ", "RMSE "):
        assert text in by_id["fr_regressor_v2"]
    assert "features, probe_codec, codec, anchor" in by_id["vmaf_curve_v2"]
    assert "probe, one of 3 encoders" in by_id["vmaf_curve_v2"]
    assert " cell " in by_id["fr_regressor_v1"]
    assert "2 members" in by_id[ENSEMBLE]
    assert "90% intervals cover" in by_id[ENSEMBLE]


def test_json_says_the_same_and_more(vmaf_tune: VmafTune, trained: Path) -> None:
    result = vmaf_tune("models", "--model-dir", trained, "--format", "json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["verified"] is True
    (listed,) = found["folders"]
    models = {model["id"]: model for model in listed["models"]}
    assert set(models) == IDS
    for name, model in models.items():
        assert model["faults"] == []
        assert model["bytes"] == (trained / f"{name}.onnx").stat().st_size
    assert models["fr_regressor_v2"]["probe"] == {"encoder": "libx264", "preset": "medium", "crf": 28}
    assert len(models["vmaf_curve_v2"]["probes"]) == 3
    assert models["fr_regressor_v2"]["loso"]["pooled"]["n"] == 36
    (ensemble,) = listed["ensembles"]
    assert (ensemble["id"], ensemble["faults"]) == (ENSEMBLE, [])


def test_the_shipped_models_verify(vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("models")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{shipped_models_dir()}\n")
    assert "\nfr_regressor_v2 " in result.out
    assert " production " in result.out


def test_local_models_come_before_the_shipped_ones(vmaf_tune: VmafTune, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "model" / "tiny")
    found = json.loads(vmaf_tune("models", "--format", "json").out)
    assert [each["folder"] for each in found["folders"]] == ["model/tiny", str(shipped_models_dir())]


def test_in_a_checkout_the_shipped_models_are_listed_once(
    vmaf_tune: VmafTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shipped_models_dir().parents[1])
    found = json.loads(vmaf_tune("models", "--format", "json").out)
    assert len(found["folders"]) == 1


def alter_bytes(folder: Path) -> None:
    path = folder / "fr_regressor_v1.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def fix_the_batch(folder: Path) -> None:
    model = onnx.load(str(folder / "fr_regressor_v2.onnx"))
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    reregister(folder, "fr_regressor_v2", model.SerializeToString())


def rename_the_output(folder: Path) -> None:
    model = onnx.load(str(folder / "fr_regressor_v2.onnx"))
    model.graph.node.append(helper.make_node("Identity", ["score"], ["other"]))
    model.graph.output[0].name = "other"
    reregister(folder, "fr_regressor_v2", model.SerializeToString())


def take_the_blind_graph(folder: Path) -> None:
    reregister(folder, "fr_regressor_v2", (folder / "fr_regressor_v1.onnx").read_bytes())


def spoil_the_graph(folder: Path) -> None:
    reregister(folder, "fr_regressor_v2", b"no onnx")


def drop_a_member_from_the_registry(folder: Path) -> None:
    edit(
        folder / "registry.json",
        lambda found: found.update(models=[e for e in found["models"] if not e["id"].endswith("seed1")]),
    )


def retrain_a_member(folder: Path) -> None:
    reregister(folder, f"{ENSEMBLE}_seed0", (folder / f"{ENSEMBLE}_seed1.onnx").read_bytes())


def edit_sidecar(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "fr_regressor_v2.json", change)


def quantiles(manifest: dict[str, Any]) -> Any:
    return manifest["confidence"]["intervals"]["quantiles"]


FAULTS = {
    "altered bytes": (alter_bytes, ["fr_regressor_v1.onnx: sha256 is"]),
    "no model file": (
        lambda folder: (folder / "bitrate_curve_v2.onnx").unlink(),
        ["bitrate_curve_v2.onnx: No such file"],
    ),
    "no sidecar": (
        lambda folder: (folder / "fr_regressor_v2.json").unlink(),
        ["fr_regressor_v2.json: No such file"],
    ),
    "sidecar is no JSON": (
        lambda folder: (folder / "fr_regressor_v2.json").write_text("{"),
        ["fr_regressor_v2.json: not JSON"],
    ),
    "sidecar of other bytes": (
        edit_sidecar(lambda found: found.update(sha256="0" * 64)),
        ["fr_regressor_v2.json: sha256 is 000000000000..., registry.json says"],
    ),
    "sidecar calls itself production": (
        edit_sidecar(lambda found: found.update(smoke=False)),
        ["fr_regressor_v2.json: smoke is false, registry.json says true"],
    ),
    "sidecar breaks the schema": (
        edit_sidecar(lambda found: found["feature_std"].__setitem__(0, -1.0)),
        ["fr_regressor_v2.json: feature_std[0] = -1.0: must be > 0", "feature_mean and feature_std must hold"],
    ),
    "sidecar of another vocabulary": (
        edit_sidecar(lambda found: found.update(encoder_vocab=["libx264"])),
        ["fr_regressor_v2.json: codec_block_layout does not follow from encoder_vocab"],
    ),
    "sidecar names other inputs": (
        edit_sidecar(lambda found: found.update(input_names=["codec", "features"])),
        ["fr_regressor_v2.onnx: inputs are features, codec; the sidecar says codec, features"],
    ),
    "another graph": (
        take_the_blind_graph,
        ["takes features [N, 6]; by its sidecar features [N, 6], codec [N, 8]", "inputs are"],
    ),
    "fixed batch": (fix_the_batch, ["the batch axis is fixed: features [1, 6], codec [1, 8]"]),
    "another output": (rename_the_output, ["fr_regressor_v2.onnx: outputs are other; the sidecar says score"]),
    "no graph": (spoil_the_graph, ["fr_regressor_v2.onnx: onnxruntime cannot load it"]),
    "missing member": (
        lambda folder: (folder / f"{ENSEMBLE}_seed1.onnx").unlink(),
        [f"{ENSEMBLE}_seed1.onnx: No such file", f"member {ENSEMBLE}_seed1: "],
    ),
    "retrained member": (retrain_a_member, [f"member {ENSEMBLE}_seed0: "]),
    "unregistered member": (drop_a_member_from_the_registry, [f"member {ENSEMBLE}_seed1 is not registered"]),
    "smoke members of a production ensemble": (
        lambda folder: edit(folder / f"{ENSEMBLE}.json", lambda found: found.update(smoke=False)),
        [f"{ENSEMBLE}.json: smoke is false, member {ENSEMBLE}_seed0's is not", "seed1's is not"],
    ),
    "manifest breaks the schema": (
        lambda folder: edit(folder / f"{ENSEMBLE}.json", lambda found: found.update(members=[])),
        [f"{ENSEMBLE}.json: members = []: must have at least 2 items"],
    ),
    "torn manifest": (
        lambda folder: (folder / f"{ENSEMBLE}.json").write_text('{"kind": "fr_ens'),
        [f"{ENSEMBLE}.json: not JSON"],
    ),
    "a weight that is NaN": (
        lambda folder: set_weight(folder, "vmaf_curve_v2", "hidden1.weight", math.nan),
        ["vmaf_curve_v2.onnx: hidden1.weight holds a weight that is NaN or beyond 1e+09"],
    ),
    "a weight that nothing learnt": (
        lambda folder: set_weight(folder, "fr_regressor_v1", "hidden0.weight", 1e30),
        ["fr_regressor_v1.onnx: hidden0.weight holds a weight that is NaN or beyond 1e+09"],
    ),
    "a mean that is NaN": (
        edit_sidecar(lambda found: found["feature_mean"].__setitem__(5, math.nan)),
        ["fr_regressor_v2.json: feature_mean[5] is nan, not a finite number"],
    ),
    "intervals that are infinite": (
        lambda folder: edit(
            folder / f"{ENSEMBLE}.json", lambda found: found["confidence"]["intervals"].update(floor=math.inf)
        ),
        [f"{ENSEMBLE}.json: confidence.intervals.floor is inf, not a finite number"],
    ),
    "quantiles that fall": (
        lambda folder: edit(
            folder / f"{ENSEMBLE}.json", lambda found: quantiles(found)["all"].reverse()
        ),
        [f"{ENSEMBLE}.json: no ensemble manifest (quantiles of all must be one per level, rising from 0 or more)"],
    ),
    "registry breaks the schema": (
        lambda folder: edit(folder / "registry.json", lambda found: found["models"][0].pop("sha256")),
        ["registry.json: models[0].sha256 = null: required key is missing"],
    ),
    "no registry": (lambda folder: (folder / "registry.json").unlink(), ["registry.json: No such file"]),
    "registry is no JSON": (lambda folder: (folder / "registry.json").write_text(""), ["registry.json: not JSON"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "messages"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_one_clear_line(
    vmaf_tune: VmafTune, folder: Path, spoil: Callable[[Path], Any], messages: list[str]
) -> None:
    spoil(folder)
    result = vmaf_tune("models", "--model-dir", folder)
    assert result.code == ExitCode.MODEL
    lines = result.err.splitlines()
    assert len(lines) == len(messages), result.err
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith("Error: ")
        assert message in line
    if result.out:  # what is unspoilt is listed as before
        assert " yes" in result.out or "registry" in messages[0]


def test_a_fault_is_in_the_json_and_beside_the_model(vmaf_tune: VmafTune, folder: Path) -> None:
    alter_bytes(folder)
    result = vmaf_tune("models", "--model-dir", folder)
    verdicts = {row.split()[0]: row.split()[-1] for row in result.out.splitlines()[2:]}
    assert verdicts.pop("fr_regressor_v1") == "no"
    assert set(verdicts.values()) == {"yes"}
    found = json.loads(vmaf_tune("models", "--model-dir", folder, "--format", "json").out)
    assert found["verified"] is False
    (spoilt,) = (model for model in found["folders"][0]["models"] if model["faults"])
    assert spoilt["id"] == "fr_regressor_v1"


def test_an_empty_registry_is_no_fault(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    write(tmp_path / "registry.json", {"schema_version": 1, "models": []})
    result = vmaf_tune("models", "--model-dir", tmp_path)
    assert (result.code, result.out) == (0, f"{tmp_path}: no models\n")


def test_torch_is_not_imported(trained: Path) -> None:
    script = (
        "import sys; from vmaftune_frv2.host.cli import run;"
        f" code = run(['models', '--model-dir', {str(trained)!r}]);"
        " sys.exit(code or 100 * ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
