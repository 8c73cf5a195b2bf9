"""How fast a corpus is read and checked: rows per second and peak memory of 100,000 rows.

Generates its corpora (always the same rows) into a folder, then reads each in fresh processes, by the functions
that `validate`, `train-v2` and `predict` use; `rows` keeps each row as it was read, as `predict --corpus` does
with `--format jsonl`. Wall time includes starting helper processes; peak memory is the sum of the peaks of all
processes. On a machine that others use, the last column is the one to trust: CPU time per row over that of
`json.loads` alone on the same rows, just before.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, MEAN_KEYS, STD_KEYS
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, Row, dumps, empty_row

FRAMES = 48
CHUNK = 1000
TARGETS = {0: 60_000, FRAMES: 25_000}
"""Rows per second on two idle CPUs, by frames per array."""
MEMORY = 3.0
"""Peak memory over file size."""


def rows(count: int, with_frames: bool) -> Iterator[Row]:
    """Valid rows as a sweep writes them, for sources x (encoder, preset) x crfs."""
    random = np.random.default_rng(42)
    cells = [(e, p, c) for e in ENCODERS for p in e.default_presets for c in range(e.crf_min, e.crf_max + 1)]
    centre = np.array([0.93, 0.55, 0.85, 0.9, 0.94, 4.0, 88.0])[:, None]
    for number in range(count):
        if number % CHUNK == 0:  # [CHUNK, 7, FRAMES]: the canonical-6 and VMAF
            frames = random.normal(centre, 0.02, (CHUNK, 7, FRAMES)).round(6)
            means, stds = frames.mean(axis=2), frames.std(axis=2)
        source, (encoder, preset, crf) = number // len(cells), cells[number % len(cells)]
        mine = number % CHUNK
        size = 8_000 + number * 7919 % 400_000
        row = empty_row() | {
            "run_id": f"{number:016x}", "timestamp": "2026-01-02T03:04:05+00:00", "src": f"clips/{source:04}.mkv",
            "src_sha256": hashlib.sha256(str(source).encode()).hexdigest(), "width": 480, "height": 266,
            "pix_fmt": "yuv420p", "framerate": 24.0, "duration_s": FRAMES / 24, "encoder": encoder.name,
            "encoder_version": "core 165 r3222", "preset": preset, "crf": crf, "extra_params": [],
            "encode_size_bytes": size, "bitrate_kbps": size * 8 / 1000 / (FRAMES / 24),
            "encode_time_ms": 100 + size / 1000, "vmaf_score": float(means[mine, 6]),
            "vmaf_model": "vmaf_v0.6.1", "score_time_ms": 171.319, "ffmpeg_version": "n9.0",
            "vmaf_binary_version": "3.0.0", "exit_status": 0, "clip_mode": "full", "hdr_transfer": "",
            "hdr_primaries": "", "hdr_forced": False,
            **dict(zip(MEAN_KEYS, means[mine].tolist(), strict=False)),
            **dict(zip(STD_KEYS, stds[mine].tolist(), strict=False)),
        }  # fmt: skip
        if with_frames:
            *features, scores = frames[mine].tolist()
            row |= {PER_FRAME_FEATURES: dict(zip(CANONICAL6, features, strict=True)), PER_FRAME_VMAF: scores}
        yield row


def corpus(folder: Path, count: int, frames: int, suffix: str) -> Path:
    """The corpus of a benchmark, generated once per folder."""
    path = folder / f"{count}x{frames}.jsonl"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w") as stream:
            stream.writelines(dumps(row) + "\n" for row in rows(count, bool(frames)))
        part.rename(path)
    packed = path.with_name(path.name + suffix)
    if not packed.exists():
        part = packed.with_suffix(".part")
        with path.open("rb") as plain, packer(part, suffix) as stream:
            shutil.copyfileobj(plain, stream, 1 << 20)
        part.rename(packed)
    return packed


def packer(path: Path, suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.open(path, "wb", compresslevel=4)
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.open(path, "wb")


def read(job: str, path: Path) -> int:
    """One reading of a corpus; the number of rows that came out of it."""
    if job == "validate":
        from vmaftune_frv2.corpus.validation import validate_files

        report = validate_files([path], 100)
        return report.valid - report.duplicates
    if job == "train-v2":
        from vmaftune_frv2.training.learnable import load_corpus

        return len(load_corpus([path]).rows)
    from functools import partial

    from vmaftune_frv2.corpus.reader import read_lines
    from vmaftune_frv2.predict.row_scores import to_score

    whole = job == "rows"
    return sum(isinstance(found, tuple) for found in read_lines([path], partial(to_score, None, None, whole)))


def child(job: str, path: Path) -> None:
    """Reads in this fresh process and prints what it took."""
    plain = path.with_name(path.name.split(".")[0] + ".jsonl")
    with plain.open("rb") as stream:
        lines = list(islice(stream, 5000))
    before = time.process_time()
    for line in lines:
        json.loads(line)
    parsing = (time.process_time() - before) / len(lines)
    before, begin = sum(os.times()[:4]), time.perf_counter()
    count = read(job, path)
    seconds, cpu = time.perf_counter() - begin, sum(os.times()[:4]) - before
    print(json.dumps({"rows": count, "seconds": seconds, "cpu": cpu, "ratio": cpu / count / parsing}))


def peaks(process: subprocess.Popen[str]) -> int:
    """Sum of the peak resident sizes, in bytes, of a process and those below it, until it ends."""
    seen: dict[int, int] = {}
    while process.poll() is None:
        family = [process.pid]
        for pid in family:
            try:
                below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            family += map(int, below)
            if "VmHWM:" in status:
                seen[pid] = int(status.split("VmHWM:")[1].split()[0]) * 1024
        time.sleep(0.02)
    return sum(seen.values())


def measure(job: str, path: Path, times: int) -> tuple[float, float, float, int]:
    """Medians over fresh processes of wall seconds, CPU seconds and the ratio to parsing; the peak memory."""
    results, memory = [], 0
    for _ in range(times):
        command = [sys.executable, __file__, "--child", job, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            memory = max(memory, peaks(process))
            results.append(json.loads(process.stdout.read() if process.stdout else ""))
    wall, cpu, ratio = (
        statistics.median(result[key] for result in results) for key in ("seconds", "cpu", "ratio")
    )
    return wall, cpu, ratio, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "vmaftune-bench")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]))
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    usable = len(os.sched_getaffinity(0))
    print(f"{arguments.rows} rows, {usable} CPUs, load {os.getloadavg()[0]:.1f}, median of {arguments.times}")
    print(f"target for peak over file size: {MEMORY:.0f}")
    print("frames       file     MB       job   rows/s  target rows/CPU-s  peak MB  /file x json.loads")
    for frames, target in TARGETS.items():
        for suffix in ("", ".gz", ".zst"):
            path = corpus(arguments.folder, arguments.rows, frames, suffix)
            for job in ("validate", "train-v2", "predict", "rows") if not suffix else ("validate",):
                wall, cpu, ratio, memory = measure(job, path, arguments.times)
                size = path.stat().st_size
                name = f"{frames:>6} {'.jsonl' + suffix:>10} {size / 1e6:>6.0f} {job:>9}"
                speed = f"{arguments.rows / wall:>8.0f} {target:>7} {arguments.rows / cpu:>10.0f}"
                share = "" if suffix else f"{memory / size:.2f}"
                print(f"{name} {speed} {memory / 1e6:>8.0f} {share:>6} {ratio:>12.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
