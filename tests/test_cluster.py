"""The same cells on a dask cluster of separate processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from distributed import Client

from vmaftune_frv2.corpus.executors import missing_on_this_machine
from vmaftune_frv2.errors import ExitCode

GRID = ("--encoder", "libx264", "--preset", "medium", "--crf", "20:34:2")


@pytest.fixture
def cluster(tmp_path_factory):
    """Starts a scheduler and so many workers of one thread each; returns the address and the worker processes."""
    processes = []
    yield partial(start_cluster, tmp_path_factory.mktemp("cluster"), processes)
    for process in processes:
        process.kill()
        process.wait()


def start_cluster(folder, processes, count):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    address_file = folder / "scheduler.json"
    scheduler = [*dask, "--port", "0", "--no-dashboard", "--scheduler-file", str(address_file)]
    processes.append(subprocess.Popen(scheduler, **quiet))
    for _ in range(600):
        if address_file.exists() and address_file.stat().st_size:
            break
        time.sleep(0.05)
    address = json.loads(address_file.read_text())["address"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    workers = [subprocess.Popen([*worker, "--no-nanny", "--name", f"w{n}"], **quiet) for n in range(count)]
    processes += workers
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
    return address, workers


@pytest.mark.slow
def test_a_killed_worker_loses_no_cell(cluster, clip, vmaf_tune, rows_of, tmp_path):
    address, workers = cluster(2)
    local, remote = tmp_path / "local.jsonl", tmp_path / "remote.jsonl"
    source = clip("mandelbrot", size="320x180", frames=24)
    assert vmaf_tune("corpus", source, *GRID, "--output", local).code == ExitCode.OK
    command = ["corpus", str(source), *GRID, "--executor", "dask", "--scheduler", address, "--output", str(remote)]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "vmaftune_frv2", *command], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    deadline = time.monotonic() + 90
    while not (remote.exists() and remote.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(workers[0].pid, signal.SIGKILL)
    _, err = sweep.communicate(timeout=120)
    assert sweep.returncode == ExitCode.OK, err
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    scores = [{row["crf"]: row["vmaf_score"] for row in rows_of(path)} for path in (local, remote)]
    assert scores[0] == scores[1]
    assert len(rows_of(remote)) == 8
    assert "already there" in vmaf_tune(*command).err


LETHAL = """#!/bin/sh
case "$*" in *"-crf 37 "*) test -e {truce} || kill -9 $PPID ;; esac
exec {ffmpeg} "$@"
"""
"""An ffmpeg that kills the process which encodes at crf 37, until there is a truce."""


@pytest.mark.slow
def test_a_cell_under_which_three_workers_die_stops_the_sweep(cluster, ffmpeg, clip, vmaf_tune, rows_of, tmp_path):
    program, truce, corpus = tmp_path / "ffmpeg", tmp_path / "truce", tmp_path / "corpus.jsonl"
    program.write_text(LETHAL.format(truce=truce, ffmpeg=ffmpeg.path))
    program.chmod(0o755)
    source = clip()
    grid = ("--encoder", "libx264", "--preset", "medium", "--ffmpeg-bin", program, "--output", corpus)
    assert vmaf_tune("corpus", source, *grid, "--crf", 28).code == ExitCode.OK
    address, workers = cluster(4)
    there = ("--executor", "dask", "--scheduler", address)
    stopped = vmaf_tune("corpus", source, *grid, *there, "--crf", 28, "--crf", 37)
    assert stopped.code == ExitCode.TOOL, stopped.err
    (error,) = [line for line in stopped.err.splitlines() if line.startswith("Error:")]
    assert f"{source} libx264:medium:37: 3 workers died that had this cell" in error
    assert sum(worker.poll() == -signal.SIGKILL for worker in workers) == 3
    assert vmaf_tune("validate", corpus).code == ExitCode.OK
    assert [row["crf"] for row in rows_of(corpus)] == [28]
    truce.touch()
    assert vmaf_tune("corpus", source, *grid, *there, "--crf", 28, "--crf", 37).code == ExitCode.OK
    assert sorted(row["crf"] for row in rows_of(corpus)) == [28, 37]
    assert vmaf_tune("validate", corpus).code == ExitCode.OK


def test_an_unreachable_scheduler_is_one_clear_line(clip, vmaf_tune, monkeypatch):
    monkeypatch.setattr("distributed.Client", lambda *_, **options: Client(*_, **{**options, "timeout": 1}))
    result = vmaf_tune("corpus", clip(), *GRID, "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert result.code == ExitCode.TOOL
    assert "--scheduler tcp://127.0.0.1:1: cannot be reached" in result.err


@pytest.mark.parametrize("options", [("--executor", "dask"), ("--scheduler", "tcp://127.0.0.1:1")])
def test_executor_and_scheduler_go_together(options, clip, vmaf_tune):
    result = vmaf_tune("corpus", clip(), *GRID, *options)
    assert result.code == ExitCode.USAGE
    assert "--executor dask and --scheduler ADDRESS go together" in result.err


def test_a_worker_says_what_it_lacks(ffmpeg, clip, tmp_path):
    source = clip()
    there = [(str(source), source.stat().st_size)]
    assert missing_on_this_machine(ffmpeg.path, ffmpeg.version, there) == ""
    assert "no ffmpeg at /nowhere" in missing_on_this_machine("/nowhere/ffmpeg", ffmpeg.version, there)
    assert "was planned with 4.4" in missing_on_this_machine(ffmpeg.path, "4.4", there)
    gone = [(str(Path(tmp_path / "gone.mkv")), 1)]
    assert "must lie on a path that workers share" in missing_on_this_machine(ffmpeg.path, ffmpeg.version, gone)
