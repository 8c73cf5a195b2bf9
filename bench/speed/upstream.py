"""What our hooks in upstream's emission add to a row, on the stand-in of the tests, which encodes nothing.

python bench/speed/upstream.py [--rows N] [--frames N]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from upstream_kit import HEIGHT, RATE, WIDTH, importable, module, raw_video, write_standin  # noqa: E402

Times = tuple[float, float, float]
"""Of a row, in ms: passed, of the processor, waiting until it is on disk."""


def times(source: Path, frames: int, rows: int, output: Path) -> list[Times]:
    """From row to row, as upstream's writer takes them."""
    corpus = module("corpus")
    crfs = [14 + number % 36 for number in range(rows)]
    cells = tuple((f"{'very' * (number // 36)}slow", crf) for number, crf in enumerate(crfs))
    job = corpus.CorpusJob(source, WIDTH, HEIGHT, "yuv420p", RATE, frames / RATE, cells)
    opts = corpus.CorpusOptions(output=output, encode_dir=output.parent / "encodes")
    waited = [0.0]
    own = os.fsync

    def fsync(descriptor: int) -> None:
        started = time.perf_counter()
        own(descriptor)
        waited[0] += time.perf_counter() - started

    def now() -> Times:
        return time.perf_counter(), time.thread_time(), waited[0]

    taken = [now()]

    def ticking() -> Iterator[dict[str, Any]]:
        for row in corpus.iter_rows(job, opts):
            yield row
            taken.append(now())  # when the writer asks for the next

    os.fsync = fsync
    try:
        corpus.write_jsonl(ticking(), output)
    finally:
        os.fsync = own
    spans = [[(b - a) * 1000 for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(taken)]
    return [(passed, processor, disk) for passed, processor, disk in spans]


def measure(rows: int, frames: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fast = {"score": ("time.sleep(0.001 * (int(crf) % 7))", "pass")}
        source = raw_video(folder / "source.yuv", frames)
        with importable(write_standin(folder / "site", changes=fast)):
            bare = times(source, frames, rows, folder / "bare.jsonl")
            from vmaftune_frv2.upstream.install import install

            with install():
                held = times(source, frames, rows, folder / "held.jsonl")
    middles = [[statistics.median(values) for values in zip(*found[1:], strict=True)] for found in (bare, held)]
    for what, one, other in (("first row", bare[0], held[0]), (f"each of {len(held) - 1} more", *middles)):
        passed, processor, disk = (b - a for a, b in zip(one, other, strict=True))
        print(
            f"{frames} frames, {what}: {processor:.2f} ms of the processor, {disk:.2f} ms until it is on disk;"
            f" {passed:.2f} ms passed"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=36)
    parser.add_argument("--frames", type=int)
    asked = parser.parse_args()
    if asked.frames is not None:
        measure(asked.rows, asked.frames)
        return
    for frames in (48, 240):  # in processes of their own: the first row imports
        subprocess.run([sys.executable, __file__, "--rows", str(asked.rows), "--frames", str(frames)], check=True)


if __name__ == "__main__":
    main()
