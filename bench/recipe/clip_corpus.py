"""Sweeps a folder of reference clips into a training corpus, in passes that each cover every clip.

Every clip gets its own crf offset (its place in the sorted list, modulo 10), so that over all clips
every crf value occurs. Passes 0 and 5 hold the cells that every clip shares: the probes. Any pass can be
interrupted; the same command goes on.

    python bench/recipe/clip_corpus.py CLIPS OUTPUT [--passes 0 1 2 3 4 5] [--jobs N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

GROUPS = 10

# (encoder, preset, crfs); "+" marks crfs that the clip's offset is added to.
PASSES: list[list[tuple[str, str, str, list[int]]]] = [
    [
        ("libx264", "medium", "", [28, 33]),
        ("libx264", "veryfast", "", [28]),
        ("libx265", "medium", "", [28, 34]),
        ("libsvtav1", "10", "", [35, 45]),
        ("libvpx-vp9", "5", "", [36, 45]),
        ("libvvenc", "faster", "", [34, 38]),
        ("libaom-av1", "6", "", [36, 45]),
    ],
    [
        ("libx264", "medium", "+", [19, 29, 39]),
        ("libx265", "medium", "+", [19, 29, 39]),
        ("libsvtav1", "10", "+", [23, 35, 47]),
        ("libvpx-vp9", "5", "+", [21, 33, 45]),
        ("libvvenc", "faster", "+", [22, 32, 42]),
    ],
    [
        ("libx264", "veryfast", "+", [17, 27, 37]),
        ("libx265", "ultrafast", "+", [17, 27, 37]),
        ("libsvtav1", "7", "+", [29, 43]),
        ("libvpx-vp9", "3", "+", [27, 43]),
        ("libvvenc", "fast", "+", [25, 37]),
        ("libaom-av1", "6", "+", [24, 42]),
    ],
    [
        ("libx264", "medium", "+", [14, 24, 34]),
        ("libx265", "medium", "+", [14, 24, 34]),
        ("libsvtav1", "10", "+", [29, 41, 53]),
        ("libvpx-vp9", "5", "+", [27, 39, 53]),
        ("libvvenc", "faster", "+", [27, 37]),
    ],
    [
        ("libx264", "veryfast", "+", [12, 22, 32]),
        ("libx265", "ultrafast", "+", [12, 22, 32]),
        ("libsvtav1", "7", "+", [22, 36, 51]),
        ("libvpx-vp9", "3", "+", [20, 35, 51]),
        ("libvvenc", "fast", "+", [19, 31, 43]),
        ("libaom-av1", "6", "+", [33, 51]),
        ("libaom-av1", "4", "+", [30, 45]),
    ],
    [
        ("libx264", "medium", "", [30]),
        ("libx264", "veryfast", "", [26]),
        ("libx265", "medium", "", [31]),
        ("libx265", "ultrafast", "", [28]),
        ("libsvtav1", "7", "", [45]),
        ("libvpx-vp9", "3", "", [45]),
        ("libvvenc", "fast", "", [35]),
        ("libaom-av1", "4", "", [45]),
    ],
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--passes", type=int, nargs="+", default=list(range(len(PASSES))))
    parser.add_argument("--jobs", type=int, default=0)
    arguments = parser.parse_args()
    clips = sorted(path.name for path in arguments.clips.iterdir() if path.suffix in (".mp4", ".mkv"))
    output = arguments.output.absolute()
    status = 0
    for number in arguments.passes:
        for offset in range(GROUPS):
            group = clips[offset::GROUPS]
            command = [sys.executable, "-m", "vmaftune_frv2", "corpus", *group, "--output", str(output)]
            if arguments.jobs:
                command += ["--jobs", str(arguments.jobs)]
            for encoder, preset, plus, crfs in PASSES[number]:
                shift = offset if plus else 0
                # One preset of an encoder per run: presets x crfs is a product.
                values = [f"--crf={crf + shift}" for crf in crfs]
                run = [*command, "--encoder", encoder, "--preset", preset, *values]
                status |= subprocess.run(run, cwd=arguments.clips, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
