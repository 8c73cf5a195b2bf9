"""What opening a source costs: all of ten minutes, its middle, windows of two hours; against decoding alone.

    python bench/speed/opening.py [--times N]

Prints medians and the ratio of each to decoding the ten minutes once with the same ffmpeg, interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg, locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.spread import spread_windows

TEN_MINUTES, TWO_HOURS = 600, 7200


def make(ffmpeg: FFmpeg, path: Path, seconds: int, size: str) -> str:
    pattern = f"testsrc2=size={size}:rate=30:duration={seconds}"
    done = ffmpeg.run([*QUIET, "-f", "lavfi", "-i", pattern, "-c:v", "libx264", "-preset", "veryfast", str(path)])
    assert done.ok, done.stderr
    return str(path)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    ffmpeg = locate()
    with tempfile.TemporaryDirectory() as folder:
        ten = make(ffmpeg, Path(folder) / "ten.mp4", TEN_MINUTES, "640x360")
        film = make(ffmpeg, Path(folder) / "film.mp4", TWO_HOURS, "160x96")

        def windows() -> None:
            opened = open_source(ffmpeg, film, sample_seconds=3, hash_file=False, trust_header=True)
            spread_windows(ffmpeg, opened, 5, 3.0, jobs=2)

        works: dict[str, Callable[[], object]] = {
            "decoding 10 min": lambda: ffmpeg.run(["-v", "error", "-i", ten, "-f", "null", "-"]),
            "open_source, 10 min": lambda: open_source(ffmpeg, ten),
            "its middle second": lambda: open_source(ffmpeg, ten, sample_seconds=1),
            "5 windows of 3 s of 2 h": windows,
        }
        found: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(times):
            for name, work in works.items():
                found[name].append(seconds_of(work))
    base = statistics.median(found["decoding 10 min"])
    for name, values in found.items():
        middle = statistics.median(values)
        print(f"{name:26} {middle:7.2f} s {middle / base:6.2f}x")


if __name__ == "__main__":
    main()
