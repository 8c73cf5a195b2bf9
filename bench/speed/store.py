"""What the one writer of a sweep sustains, and what a corpus of many rows costs to resume.

python bench/speed/store.py [--rows N]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.features import CANONICAL6, pool
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, Row
from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.corpus.request import CellRequest, Toolchain
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.source import Source

FRAMES = 48


def source(index: int) -> Source:
    return Source(
        path=Path(f"/s/{index}.mkv"), label=f"{index}.mkv", sha256=f"{index:064x}", width=640, height=360,
        pix_fmt="yuv420p", depth=8, full_range=False, framerate=Fraction(24), frames=FRAMES, duration_s=2.0,
    )  # fmt: skip


def row_of(request: CellRequest, per_frame: bool, generator: np.random.Generator) -> Row:
    row = request.base_row()
    frames = {feature: np.round(generator.uniform(0.5, 1.0, FRAMES), 6).tolist() for feature in CANONICAL6}
    scores = np.round(generator.uniform(60, 90, FRAMES), 6).tolist()
    row |= {"run_id": "0" * 32, "timestamp": "2026-01-01T00:00:00+00:00", "encode_size_bytes": 100_000}
    row |= {"bitrate_kbps": 400.0, "encode_time_ms": 1.0, "score_time_ms": 1.0, "exit_status": 0}
    row |= {"vmaf_score": float(np.mean(scores)), **pool(frames)}
    if per_frame:
        row |= {PER_FRAME_FEATURES: frames, PER_FRAME_VMAF: scores}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    cells = tuple(Cell("libx264", preset, crf) for preset in ("medium", "fast") for crf in range(50))
    tools = Toolchain("n9", "3.0.0", (("libx264", "165"),))
    plan = Plan(Setup(locate()), tuple(source(i) for i in range(count // len(cells))), cells, tools)
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for per_frame in (False, True):
            path = Path(name) / f"{per_frame}.jsonl"
            appended = [
                row_of(request, per_frame, generator) for request, _ in zip(plan, range(2000), strict=False)
            ]
            with CorpusStore(path) as store:
                started = time.perf_counter()
                for row in appended:
                    store.append(row)
                seconds = time.perf_counter() - started
            size = path.stat().st_size / len(appended)
            what = f"with {FRAMES}-frame arrays" if per_frame else "without arrays"
            print(f"append + fsync, rows {what}: {len(appended) / seconds:.0f} rows/s, {size:.0f} bytes per row")
        full = Path(name) / "full.jsonl"
        with CorpusStore(full) as store, full.open("a") as stream:
            from vmaftune_frv2.contract.rows import dumps

            line = row_of(next(iter(plan)), True, generator)
            for request in plan:
                stream.write(
                    dumps({**line, **{k: v for k, v in request.base_row().items() if v is not None}}) + "\n"
                )
        started = time.perf_counter()
        with CorpusStore(full) as store:
            todo = sum(store.lacks(request.identity) for request in plan)
        print(
            f"resume of {len(plan)} rows with arrays ({full.stat().st_size / 1e6:.0f} MB): "
            f"{time.perf_counter() - started:.2f} s, {todo} left to do"
        )
    tracemalloc.start()
    known = {request.identity for request in plan}
    print(f"memory per known cell: {tracemalloc.get_traced_memory()[0] / len(known):.0f} bytes")
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    queued = [request for request, _ in zip(plan.longest_first(), range(1000), strict=False)]
    print(f"memory per queued cell: {(tracemalloc.get_traced_memory()[0] - before) / len(queued):.0f} bytes")
    print(f"peak memory of all this: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
