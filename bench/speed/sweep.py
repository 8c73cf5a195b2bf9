"""How well a sweep fills the machine: 100 cells over four made-up sources, three ways in one run.

    python bench/speed/sweep.py [--crfs N]

- bare: CPU seconds of the same ffmpeg encode and score commands, run one after the other
- sweep: wall time of `vmaf-tune corpus` with as many jobs as there are CPUs, and its own CPU time
- serial: wall time of the usual loop: encode, decode both sides to raw video, score the raw files
- loopback: CPU seconds of encoding, decoding and scoring in one ffmpeg process (`-dec`)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL
from vmaftune_frv2.corpus.plan import make_plan
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.media.encode import encode_argv, encode_pix_fmt
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf import score_argv

SOURCES = {
    "testsrc2": "testsrc2=size=480x270:rate=30",
    "zoom": "mandelbrot=size=480x270:rate=30:start_scale=0.3:end_scale=0.05:end_pts=60",
    "gradients": "gradients=size=480x270:rate=30:speed=0.05:seed=3:c0=navy:c1=orange,format=yuv420p,"
    "noise=alls=8:allf=t",
    "life": "life=size=480x270:rate=30:mold=10:ratio=0.1:death_color=#402010:life_color=#80ffd0:seed=4,gblur=2",
}
FRAMES = 30
ENCODER_PRESETS = ["libx264=medium", "libx265=ultrafast", "libsvtav1=10", "libvpx-vp9=5", "libx264=veryfast"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crfs", type=int, default=5, help="crfs per encoder; 5 makes 100 cells")
    crfs = [str(crf) for crf in range(20, 20 + 6 * parser.parse_args().crfs, 6)]
    ffmpeg = locate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [open_source(ffmpeg, str(make(ffmpeg, folder / f"{n}.mkv", p))) for n, p in SOURCES.items()]
        encoders = ["libx264", "libx265", "libsvtav1", "libvpx-vp9"]
        cells = build_grid(encoders, ENCODER_PRESETS, crfs)
        plan, _ = make_plan(Setup(ffmpeg, DEFAULT_MODEL), sources, cells)
        requests = list(plan)
        print(f"{len(requests)} cells, {usable_cpus()} CPUs")
        bare = sum(run_bare(ffmpeg, request, folder) for request in requests)
        sweep_wall, own_cpu = run_sweep([str(s.path) for s in sources], crfs, encoders, folder)
        serial_wall = sum(run_serial(ffmpeg, request, folder) for request in requests)
        loopback = sum(run_loopback(ffmpeg, request, folder) for request in requests)
    cores = usable_cpus()
    print(f"bare encode + score commands: {bare:.1f} CPU s")
    print(f"sweep: {sweep_wall:.1f} s wall; own CPU {1000 * own_cpu / len(requests):.1f} ms per cell")
    print(f"serial encode, decode to raw, score: {serial_wall:.1f} s wall")
    print(f"efficiency (bare CPU / (sweep wall x cores)): {bare / (sweep_wall * cores):.3f}")
    print(f"throughput over the serial loop: {serial_wall / sweep_wall:.2f}x")
    print(f"own CPU over wall x cores: {own_cpu / (sweep_wall * cores):.2%}")
    print(f"loopback CPU / encode-then-score CPU: {loopback / bare:.3f}")


def make(ffmpeg: FFmpeg, path: Path, pattern: str) -> Path:
    made = ["-f", "lavfi", "-i", pattern, "-frames:v", str(FRAMES), "-pix_fmt", "yuv420p"]
    done = ffmpeg.run(
        ["-v", "error", "-y", *made, "-c:v", "libx264", "-preset", "veryfast", "-crf", "5", str(path)]
    )
    assert done.ok, done.stderr
    return path


def timed(argv: list[str], folder: Path) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of one command."""
    started = time.perf_counter()
    child = subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, argv
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - started


def commands(ffmpeg: FFmpeg, request: CellRequest, folder: Path) -> tuple[Path, str, list[str], list[str]]:
    encoder = ENCODERS.get(request.cell.encoder)
    out = folder / f"out.{encoder.container}"
    pix_fmt = encode_pix_fmt(encoder, request.source)
    encode = [ffmpeg.path, *encode_argv(request.source, encoder, request.cell, out)]
    score = [ffmpeg.path, *score_argv(out, request.source, pix_fmt, request.vmaf_model, 1)]
    return out, pix_fmt, encode, score


def run_bare(ffmpeg: FFmpeg, request: CellRequest, folder: Path) -> float:
    _, _, encode, score = commands(ffmpeg, request, folder)
    return timed(encode, folder)[0] + timed(score, folder)[0]


def run_sweep(sources: list[str], crfs: list[str], encoders: list[str], folder: Path) -> tuple[float, float]:
    arguments = ["corpus", *sources, "--output", str(folder / "corpus.jsonl")]
    for option, values in (("--crf", crfs), ("--encoder", encoders), ("--preset", ENCODER_PRESETS)):
        for value in values:
            arguments += [option, value]
    script = (
        "import json, resource, sys; from vmaftune_frv2.host.cli import run; code = run(sys.argv[1:]);"
        "u = resource.getrusage(resource.RUSAGE_SELF); print(json.dumps([code, u.ru_utime + u.ru_stime]))"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    wall = time.perf_counter() - started
    code, own = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return wall, own


def run_serial(ffmpeg: FFmpeg, request: CellRequest, folder: Path) -> float:
    out, pix_fmt, encode, _ = commands(ffmpeg, request, folder)
    source = request.source
    raw = ["-f", "rawvideo", "-pix_fmt", pix_fmt]
    opened = ["-f", "rawvideo", "-pixel_format", pix_fmt, "-video_size", f"{source.width}x{source.height}"]
    decode = [ffmpeg.path, "-v", "error", "-y"]
    total = timed(encode, folder)[1]
    total += timed([*decode, "-i", str(out), "-fps_mode", "passthrough", *raw, "a.yuv"], folder)[1]
    total += timed([*decode, "-i", str(source.path), "-fps_mode", "passthrough", *raw, "b.yuv"], folder)[1]
    score = ["-v", "error", *opened, "-i", "a.yuv", *opened, "-i", "b.yuv", "-lavfi"]
    score += ["libvmaf=log_fmt=json:log_path=raw.json:n_threads=1", "-f", "null", "-"]
    return total + timed([ffmpeg.path, *score], folder)[1]


def run_loopback(ffmpeg: FFmpeg, request: CellRequest, folder: Path) -> float:
    _, pix_fmt, encode, _ = commands(ffmpeg, request, folder)
    leg = f"settb=AVTB,setpts=N,format={pix_fmt}"
    graph = (
        f"[dec:0]{leg}[d];[0:v:0]{leg}[r];"
        "[d][r]libvmaf=feature='name=adm|name=vif|name=motion':log_fmt=json:log_path=l.json:n_threads=1[o]"
    )
    return timed([*encode, "-dec", "0:0", "-filter_complex", graph, "-map", "[o]", "-f", "null", "-"], folder)[0]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
