"""``vmaf-tune attach``: frames for rows that lack them, from kept encodes or from new ones; never wrong ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, VmafTune, read_rows
from old_rows_kit import MEANS, clip_sweep, versioned
from training_kit import write_rows
from vmaftune_frv2.contract.rows import ROW_KEYS_BY_VERSION
from vmaftune_frv2.errors import ExitCode

Row = dict[str, Any]
SWEEP = ("--encoder", "libx264", "--preset", "veryfast", "--crf", 25, "--crf", 40, "--keep-encodes", "--jobs", 1)


@pytest.fixture(scope="session")
def swept(clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, kept encodes of it and the rows of these, to be copied."""
    from conftest import invoke
    from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE

    folder = tmp_path_factory.mktemp("swept")
    shutil.copy(clip("mandelbrot", frames=12), folder / "film.mkv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        patch.chdir(folder)
        result = invoke("corpus", "film.mkv", *SWEEP, "--encode-dir", "encodes", "--output", "whole.jsonl")
    assert result.code == 0, result.err
    return folder


@pytest.fixture
def whole(swept: Path) -> list[Row]:
    """The rows as they were measured; source and encodes lie in the working folder."""
    shutil.copytree(swept, ".", dirs_exist_ok=True)
    return [
        row | {"encode_path": f"encodes/{Path(row['encode_path']).name}"} for row in read_rows(Path("whole.jsonl"))
    ]


def bare(row: Row, version: int = 1, **changes: Any) -> Row:
    """A measured row as an older version has it."""
    kept = {key: row[key] for key in ROW_KEYS_BY_VERSION[version]} | {"schema_version": version}
    return kept | {key: None for key in kept if key.endswith(("_mean", "_std"))} | changes


def old(*rows: Row) -> Path:
    return write_rows(Path("old.jsonl"), rows)


def attached() -> list[Row]:
    return read_rows(Path("old.attached.jsonl"))


MEASURED = ("vmaf_score", "per_frame_vmaf", "per_frame_features", *(f"{name}_mean" for name in MEANS), "adm2_std")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_kept_encodes_are_scored(version: int, whole: list[Row], vmaf_tune: VmafTune) -> None:
    corpus = old(*(bare(row, version) for row in whole))
    before = corpus.read_bytes()
    told = vmaf_tune("attach", corpus)
    assert told.code == ExitCode.OK, told.err
    assert "old.attached.jsonl: 2 kept encodes scored, 0 cells encoded again, 0 rows had frames" in told.err
    for row, new in zip(whole, attached(), strict=True):
        assert {key: new[key] for key in MEASURED} == {key: row[key] for key in MEASURED}
        assert (new["run_id"], new["encode_path"]) == (row["run_id"], row["encode_path"])
        assert new["attached"]["how"] == "scored"
        assert new["attached"]["vmaf_score"] == row["vmaf_score"]
        assert f"film.mkv libx264:veryfast:{row['crf']}: scored {row['encode_path']}" in told.err
    assert vmaf_tune("validate", "old.attached.jsonl").code == ExitCode.OK
    assert corpus.read_bytes() == before


def test_cells_whose_encode_is_gone_are_encoded_again(whole: list[Row], vmaf_tune: VmafTune) -> None:
    one = bare(whole[0], encode_path=None)
    other = bare(whole[1], 2)
    Path(other["encode_path"]).write_bytes(b"of another size")
    told = vmaf_tune("attach", old(one, other))
    assert told.code == ExitCode.OK, told.err
    assert "0 kept encodes scored, 2 cells encoded again" in told.err
    for row, new in zip(whole, attached(), strict=True):
        assert {key: new[key] for key in MEASURED} == {key: row[key] for key in MEASURED}
        assert new["encode_size_bytes"] == row["encode_size_bytes"]
        assert new["run_id"] != row["run_id"]  # all of the row is of the new encode
        assert new["attached"]["how"] == "encoded"


def test_what_is_done_is_not_done_again(whole: list[Row], vmaf_tune: VmafTune) -> None:
    corpus = old(bare(whole[0]), whole[1])
    first = vmaf_tune("attach", corpus)
    assert "1 kept encodes scored, 0 cells encoded again, 1 rows had frames, 0 were there" in first.err
    before = Path("old.attached.jsonl").read_bytes()
    again = vmaf_tune("attach", corpus)
    assert again.code == ExitCode.OK
    assert "0 kept encodes scored, 0 cells encoded again, 0 rows had frames, 2 were there already" in again.err
    assert Path("old.attached.jsonl").read_bytes() == before
    twice = vmaf_tune("attach", old(bare(whole[0]), whole[1], bare(whole[0], vmaf_score=50.0)))
    assert (twice.code, "1 of cells that earlier rows have" in twice.err) == (ExitCode.OK, True)
    longer = vmaf_tune("attach", old(bare(whole[0]), whole[1], bare(whole[1], extra_params=["-tune", "film"])))
    assert Path("old.attached.jsonl").read_bytes().startswith(before)
    assert "2 were there already" in longer.err


def without(name: str) -> None:
    Path(name).unlink()


def altered(name: str) -> None:
    with Path(name).open("ab") as stream:
        stream.write(b"more")


LEFT_OUT: dict[str, tuple[Any, dict[str, Any], tuple[str, ...], str]] = {
    "no source": (lambda: without("film.mkv"), {}, (), "its source is not there (--source-dir says where)"),
    "another source": (lambda: altered("film.mkv"), {}, (), "the file of its source's name is another one"),
    "a source whose name is too long": (None, {"src": "x" * 5000}, (), "its source is not there"),
    "no hash": (None, {"src_sha256": None}, (), "its source was not hashed"),
    "another score": (None, {"vmaf_score": 50.0}, (), "its score is another one"),
    "another score, encoded": (None, {"vmaf_score": 50.0, "encode_path": None}, (), "its score is another one"),
    "another size": (None, {"width": 640, "height": 360}, (), "its source is of another size"),
    "no encode": (None, {"encode_path": None}, ("--no-encode",), "its encode is not there (--no-encode)"),
    "an encoder that is not there": (
        None, {"encoder": "h264_nvenc", "encode_path": ""}, (), "its cell cannot be encoded again",
    ),
    "a model that is not there": (None, {"vmaf_model": "vmaf_v9"}, (), "its kept encode cannot be scored"),
    "a bitrate of its own": (None, {"framerate": 48.0, "duration_s": 0.5}, (), "the row with its frames breaks"),
    "a cell that failed": (None, {"exit_status": 1, "vmaf_score": None}, (), "the cell failed"),
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT_OUT)
def test_rows_that_cannot_be_trusted_are_left_out_by_name(
    what: str, whole: list[Row], vmaf_tune: VmafTune
) -> None:
    happens, changes, options, says = LEFT_OUT[what]
    if happens is not None:
        happens()
    told = vmaf_tune("attach", old(bare(whole[0], **changes)), *options)
    assert told.code == ExitCode.NEGATIVE, told.err
    assert f"1 rows left out: {says}" in told.err
    assert attached() == []


def test_the_score_may_be_allowed_to_differ(whole: list[Row], vmaf_tune: VmafTune) -> None:
    row = bare(whole[0], vmaf_score=whole[0]["vmaf_score"] - 0.3)
    told = vmaf_tune("attach", old(row), "--tolerance", 0.5)
    assert told.code == ExitCode.OK, told.err
    (new,) = attached()
    assert new["vmaf_score"] == whole[0]["vmaf_score"]
    assert new["attached"]["vmaf_score"] == row["vmaf_score"]


def test_files_are_found_in_named_folders(whole: list[Row], vmaf_tune: VmafTune) -> None:
    for name in ("films", "kept", "corpora"):
        Path(name).mkdir()
    shutil.move("film.mkv", "films")
    shutil.move(whole[0]["encode_path"], "kept")
    shutil.move(old(bare(whole[0], src="/nowhere/film.mkv")), "corpora")
    told = vmaf_tune("attach", "corpora", "--source-dir", "films", "--encode-dir", "kept", "--output", "o.jsonl")
    assert told.code == ExitCode.OK, told.err
    assert "1 kept encodes scored" in told.err
    assert read_rows(Path("o.jsonl"))[0]["src"] == "/nowhere/film.mkv"


def test_raw_sources_are_read_as_the_row_says(clip: Clips, vmaf_tune: VmafTune) -> None:
    source = clip("testsrc2", frames=8, container="yuv", rate="25")
    geometry = ("--width", 160, "--height", 96, "--framerate", 25)
    cell = ("--encoder", "libx264", "--preset", "veryfast", "--crf", 30, "--sample-clip-seconds", 0.2)
    assert vmaf_tune("corpus", source, *geometry, *cell, "--output", "whole.jsonl").code == ExitCode.OK
    (row,) = read_rows(Path("whole.jsonl"))
    told = vmaf_tune("attach", old(bare(row, 2)))
    assert told.code == ExitCode.OK, told.err
    assert [new["per_frame_vmaf"] for new in attached()] == [row["per_frame_vmaf"]]


def test_rows_of_other_shapes_get_frames_too(whole: list[Row], vmaf_tune: VmafTune) -> None:
    row = clip_sweep(
        src="film.mkv", codec="x264", preset="veryfast", q=25, vmaf=whole[0]["vmaf_score"],
        actual_kbps=whole[0]["bitrate_kbps"], src_sha256=whole[0]["src_sha256"],
    )  # fmt: skip
    assert whole[0]["crf"] == 25
    told = vmaf_tune("attach", old(row))
    assert told.code == ExitCode.OK, told.err
    (new,) = attached()
    assert {key: new[key] for key in MEASURED} == {key: whole[0][key] for key in MEASURED}
    assert (new["upgraded_from"], new["width"], new["vmaf_model"]) == ("hardware-clip", 160, "vmaf_v0.6.1")
    assert "1 were there already" in vmaf_tune("attach", "old.jsonl").err


def test_a_corpus_is_never_its_own_output(whole: list[Row], vmaf_tune: VmafTune) -> None:
    corpus = old(bare(whole[0]))
    assert vmaf_tune("attach", corpus, "--output", corpus).code == ExitCode.USAGE
    Path("notes.jsonl").write_text("these are notes\n")
    told = vmaf_tune("attach", corpus, "--output", "notes.jsonl")
    assert told.code == ExitCode.INPUT
    assert Path("notes.jsonl").read_text() == "these are notes\n"


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "x\0y", "\ud800"])
def test_a_name_that_no_file_can_have_is_of_no_encode(name: str, whole: list[Row], vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("attach", old(bare(whole[0], encode_path=name), bare(whole[1])))
    assert told.code == ExitCode.OK, told.err
    assert "1 kept encodes scored, 1 cells encoded again" in told.err


def test_rows_without_frames_in_the_output_answer_for_nothing(whole: list[Row], vmaf_tune: VmafTune) -> None:
    output = write_rows(Path("other.jsonl"), [bare(row, 3) for row in whole])
    told = vmaf_tune("attach", old(*map(bare, whole)), "--output", output)
    assert told.code == ExitCode.OK, told.err
    assert "2 kept encodes scored, 0 cells encoded again, 0 rows had frames, 0 were there already" in told.err
    assert [bool(row.get("per_frame_vmaf")) for row in read_rows(output)] == [False, False, True, True]
    assert "2 were there already" in vmaf_tune("attach", "old.jsonl", "--output", output).err


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_a_corpus_is_no_output_either(link: Any, whole: list[Row], vmaf_tune: VmafTune) -> None:
    Path("folder").mkdir()
    corpus = old(bare(whole[0])).rename("folder/old.jsonl").absolute()
    before = corpus.read_bytes()
    link(corpus, "link.jsonl")
    for given in ("folder/old.jsonl", "folder", corpus):
        told = vmaf_tune("attach", given, "--output", "link.jsonl")
        assert (told.code, "a corpus that is read stays as it is" in told.err) == (ExitCode.USAGE, True)
    assert vmaf_tune("attach", "folder", "--output", corpus.with_name("n.jsonl")).code == ExitCode.USAGE
    assert corpus.read_bytes() == before


@pytest.mark.parametrize("has", [False, True])
def test_a_row_that_was_left_out_does_not_stand_for_its_cell(
    has: bool, whole: list[Row], vmaf_tune: VmafTune
) -> None:
    right = whole[0] if has else bare(whole[0])
    told = vmaf_tune("attach", old(bare(whole[0], vmaf_score=50.0), right, bare(whole[0]), bare(whole[1])))
    assert told.code == ExitCode.NEGATIVE, told.err
    assert "1 rows left out: its score is another one" in told.err
    counts = f"{1 if has else 2} kept encodes scored, 0 cells encoded again, {int(has)} rows had frames"
    assert f"{counts}, 0 were there already, 1 of cells that earlier rows have" in told.err
    assert [row["vmaf_score"] for row in attached()] == [row["vmaf_score"] for row in whole]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(clip: Clips, whole: list[Row], vmaf_tune: VmafTune) -> None:
    rows = [
        bare(whole[0], extra_params=["-metadata", f"title={number}"], encode_path=None) for number in range(40)
    ]
    corpus = old(*rows)
    script = "import sys; from vmaftune_frv2.host.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "attach", str(corpus), "--jobs", "1"]
    output = Path("old.attached.jsonl")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as running:
        deadline = time.monotonic() + 120
        while not (output.exists() and output.read_bytes().count(b"\n") >= 2):
            assert time.monotonic() < deadline, "no row was finished"
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
    done = output.read_bytes().count(b"\n")
    assert 2 <= done < len(rows)
    with output.open("ab") as stream:
        stream.write(b'{"schema_version": 3, "run_id": "to')  # as if it had been killed while writing
    told = vmaf_tune("attach", corpus)
    while told.code == ExitCode.OUTPUT and time.monotonic() < deadline:  # a child on its way to exec has the lock
        told = vmaf_tune("attach", corpus)
    assert told.code == ExitCode.OK, told.err
    assert f"{len(rows) - done} cells encoded again, 0 rows had frames, {done} were there already" in told.err
    assert [row["extra_params"] for row in attached()] == [row["extra_params"] for row in rows]
    assert Path("old.attached.jsonl.quarantine").exists()


def test_attached_rows_can_be_learnt_from(whole: list[Row], vmaf_tune: VmafTune) -> None:
    vmaf_tune("attach", old(*map(bare, whole)))
    scored = vmaf_tune("predict", "--corpus", "old.attached.jsonl", "--format", "json")
    assert scored.code == ExitCode.OK, scored.err
    assert len(json.loads(scored.out)) == 2


@pytest.mark.parametrize("folder", [".", "../here"])
def test_output_of_a_folder_lies_beside_it(
    folder: str, tmp_path: Path, vmaf_tune: VmafTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    old(versioned(1))
    told = vmaf_tune("attach", folder)
    assert told.code == ExitCode.NEGATIVE, told.err
    assert (tmp_path / "here.attached.jsonl").exists()
