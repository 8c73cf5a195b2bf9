"""``vmaf-tune predict --corpus --format jsonl``: the rows as they were read, and what is predicted of each."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Invocation, VmafTune, read_rows
from training_kit import made_row, made_rows, train, write_rows
from vmaftune_frv2.corpus import reader
from vmaftune_frv2.errors import ExitCode

PREDICTED = ["vmaf_predicted", "vmaf_low", "vmaf_high"]
Predict = Callable[..., Invocation]


@pytest.fixture
def predict(vmaf_tune: VmafTune, model_dir: Path) -> Predict:
    """Scores the rows of a corpus; what was written lies in ``out.jsonl`` afterwards."""

    def run(corpus: Path, style: str = "jsonl") -> Invocation:
        model = model_dir / "fr_regressor_v2.onnx"
        told = vmaf_tune("predict", "--corpus", corpus, "--model", model, "--format", style)
        Path("out.jsonl").write_text(told.out, encoding="utf-8")
        return told

    return run


def test_each_line_is_the_row_and_three_keys(predict: Predict, corpus_path: Path, vmaf_tune: VmafTune) -> None:
    compact = json.loads(predict(corpus_path, "json").out)
    told = predict(corpus_path)
    assert told.code == ExitCode.OK, told.err
    before = corpus_path.read_text().splitlines()
    for line, row, scored in zip(told.out.splitlines(), before, compact, strict=True):
        assert line.startswith(row[:-1])
        found = json.loads(line)
        assert list(found) == [*json.loads(row), *PREDICTED]
        assert [found[key] for key in PREDICTED] == [scored[key] for key in PREDICTED]
    checked = vmaf_tune("validate", "out.jsonl")
    assert checked.code == ExitCode.OK, checked.out
    assert f"{len(before)} valid" in checked.err


def test_predicting_again_replaces_what_was_predicted(predict: Predict, corpus_path: Path) -> None:
    first = predict(corpus_path).out
    stale = [json.loads(line) | {"vmaf_predicted": 1.0, "vmaf_low": None} for line in first.splitlines()]
    again = predict(write_rows(Path("again.jsonl"), stale)).out
    assert list(map(json.loads, again.splitlines())) == list(map(json.loads, first.splitlines()))
    assert all(line.count("vmaf_predicted") == 1 for line in again.splitlines())


ODD = {
    "a bare NaN": lambda row: json.dumps(row | {"score_time_ms": float("nan")}),
    "NaN in text": lambda row: json.dumps(row | {"encode_path": "NaN.mkv"}),
    "spaces": lambda row: "  " + json.dumps(row)[:-1] + "  } \r",
    "letters beyond ASCII": lambda row: json.dumps(row | {"encode_path": "fjörd/ß.mkv"}, ensure_ascii=False),
    "half a surrogate pair": lambda row: json.dumps(row | {"encode_path": "\ud800.mkv"}),
    "an unknown key": lambda row: json.dumps(row | {"mine": {"deep": [1, 10**14, "}"]}}),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_lines_come_out_as_strict_json(
    what: str, predict: Predict, corpus_path: Path, vmaf_tune: VmafTune
) -> None:
    row = next(row for row in read_rows(corpus_path) if row["crf"] == 33)  # the probe
    line = ODD[what](row)
    Path("odd.jsonl").write_text(line + "\n", encoding="utf-8")
    assert vmaf_tune("validate", "odd.jsonl").code == ExitCode.OK
    told = predict(Path("odd.jsonl"))
    assert told.code == ExitCode.OK, told.err
    (found,) = read_rows(Path("out.jsonl"))
    expected = json.loads(line, parse_constant=lambda name: None)
    assert {key: value for key, value in found.items() if key not in PREDICTED} == expected
    assert vmaf_tune("validate", "out.jsonl").code == ExitCode.OK


def test_compressed_and_shared_among_processes(
    predict: Predict, corpus_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = predict(corpus_path).out
    with gzip.open("rows.jsonl.gz", "wb") as stream:
        stream.write(corpus_path.read_bytes())
    monkeypatch.setattr(reader, "ALONE_BYTES", 0)
    assert predict(Path("rows.jsonl.gz")).out == plain


def test_rows_without_a_prediction_are_left_out_and_counted(predict: Predict, corpus_path: Path) -> None:
    rows = read_rows(corpus_path)
    told = predict(write_rows(Path("some.jsonl"), [rows[0] | {"crf": 99}, *rows]))
    assert told.code == ExitCode.NEGATIVE
    assert len(told.out.splitlines()) == len(rows)
    assert "1 rows got no prediction: breaks the row contract" in told.err


def test_the_unknown_slot_says_what_it_does_not_look_at(
    predict: Predict, corpus_path: Path, tmp_path: Path
) -> None:
    rows = [row for row in read_rows(corpus_path) if row["crf"] == 33][:1]
    clip = {key: rows[0][key] for key in ("src", "src_sha256", "clip_mode")}
    strange = [made_row("x.mp4", 1, "libaom-av1", preset, crf) | clip for preset, crf in (("4", 20), ("8", 50))]
    told = predict(write_rows(tmp_path / "strange.jsonl", [*rows, *strange]))
    said = "2 rows of libaom-av1 were scored in the unknown slot, where preset and crf are not looked at"
    assert said in told.err
    _, one, other = map(json.loads, told.out.splitlines())
    assert one["vmaf_predicted"] == other["vmaf_predicted"]


def test_lines_reach_a_pipe_whole(corpus_path: Path, model_dir: Path) -> None:
    script = "import sys; from vmaftune_frv2.host.cli import run; sys.exit(run(sys.argv[1:]))"
    asked: list[Any] = ["predict", "--corpus", corpus_path, "--model", model_dir / "fr_regressor_v2.onnx"]
    done = subprocess.run(
        [sys.executable, "-c", script, *asked, "--format", "jsonl"], capture_output=True, check=True
    )
    assert len(done.stdout.splitlines()) == len(read_rows(corpus_path))
    assert all(json.loads(line)["vmaf_predicted"] is not None for line in done.stdout.splitlines())


V1 = "vmaf_v1.0.16_3d0h"


def test_scores_of_another_vmaf_model_do_not_stand_beside_predictions(predict: Predict, corpus_path: Path) -> None:
    rows = read_rows(corpus_path)
    others = [row | {"vmaf_model": V1} for row in rows[:3]]
    told = predict(write_rows(Path("mixed.jsonl"), [*others, *rows]))
    assert told.code == ExitCode.NEGATIVE
    assert {json.loads(line)["vmaf_model"] for line in told.out.splitlines()} == {"vmaf_v0.6.1"}
    assert len(told.out.splitlines()) == len(rows)
    assert f"3 rows got no prediction: scored with {V1}, and the model predicts vmaf_v0.6.1" in told.err


def test_only_scores_of_another_vmaf_model_give_no_answer(predict: Predict, corpus_path: Path) -> None:
    rows = [row | {"vmaf_model": V1} for row in read_rows(corpus_path)]
    told = predict(write_rows(Path("other.jsonl"), rows))
    assert (told.code, told.out) == (ExitCode.NEGATIVE, "")
    assert f"{len(rows)} rows got no prediction: scored with {V1}" in told.err


def null_features(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"adm2_mean": None, "per_frame_features": None}


NO_PROBE = {
    "null features": (null_features, "rows: of the probe cell, but row: feature adm2 is missing"),
    "an unknown schema": (lambda row: row | {"schema_version": 9}, "rows: schema_version = 9: unknown"),
    "rows that break the contract": (lambda row: row | {"vmaf_score": 101.0}, "rows: breaks the row contract"),
    "no such cell": (lambda row: None if row["crf"] == 33 else row, "rows: of other cells"),
    "failed cells": (
        lambda row: null_features(row)
        | {
            "exit_status": 1, "vmaf_score": None, "per_frame_vmaf": None,
            **{f"vif_scale{scale}_mean": None for scale in range(4)}, "motion2_mean": None,
        },
        "rows: of the probe cell, but the cell failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_PROBE)
def test_why_no_row_gives_the_probe_is_told(what: str, predict: Predict, corpus_path: Path) -> None:
    change, says = NO_PROBE[what]
    rows = [row for row in map(change, read_rows(corpus_path)) if row is not None]
    told = predict(write_rows(Path("rows.jsonl"), rows))
    assert (told.code, told.out) == (ExitCode.INPUT, "")
    line = told.err.splitlines()[-1]
    assert "needs the features of the probe cell libx264:veryfast:33, and no row of the corpus gives them" in line
    assert says in line
    assert ("of other cells" in line) == (what not in ("an unknown schema", "rows that break the contract"))


def test_an_empty_corpus_says_so(predict: Predict) -> None:
    told = predict(write_rows(Path("rows.jsonl"), []))
    assert told.code == ExitCode.INPUT
    assert "no row of the corpus gives them (it is empty)" in told.err


def test_why_one_source_has_no_probe_is_told(predict: Predict, corpus_path: Path) -> None:
    rows = read_rows(corpus_path)
    first = rows[0]["src"]
    spoilt = [null_features(row) if (row["src"], row["crf"]) == (first, 33) else row for row in rows]
    told = predict(write_rows(Path("rows.jsonl"), spoilt))
    assert told.code == ExitCode.NEGATIVE
    assert "got no prediction: the probe cell libx264:veryfast:33 of its source: row: feature adm2 is" in told.err


def test_predictions_beyond_training_are_counted(predict: Predict, corpus_path: Path) -> None:
    rows = read_rows(corpus_path)
    beyond = [row | {"crf": 51} for row in rows if row["encoder"] == "libx264"][:2]
    told = predict(write_rows(Path("rows.jsonl"), [*rows, *beyond]))
    assert told.code == ExitCode.OK, told.err
    assert "2 predictions are extrapolated" in told.err


def test_a_model_with_a_probe_per_encoder_scores_each_from_its_own(vmaf_tune: VmafTune) -> None:
    corpus = write_rows(Path("rows.jsonl"), made_rows(3, 1))
    train(corpus, "--probe-cell", "libx264:medium:28", "--probe-cell", "libsvtav1:10:35")
    told = vmaf_tune("predict", "--corpus", corpus, "--model", "out/fr_regressor_v2.onnx", "--format", "jsonl")
    assert told.code == ExitCode.NEGATIVE
    assert {json.loads(line)["encoder"] for line in told.out.splitlines()} == {"libx264", "libsvtav1"}
    assert "got no prediction: the model has no probe cell of libx265" in told.err
