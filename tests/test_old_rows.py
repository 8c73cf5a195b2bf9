"""Rows of older shapes: read everywhere, upgraded, and what cannot be is named."""

from __future__ import annotations

import csv
import datetime
import decimal
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Clips, VmafTune, read_rows
from old_rows_kit import (
    MEANS,
    SHAPES,
    clip_sweep,
    clip_table,
    flat,
    frame_sweep,
    frame_table,
    trainer,
    versioned,
)
from training_kit import made_row, made_rows, write_rows
from vmaftune_frv2.contract.old_rows import shape_of
from vmaftune_frv2.contract.rows import CORPUS_ROW_KEYS
from vmaftune_frv2.corpus import blocks, helpers, reader
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.errors import ExitCode


def lines(*rows: dict[str, Any], name: str = "old.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def report(vmaf_tune: VmafTune, *names: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vmaf_tune("validate", *names, "--json").out)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read_and_counted(shape: str, vmaf_tune: VmafTune) -> None:
    found = report(vmaf_tune, lines(*SHAPES[shape]))
    assert (found["valid"], found["invalid"], found["shapes"]) == (1, 0, {shape: 1}), found
    assert found["frame_lines"] == (3 if shape.endswith("-frame") else 0)
    told = vmaf_tune("validate", "old.jsonl")
    assert f"({shape}: 1)" in told.err


@pytest.mark.parametrize("shape", SHAPES)
def test_upgraded_rows_are_valid_rows_of_version_3(shape: str, vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("upgrade", lines(*SHAPES[shape]), "new.jsonl")
    assert told.code == ExitCode.OK, told.err
    (row,) = read_rows(Path("new.jsonl"))
    assert list(row)[: len(CORPUS_ROW_KEYS)] == list(CORPUS_ROW_KEYS)
    assert row["schema_version"] == 3
    assert row.get("upgraded_from") == (None if shape == "v3" else shape)
    assert vmaf_tune("validate", "new.jsonl").code == ExitCode.OK
    again = vmaf_tune("upgrade", "new.jsonl", "again.jsonl")
    assert again.code == ExitCode.OK
    assert Path("again.jsonl").read_bytes() == Path("new.jsonl").read_bytes()


@pytest.mark.parametrize("shape", ["v1-flat", "v2-flat", "v3-flat", "trainer", "table-clip"])
def test_flat_features_become_means(shape: str, vmaf_tune: VmafTune) -> None:
    vmaf_tune("upgrade", lines(*SHAPES[shape]), "new.jsonl")
    (row,) = read_rows(Path("new.jsonl"))
    assert {name: row[f"{name}_mean"] for name in MEANS} == MEANS
    assert "per_frame_features" not in row


def test_frames_of_an_older_version_are_pooled(vmaf_tune: VmafTune) -> None:
    row = made_row("park.mp4", 1, "libx264", "medium", 28)
    older = {key: row[key] for key in versioned(2)} | {"schema_version": 2}
    older["per_frame_features"] = row["per_frame_features"]
    vmaf_tune("upgrade", lines(older), "new.jsonl")
    (new,) = read_rows(Path("new.jsonl"))
    keys = [f"{name}_{pooled}" for name in MEANS for pooled in ("mean", "std")]
    assert {key: new[key] for key in keys} == {key: row[key] for key in keys}


def test_versions_answer_the_same_request(vmaf_tune: VmafTune) -> None:
    vmaf_tune("upgrade", lines(versioned(1)), "new.jsonl")
    assert identity(read_rows(Path("new.jsonl"))[0]) == identity(versioned(1))


def test_frames_of_an_encode_are_one_row(vmaf_tune: VmafTune) -> None:
    one, other = frame_sweep(), frame_sweep(frames=2, cq=45)
    mixed = [one[2], other[0], one[0], other[1], one[1], one[1]]  # out of order, and one of them twice
    told = vmaf_tune("upgrade", lines(*mixed), "new.jsonl")
    assert told.code == ExitCode.OK, told.err
    first, second = read_rows(Path("new.jsonl"))
    assert (first["crf"], first["per_frame_vmaf"], first["vmaf_score"]) == (30, [80.0, 81.0, 82.0], 81.0)
    assert (second["crf"], len(second["per_frame_features"]["adm2"])) == (45, 2)
    assert (first["preset"], first["width"], first["bitrate_kbps"], first["encode_size_bytes"]) == (None,) * 3 + (
        5000,
    )


@pytest.mark.parametrize("shared", [False, True])
def test_frames_are_gathered_across_blocks_and_processes(
    shared: bool, vmaf_tune: VmafTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1024)
    if shared:
        monkeypatch.setattr(reader, "ALONE_BYTES", 0)
        monkeypatch.setattr(helpers, "spare_cpus", lambda: 1)
    rows = [row for cq in range(20, 25) for row in frame_sweep(frames=12, cq=cq)]
    found = report(vmaf_tune, lines(*rows, versioned(1), versioned(2)), lines(*rows[:12], name="more.jsonl"))
    assert found["shapes"] == {"hardware-frame": 6, "v1": 1, "v2": 1}
    assert (found["frame_lines"], found["invalid"]) == (72, 0)


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "version 4": ([versioned(3, schema_version=4)], "schema_version = 4: unknown schema version; known: 1, 2, 3"),
    "a version that is no number": ([versioned(3, schema_version="3")], 'schema_version = "3": unknown schema'),
    "opinion scores": ([{"src": "a", "mos": 3.5}], "no older shape of row has its keys: src, mos"),
    "no source": ([{"codec": "h264_qsv", "q": 30, "vmaf": 90.0}], "it names no source (src)"),
    "no encoder": ([{"src": "a", "frame_index": 0, "vmaf": 90.0, **MEANS}], "it names no encoder (--codec says"),
    "another axis": ([clip_sweep(codec="mpeg4_omx")], "q of mpeg4_omx need not mean what crf"),
    "a share of a crf": ([clip_sweep(q=30.5)], "its q is no whole number"),
    "no score": ([clip_sweep(vmaf="nan")], "its VMAF is no number"),
    "no bitrate": ([clip_sweep(actual_kbps=0)], "its bitrate is 0, so that nothing was encoded"),
    "a recipe": ([clip_sweep(recipe="hq")], "its recipe stands for encoder parameters"),
    "a frame missing": (frame_sweep()[::2], "frames are missing"),
    "two of a frame": ([*frame_sweep(), frame_sweep(vmaf=50.0)[1]], "a frame is there twice, with different"),
    "half a frame": ([*frame_sweep()[:2], frame_sweep(adm2=None)[2]], "a frame lacks its number, its VMAF or a"),
    "two means": ([trainer(adm2_mean=0.5)], "it gives two means of adm2"),
    "no duration": ([versioned(3, duration_s=0.0, bitrate_kbps=0.0)], "duration_s is 0"),
    "a bitrate of its own": ([versioned(1, bitrate_kbps=900.0)], "bitrate_kbps, size and duration disagree"),
    "a bitrate of 0": ([versioned(2, duration_s=None, bitrate_kbps=0.0)], "bitrate_kbps is 0"),
    "a preset that there is not": ([clip_sweep(codec="libx264")], "preset: breaks the row contract"),
    "null in a measured row": ([versioned(3, width=None)], "width: breaks the row contract"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_named_and_the_rest_is_read(what: str, vmaf_tune: VmafTune) -> None:
    rows, says = REFUSED[what]
    good = made_row("park.mp4", 1, "libx264", "medium", 28)
    told = vmaf_tune("upgrade", lines(*rows, good), "new.jsonl")
    assert told.code == ExitCode.NEGATIVE
    assert "1 rows left out: " in told.err
    assert says in told.err
    assert [row["run_id"] for row in read_rows(Path("new.jsonl"))] == [good["run_id"]]
    found = report(vmaf_tune, "old.jsonl")
    assert (found["valid"], found["invalid"]) == (1, 1)
    (problem,) = {each["line"] for each in found["problems"]}
    assert problem == 1
    if "contract" not in says:
        (reason,) = found["refused"]
        assert says in reason
        assert f"1 rows refused: {reason}" in vmaf_tune("validate", "old.jsonl").err


def test_nothing_is_written_where_nothing_can_be(vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("upgrade", lines({"src": "a", "mos": 1.0}), "new.jsonl")
    assert told.code == ExitCode.NEGATIVE
    assert "no row can be written as version 3 (1 rows: no schema_version" in told.err
    assert [path.name for path in Path().iterdir()] == ["old.jsonl"]


def test_an_output_is_never_overwritten(vmaf_tune: VmafTune) -> None:
    name = lines(versioned(1))
    Path("new.jsonl").touch()  # holds nothing that could be lost
    assert vmaf_tune("upgrade", name, "new.jsonl").code == ExitCode.OK
    before = Path("new.jsonl").read_bytes()
    again = vmaf_tune("upgrade", name, "new.jsonl")
    assert (again.code, "stood there already" in again.err) == (ExitCode.OK, True)
    other = vmaf_tune("upgrade", lines(versioned(2), name="other.jsonl"), "new.jsonl")
    assert other.code == ExitCode.OUTPUT
    assert "it is not overwritten" in other.err
    assert Path("new.jsonl").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["new.jsonl", "old.jsonl", "other.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give IN and OUT"),
        (("old.jsonl", "old.jsonl"), "a corpus that is read stays as it is"),
        ((".", "new.jsonl"), "a corpus that is read stays as it is"),
        (("old.jsonl", "new.jsonl.gz"), "compress it afterwards"),
        (("old.jsonl", "new.csv"), "rows are written as .jsonl"),
        (("old.jsonl", "new.jsonl", "--codec", "x264", "--codec-from-source"), "give one"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], says: str, vmaf_tune: VmafTune) -> None:
    lines(versioned(1))
    told = vmaf_tune("upgrade", *arguments)
    assert told.code == ExitCode.USAGE, told.err
    assert says in told.err


CODECS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "ffmpeg's name": ({}, (), "h264_nvenc"),
    "an alias": ({"codec": "x265", "preset": "medium"}, (), "libx265"),
    "a format": ({"codec": "H264", "preset": "medium"}, (), "libx264"),
    "a column": ({"made_with": "hevc_qsv", "preset": "fast"}, ("--codec", "made_with"), "hevc_qsv"),
    "a name": ({"codec": "h264", "preset": "fast"}, ("--codec", "h264_qsv"), "h264_qsv"),
}


@pytest.mark.parametrize("what", CODECS)
def test_encoders_get_ffmpegs_names(what: str, vmaf_tune: VmafTune) -> None:
    changes, options, encoder = CODECS[what]
    row = clip_sweep(**changes)
    told = vmaf_tune("upgrade", lines(row), "new.jsonl", *options)
    assert told.code == ExitCode.OK, told.err
    assert read_rows(Path("new.jsonl"))[0]["encoder"] == encoder
    if what in ("an alias", "a format"):
        assert f"1 rows: encoder {row['codec']} read as {encoder}" in told.err


def test_a_codec_that_is_neither_column_nor_encoder_is_named(vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("upgrade", lines(clip_sweep()), "new.jsonl", "--codec", "codcc")
    assert told.code == ExitCode.NEGATIVE
    assert "it has no codcc, which is no encoder's name either" in told.err


def test_a_name_that_rows_with_a_version_give_stands(vmaf_tune: VmafTune) -> None:
    vmaf_tune("upgrade", lines(versioned(1)), "new.jsonl", "--codec", "libx265", "--vmaf-model", "vmaf_4k_v0.6.1")
    (row,) = read_rows(Path("new.jsonl"))
    assert (row["encoder"], row["vmaf_model"]) == ("libx264", "vmaf_v0.6.1")


def test_the_codec_of_a_file_is_looked_up_with_ffmpeg(clip: Clips, vmaf_tune: VmafTune) -> None:
    source = clip("testsrc2", container="mp4")
    rows = [clip_table(source=str(source), codec="?"), clip_table(source="gone.mp4", codec="?")]
    told = vmaf_tune("upgrade", lines(*rows), "new.jsonl", "--codec-from-source", "--vmaf-model", "vmaf_v0.6.1")
    assert told.code == ExitCode.NEGATIVE
    assert "1 rows left out: table-clip row: no file that it names is there to look at" in told.err
    (row,) = read_rows(Path("new.jsonl"))
    assert (row["encoder"], row["vmaf_model"]) == ("libx264", "vmaf_v0.6.1")


def table_of(rows: list[dict[str, Any]], **same: Any) -> list[dict[str, Any]]:
    """Rows of a table that has the encoder in a column of another name."""
    return [
        {
            "source": row["src"], "made_with": row["encoder"], "vmaf_model": "vmaf_v0.6.1",
            "vmaf": row["vmaf_score"],
            "preset": row["preset"], "crf": row["crf"], **{name: row[f"{name}_mean"] for name in MEANS}, **same,
        }
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("options", [("--codec", "made_with"), ("--codec-from-source",)])
def test_every_reader_is_told_what_names_the_encoder(
    options: tuple[str, ...], clip: Clips, vmaf_tune: VmafTune
) -> None:
    made = [row for row in made_rows() if row["encoder"] == "libx264"]
    sources = {name: str(clip("testsrc2", container="mp4")) for name in {row["src"] for row in made}}
    rows = table_of(made) if options[0] == "--codec" else [
        row | {"dis_path": sources[row["source"]]} for row in table_of(made, made_with="?")
    ]  # fmt: skip
    corpus = lines(*rows)
    blind = vmaf_tune("validate", corpus)
    assert (blind.code, ": 0 valid" in blind.err) == (ExitCode.NEGATIVE, True), blind.err
    told = vmaf_tune("validate", corpus, *options)
    assert told.code == ExitCode.OK, told.out
    assert f"(table-clip: {len(rows)})" in told.err
    scored = vmaf_tune("predict", "--corpus", corpus, *options, "--format", "jsonl")
    assert scored.code == ExitCode.OK, scored.err
    assert {json.loads(line)["encoder"] for line in scored.out.splitlines()} == {"libx264"}
    learnt = vmaf_tune(
        "train-v2", "--corpus", corpus, *options, "--epochs", 1, "--seeds", 1, "--hidden", 8, "--no-export",
        "--features-from", "cell",
    )  # fmt: skip
    assert learnt.code == ExitCode.OK, learnt.err
    assert f"rows read of an older shape: {len(rows)}: table-clip" in learnt.out


def as_csv(name: str, rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with Path(name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(
            {key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in row.items()}
            for row in rows
        )
    return name


def as_parquet(name: str, rows: list[dict[str, Any]]) -> str:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), name)
    return name


@pytest.mark.parametrize("write", [as_csv, as_parquet])
@pytest.mark.parametrize("shape", SHAPES)
def test_tables_are_read_as_lines_are(
    shape: str, write: Callable[[str, list[dict[str, Any]]], str], vmaf_tune: VmafTune
) -> None:
    suffix = "csv" if write is as_csv else "parquet"
    rows = SHAPES[shape]
    told = vmaf_tune("upgrade", write(f"table.{suffix}", rows), "new.jsonl")
    assert told.code == ExitCode.OK, told.err
    vmaf_tune("upgrade", lines(*rows), "lines.jsonl")
    (row,), (expected,) = read_rows(Path("new.jsonl")), read_rows(Path("lines.jsonl"))
    if "schema_version" not in rows[0]:
        row.pop("run_id"), expected.pop("run_id")
    if suffix == "csv":  # which cannot tell no text from none
        expected = {key: None if value == "" else value for key, value in expected.items()}
    assert row == expected


def test_a_preset_that_looks_like_a_number_stays_text(vmaf_tune: VmafTune) -> None:
    name = as_csv("table.csv", [clip_table(codec="libsvtav1", preset="8", crf="35", note="")])
    vmaf_tune("upgrade", name, "new.jsonl")
    (row,) = read_rows(Path("new.jsonl"))
    assert (row["preset"], row["crf"]) == ("8", 35)


def test_faults_of_a_table_are_named_by_their_line(vmaf_tune: VmafTune) -> None:
    name = as_csv("table.csv", [clip_table(), clip_table(crf=99), clip_table(vmaf="nan")])
    told = vmaf_tune("validate", name)
    assert [line.split(": ")[0] for line in told.out.splitlines()] == ["table.csv:3", "table.csv:4"]
    with Path(name).open("a") as stream:
        stream.write("a,b\n")
    cut = vmaf_tune("validate", name)
    assert cut.code == ExitCode.INPUT
    assert "line 5 has 2 fields, not 11" in cut.err


def test_parquet_without_its_extra_says_what_to_install(
    vmaf_tune: VmafTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("table.parquet").write_bytes(b"PAR1")
    told = vmaf_tune("validate", "table.parquet")
    assert told.code == ExitCode.TOOL
    assert told.err.splitlines() == [
        "Error: table.parquet: parquet needs pyarrow: pip install 'vmaftune-frv2[tables]'"
    ]


def test_a_table_that_is_none_is_named(vmaf_tune: VmafTune) -> None:
    pytest.importorskip("pyarrow")
    Path("table.parquet").write_bytes(b"no such thing")
    told = vmaf_tune("validate", "table.parquet")
    assert told.code == ExitCode.INPUT
    assert "table.parquet: no parquet table" in told.err


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    """A measured row as version 2 with flat features has it."""
    features = {name: row[f"{name}_mean"] for name in MEANS}
    return {key: row[key] for key in versioned(2)} | {"schema_version": 2, "per_frame_features": features}


def test_flat_features_teach_what_means_teach(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    rows = made_rows()
    old = write_rows(tmp_path / "old.jsonl", [flattened(row) for row in rows])
    new = write_rows(tmp_path / "new.jsonl", rows)
    figures = []
    for corpus in (old, new):
        told = vmaf_tune(
            "train-v2", "--corpus", corpus, "--epochs", 2, "--seeds", 1, "--hidden", 8, "--no-export",
            "--metrics-out", "metrics.json",
        )  # fmt: skip
        assert told.code == ExitCode.OK, told.err
        figures.append(json.loads(Path("metrics.json").read_text()))
        if corpus is old:
            assert f"rows read of an older shape: {len(rows)}: v2-flat" in told.out
            assert (
                f"rows used in part: {len(rows)}: only the regressor learns from rows without frames" in told.out
            )
    assert figures[0]["shapes"] == {"v2-flat": len(rows)}
    assert figures[0]["loso"] == figures[1]["loso"]


def test_what_cannot_be_learnt_from_is_counted_by_reason(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = made_rows(titles=3)
    rows += [
        versioned(1),
        versioned(3, duration_s=0.0, bitrate_kbps=0.0),
        versioned(3, bitrate_kbps=900.0),
        versioned(3, schema_version=4),
        clip_sweep(),
        clip_table(preset=None, vmaf_model="vmaf_v0.6.1"),
        *frame_table(vmaf_model="vmaf_v0.6.1"),
        *frame_sweep(vmaf_model="vmaf_v0.6.1"),
    ]
    corpus = write_rows(tmp_path / "corpus.jsonl", rows)
    told = vmaf_tune("train-v2", "--corpus", corpus, "--epochs", 1, "--features-from", "cell", "--no-export")
    assert told.code == ExitCode.OK, told.err
    for line in (
        "rows read of an older shape: 1: hardware-frame",
        "rows dropped: 2: features are null (vmaf-tune attach measures them)",
        "rows dropped: 1: duration_s is 0",
        "rows dropped: 1: bitrate_kbps, size and duration disagree",
        "rows dropped: 1: schema_version = 4: unknown schema version; known: 1, 2, 3",
        "rows dropped: 1: the preset is not known",
        "rows dropped: 1: the crf is not known",
        "rows in the unknown slot: 1: h264_nvenc",
    ):
        assert line in told.out, told.out


def test_rows_that_name_no_vmaf_model_are_not_mixed_with_others(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", [*made_rows(), trainer()])
    told = vmaf_tune("train-v2", "--corpus", corpus, "--no-export")
    assert told.code == ExitCode.INPUT
    assert "not named (1 rows)" in told.err


def test_curves_need_frames_and_say_so(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", [flattened(row) for row in made_rows()])
    told = vmaf_tune("train-v2", "--corpus", corpus, "--epochs", 1, "--seeds", 1, "--curves", "--no-export")
    assert told.code == ExitCode.INPUT
    assert "no source has two usable cells of one encoder, which the curve models need (96 rows: no " in told.err


def test_rows_without_a_probe_are_scored_by_the_codec_blind_model(corpus_path: Path, vmaf_tune: VmafTune) -> None:
    rows = read_rows(corpus_path)
    name = lines(*rows[:2], *map(flattened, rows[2:4]), *frame_sweep(), versioned(1))
    told = vmaf_tune("predict", "--corpus", name, "--format", "jsonl")
    assert told.code == ExitCode.NEGATIVE
    found = [json.loads(line) for line in told.out.splitlines()]
    assert [row["vmaf_predicted_by"] for row in found] == ["fr_regressor_v1"] * 5
    # Frame by frame, it is libvmaf's mirror.
    assert all(abs(row["vmaf_predicted"] - row["vmaf_score"]) < 0.5 for row in found[:2])
    assert (found[4]["upgraded_from"], found[4]["preset"]) == ("hardware-frame", None)
    assert "5 rows were scored by fr_regressor_v1, from their own features: its source has no row" in told.err
    assert "1 rows got no prediction: its source has no row of the probe cell" in told.err
    Path("out.jsonl").write_text(told.out)
    assert vmaf_tune("validate", "out.jsonl").code == ExitCode.OK
    again = vmaf_tune("predict", "--corpus", "out.jsonl", "--format", "jsonl")
    assert again.out == told.out


def test_rows_with_a_probe_stay_with_the_default_model(corpus_path: Path, vmaf_tune: VmafTune) -> None:
    row = next(row for row in read_rows(corpus_path) if row["encoder"] == "libx264")
    probe = row | {"preset": "medium", "crf": 33}
    told = vmaf_tune("predict", "--corpus", lines(probe, row, flat()), "--format", "jsonl")
    assert told.code == ExitCode.OK, told.err
    by = [json.loads(line).get("vmaf_predicted_by") for line in told.out.splitlines()]
    assert by == [None, None, "fr_regressor_v1"]


def test_a_model_that_is_named_is_the_only_one(corpus_path: Path, vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("predict", "--corpus", lines(flat()), "--model", "fr_regressor_v2")
    assert told.code == ExitCode.INPUT
    assert "needs the features of the probe cell" in told.err
    nothing = vmaf_tune("predict", "--corpus", lines(versioned(1)))
    assert nothing.code == ExitCode.INPUT
    assert "nor has one features of its own (vmaf-tune attach measures them)" in nothing.err


def test_rows_without_a_cell_are_not_exported_to_upstream(vmaf_tune: VmafTune) -> None:
    rows = [trainer(vmaf_model="vmaf_v0.6.1"), clip_table(preset=None), *frame_sweep()]
    told = vmaf_tune("export-rows", lines(*rows), "out.jsonl")
    assert "wrote 1 rows" in told.out
    assert "left out: 2: the crf or the preset is not known" in told.out


KEYS = st.sampled_from(
    sorted({key for rows in SHAPES.values() for row in rows for key in row} | {"recipe", "integer_adm2", "x"})
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    ["libx264", "h264", "medium", "full", "sample_3s", "nan"]
)  # fmt: skip
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(KEYS, LEAVES, max_size=3)
CHANGED = st.builds(
    lambda rows, index, changes, without: {
        key: value for key, value in (rows[index % len(rows)] | changes).items() if key not in without
    },
    st.sampled_from(list(SHAPES.values())),
    st.integers(0, 5),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.sets(KEYS, max_size=2),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(KEYS, VALUES, max_size=8) | CHANGED, min_size=1, max_size=6))
def test_no_row_makes_it_fall_over(rows: list[dict[str, Any]], vmaf_tune: VmafTune) -> None:
    Path("new.jsonl").unlink(missing_ok=True)
    name = lines(*rows)
    told = vmaf_tune("upgrade", name, "new.jsonl")
    assert told.code in (ExitCode.OK, ExitCode.NEGATIVE), told.err
    assert all(shape_of(row) == "" or shape_of(row) in SHAPES for row in rows)
    if Path("new.jsonl").exists():
        assert vmaf_tune("validate", "new.jsonl").code == ExitCode.OK
        read_rows(Path("new.jsonl"))


def test_rows_nested_too_deeply_are_named(vmaf_tune: VmafTune) -> None:
    deep = "[" * 900 + "]" * 900
    row = json.dumps(clip_sweep(extra=0)).replace('"extra": 0', f'"extra": {deep}')
    Path("old.jsonl").write_text(row + "\n")
    told = vmaf_tune("upgrade", "old.jsonl", "new.jsonl")
    assert told.code in (ExitCode.OK, ExitCode.NEGATIVE), told.err


@pytest.mark.parametrize("score", [None, float("nan")])
def test_encode_with_a_frame_without_a_score_is_refused(score: float | None, vmaf_tune: VmafTune) -> None:
    frames = [*frame_sweep(5), *frame_sweep(5, cq=40)]
    frames[4] = frames[4] | {"vmaf": score}
    for table in (lines(*frames), as_csv("table.csv", frames), as_parquet("table.parquet", frames)):
        told = vmaf_tune("upgrade", table, f"{table}.new.jsonl")
        assert told.code == ExitCode.NEGATIVE
        assert "1 rows left out: hardware-frame row: a frame lacks its number, its VMAF or a feature" in told.err
        assert [row["crf"] for row in read_rows(Path(f"{table}.new.jsonl"))] == [40]


AMBIGUOUS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "frames of two encodes": (
        [*frame_sweep(6)[:3], *frame_sweep(6, bitrate_kbps=900.0)[3:]],
        "its frames are of several encodes",
    ),
    "two scores": ([clip_sweep(vmaf_score=50.0)], "vmaf_score and vmaf are one value, and differ"),
    "two qualities": ([clip_sweep(crf=20)], "crf and q are one value, and differ"),
    "two bitrates": ([clip_sweep(bitrate_kbps=9.0)], "bitrate_kbps and actual_kbps are one value, and differ"),
    "a quality that no encoder takes": ([clip_sweep(q=99)], "its q is none that an encoder takes"),
    "a negative quality": ([clip_sweep(q=-1)], "its q is none that an encoder takes"),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_is_said_twice_is_not_chosen_from(what: str, vmaf_tune: VmafTune) -> None:
    rows, says = AMBIGUOUS[what]
    told = vmaf_tune("upgrade", lines(*rows), "new.jsonl")
    assert told.code == ExitCode.NEGATIVE
    assert says in told.err
    assert not Path("new.jsonl").exists()


@pytest.mark.parametrize("value", [True, "0.9"])
def test_feature_that_is_no_number_is_none(value: Any, vmaf_tune: VmafTune) -> None:
    row = flat() | {"per_frame_features": dict.fromkeys(MEANS, value)}
    told = vmaf_tune("export-rows", lines(row), "out.jsonl")
    assert told.code != ExitCode.OK
    assert not Path("out.jsonl").exists()


DAMAGED: dict[str, tuple[bytes, str]] = {
    "an unclosed quote": (
        b'src,codec,q,vmaf\na,h264_nvenc,30,90\n"b,h264_nvenc,30,91\nc,h264_nvenc,30,92\n',
        "line 4",
    ),
    "two columns of a name": (b"src,codec,q,vmaf,vmaf\na,h264_nvenc,30,90,20\n", "two columns are called 'vmaf'"),
    "bytes that are no text": (b"src,codec,q,vmaf\na,h264_nvenc,30,90\n\xff\xff\n", "line 3 is not UTF-8"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_of_a_table_is_named(what: str, vmaf_tune: VmafTune) -> None:
    data, says = DAMAGED[what]
    Path("table.csv").write_bytes(data)
    told = vmaf_tune("validate", "table.csv")
    assert told.code == ExitCode.INPUT
    assert says in told.err
    assert ("1 rows in 1 files" in told.err) == (what != "two columns of a name")


def test_parquet_types_that_json_has_not(vmaf_tune: VmafTune) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.table(
            {
                "src": pyarrow.array([b"a.mp4"], pyarrow.binary()),
                "codec": ["h264_nvenc"],
                "q": [30],
                "vmaf": pyarrow.array([decimal.Decimal("92.25")]),
                "measured": pyarrow.array([1], pyarrow.timestamp("ns")),
                "took": pyarrow.array([1], pyarrow.duration("ns")),
                "at": pyarrow.array([1], pyarrow.time64("ns")),
                "times": [[datetime.date(2026, 1, 1)]],
            }
        ),
        "table.parquet",
    )
    told = vmaf_tune("upgrade", "table.parquet", "new.jsonl")
    assert told.code == ExitCode.OK, told.err
    (row,) = read_rows(Path("new.jsonl"))
    assert (row["src"], row["vmaf_score"], row["crf"]) == ("a.mp4", 92.25, 30)


def test_output_that_is_no_file_is_left_as_it_is(vmaf_tune: VmafTune) -> None:
    os.mkfifo("pipe.jsonl")
    told = vmaf_tune("upgrade", lines(versioned(1)), "pipe.jsonl")
    assert (told.code, "a device or a pipe" in told.err) == (ExitCode.OUTPUT, True)
    assert Path("pipe.jsonl").is_fifo()
    Path("target.jsonl").touch()
    Path("link.jsonl").symlink_to("target.jsonl")
    assert vmaf_tune("upgrade", "old.jsonl", "link.jsonl").code == ExitCode.OK
    assert Path("link.jsonl").is_symlink()
    assert len(read_rows(Path("target.jsonl"))) == 1
    exported = vmaf_tune("export-rows", lines(flat()), "pipe.jsonl", "--overwrite")
    assert exported.code == ExitCode.OUTPUT
    assert Path("pipe.jsonl").is_fifo()


def test_file_names_that_are_no_unicode_are_printed(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "old.jsonl", [flat(src="\ud800.mp4")])
    command = [sys.executable, "-m", "vmaftune_frv2", "predict", "--corpus", str(corpus)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert r"\ud800.mp4" in ended.stdout
