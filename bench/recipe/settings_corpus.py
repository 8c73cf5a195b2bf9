"""Sweeps clips with encoder settings and presets that training never saw, for bench/quality/settings.py.

Takes the first clip of every title, of these every second one. Can be interrupted; the same command goes on.

    python bench/recipe/settings_corpus.py CLIPS OUTPUT [--jobs N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

LINES = (
    ("libx264", "medium", "-tune film"),
    ("libx265", "medium", "-pix_fmt yuv420p10le"),
    ("libx264", "medium", "-g 48"),
    ("libsvtav1", "5", ""),
    ("libx264", "slow", ""),
    ("libsvtav1", "10", "-pix_fmt yuv420p10le"),
    ("libx265", "slow", ""),
    ("libsvtav1", "10", "-g 48"),
    ("libx265", "medium", "-tune grain"),
)
CRFS = {"libx264": (22, 30, 38), "libx265": (22, 30, 38), "libsvtav1": (28, 40, 52)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    clips = sorted(path.name for path in arguments.clips.glob("*_1.mp4"))[::2]
    command = [sys.executable, "-m", "vmaftune_frv2", "corpus", *clips, "--complexity"]
    command += ["--output", str(arguments.output.absolute()), "--jobs", str(arguments.jobs), "--threads", "1"]
    status = 0
    for encoder, preset, settings in LINES:
        crfs = [f"--crf={crf}" for crf in CRFS[encoder]]
        run = [*command, "--encoder", encoder, "--preset", preset, *crfs]
        run += [f"--enc={settings}"] if settings else []
        status |= subprocess.run(run, cwd=arguments.clips, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
