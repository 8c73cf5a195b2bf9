"""The main job on made-up sources, start to finish, with real encoders and real scores.

python bench/demo.py OUTPUT_FOLDER
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

SIZE = "320x180"
FRAMES = 36
SOURCES = {
    "testcard": f"testsrc2=size={SIZE}:rate=24",
    "zoom": f"mandelbrot=size={SIZE}:rate=24:start_scale=0.3:end_scale=0.05:end_pts=60",
    "mould": f"life=size={SIZE}:rate=24:mold=10:ratio=0.1:death_color=#402010:life_color=#80ffd0:seed=4,"
    "format=yuv420p,gblur=2",
    "grain": f"gradients=size={SIZE}:rate=24:speed=0.05:seed=3:c0=navy:c1=orange,format=yuv420p,"
    "noise=alls=12:allf=t:all_seed=7",
}
NEW_SOURCE = f"mandelbrot=size={SIZE}:rate=24:start_x=-0.75:start_y=0.1:start_scale=0.1:end_scale=0.02:end_pts=60"
ENCODERS = {
    "libx264": ("veryfast", "18:42:6"),
    "libx265": ("ultrafast", "18:42:6"),
    "libsvtav1": ("10", "23:59:9"),
    "libvvenc": ("faster", "22:46:8"),
    "libvpx-vp9": ("5", "20:56:9"),
}


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    for name, pattern in {**SOURCES, "unseen": NEW_SOURCE}.items():
        make_source(folder / f"{name}.mkv", pattern)
    corpus = folder / "corpus.jsonl"
    model = folder / "model" / "tiny"
    grid = []
    for encoder, (preset, crfs) in ENCODERS.items():
        grid += ["--encoder", encoder, "--preset", f"{encoder}={preset}", "--crf", f"{encoder}={crfs}"]
    sources = [str(folder / f"{name}.mkv") for name in SOURCES]
    vmaf_tune("doctor")
    vmaf_tune("corpus", *sources, *grid, "--output", str(corpus))
    vmaf_tune("validate", str(corpus))
    vmaf_tune("train-v2", "--corpus", str(corpus), "--out-dir", str(model))
    vmaf_tune(
        "predict", str(folder / "unseen.mkv"), "--model", str(model / "fr_regressor_v2.onnx"),
        "--target-vmaf", "85", "--verify", allowed=(0, 1),
    )  # fmt: skip
    # The models that come with the package, by their ids.
    vmaf_tune(
        "predict", str(folder / "unseen.mkv"), "--encoder", "libx264", "--encoder", "libsvtav1",
        "--preset", "libx264=medium", "--preset", "libsvtav1=10", "--target-vmaf", "85", "--verify",
        allowed=(0, 1),
    )  # fmt: skip
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at:")
    print(f"  {corpus}: one row per encoded cell, with per-frame features")
    print(f"  {model}/: the ONNX model, its sidecar and registry.json")
    print("  the table before the last: predicted and measured VMAF of a source the model never saw. Four")
    print("  made-up sources are far too few: the gate above says so, and the errors show it.")
    print("  the last table: the same source by the models that come with the package, verified")
    return 0


def make_source(path: Path, pattern: str) -> None:
    from vmaftune_frv2.media.ffmpeg import locate

    if path.exists():
        return
    argv = ["-v", "error", "-y", "-f", "lavfi", "-i", pattern, "-frames:v", str(FRAMES), "-pix_fmt", "yuv420p"]
    done = locate().run([*argv, "-c:v", "ffv1", str(path)])
    if not done.ok:
        sys.exit(done.describe(f"making {path} failed"))


def vmaf_tune(*arguments: str, allowed: tuple[int, ...] = (0,)) -> None:
    print(f"\n$ vmaf-tune {shlex.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "vmaftune_frv2", *arguments], check=False).returncode
    if code not in allowed:
        sys.exit(f"vmaf-tune {arguments[0]} exited with {code}")


if __name__ == "__main__":
    sys.exit(main())
