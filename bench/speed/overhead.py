"""What share of ``predict SOURCE`` is neither encoding nor scoring, on ten seconds of 720p, and where it goes.

    python bench/speed/overhead.py [SOURCE] [--encoder libx264] [--preset medium] [--runs 3] [--verify]

Without SOURCE it makes one. Runs the command as a fresh process without a cache and adds up the steps that
``--progress json`` tells of. Steps that go on beside others count once: time in which something is encoded or
scored is encoding and scoring, whatever else goes on meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from vmaftune_frv2.media.ffmpeg import locate

TARGET = 0.15
MADE = "mandelbrot=size=1280x720:rate=24:start_scale=0.3:end_scale=0.05:end_pts=240,noise=alls=6:allf=t"
WORK = ("encoding", "scoring")


def made(folder: Path) -> Path:
    """Ten seconds of 720p, noisy."""
    path = folder / "zoom.mp4"
    encode = ["-frames:v", "240", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "medium", "-crf", "20"]
    subprocess.run([locate().path, "-v", "error", "-f", "lavfi", "-i", MADE, *encode, str(path)], check=True)
    return path


def timed(command: list[str]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds that a command takes, and its events."""
    begun = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    took = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(done.stderr)
    return took, [json.loads(line) for line in done.stderr.splitlines()]


def spent(events: list[dict[str, Any]]) -> Counter[str]:
    """Seconds of each kind of step, each moment once: for encoding and scoring, else for what began last."""
    open_steps: dict[int, str] = {}
    found: Counter[str] = Counter()
    before = 0.0
    for event in events:
        if open_steps:
            kinds = list(open_steps.values())
            found[next((kind for kind in kinds if kind in WORK), kinds[-1])] += event["at_s"] - before
        else:
            found["between steps"] += event["at_s"] - before
        before = event["at_s"]
        if event["event"] == "started":
            open_steps[event["step"]] = event["what"]
        elif event["event"] == "finished":
            open_steps.pop(event["step"], None)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?")
    parser.add_argument("--encoder", default="libx264")
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--verify", action="store_true")
    arguments = parser.parse_args()
    shares, kinds = [], Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        source = arguments.source or str(made(Path(name)))
        command = [sys.executable, "-m", "vmaftune_frv2", "predict", source, "--encoder", arguments.encoder]
        command += ["--preset", arguments.preset, "--target-vmaf", "93", "--no-cache", "--progress", "json"]
        command += ["--verify"] if arguments.verify else []
        for _ in range(arguments.runs):
            took, events = timed(command)
            steps = spent(events)
            steps["before, between and after steps"] = took - sum(steps.values()) + steps.pop("between steps", 0.0)
            work = sum(steps[kind] for kind in WORK)
            shares.append(1.0 - work / took)
            kinds.update(steps)
            print(f"{took:.2f} s, {1.0 - work / took:.1%} of it neither encoding nor scoring")
    print(f"\nseconds per run, load {os.getloadavg()[0]:.1f}")
    for kind, seconds in kinds.most_common():
        print(f"{kind:>33} {seconds / arguments.runs:6.2f}")
    share = statistics.median(shares)
    print(
        f"neither encoding nor scoring: {share:.1%} (at most {TARGET:.0%}: {'yes' if share <= TARGET else 'NO'})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
