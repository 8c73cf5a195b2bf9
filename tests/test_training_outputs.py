"""What ``vmaf-tune train-v2`` writes and reports, and what it refuses to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from training_kit import (
    CELLS,
    document,
    faults,
    made_rows,
    metrics,
    run_onnx,
    sidecar,
    train,
    write_rows,
)
from vmaftune_frv2.contract.ensemble import read_ensemble
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.training import gate

MEMBERS = ["fr_regressor_v2_ensemble_v1_seed0", "fr_regressor_v2_ensemble_v1_seed1"]


# What is written


def test_variance_is_exported_and_its_coverage_shown(made_corpus: Path) -> None:
    result = train(made_corpus, "--emit-variance")
    assert "variance head, share of left-out rows inside its Gaussian intervals: 0.5: " in result.out
    coverage = metrics()["loso"]["variance_coverage"]
    assert set(coverage) == {"0.5", "0.8", "0.9", "0.95"}
    assert list(coverage.values()) == sorted(coverage.values())
    assert sidecar()["output_names"] == ["score_logvar"]
    out = run_onnx(Path("out/fr_regressor_v2.onnx"), features=np.zeros((5, 6)), codec=np.zeros((5, 8)))
    assert out.shape == (5, 2)


def test_without_a_variance_no_coverage_is_claimed(made_corpus: Path) -> None:
    assert "variance" not in train(made_corpus, "--no-export").out
    assert metrics()["loso"]["variance_coverage"] == {}


def test_the_report_compares_with_baselines_and_shows_bands_and_coverage(made_corpus: Path) -> None:
    result = train(made_corpus, "--no-export")
    for line in ("ensemble of 2", "codec-blind", "linear", "crf curves", "85-92", "libx265, not in", "90%"):
        assert f"\n{line} " in result.out
    figures = metrics()
    assert figures["loso"]["models"]["linear"]["rmse"] < 6
    assert sum(band["n"] for band in figures["loso"]["by_band"].values()) == 96
    assert set(figures["coverage"]["by_encoder"]) == set(CELLS)


def test_the_gate_may_be_required(made_corpus: Path) -> None:
    result = train(made_corpus, "--require-gate", code=ExitCode.NEGATIVE)
    assert "Error: the ship gate is not met (--require-gate)" in result.err
    assert "references: 8 (needs >= 50): NOT met, short by 42" in result.out
    assert sidecar()["smoke"] is True


def test_the_ensemble_names_its_members_by_digest(made_corpus: Path) -> None:
    result = train(made_corpus)
    assert "wrote out/fr_regressor_v2_ensemble_v1.json" in result.out
    manifest = sidecar("fr_regressor_v2_ensemble_v1")
    assert faults(manifest, "model_ensemble") == []
    assert [member["id"] for member in manifest["members"]] == MEMBERS
    entries = {entry["id"]: entry for entry in document(Path("out/registry.json"))["models"]}
    for member in manifest["members"]:
        data = (Path("out") / member["onnx"]).read_bytes()
        assert member["sha256"] == sha256_bytes(data) == entries[member["id"]]["sha256"]
        assert sidecar(member["id"])["feature_mean"] == manifest["feature_mean"]
        assert entries[member["id"]]["smoke"] is manifest["smoke"] is True
    assert manifest["confidence"]["measured"] == metrics()["coverage"]
    first, second = (sidecar(name)["training"]["loso"]["pooled"] for name in MEMBERS)
    assert first == metrics()["loso"]["pooled"] != second
    assert f"RMSE {second['rmse']:.2f}" in sidecar(MEMBERS[1])["notes"]
    read = read_ensemble(Path("out/fr_regressor_v2_ensemble_v1.json"))
    assert list(read.members) == MEMBERS
    assert read.intervals.quantile("libx264", 0.9) > 0
    asked = {"features": np.zeros((1, 6)), "codec": np.zeros((1, 8))}
    first, second = (run_onnx(Path("out") / f"{name}.onnx", **asked) for name in MEMBERS)
    assert first != second
    assert run_onnx(Path("out/fr_regressor_v2.onnx"), **asked) == first


def test_past_the_gate_everything_is_production(made_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIN_PLCC", "MIN_LIFT", "MIN_REFERENCES", "MIN_ENCODERS"):
        monkeypatch.setattr(gate, name, -2.0)
    for seed in (0, 3):
        result = train(made_corpus, "--require-gate", "--seed", seed)
        assert "(smoke: false)" in result.out
        manifest = sidecar("fr_regressor_v2_ensemble_v1")
        assert manifest["smoke"] is False
        assert [member["id"][-5:] for member in manifest["members"]] == [f"seed{seed}", f"seed{seed + 1}"]
    assert not any(entry["smoke"] for entry in document(Path("out/registry.json"))["models"])


def test_one_seed_makes_no_ensemble(made_corpus: Path) -> None:
    train(made_corpus, "--seeds", 1)
    assert not list(Path("out").glob("*ensemble*"))
    assert metrics()["coverage"] is None


def test_a_smoke_ensemble_never_replaces_a_production_one(made_corpus: Path) -> None:
    train(made_corpus)
    registry = document(Path("out/registry.json"))
    for entry in registry["models"]:
        entry["smoke"] = not entry["id"].startswith("fr_regressor_v2_ensemble_v1_seed")
    Path("out/registry.json").write_text(json.dumps(registry))
    kept = [Path("out/fr_regressor_v2_ensemble_v1.json"), *(Path("out") / f"{name}.onnx" for name in MEMBERS)]
    before = [path.read_bytes() for path in kept]
    for _ in range(2):
        result = train(made_corpus, "--seed", 7)
        name = "fr_regressor_v2_ensemble_v1"
        assert f"{name} is a production model; {name}_candidate does not take its place" in result.out
        assert [path.read_bytes() for path in kept] == before
    candidate = sidecar("fr_regressor_v2_ensemble_v1_candidate")
    assert [member["id"] for member in candidate["members"]] == [
        "fr_regressor_v2_ensemble_v1_candidate_seed7",
        "fr_regressor_v2_ensemble_v1_candidate_seed8",
    ]
    assert faults(candidate, "model_ensemble") == []


def test_the_per_frame_model_is_judged_by_the_sources_that_have_frames(tmp_path: Path) -> None:
    rows = made_rows()
    for row in rows[:48]:
        row |= {"per_frame_vmaf": None, "per_frame_features": None}
    train(write_rows(tmp_path / "corpus.jsonl", rows))
    found = sidecar("fr_regressor_v1")
    assert (found["pooling"], found["codec_aware"], found["input_names"]) == ("frame", False, ["features"])
    assert found["training"]["sources"] == 4
    lines = {line["name"]: line["value"] for line in found["gate"]["lines"]}
    assert (lines["references"], lines["encoders"]) == (4.0, 3.0)
    assert faults(found, "model_sidecar") == []
    session = onnxruntime.InferenceSession("out/fr_regressor_v1.onnx", providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == ["features"]


@pytest.mark.parametrize("framed", [0, 24], ids=["none", "one title"])
def test_too_few_frames_make_no_per_frame_model(tmp_path: Path, framed: int) -> None:
    rows = made_rows()
    for row in rows[framed:]:
        row |= {"per_frame_vmaf": None, "per_frame_features": None}
    result = train(write_rows(tmp_path / "corpus.jsonl", rows))
    assert "per-frame" not in result.out
    assert metrics()["per_frame"] is None
    assert not Path("out/fr_regressor_v1.onnx").exists()


# What cannot be learnt from


def test_a_feature_that_never_varies_is_told(tmp_path: Path) -> None:
    rows = [row | {"motion2_mean": 3.0, "per_frame_features": None} for row in made_rows()]
    result = train(write_rows(tmp_path / "corpus.jsonl", rows))
    assert result.err == "Warning: motion2 never varies in this corpus and teaches nothing\n"
    assert (sidecar()["feature_mean"][5], sidecar()["feature_std"][5]) == (3.0, 1.0)


def test_a_corpus_of_one_encoder_is_told(tmp_path: Path) -> None:
    result = train(write_rows(tmp_path / "corpus.jsonl", made_rows(encoders=["libx265"])))
    assert "Warning: every row is of libx265: nothing can be learnt of other encoders" in result.err
    assert "not in training" not in result.out
    assert metrics()["loso"]["left_out_encoder"] == {}


def test_rows_measured_twice_count_once(made_corpus: Path) -> None:
    lines = made_corpus.read_text()
    train(made_corpus, "--no-export")
    once = metrics()
    made_corpus.write_text(lines + lines)
    assert "rows dropped: 96: a cell that was measured before" in train(made_corpus, "--no-export").out
    assert metrics()["loso"] == once["loso"]


@pytest.mark.parametrize(
    ("edit", "options", "message"),
    [
        (
            lambda rows: [r for r in rows if "title0" in r["src"]],
            [],
            "leave-one-source-out needs at least 2 sources (groups of sources); there are 1",
        ),
        (
            lambda rows: [r | ({"vmaf_model": "vmaf_4k_v0.6.1"} if "_2" in r["src"] else {}) for r in rows],
            [],
            "the corpus mixes scores of several VMAF models: vmaf_v0.6.1 (48 rows), vmaf_4k_v0.6.1 (48 rows);"
            " choose one with --vmaf-model",
        ),
        (lambda rows: rows, ["--vmaf-model", "other"], "no usable row in the corpus (96 scored with vmaf_v0.6.1)"),
        (
            lambda rows: [r | {"encoder": "libvpx-vp9", "preset": "5"} for r in rows],
            ["--vocab", 3],
            "no row is of an encoder in vocabulary 3; --vocab chooses another one (64 rows: encoder libvpx-vp9",
        ),
        (lambda rows: rows, ["--lr", "1e6"], "training diverged"),
        (lambda rows: rows, ["--lr", "1e6", "--emit-variance"], "training diverged"),
        (lambda rows: rows, ["--lr", "1e38"], "training diverged"),
    ],
    ids=[
        "one title",
        "two VMAF models",
        "no such VMAF model",
        "no slot",
        "diverged",
        "variance diverged",
        "overflow",
    ],
)
def test_what_cannot_be_learnt_from_is_one_clear_line(
    tmp_path: Path, edit, options: list[object], message: str
) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", edit(made_rows()))
    result = train(corpus, *options, code=ExitCode.INPUT)
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not Path("out").exists()
    assert not Path("metrics.json").exists()
