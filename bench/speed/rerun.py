"""What the cache saves: questions about one clip, one after another, each in a process of its own.

    python bench/speed/rerun.py CLIP [--encoder libx264] [--preset medium]

Prints encodes and seconds of each question, with a cache that is empty at first and without any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTIONS = (("93",), ("93",), ("90",), ("80",), ("85",), ("90", "--min-vmaf-frame", "80"))


def asked(source: Path, line: list[str], question: tuple[str, ...], options: list[str]) -> tuple[int, float]:
    """Encodes and seconds of one question."""
    command = [
        sys.executable,
        "-m",
        "vmaftune_frv2",
        "predict",
        str(source),
        *line,
        "--verify",
        "--format",
        "json",
    ]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--target-vmaf", *question, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return json.loads(done.stdout)[0]["encodes"], time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--encoder", default="libx264")
    parser.add_argument("--preset", default="medium")
    settings = parser.parse_args()
    line = ["--encoder", settings.encoder, "--preset", settings.preset]
    print("| `--target-vmaf` | encodes | seconds | encodes without cache | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for question in QUESTIONS:
            kept = asked(settings.clip, line, question, ["--cache-dir", folder])
            anew = asked(settings.clip, line, question, ["--no-cache"])
            print(f"| {' '.join(question)} | {kept[0]} | {kept[1]:.1f} | {anew[0]} | {anew[1]:.1f} |", flush=True)
    print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
