"""``vmaf-tune train-v2`` from corpus to registered model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator

from conftest import VmafTune, read_rows
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.resources import schema_path

PROBE = "libx264:veryfast:33"


def document(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def conforms(value: dict[str, Any], schema: str) -> list[str]:
    validator = Draft202012Validator(json.loads(schema_path(schema).read_text()))
    return [error.message for error in validator.iter_errors(value)]


def edited(corpus: Path, target: Path, edit: Callable[[list[dict[str, Any]]], None]) -> Path:
    rows = read_rows(corpus)
    edit(rows)
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def test_smoke_writes_a_registered_model_that_is_marked_smoke(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    result = vmaf_tune("train-v2", "--smoke")
    assert result.code == 0, result.err
    folder = tmp_path / "model" / "tiny"
    sidecar, registry = document(folder / "fr_regressor_v2.json"), document(folder / "registry.json")
    (entry,) = registry["models"]
    data = (folder / "fr_regressor_v2.onnx").read_bytes()
    assert entry["sha256"] == sidecar["sha256"] == sha256_bytes(data)
    assert (entry["smoke"], sidecar["smoke"], sidecar["training"]["rows"]) == (True, True, 100)
    assert conforms(sidecar, "model_sidecar") == []
    assert conforms(registry, "model_registry") == []


def test_smoke_is_reproducible_byte_for_byte(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert vmaf_tune("train-v2", "--smoke", "--out-dir", tmp_path / name).code == 0
    for file in ("fr_regressor_v2.onnx", "fr_regressor_v2.json", "registry.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_exported_graph_keeps_the_contract(model_dir: Path) -> None:
    model = onnx.load(str(model_dir / "fr_regressor_v2.onnx"))
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"features": ["N", 6], "codec": ["N", 8], "score": ["N"]}
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    assert {node.op_type for node in model.graph.node} == {"Concat", "Gemm", "Relu", "Sigmoid", "Mul", "Squeeze"}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_the_sidecar_says_what_the_model_was_trained_on(model_dir: Path, corpus_path: Path) -> None:
    sidecar = document(model_dir / "fr_regressor_v2.json")
    rows = read_rows(corpus_path)
    probes = {row["src"]: [row[f"{f}_mean"] for f in CANONICAL6] for row in rows if row["crf"] == 33}
    per_row = np.array([probes[row["src"]] for row in rows])
    assert sidecar["probe"] == {"encoder": "libx264", "preset": "veryfast", "crf": 33}
    assert sidecar["feature_mean"] == pytest.approx(per_row.mean(axis=0).tolist())
    assert sidecar["feature_std"] == pytest.approx(per_row.std(axis=0).tolist())
    assert sidecar["codec_block_layout"] == CodecBlock.of_version(1).layout
    assert sidecar["cells"]["libsvtav1"] == {"presets": ["10"], "crf_min": 25, "crf_max": 55}
    assert sidecar["training"]["corpus_sha256"] == sha256_bytes(corpus_path.read_bytes())
    assert (sidecar["features_from"], sidecar["vmaf_model"]) == ("probe", "vmaf_v0.6.1")


def test_the_report_shows_folds_gate_and_why_a_model_is_smoke(
    vmaf_tune: VmafTune, corpus_path: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.json"
    result = vmaf_tune(
        "train-v2", "--corpus", corpus_path, "--epochs", 3, "--metrics-out", metrics, "--no-export",
        "--features-from", "cell",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "references: 3 (needs >= 50): NOT met, short by 47" in result.out
    figures = document(metrics)
    assert [fold["aware"]["n"] for fold in figures["folds"]] == [6, 6, 6]
    assert (figures["rows"], figures["sources"], figures["gate"]["met"]) == (18, 3, False)
    assert not (tmp_path / "model").exists()


def test_rows_that_cannot_be_learnt_from_are_dropped_with_a_reason(
    vmaf_tune: VmafTune, corpus_path: Path, tmp_path: Path
) -> None:
    def edit(rows: list[dict[str, Any]]) -> None:
        failed = {
            **rows[0],
            "exit_status": 1,
            "vmaf_score": None,
            "per_frame_vmaf": None,
            "per_frame_features": None,
        }
        failed |= {f"{feature}_mean": None for feature in CANONICAL6}
        nulls = {**rows[1], "per_frame_features": None} | {f"{feature}_mean": None for feature in CANONICAL6}
        rows += [
            failed,
            nulls,
            rows[2],
            {**rows[3], "crf": 99},
            {**rows[4], "encoder": "av1_amf", "preset": "speed"},
        ]

    corpus = edited(corpus_path, tmp_path / "corpus.jsonl", edit)
    with corpus.open("a") as stream:
        stream.write("{torn\n")
    result = vmaf_tune("train-v2", "--corpus", corpus, "--epochs", 1, "--features-from", "cell", "--no-export")
    assert result.code == 0, result.err
    assert "rows used: 19 of 3 sources" in result.out
    for line in (
        "rows dropped: 1: the cell failed",
        "rows dropped: 1: features are null",
        "rows dropped: 1: a cell that was measured before",
        "rows dropped: 1: breaks the row contract (vmaf-tune validate says how)",
        "rows dropped: 1: not JSON",
        "rows in the unknown slot: 1: av1_amf",
    ):
        assert line in result.out


def test_scores_of_several_vmaf_models_are_never_mixed(
    vmaf_tune: VmafTune, corpus_path: Path, tmp_path: Path
) -> None:
    def edit(rows: list[dict[str, Any]]) -> None:
        rows += [{**row, "vmaf_model": "vmaf_4k_v0.6.1"} for row in rows[:4]]

    corpus = edited(corpus_path, tmp_path / "corpus.jsonl", edit)
    mixed = vmaf_tune("train-v2", "--corpus", corpus, "--epochs", 1)
    assert mixed.code == ExitCode.INPUT
    assert "vmaf_v0.6.1 (18 rows), vmaf_4k_v0.6.1 (4 rows); choose one with --vmaf-model" in mixed.err
    chosen = vmaf_tune("train-v2", "--corpus", corpus, "--epochs", 1, "--vmaf-model", "vmaf_v0.6.1", "--no-export")
    assert chosen.code == 0, chosen.err
    assert "rows dropped: 4: scored with vmaf_4k_v0.6.1" in chosen.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--corpus", "missing.jsonl"], ExitCode.INPUT, "missing.jsonl: no such file"),
        (["--corpus", "empty.jsonl"], ExitCode.INPUT, "no usable row"),
        (["--corpus", "one.jsonl"], ExitCode.INPUT, "needs at least 2 sources (groups of sources); there are 1"),
        (["--corpus", "one.jsonl", "--probe-cell", "libx265:medium:28"], ExitCode.INPUT, "libx265:medium:28"),
        (["--corpus", "one.jsonl", "--probe-cell", "libx264:medium"], ExitCode.USAGE, "ENCODER:PRESET:CRF"),
        (["--smoke", "--out-dir", "one.jsonl/x"], ExitCode.OUTPUT, "cannot be written"),
        ([], ExitCode.USAGE, "give --corpus"),
    ],
)
def test_bad_input_is_one_clear_line(
    vmaf_tune: VmafTune, corpus_path: Path, arguments: list[str], code: int, message: str
) -> None:
    Path("empty.jsonl").touch()
    rows = read_rows(corpus_path)
    Path("one.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows if r["src"] == rows[0]["src"]))
    result = vmaf_tune("train-v2", *arguments)
    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("library", ["torch", "onnx"])
def test_a_library_that_only_training_needs_is_named_where_it_is_missing(library: str) -> None:
    script = (
        f"import sys; sys.modules[{library!r}] = None;"
        " from vmaftune_frv2.host.cli import run; run(['train-v2', '--smoke'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: training needs {library}: pip install torch==2.13.0 onnx ")


@pytest.mark.parametrize("device", ["cuda:99", "meta", "mps:99", "nowhere"])
def test_a_device_that_torch_cannot_use_is_one_short_line(
    vmaf_tune: VmafTune, corpus_path: Path, device: str, tmp_path: Path
) -> None:
    result = vmaf_tune("train-v2", "--corpus", corpus_path, "--device", device, "--metrics-out", "metrics.json")
    assert result.code == ExitCode.USAGE
    assert result.err.startswith(f"Error: --device {device}: torch cannot use it here (")
    assert (result.err.count("\n"), len(result.err) < 250) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_model_short_of_the_gate_never_replaces_a_production_model(
    vmaf_tune: VmafTune, corpus_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    train = ("train-v2", "--corpus", corpus_path, "--epochs", 1, "--out-dir", folder)
    assert vmaf_tune(*train).code == 0
    registry = document(folder / "registry.json")
    production = {"fr_regressor_v1": False, "fr_regressor_v2": False}
    for entry in registry["models"]:
        entry["smoke"] = production.get(entry["id"], True)
    (folder / "registry.json").write_text(json.dumps(registry))
    before = (folder / "fr_regressor_v2.onnx").read_bytes()
    result = vmaf_tune(*train, "--seed", 1)
    assert result.code == 0, result.err
    assert "fr_regressor_v2 is a production model; fr_regressor_v2_candidate does not take its place" in result.out
    assert (folder / "fr_regressor_v2.onnx").read_bytes() == before
    smoke = {e["id"]: e["smoke"] for e in document(folder / "registry.json")["models"]}
    production |= {f"{name}_candidate": True for name in production}
    assert {name: is_smoke for name, is_smoke in smoke.items() if "_ensemble_" not in name} == production
