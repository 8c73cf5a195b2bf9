"""What a sweep survives: the corpus stays whole, nothing is left behind, the next run completes it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmaftune_frv2.errors import ExitCode

CELLS = 6
GRID = ("--encoder", "libx264", "--preset", "slow", "--crf", "20:30:2")
STALLING_FFMPEG = """#!{python}
import os, subprocess, sys
if "-progress" in sys.argv and sys.argv[-1].startswith("file:") and not os.path.exists({released!r}):
    open({started!r}, "a").write("x")
    sleep = [sys.executable, "-c", "import time; time.sleep(600)", sys.argv[0]]
    subprocess.run(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.execv({ffmpeg!r}, [{ffmpeg!r}, *sys.argv[1:]])
"""


@pytest.fixture
def stalling_ffmpeg(ffmpeg, tmp_path):
    """The real ffmpeg behind a script whose encodes hang until ``released`` exists; ``started`` says they do.

    What hangs is a process that the script started.
    """
    script = tmp_path / "stalling"
    paths = {name: str(tmp_path / name) for name in ("released", "started")}
    script.write_text(STALLING_FFMPEG.format(python=sys.executable, ffmpeg=ffmpeg.path, **paths))
    script.chmod(0o755)
    return script


class Sweep:
    """A sweep as a real process with a folder of its own for temporary files."""

    def __init__(self, folder: Path, source: Path, *options: object) -> None:
        self.corpus = folder / "corpus.jsonl"
        self.scratch = folder / "scratch"
        self.scratch.mkdir(exist_ok=True)
        self.command = ["corpus", str(source), *GRID, "--output", str(self.corpus), *map(str, options)]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Sweep:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vmaftune_frv2", *self.command],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.scratch)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        return self

    def end(self) -> str:
        assert self.process is not None
        return self.process.communicate(timeout=60)[1]

    def wait_for(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def wait_for_rows(self, count: int) -> None:
        self.wait_for(lambda: self.corpus.exists() and self.corpus.read_bytes().count(b"\n") >= count)

    def assert_nothing_left_behind(self) -> None:
        """No temporary file and no process of ours; the guard has a moment to see to it."""
        self.wait_for(lambda: not list(self.scratch.iterdir()))
        self.wait_for(lambda: not children_with(str(self.scratch)))


def children_with(word: str) -> list[str]:
    """Command lines of running processes that name ``word``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


@pytest.fixture
def assert_completes(vmaf_tune, rows_of):
    """Checks that a corpus is valid as it stands and that the same command then completes it."""

    def check(sweep: Sweep, *, wrong: int = 0) -> None:
        if sweep.corpus.exists() and sweep.corpus.stat().st_size:
            assert vmaf_tune("validate", sweep.corpus).code == ExitCode.OK
        before = sweep.corpus.read_bytes() if sweep.corpus.exists() else b""
        assert vmaf_tune(*sweep.command).code == ExitCode.OK
        assert sweep.corpus.read_bytes().startswith(before)
        measured = [row["crf"] for row in rows_of(sweep.corpus) if row["exit_status"] == 0]
        assert sorted(measured) == list(range(20, 31, 2))
        assert len(rows_of(sweep.corpus)) == CELLS + wrong

    return check


@pytest.mark.parametrize("whole_group", [False, True], ids=["the process", "its process group"])
def test_killed_sweep_leaves_nothing_behind_and_goes_on(whole_group, clip, assert_completes, tmp_path):
    sweep = Sweep(tmp_path, clip("mandelbrot", size="320x180", frames=32)).start()
    sweep.wait_for_rows(2)
    (os.killpg if whole_group else os.kill)(sweep.process.pid, signal.SIGKILL)
    sweep.end()
    sweep.assert_nothing_left_behind()
    assert_completes(sweep)


INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize(
    ("signals", "gap"),
    [
        ((INT, INT, INT), 0.005),
        ((INT, TERM), 0.05),
        ((TERM, INT), 0.005),
        pytest.param((INT, INT, INT), 0.05, marks=pytest.mark.slow),
        pytest.param((INT, TERM), 0.005, marks=pytest.mark.slow),
        pytest.param((TERM, INT), 0.05, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_second_interrupt_does_not_spoil_the_first(signals, gap, clip, assert_completes, tmp_path):
    sweep = Sweep(tmp_path, clip("mandelbrot", size="320x180", frames=32)).start()
    sweep.wait_for_rows(2)
    for number in signals:
        sweep.process.send_signal(number)
        time.sleep(gap)
    err = sweep.end()
    assert sweep.process.returncode == ExitCode.INTERRUPTED
    assert err.strip() == "Error: interrupted; the same command goes on from here"
    sweep.assert_nothing_left_behind()
    assert_completes(sweep)


def test_encoder_that_hangs_is_ended_with_its_whole_group(
    clip, vmaf_tune, rows_of, stalling_ffmpeg, assert_completes, tmp_path
):
    sweep = Sweep(tmp_path, clip(), "--ffmpeg-bin", stalling_ffmpeg, "--jobs", CELLS)
    result = vmaf_tune(*sweep.command, "--timeout", 2)
    assert result.code == ExitCode.NEGATIVE
    rows = rows_of(sweep.corpus)
    assert {row["exit_status"] for row in rows} == {1}
    assert all("did not finish within 2 s" in row["failure_reason"] for row in rows)
    assert not children_with(str(stalling_ffmpeg))
    (tmp_path / "released").touch()
    assert_completes(sweep, wrong=CELLS)


def test_encoder_killed_mid_cell_is_tried_again(clip, stalling_ffmpeg, assert_completes, tmp_path):
    sweep = Sweep(tmp_path, clip(), "--ffmpeg-bin", stalling_ffmpeg, "--jobs", 1).start()
    started = tmp_path / "started"
    sweep.wait_for(started.exists)
    (tmp_path / "released").touch()
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(stalling_ffmpeg).encode() in line.read_bytes() and b"vmaftune_frv2" not in line.read_bytes():
                os.kill(int(line.parent.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue
    sweep.end()
    assert sweep.process.returncode == ExitCode.OK
    sweep.assert_nothing_left_behind()
    assert_completes(sweep)


def test_deleted_output_is_saved_and_the_sweep_stops(clip, assert_completes, tmp_path):
    sweep = Sweep(tmp_path, clip("mandelbrot", size="320x180", frames=32), "--jobs", 1).start()
    sweep.wait_for_rows(2)
    sweep.corpus.unlink()
    err = sweep.end()
    assert sweep.process.returncode == ExitCode.OUTPUT
    assert "was deleted or replaced during the sweep" in err
    assert sweep.corpus.read_bytes().count(b"\n") >= 2
    sweep.assert_nothing_left_behind()
    assert_completes(sweep)


@pytest.mark.slow
def test_replaced_output_is_left_alone_and_the_rows_are_saved(clip, assert_completes, tmp_path):
    sweep = Sweep(tmp_path, clip("mandelbrot", size="320x180", frames=32), "--jobs", 1).start()
    sweep.wait_for_rows(2)
    (tmp_path / "other").write_text("somebody else's\n")
    os.replace(tmp_path / "other", sweep.corpus)
    sweep.end()
    assert sweep.process.returncode == ExitCode.OUTPUT
    assert sweep.corpus.read_text() == "somebody else's\n"
    os.replace(f"{sweep.corpus}.rescued", sweep.corpus)
    sweep.assert_nothing_left_behind()
    assert_completes(sweep)


@pytest.mark.slow
def test_source_that_changes_between_cells_stops_the_sweep(clip, assert_completes, tmp_path):
    source, original = tmp_path / "source.mkv", clip("mandelbrot", size="320x180", frames=32)
    shutil.copy(original, source)
    sweep = Sweep(tmp_path, source, "--jobs", 1).start()
    sweep.wait_for_rows(2)
    shutil.copy(clip("testsrc2", size="320x180", frames=32), source)
    err = sweep.end()
    assert sweep.process.returncode == ExitCode.INPUT
    assert "the source changed during the sweep" in err
    sweep.assert_nothing_left_behind()
    shutil.copy(original, source)
    assert_completes(sweep)


def test_source_that_is_touched_only_does_not_stop_the_sweep(clip, assert_completes, tmp_path):
    source = tmp_path / "source.mkv"
    shutil.copy(clip(), source)
    sweep = Sweep(tmp_path, source).start()
    sweep.wait_for_rows(1)
    os.utime(source)
    sweep.end()
    assert sweep.process.returncode == ExitCode.OK
    assert_completes(sweep)


@pytest.mark.parametrize("container", ["avi", "mkv", "mov", "ts", "webm"])
def test_truncated_source_is_refused(container, clip, vmaf_tune, tmp_path):
    codec = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "4") if container == "webm" else None
    whole = clip("mandelbrot", size="320x180", frames=32, container=container, codec=codec)
    broken = tmp_path / f"broken.{container}"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    command = ("corpus", broken, "--encoder", "libx264", "--preset", "ultrafast", "--crf", 30)
    result = vmaf_tune(*command)
    assert result.code == ExitCode.INPUT
    assert result.err.startswith(f"Error: {broken}: ")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "corpus.jsonl").exists()
    broken.write_bytes(whole.read_bytes())
    assert vmaf_tune(*command).code == ExitCode.OK
    assert vmaf_tune("validate", tmp_path / "corpus.jsonl").code == ExitCode.OK


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 KiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_read_only_file_system_is_refused_before_the_first_encode(clip, vmaf_tune, rows_of, small_disk):
    corpus = small_disk / "corpus.jsonl"
    command = ("corpus", clip(), "--preset", "ultrafast", "--output", corpus)
    assert vmaf_tune(*command, "--crf", 40).code == ExitCode.OK
    before = rows_of(corpus)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = vmaf_tune(*command, "--crf", 40, "--crf", 45)
    assert result.code == ExitCode.OUTPUT
    assert result.err == f"Error: {corpus}: cannot be written (Read-only file system)\n"
    assert vmaf_tune("validate", corpus).code == ExitCode.OK
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert vmaf_tune(*command, "--crf", 40, "--crf", 45).code == ExitCode.OK
    assert [row["crf"] for row in rows_of(corpus)] == [40, 45]
    assert rows_of(corpus)[:1] == before


def test_folder_in_which_nothing_can_be_made_is_refused(clip, vmaf_tune):
    result = vmaf_tune("corpus", clip(), *GRID, "--output", "/proc/corpus.jsonl")
    assert result.code == ExitCode.OUTPUT
    assert "/proc/corpus.jsonl: cannot be written" in result.err


def test_full_disk_loses_no_row_that_was_written(clip, vmaf_tune, rows_of, small_disk, tmp_path):
    corpus = small_disk / "corpus.jsonl"
    command = ("corpus", clip(), *GRID, "--output", corpus)
    result = vmaf_tune(*command)
    assert result.code == ExitCode.OUTPUT
    assert "a row could not be written (No space left on device); nothing before it is lost" in result.err
    kept = rows_of(corpus)
    assert 1 <= len(kept) < CELLS
    assert vmaf_tune("validate", corpus).code == ExitCode.OK
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert vmaf_tune(*command).code == ExitCode.OK
    assert rows_of(corpus)[: len(kept)] == kept
    assert len(rows_of(corpus)) == CELLS


def test_cache_is_shared_between_corpora(clip, vmaf_tune, rows_of, tmp_path):
    source = clip()
    copy = tmp_path / "copy.mkv"
    shutil.copy(source, copy)
    shared = ("--cache-dir", tmp_path / "cache")
    assert vmaf_tune("corpus", source, *GRID, *shared, "--output", "a.jsonl").code == ExitCode.OK
    again = vmaf_tune("corpus", copy, *GRID, *shared, "--output", "b.jsonl")
    assert f"{CELLS} measured ({CELLS} from" in again.err
    a, b = rows_of(tmp_path / "a.jsonl"), rows_of(tmp_path / "b.jsonl")
    assert {row["src"] for row in b} == {str(copy)}
    by_crf = {row["crf"]: row for row in a}
    for row in b:
        assert {k: v for k, v in row.items() if k not in ("src", "run_id")} == {
            k: v for k, v in by_crf[row["crf"]].items() if k not in ("src", "run_id")
        }
    assert not {row["run_id"] for row in a} & {row["run_id"] for row in b}
    assert vmaf_tune("validate", "b.jsonl").code == ExitCode.OK
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["exit_status"] == 0
