"""What scoring with a further VMAF model costs: in the same pass, and in a pass of its own.

Scores an encode of a made-up source with vmaf_v0.6.1, with another model, and with both at once. Shown is the CPU
time of ffmpeg, decoding of both sides included, at the fastest of some runs; wall time says little on a busy
machine.

    python bench/speed/models_at_once.py [--also-model neg ...] [--size 1920x1080] [--frames 30] [--repeat 3]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL, short_name, vmaf_model_named
from vmaftune_frv2.media.encode import encode
from vmaftune_frv2.media.ffmpeg import QUIET, locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.vmaf import score


def cpu_seconds() -> float:
    """Of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--also-model", nargs="+", default=["neg", "4k", "phone", "v1"])
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    ffmpeg, cell = locate(None), Cell("libx264", "veryfast", 30)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.mkv"
        pattern = f"mandelbrot=size={options.size}:rate=25"
        made = [*QUIET, "-f", "lavfi", "-i", pattern, "-frames:v", str(options.frames), "-pix_fmt", "yuv420p"]
        assert ffmpeg.run([*made, "-c:v", "ffv1", str(path)]).ok
        source = open_source(ffmpeg, str(path))
        encoded = encode(ffmpeg, source, ENCODERS.get(cell.encoder), cell, Path(folder) / "e.mp4")

        def cost(model: str, also: Sequence[str] = ()) -> float:
            found = []
            for _ in range(options.repeat):
                before = cpu_seconds()
                score(ffmpeg, encoded.path, source, pix_fmt=encoded.pix_fmt, model=model, also=also)
                found.append(cpu_seconds() - before)
            return min(found)

        alone = cost(DEFAULT_MODEL)
        print(f"{options.frames} frames of {options.size}; {DEFAULT_MODEL} alone {alone:.2f} s")
        models = [vmaf_model_named(name) for name in options.also_model]
        for model in models:
            passes, at_once = alone + cost(model), cost(DEFAULT_MODEL, [model])
            share = 100.0 * (at_once / passes - 1.0)
            print(
                f"and {short_name(model):8s} two passes {passes:5.2f} s, at once {at_once:5.2f} s ({share:+.0f} %)"
            )
        together = cost(DEFAULT_MODEL, models)
        print(f"and all of them at once {together:.2f} s, {together / alone:.1f} times {DEFAULT_MODEL} alone")


if __name__ == "__main__":
    main()
