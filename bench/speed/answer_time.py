"""Wall time to an answer on ten seconds of 1080p: one probe against an interpolating search of real encodes.

    python bench/speed/answer_time.py [SOURCE] [--encoder libx264] [--preset medium] [--target 93]

Without SOURCE it makes one. The search encodes and scores whole clips with the same code: the middle of the crf
range first, a cut to four tenths of the rest while one side is open, then linear interpolation, until a VMAF lies
in [target, target + 0.5] or the answer's neighbour fails. Both run one after the other in one run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.corpus.measurer import measure_now
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.predict.search import Goal, judge

sys.path.append(str(Path(__file__).parents[1] / "quality"))
from search import interpolate  # the search that the product's is compared with, there by encodes, here by time

MADE = "mandelbrot=size=1920x1080:rate=24:start_scale=0.3:end_scale=0.05:end_pts=240,noise=alls=6:allf=t"
CRFS = list(range(10, 52))


def made(folder: Path) -> str:
    """Ten seconds of 1080p."""
    path = folder / "zoom.mkv"
    encode = ["-frames:v", "240", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4"]
    command = [locate().path, "-v", "error", "-f", "lavfi", "-i", MADE, *encode, str(path)]
    subprocess.run(command, check=True)
    return str(path)


def search(source: str, encoder: str, preset: str, target: float) -> tuple[float, int, int | None]:
    """Seconds, encodes and answer of the interpolating search."""
    started = time.perf_counter()
    ffmpeg = locate()
    opened = open_source(ffmpeg, source, hash_file=False)
    goal, measured = Goal(target), dict[int, float]()
    choose = interpolate(goal)
    while not (state := judge(goal, CRFS, measured)).decided:
        low, high = state.open[0] - 1, state.open[-1] + 1
        crf = min(max(choose(measured, low, high), low + 1), high - 1)
        row = measure_now(Setup(ffmpeg), opened, Cell.resolve(encoder, preset, crf)).row
        measured[crf] = row["vmaf_score"]
    return time.perf_counter() - started, len(measured), state.best


def predict(source: str, encoder: str, preset: str, target: float, *options: str) -> tuple[float, str]:
    """Seconds and answer of the command."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vmaftune_frv2", "predict", source, "--encoder", encoder, "--preset", preset]
    command += ["--target-vmaf", f"{target:g}", "--format", "csv", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    crf = lines[1].split(",")[2] if len(lines) > 1 else done.stderr.strip()
    return time.perf_counter() - started, crf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?")
    parser.add_argument("--encoder", default="libx264")
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--target", type=float, default=93.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = arguments.source or made(Path(name))
        asked = source, arguments.encoder, arguments.preset, arguments.target
        seconds, encodes, crf = search(*asked)
        print(f"interpolating search: {seconds:.1f} s, {encodes} encodes, crf {crf}")
        for options in ((), ("--samples", "2", "--sample-seconds", "2")):
            took, answer = predict(*asked, *options)
            print(f"predict {' '.join(options)}: {took:.1f} s, crf {answer}; {took / seconds:.2f}x the time")


if __name__ == "__main__":
    main()
