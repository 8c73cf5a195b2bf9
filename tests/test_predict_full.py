"""``vmaf-tune predict`` with a model of FULL_FEATURES: features [N, 22], codec [N, 6]."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, invoke
from training_kit import made_rows, run_onnx, train, write_rows
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.full_features import FULL_FEATURES, NAMED_FEATURES
from vmaftune_frv2.contract.sidecar import read_sidecar
from vmaftune_frv2.errors import ExitCode

FULL = ("--feature-set", "full", "--codec-block", "onehot")
MODEL = "fr_regressor_v2.onnx"


def full_rows() -> list[dict[str, Any]]:
    """Rows with every named column but ssimulacra2; psnr never comes near 0, some rows lack cambi."""
    rows = made_rows()
    for index, row in enumerate(rows):
        named = {name: 30.0 + index % 5 if name.startswith("psnr") else index % 7 + 1.0 for name in NAMED_FEATURES}
        named |= {name: row[f"{name}_mean"] for name in CANONICAL6} | {"ssimulacra2": None}
        row["full_features"] = named | ({"cambi": None} if index % 3 == 0 else {})
    return rows


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, ``own/`` learnt from the cells' own features and ``probe/`` from a probe's."""
    folder = tmp_path_factory.mktemp("full")
    write_rows(folder / "rows.jsonl", full_rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(folder / "rows.jsonl", "--features-from", "cell", *FULL)
        shutil.move("out", "own")
        train(folder / "rows.jsonl", "--probe-cell", "libx264:medium:28", *FULL)
        shutil.move("out", "probe")
    return folder


def by_hand(model: Path, row: dict[str, Any], encoder: str) -> float:
    """What the graph says of a row's columns."""
    sidecar = read_sidecar(model.with_suffix(".json"))
    values = row["full_features"]
    raw = np.asarray([[values.get(name) or 0.0 for name in FULL_FEATURES]])
    assert sidecar.block is not None
    codec = np.eye(6)[[sidecar.block.vocab.index(encoder)]]
    return float(run_onnx(model, features=sidecar.scaler.transform(raw), codec=codec)[0])


def ask(model: Path, content: dict[str, Any], *options: object) -> Invocation:
    path = Path("features.json")
    path.write_text(json.dumps(content))
    asked = ("--encoder", "libx265", "--preset", "medium", "--crf", "28", *options)
    return invoke("predict", "--features", path, "--model", model, *asked, "--format", "json")


@pytest.mark.parametrize("kind", ["row", "full_features", "log"])
def test_all_columns_come_from_the_features_file(corpora: Path, kind: str) -> None:
    row, model = full_rows()[1], corpora / "own" / MODEL
    named = row["full_features"]
    frames = [
        {"metrics": {name: value * k for name, value in named.items() if value is not None}} for k in (0.5, 1.5)
    ]
    told = ask(model, {"row": row, "full_features": named, "log": {"frames": frames}}[kind])
    assert told.code == ExitCode.OK, told.err
    (record,) = json.loads(told.out)
    assert record["vmaf_predicted"] == pytest.approx(by_hand(model, row, "libx265"), abs=1e-3)


def without(*names: str, null: bool = False) -> dict[str, Any]:
    row = full_rows()[1]
    kept = {name: value for name, value in row["full_features"].items() if null or name not in names}
    return row | {"full_features": kept | (dict.fromkeys(names) if null else {})}


def canonical_only() -> dict[str, Any]:
    row = full_rows()[1]
    return {name: row[f"{name}_mean"] for name in CANONICAL6}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (without("psnr_hvs", "cambi"), "features.json: no cambi, psnr_hvs; the model takes the columns of"),
        (without("psnr_y", null=True), "features.json: no psnr_y; the model takes the columns of"),
        (canonical_only(), "no adm_scale0, adm_scale1, adm_scale2, adm_scale3, motion, motion3, psnr_y, psnr_cb"),
        (canonical_only() | {"motion2": None}, "motion2"),
        (without() | {"full_features": {**without()["full_features"], "cambi": "much"}}, "cambi is 'much', not a"),
        ({"frames": [{"metrics": canonical_only()}]}, "no adm_scale0"),
    ],
    ids=["two missing", "null that never was", "canonical-6", "null motion2", "text", "log of the canonical-6"],
)
def test_what_is_missing_is_named(corpora: Path, content: dict[str, Any], message: str) -> None:
    told = ask(corpora / "own" / MODEL, content)
    assert told.code == ExitCode.INPUT
    assert message in told.err
    assert len(told.err.strip().splitlines()) == 2  # the smoke warning and the error


@pytest.mark.parametrize("name", ["cambi", "ssimulacra2"])
def test_null_counts_as_in_training_where_it_was_there(corpora: Path, name: str) -> None:
    row, model = without(name, null=True), corpora / "own" / MODEL
    told = ask(model, row)
    assert told.code == ExitCode.OK, told.err
    (record,) = json.loads(told.out)
    assert record["vmaf_predicted"] == pytest.approx(by_hand(model, row, "libx265"), abs=1e-3)


@pytest.mark.parametrize("folder", ["own", "probe"])
def test_rows_of_a_corpus_are_scored(vmaf_tune: VmafTune, corpora: Path, folder: str) -> None:
    model, rows = corpora / folder / MODEL, full_rows()
    told = vmaf_tune("predict", "--corpus", corpora / "rows.jsonl", "--model", model, "--format", "json")
    assert told.code == ExitCode.OK, told.err
    records = json.loads(told.out)
    assert len(records) == len(rows)
    probes = {row["src"]: row for row in rows if (row["encoder"], row["crf"]) == ("libx264", 28)}
    for record, row in zip(records, rows, strict=True):
        described = row if folder == "own" else probes[row["src"]]
        assert record["vmaf_predicted"] == pytest.approx(by_hand(model, described, row["encoder"]), abs=2e-3)
        assert record["vmaf_low"] <= record["vmaf_predicted"] <= record["vmaf_high"]


def test_rows_that_lack_a_column_are_counted(vmaf_tune: VmafTune, corpora: Path, tmp_path: Path) -> None:
    rows = full_rows()[:4]
    del rows[0]["full_features"]
    rows[1]["full_features"]["psnr_cr"] = None
    corpus = write_rows(tmp_path / "some.jsonl", rows)
    told = vmaf_tune("predict", "--corpus", corpus, "--model", corpora / "own" / MODEL, "--format", "json")
    assert told.code == ExitCode.NEGATIVE
    assert len(json.loads(told.out)) == 2
    assert "1 rows got no prediction: row: no psnr_cr; the model takes" in told.err
    assert "1 rows got no prediction: row: no adm_scale0, " in told.err


def test_a_source_is_probed_for_all_columns(vmaf_tune: VmafTune, clip: Clips, tmp_path: Path) -> None:
    source, other = (clip(pattern, size="256x224", frames=6) for pattern in ("testsrc2", "mandelbrot"))
    cells = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "30", "--crf", "40")
    assert vmaf_tune("corpus", source, other, *cells, "--feature-set", "full").code == ExitCode.OK
    trained = vmaf_tune(
        "train-v2", "--corpus", "corpus.jsonl", *FULL, "--probe-cell", "libx264:ultrafast:40", "--epochs", 2,
        "--seeds", 1, "--out-dir", "out",
    )  # fmt: skip
    assert trained.code == ExitCode.OK, trained.err
    model = Path("out") / MODEL
    of_rows = vmaf_tune("predict", "--corpus", "corpus.jsonl", "--model", model, "--format", "json")
    told = vmaf_tune("predict", source, "--model", model, *cells, "--format", "json")
    assert told.code == ExitCode.OK, told.err
    assert [cell["vmaf_predicted"] for cell in json.loads(told.out)] == pytest.approx(
        [row["vmaf_predicted"] for row in json.loads(of_rows.out) if row["src"] == str(source)], abs=0.5
    )
