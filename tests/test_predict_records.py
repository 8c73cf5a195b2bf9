"""What ``vmaf-tune predict`` prints for each kind of question: records by their schemas, tables for people."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune
from training_kit import faults
from vmaftune_frv2.commands.ladder import command as ladder
from vmaftune_frv2.commands.per_shot import report as per_shot
from vmaftune_frv2.commands.predict import row_records, scores
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.resources import schema_path

X264 = ("--encoder", "libx264", "--preset", "libx264=veryfast")
SHOTS = (*X264, "--target-vmaf", 60)
LADDER = (*X264, "--heights", "96,64", "--rungs", 3, "--vmaf-range", "5:90", "--min-step", 1)
COLUMNS = {
    "predict_rung": ladder.COLUMNS,
    "predict_shot": per_shot.COLUMNS,
    "predict_row": row_records.ROW_COLUMNS,
    "predict_score": scores.GRID_COLUMNS,
}
Predict = Callable[..., Invocation]


@pytest.fixture
def predict(vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path) -> Predict:
    """Runs ``predict SOURCE``, or another command, with the session's models."""
    return lambda *options, command="predict": vmaf_tune(command, source, *curve_models, *options)


@pytest.fixture
def asked(predict: Predict, vmaf_tune: VmafTune, model_dir: Path, corpus_path: Path) -> dict[str, Predict]:
    """{schema: asks for its records}."""
    regressor = ("--model", model_dir / "fr_regressor_v2.onnx")
    row = Path("row.json")
    row.write_text(corpus_path.read_text().splitlines()[0])
    return {
        "predict_rung": lambda *more: predict(*LADDER, *more, command="ladder"),
        "predict_shot": lambda *more: predict(*SHOTS, *more, command="per-shot"),
        "predict_row": lambda *more: vmaf_tune("predict", "--corpus", corpus_path, *regressor, *more),
        "predict_score": lambda *more: vmaf_tune("predict", "--features", row, *regressor, *X264, *more),
    }


@pytest.mark.parametrize("schema", COLUMNS)
def test_records_of_every_question_are_as_their_schema_says(asked: dict[str, Predict], schema: str) -> None:
    told = asked[schema]("--format", "json")
    assert told.code == ExitCode.OK, told.err
    records = json.loads(told.out)
    assert records
    for record in records:
        assert faults(record, schema) == []
        assert tuple(record) == COLUMNS[schema]
    lines = list(map(json.loads, asked[schema]("--format", "jsonl").out.splitlines()))
    if schema == "predict_row":  # which has all of the row then
        assert all(faults(line, schema) == [] for line in lines)
        lines = [{key: line[key] for key in COLUMNS[schema]} for line in lines]
    # Other encodes were made for it, and took another time.
    assert [{**line, "encode_s": 0} for line in lines] == [{**record, "encode_s": 0} for record in records]
    rows = list(csv.DictReader(io.StringIO(asked[schema]("--format", "csv").out)))
    assert [tuple(row) for row in rows] == [COLUMNS[schema]] * len(records)
    for row, record in zip(rows, records, strict=True):
        for key, value in record.items():
            text = row[key]
            if key == "encode_s":
                assert float(text) > 0
                continue
            told = shlex.join(value) if isinstance(value, list) else json.dumps(value).strip('"')
            assert text == ("" if value is None else told), key


@pytest.mark.parametrize("schema", COLUMNS)
def test_schema_describes_every_key_and_refuses_nonsense(schema: str) -> None:
    document = json.loads(schema_path(schema).read_text())
    assert list(document["required"]) == list(COLUMNS[schema])
    assert set(document["properties"]) >= set(COLUMNS[schema])
    assert all(entry["description"] for entry in document["properties"].values())
    assert faults({}, schema)


@pytest.mark.parametrize(
    "options",
    [("--target-vmaf", 70), ("--target-vmaf", 70, "--verify"), ("--target-vmaf", 100)],
    ids=["pick", "verified", "out of reach"],
)
def test_picks_of_a_regressor_are_as_their_schema_says(
    options: tuple[object, ...], vmaf_tune: VmafTune, model_dir: Path, source: Path
) -> None:
    model = model_dir / "fr_regressor_v2.onnx"
    told = vmaf_tune("predict", source, "--model", model, *X264, *options, "--format", "json")
    (record,) = json.loads(told.out)
    assert faults(record, "predict_score") == []
    assert record["reached"] == (told.code == ExitCode.OK)


def test_worst_frames_that_were_asked_for_are_shown(predict: Predict, rows_of: Callable[..., Any]) -> None:
    options = (*X264, "--target-vmaf", 50, "--min-vmaf-frame", 60, "--verify")
    told = predict(*options, "--format", "json", "--record", "c.jsonl")
    (record,) = json.loads(told.out)
    assert faults(record, "predict_pick") == []
    (row,) = (row for row in rows_of(Path("c.jsonl")) if row["crf"] == record["crf"])
    assert record["vmaf_p05"] == pytest.approx(np.percentile(row[PER_FRAME_VMAF], 5), abs=1e-4)
    assert record["vmaf_p05"] >= 60
    header, line = predict(*options).out.splitlines()
    assert "  5% low  " in header
    assert f" {record['vmaf_p05']:.2f} " in line
    shots = predict(*SHOTS, "--min-vmaf-frame", 50, "--format", "json", command="per-shot")
    assert all(faults(shot, "predict_shot") == [] and shot["vmaf_p05"] >= 50 for shot in json.loads(shots.out))


def test_what_is_out_of_reach_for_its_worst_frames_says_so(predict: Predict) -> None:
    told = predict(*X264, "--target-vmaf", 50, "--min-vmaf-frame", 100, "--crf", "40:43")
    assert told.code == ExitCode.NEGATIVE
    assert "no candidate reaches 50 with a 5th percentile of 100; the best is crf 40 with " in told.err
    assert ", 5th percentile " in told.err


def test_bitrate_out_of_reach_says_the_cheapest_there_is(predict: Predict) -> None:
    told = predict(*X264, "--target-vmaf", 50, "--max-bitrate", 0.01, "--crf", "40:43")
    assert told.code == ExitCode.NEGATIVE
    assert "every candidate is above --max-bitrate 0.01; the smallest is crf 43 with " in told.err


def test_tables_of_ladders_shots_and_many_sources_are_short(
    asked: dict[str, Predict], vmaf_tune: VmafTune, curve_models: Sequence[object], clip: Clips, source: Path
) -> None:
    figures = ["VMAF", "VMAF", "90%", "kbit/s", "kbit/s", "90%"]
    rungs = asked["predict_rung"]().out.splitlines()
    assert rungs[0].split() == ["height", "width", "encoder", "preset", "crf", *figures, "size", "time"]
    assert {line.split()[-1] for line in rungs[1:]} <= {"extrapolated", "measured", "s"}
    header, shot, *_ = asked["predict_shot"]().out.splitlines()
    assert header.split() == ["shot", "frames", "seconds", "encoder", "preset", "crf", *figures, "zone"]
    assert shot.split()[:5] == ["1", "0-11", "0.00-0.50", "libx264", "veryfast"]
    assert max(map(len, (*rungs, header, shot))) < 120
    other = clip("mandelbrot", size="128x96", frames=12)
    many = vmaf_tune("predict", source, other, *curve_models, *X264, "--target-vmaf", 60).out.splitlines()
    assert many[0].split() == ["source", "encoder", "preset", "crf", *figures, "size", "time", "encodes"]
    assert [line.split()[0] for line in many[1:]] == [str(source), str(other)]
