"""A sweep can be stopped, torn, repeated and crowded, and loses or repeats nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pluggy
import pytest

from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.corpus.executors import Workers
from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.corpus.request import Toolchain
from vmaftune_frv2.corpus.setup import Outcome, Setup
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import run_plan
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host import hookspecs
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.hookspecs import PROJECT
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.media.opening import open_source

QUICK = ("--preset", "ultrafast", "--crf", "30")


def cells(rows):
    return {(row["src"], row["encoder"], row["preset"], row["crf"]) for row in rows}


def test_second_run_measures_nothing(clip, vmaf_tune, tmp_path):
    command = ("corpus", clip(), "--preset", "ultrafast", "--crf", "30:34")
    assert vmaf_tune(*command).code == ExitCode.OK
    before = (tmp_path / "corpus.jsonl").read_bytes()
    again = vmaf_tune(*command)
    assert again.code == ExitCode.OK
    assert "0 measured, 5 already there" in again.err
    assert (tmp_path / "corpus.jsonl").read_bytes() == before


def test_moved_source_is_known_by_its_content(clip, vmaf_tune, tmp_path):
    (tmp_path / "moved.mkv").write_bytes(clip().read_bytes())
    assert vmaf_tune("corpus", clip(), *QUICK).code == ExitCode.OK
    assert "1 already there" in vmaf_tune("corpus", "moved.mkv", *QUICK).err


@pytest.mark.parametrize("change", [("--sample-clip-seconds", "0.25"), ("--vmaf-model", "vmaf_v0.6.1neg")])
def test_another_request_is_measured_anew(change, clip, vmaf_tune, rows_of, tmp_path):
    for options in ((), change):
        result = vmaf_tune("corpus", clip(), *QUICK, *options)
        assert "1 measured" in result.err
    assert len(rows_of(tmp_path / "corpus.jsonl")) == 2


def test_lost_row_alone_is_measured_again(clip, vmaf_tune, rows_of, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    command = ("corpus", clip(), "--preset", "ultrafast", "--crf", "30:34")
    vmaf_tune(*command)
    whole = cells(rows_of(corpus))
    kept = b"".join(corpus.read_bytes().splitlines(keepends=True)[:-1])
    corpus.write_bytes(kept)
    assert "1 measured, 4 already there" in vmaf_tune(*command).err
    assert corpus.read_bytes().startswith(kept)
    assert cells(rows_of(corpus)) == whole


def test_torn_last_line_is_kept_apart_and_its_cell_measured_again(clip, vmaf_tune, rows_of, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    command = ("corpus", clip(), "--preset", "ultrafast", "--crf", "30:34")
    vmaf_tune(*command)
    lines = corpus.read_bytes().splitlines(keepends=True)
    torn = lines[-1][: len(lines[-1]) // 2]
    corpus.write_bytes(b"".join(lines[:-1]) + torn)
    result = vmaf_tune(*command)
    assert "1 measured, 4 already there" in result.err
    assert "corpus.jsonl.quarantine" in result.err
    assert (tmp_path / "corpus.jsonl.quarantine").read_bytes().rstrip(b"\n") == torn
    assert corpus.read_bytes().startswith(b"".join(lines[:-1]))
    assert len(rows_of(corpus)) == 5


def test_last_row_without_its_newline_is_kept(clip, vmaf_tune, rows_of, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    vmaf_tune("corpus", clip(), *QUICK)
    corpus.write_bytes(corpus.read_bytes().rstrip(b"\n"))
    assert "1 already there" in vmaf_tune("corpus", clip(), *QUICK).err
    assert vmaf_tune("corpus", clip("mandelbrot"), *QUICK).code == ExitCode.OK
    assert len(rows_of(corpus)) == 2


def test_locked_output_is_refused_and_unchanged(clip, vmaf_tune, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    vmaf_tune("corpus", clip(), *QUICK)
    before = corpus.read_bytes()
    with CorpusStore(corpus):
        result = vmaf_tune("corpus", clip("mandelbrot"), *QUICK)
    assert result.code == ExitCode.OUTPUT
    assert "another sweep" in result.err
    assert corpus.read_bytes() == before


def test_dry_run_only_looks_even_while_a_sweep_is_writing(clip, vmaf_tune, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    command = ("corpus", clip(), "--preset", "ultrafast", "--crf", "30:34")
    vmaf_tune(*command)
    torn = corpus.read_bytes()[:-200]
    corpus.write_bytes(torn)
    with corpus.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = vmaf_tune(*command, "--dry-run")
    assert result.code == ExitCode.OK
    assert "encodes to do: 1" in result.err
    assert len(result.out.splitlines()) == 1
    assert corpus.read_bytes() == torn
    assert list(tmp_path.iterdir()) == [corpus]


def test_torn_line_that_cannot_be_kept_stays_where_it_is(clip, vmaf_tune, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    vmaf_tune("corpus", clip(), *QUICK)
    corpus.write_bytes(corpus.read_bytes()[:-200])
    before = corpus.read_bytes()
    (tmp_path / "corpus.jsonl.quarantine").mkdir()
    result = vmaf_tune("corpus", clip(), *QUICK)
    assert result.code == ExitCode.OUTPUT
    assert "corpus.jsonl.quarantine: the torn last line of" in result.err
    assert corpus.read_bytes() == before


def restore_sigint():
    """A test run in the background inherits SIGINT ignored, and would pass that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_sweep_keeps_its_rows_and_goes_on(ending, clip, vmaf_tune, rows_of, tmp_path):
    corpus, scratch = tmp_path / "corpus.jsonl", tmp_path / "scratch"
    scratch.mkdir()
    command = ["corpus", str(clip()), "--preset", "slow", "--crf", "10:21", "--jobs", "1"]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "vmaftune_frv2", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
        preexec_fn=restore_sigint,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (corpus.exists() and corpus.stat().st_size):
        time.sleep(0.02)
    sweep.send_signal(ending)
    _, err = sweep.communicate(timeout=60)
    assert sweep.returncode == ExitCode.INTERRUPTED
    assert [line for line in err.splitlines() if line] == [
        "Error: interrupted; the same command goes on from here"
    ]
    assert list(scratch.iterdir()) == []
    kept = corpus.read_bytes()
    assert 1 <= len([json.loads(line) for line in kept.splitlines()]) < 12
    assert vmaf_tune(*command).code == ExitCode.OK
    assert corpus.read_bytes().startswith(kept)
    assert len(cells(rows_of(corpus))) == len(rows_of(corpus)) == 12


def test_long_cells_come_first(clip, vmaf_tune, rows_of, tmp_path):
    small, large = clip(), clip("mandelbrot", size="320x180", frames=48)
    encoders = ("--encoder", "libx264", "--encoder", "libsvtav1", "--encoder", "libvpx-vp9")
    presets = ("--preset", "libx264=ultrafast", "--preset", "libx264=slower", "--preset", "libvpx-vp9=2")
    command = ("corpus", small, large, *encoders, *presets, "--preset", "libsvtav1=10", "--crf", 40, "--jobs", 1)
    assert vmaf_tune(*command).code == ExitCode.OK
    rows = rows_of(tmp_path / "corpus.jsonl")
    by_source = {src: [row["preset"] for row in rows if row["src"] == str(src)] for src in (small, large)}
    assert by_source[small] == by_source[large] == ["2", "slower", "10", "ultrafast"]
    first = [rows[index]["src"] for index in (0, 1)]
    assert first == [str(large)] * 2


class CountingExecutor(ThreadPoolExecutor):
    """Answers every request with a row at once and remembers how many were under way together."""

    def __init__(self):
        super().__init__(max_workers=3)
        self.lock, self.under_way, self.most = Lock(), 0, 0

    def submit(self, measure, request, *others):
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        return super().submit(self._answer, request)

    def _answer(self, request):
        time.sleep(0.0005)
        with self.lock:
            self.under_way -= 1
        row = request.base_row()
        row["exit_status"] = 0
        return Outcome(row, None)


def test_sweep_hands_out_no_more_requests_than_it_may_queue(clip, ffmpeg, tmp_path):
    source = open_source(ffmpeg, str(clip()))
    grid = build_grid(["libx264"], ["ultrafast", "superfast", "veryfast", "faster"], ["0:51"])
    plan = Plan(Setup(ffmpeg), (source,), grid, Toolchain("7", "3", ()))
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    quiet = HookEvents(Plugins(manager), lambda todo: None, lambda row: None)
    with CorpusStore(tmp_path / "corpus.jsonl") as store, CountingExecutor() as executor:
        summary = run_plan(plan, store, quiet, workers=Workers(executor, 6))
    assert (summary.planned, summary.measured) == (208, 208)
    assert 3 <= executor.most <= 6
