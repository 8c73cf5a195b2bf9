"""What ``vmaf-tune predict SOURCE`` leaves behind: records, tables, commands, pictures, rows; the Python API."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import Clips, Invocation, VmafTune, untimed
from training_kit import faults
from vmaftune_frv2 import Pick, Prediction, PredictRequest, predict_source
from vmaftune_frv2.commands.predict.answers import NOTHING_FURTHER, PICK_COLUMNS, cell_table, pick_table
from vmaftune_frv2.commands.shared.predictions import ALSO, CELL_COLUMNS, MODEL, POOL
from vmaftune_frv2.commands.shared.table import coloured
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.drawing import picture
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.vmaf import score
from vmaftune_frv2.resources import schema_path

X264 = ("--encoder", "libx264", "--preset", "veryfast")
PICKED = (*X264, "--target-vmaf", 70)
FOUND = Prediction(
    cell=Cell("libx264", "medium", 23), vmaf=93.456, vmaf_low=91.0, vmaf_high=95.0, kbps=1234.5, kbps_low=1000.0,
    kbps_high=1500.0, extrapolated=False, measured=False, typical_error=0.7,
)  # fmt: skip


@pytest.fixture
def predict(vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path) -> Callable[..., Invocation]:
    """Runs ``predict SOURCE`` with the session's models."""
    return lambda *options: vmaf_tune("predict", source, *curve_models, *options)


@pytest.mark.parametrize(
    ("options", "schema", "columns"),
    [
        (("--encoder", "libx264", "--encoder", "libsvtav1"), "predict_cell", CELL_COLUMNS),
        ((*PICKED, "--verify"), "predict_pick", PICK_COLUMNS),
        ((*X264, "--target-vmaf", 100), "predict_pick", PICK_COLUMNS),
    ],
    ids=["cells", "picks", "out of reach"],
)
def test_records_are_as_their_schema_says(predict, options, schema: str, columns: tuple[str, ...]) -> None:
    result = predict(*options, "--format", "json")
    records = json.loads(result.out)
    assert records
    for record in records:
        assert faults(record, schema) == []
        assert tuple(record) == columns
    lines = predict(*options, "--format", "jsonl").out.splitlines()
    assert untimed(map(json.loads, lines)) == untimed(records)
    rows = list(csv.DictReader(io.StringIO(predict(*options, "--format", "csv").out)))
    assert [tuple(row) for row in rows] == [columns] * len(records)
    assert [row["crf"] for row in rows] == ["" if r["crf"] is None else str(r["crf"]) for r in records]


@pytest.mark.parametrize(("schema", "columns"), [("predict_cell", CELL_COLUMNS), ("predict_pick", PICK_COLUMNS)])
def test_schemas_describe_every_key_and_refuse_nonsense(schema: str, columns: tuple[str, ...]) -> None:
    document = json.loads(schema_path(schema).read_text())
    assert set(document["properties"]) - {"src", POOL, MODEL, ALSO} == set(columns) == set(document["required"])
    assert all(entry["description"] for entry in document["properties"].values())
    assert faults({}, schema)


def test_pick_is_whole_or_empty() -> None:
    sure = {"verified": True, "confirmed": True}
    record = dict.fromkeys(PICK_COLUMNS) | {"encoder": "x", "preset": "y", "encodes": 1, **sure}
    assert faults(record | {"reached": False}, "predict_pick") == []
    assert faults(record | {"reached": True}, "predict_pick")


def test_tables_are_short_and_say_how_sure_they_are(predict) -> None:
    cells = predict(*X264, "--crf", "30:50:10", "--probe", "libx264:veryfast:30").out.splitlines()
    assert cells[0].split() == [
        "encoder",
        "preset",
        "crf",
        "VMAF",
        "VMAF",
        "90%",
        "kbit/s",
        "kbit/s",
        "90%",
        "size",
        "time",
    ]
    assert [line.split()[-1] for line in (cells[1], cells[3])] == ["measured", "extrapolated"]
    assert max(map(len, cells)) < 120
    picks = predict(*PICKED, "--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--verify").out.splitlines()
    assert len(picks) == 3
    assert all(line.endswith("verified") for line in picks[1:])
    assert predict(*X264, "--target-vmaf", 100).out.splitlines()[1].endswith("out of reach")


def test_rows_of_tables_are_coloured_by_what_they_are() -> None:
    measured = Prediction(**{**vars(FOUND), "measured": True})
    outside = Prediction(**{**vars(FOUND), "extrapolated": True})
    bold, plain, green, yellow = cell_table([FOUND, measured, outside], None, NOTHING_FURTHER).splitlines()
    assert bold.startswith("\x1b[1m")
    assert not plain.startswith("\x1b")
    assert green.startswith("\x1b[32m")
    assert yellow.startswith("\x1b[33m")
    picks = [Pick(FOUND.cell.line, found, found, 3, sure) for found, sure in ((FOUND, False), (measured, True))]
    plain, green = pick_table(picks, None, NOTHING_FURTHER).splitlines()[1:]
    assert not plain.startswith("\x1b")
    assert green.startswith("\x1b[32m")
    red = pick_table([Pick(FOUND.cell.line, None, FOUND, 3, True)], None, NOTHING_FURTHER).splitlines()[1]
    assert red.startswith("\x1b[31m")


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colours_go_to_terminals_that_want_them(monkeypatch, terminal, environment, expected) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert coloured() == expected


def test_no_colour_reaches_a_file(predict) -> None:
    assert "\x1b" not in predict(*PICKED, "--verify").out


def test_emitted_commands_make_the_picks(predict, source: Path, ffmpeg, tmp_path: Path) -> None:
    """The very encode that was measured: size and score agree to the last digit shown."""
    asked = (*PICKED, "--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--verify", "--max-encodes", 12)
    picks = json.loads(predict(*asked, "--format", "json").out)
    result = predict(*asked, "--emit", "ffmpeg")
    commands = result.out.splitlines()
    assert len(commands) == len(picks) == 2
    for command, pick in zip(commands, picks, strict=True):
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        output = Path(shlex.split(command)[-1].removeprefix("file:"))
        assert output.parent == tmp_path
        assert f"{pick['encoder']}.{pick['preset']}.crf{pick['crf']}" in output.name
        opened = open_source(ffmpeg, str(source), hash_file=False)
        scored = score(ffmpeg, output, opened, pix_fmt="yuv420p")
        assert sum(scored.vmaf) / 12 == pytest.approx(pick["vmaf_predicted"], abs=1e-3)
        assert output.stat().st_size * 8 / 1000 / (12 / 24) == pytest.approx(pick["kbps"], abs=0.01)
        made = output.stat().st_mtime_ns
        subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
        assert output.stat().st_mtime_ns == made, "an existing file is kept"


def test_emitted_commands_encode_the_whole_of_any_file_name(
    vmaf_tune: VmafTune, curve_models: Sequence[object], clip: Clips, tmp_path: Path
) -> None:
    odd = tmp_path / "it's $HOME 100%.mkv"
    odd.write_bytes(clip("testsrc2", size="128x96", frames=48).read_bytes())
    result = vmaf_tune(
        "predict",
        odd,
        *curve_models,
        *PICKED,
        "--target-vmaf",
        50,
        "--sample-clip-seconds",
        0.5,
        "--emit",
        "ffmpeg",
    )
    assert result.code == 0, result.err
    done = subprocess.run(["/bin/sh", "-c", result.out], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (encode,) = tmp_path.glob("it's $HOME 100%.libx264.*.mp4")
    assert "trim" not in result.out
    assert "-ss" not in result.out
    assert encode.stat().st_size > 1000


def test_a_pick_out_of_reach_emits_nothing(predict) -> None:
    result = predict(*X264, "--target-vmaf", 100, "--emit", "ffmpeg")
    assert result.code == ExitCode.NEGATIVE
    assert result.out == ""


def test_svg_shows_curves_points_and_target(predict) -> None:
    pytest.importorskip("matplotlib")
    result = predict(*PICKED, "--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--plot", "curves.svg")
    assert result.code == 0, result.err
    root = ElementTree.parse("curves.svg").getroot()
    texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"libx264 veryfast", "libsvtav1 10", "target 70", "crf", "kbit/s", "VMAF"} <= texts
    assert any(text.endswith(": predicted VMAF") for text in texts)
    groups = {node.get("id") for node in root.iter()}
    assert {"measured libx264 veryfast", "measured libsvtav1 10"} <= groups
    first = Path("curves.svg").read_bytes()
    predict(*PICKED, "--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--plot", "curves.svg")
    assert Path("curves.svg").read_bytes() == first


def test_png_and_html_are_made(predict) -> None:
    pytest.importorskip("matplotlib")
    assert predict(*X264, "--plot", "curves.png").code == 0
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert predict(*PICKED, "--verify", "--plot", "page.html").code == 0
    page = Path("page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert "<?xml" not in page
    assert "src=" not in page  # nothing is fetched
    assert "<td>libx264</td><td>veryfast</td>" in page
    assert "<td>measured</td>" in page


def test_names_do_not_break_a_picture(
    vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    odd = tmp_path / "a$b_{c}$ <映画> & co.mkv"
    odd.write_bytes(source.read_bytes())
    for file in ("x.png", "x.html"):
        result = vmaf_tune("predict", odd, *curve_models, *X264, "--crf", "30:35", "--plot", file)
        assert result.code == 0, result.err
        assert "Glyph" not in result.err
    assert "<h1>a$b_{c}$ &lt;映画&gt; &amp; co.mkv: predicted VMAF</h1>" in Path("x.html").read_text()


def test_what_cannot_be_drawn_is_refused_before_any_encode(predict, monkeypatch) -> None:
    unknown = predict(*X264, "--plot", "curves.gif")
    assert unknown.code == ExitCode.USAGE
    assert ".png, .svg, .html" in unknown.err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    missing = predict(*X264, "--plot", "curves.svg")
    assert missing.code == ExitCode.TOOL
    assert "pip install 'vmaftune-frv2[plot]'" in missing.err
    assert "encoded" not in unknown.err + missing.err
    assert picture.SUFFIXES == (".png", ".svg", ".html")


@pytest.mark.parametrize("option", ["--plot", "--record"])
def test_a_place_that_cannot_be_written_is_found_before_any_encode(predict, option: str) -> None:
    pytest.importorskip("matplotlib")
    Path("file").write_text("no folder\n")
    result = predict(*X264, option, "file/x.svg")
    assert result.code == ExitCode.OUTPUT
    assert "Error: file/x.svg: cannot be written (" in result.err
    assert "encoded" not in result.err
    assert predict(*X264, "--crf", "30:32", "--plot", "new/x.svg").code == 0
    assert [path.name for path in Path("new").iterdir()] == ["x.svg"]


def test_measured_rows_are_recorded_as_a_sweep_records_them(
    predict, vmaf_tune: VmafTune, rows_of, source: Path, corpus_path: Path
) -> None:
    corpus = Path("mine.jsonl")
    asked = (*PICKED, "--verify", "--record", corpus)
    first = predict(*asked)
    assert first.code == 0, first.err
    rows = rows_of(corpus)
    assert f"{corpus}: {len(rows)} rows added" in first.err
    assert [f"{r['encoder']}:{r['preset']}:{r['crf']}" for r in rows] == [
        line.split()[1].removesuffix(":") for line in first.err.splitlines() if line.startswith("encoded")
    ]
    assert all(row["src_sha256"] == sha256_bytes(source.read_bytes()) for row in rows)
    assert f"0 rows added, {len(rows)} already there" in predict(*asked).err
    assert len(rows_of(corpus)) == len(rows)
    assert vmaf_tune("validate", corpus).code == 0
    # A sweep over one of the cells finds it done.
    swept = vmaf_tune("corpus", source, *X264, "--crf", rows[0]["crf"], "--output", corpus, "--dry-run")
    assert "encodes to do: 0" in swept.err
    trained = vmaf_tune(
        "train-v2", "--corpus", corpus, "--corpus", corpus_path, "--epochs", 1, "--seeds", 1, "--no-export",
        "--probe-cell", "libx264:veryfast:33",
    )  # fmt: skip
    assert trained.code == 0, trained.err


def test_a_corpus_in_use_is_refused_before_any_encode(predict) -> None:
    from vmaftune_frv2.corpus.store import CorpusStore

    with CorpusStore(Path("busy.jsonl")):
        result = predict(*X264, "--record", "busy.jsonl")
    assert result.code == ExitCode.OUTPUT
    assert "another sweep is writing to it" in result.err
    assert "encoded" not in result.err
    Path("notes.txt").write_text("no corpus\n")
    assert predict(*X264, "--record", "notes.txt").code == ExitCode.INPUT
    assert Path("notes.txt").read_text() == "no corpus\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("other.mkv", "--plot", "x.svg"), "--plot takes one SOURCE"),
    ],
)
def test_outputs_that_do_not_go_together_are_refused(predict, options, message: str) -> None:
    result = predict(*options)
    assert result.code == ExitCode.USAGE
    assert message in result.err


def test_outputs_need_the_curve_models(vmaf_tune: VmafTune, model_dir: Path, source: Path) -> None:
    result = vmaf_tune("predict", source, "--model", model_dir / "fr_regressor_v2.onnx", "--plot", "x.svg")
    assert result.code == ExitCode.USAGE
    assert "--plot needs SOURCE and a curve model" in result.err


def test_python_says_what_the_command_line_says(predict, curve_models: Sequence[object], source: Path) -> None:
    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = PredictRequest(
        sources=str(source), encoders=["x264"], presets="veryfast", crfs=["24:44:2", "45"], target_vmaf=70,
        verify=True, **models,
    )  # fmt: skip
    said = predict_source(request).answer
    result = predict(*PICKED, "--crf", "24:44:2", "--crf", 45, "--verify", "--format", "json")
    (pick,), (record,) = said.picks, json.loads(result.out)
    assert pick.prediction is not None
    assert pick.prediction.cell == Cell("libx264", "veryfast", record["crf"])
    assert round(pick.prediction.vmaf, 4) == record["vmaf_predicted"]
    assert round(pick.prediction.kbps, 2) == record["kbps"]
    assert (pick.encodes, pick.verified) == (record["encodes"], record["verified"])
    assert [str(step.cell) for step in said.steps] == [
        line.split()[1].removesuffix(":") for line in result.err.splitlines() if line.startswith("encoded")
    ]
    probed = PredictRequest(sources=str(source), encoders="libx264", probes="libx264:veryfast:33", **models)
    cells = predict_source(probed).answer
    records: list[dict[str, Any]] = json.loads(
        predict("--encoder", "libx264", "--probe", "libx264:veryfast:33", "--format", "json").out
    )
    assert [round(p.vmaf_low, 4) for p in cells.predictions] == [r["vmaf_low"] for r in records]
    assert cells.picks == ()


def test_importing_the_api_costs_nothing() -> None:
    script = (
        "import sys, vmaftune_frv2 as p;"
        " print(sorted({'numpy', 'onnxruntime', 'click'} & set(sys.modules)));"
        " p.predict_source; print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False False"]
