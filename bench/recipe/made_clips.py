"""Makes sources that widen a corpus: from ffmpeg's generators, and from reference clips by filters.

Generated ones bring screen content, moving text, noise, gradients and flat areas; the others bring darkness,
grain, blur, banding and stutter to real scenes. A derived clip is called <title>_<number above 100>, so that
leave-one-source-out by title leaves it out together with what it was made of.

    python bench/recipe/made_clips.py OUT [--clips CLIPS]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from vmaftune_frv2.media.ffmpeg import locate

FRAMES = 30
TEXT = "The quick brown fox jumps over the lazy dog 0123456789 "
SLOPE = "nb_colors=3:x0=40:y0=20:x1=400:y1=230:c0=navy:c1=orange:c2=teal"
SEED = "random_mode=seed:seed=1"
PAGE = "\n".join([TEXT * 2] * 6)

GENERATED = {
    "gen-testsrc2": "testsrc2=size=480x270:rate=30",
    "gen-mandelbrot": "mandelbrot=size=480x270:rate=30:start_scale=0.3:end_scale=0.1:end_pts=60",
    "gen-julia": "mandelbrot=size=384x216:rate=25:start_scale=0.01:end_scale=0.004:inner=mincol",
    "gen-life": "life=size=480x270:rate=30:mold=10:ratio=0.1:death_color=#402010:life_color=#80ffd0:seed=4,"
    "gblur=1",
    "gen-cells": "cellauto=size=480x270:rate=30:rule=110:random_seed=7:scroll=1,scale=480:270:flags=neighbor",
    "gen-sierpinski": "sierpinski=size=480x270:rate=30:seed=3:jump=40",
    "gen-gradients": f"gradients=size=640x360:rate=30:speed=0.03:{SLOPE}",
    "gen-gradnoise": f"gradients=size=480x270:rate=24:speed=0.05:{SLOPE},format=yuv420p,"
    "noise=alls=6:allf=t",
    "gen-darknoise": f"gradients=size=480x270:rate=24:speed=0.02:{SLOPE},format=yuv420p,"
    "lutyuv=y=val*0.15+16,noise=alls=9:allf=t",
    "gen-darkstill": f"perlin={SEED}:size=480x270:rate=25:octaves=4:tscale=0.1,format=yuv420p,"
    "lutyuv=y=val*0.2+16,noise=alls=16:allf=t",
    "gen-perlin": f"perlin={SEED}:size=480x270:rate=30:octaves=6:persistence=0.7:tscale=1",
    "gen-fog": f"perlin={SEED}:size=640x360:rate=30:octaves=3:persistence=0.5:tscale=0.4,gblur=4",
    "gen-water": f"perlin={SEED}:size=384x216:rate=30:octaves=8:persistence=0.95:tscale=4:xscale=6:yscale=6",
    "gen-static": "nullsrc=size=320x180:rate=25,format=yuv420p,geq=lum=128:cb=128:cr=128,"
    "noise=alls=50:allf=t,gblur=0.7",
    "gen-credits": f"color=c=black:size=480x270:rate=24,drawtext=text='{PAGE}':"
    "fontcolor=white:fontsize=16:line_spacing=30:x=20:y=h*0.6-t*60",
    "gen-ticker": f"gradients=size=480x270:rate=30:speed=0.01:{SLOPE},drawtext=text='{TEXT * 6}':"
    "fontcolor=yellow:box=1:boxcolor=blue:fontsize=28:x=20-t*160:y=h-60",
    "gen-page": f"color=c=white:size=640x360:rate=30,drawtext=text='{PAGE}':fontcolor=black:fontsize=14:"
    "line_spacing=24:x=10:y=40,scroll=vertical=0.008",
    "gen-zoneplate": "zoneplate=size=480x270:rate=30:kx2=300:ky2=300:kt=6",
    "gen-bars": "smptehdbars=size=640x360:rate=30,scroll=horizontal=0.01",
    "gen-circles": "testsrc=size=480x270:rate=30,rotate=a=t:c=gray",
    "gen-chart": "colorchart=patch_size=40x40,fps=30,scale=480:270:flags=neighbor,"
    "zoompan=z='1+on/120':d=1:s=480x270:fps=30",
}  # fmt: skip

SMALL = "scale=480:-2:flags=lanczos"
DERIVED = {
    "gym_1": "lutyuv=y=(val-16)*0.22+16,noise=alls=7:allf=t",
    "kitten_1": "lutyuv=y=(val-16)*0.3+16,noise=alls=14:allf=t",
    "desk_1": "lutyuv=y=(val-16)*0.15+16,noise=alls=4:allf=t",
    "plaza_1": "lutyuv=y=(val-16)*0.4+16,noise=c0s=22:c0f=t",
    "bear_1": "noise=c0s=12:c0f=t",
    "coffee_1": "noise=c0s=24:c0f=t",
    "skating_1": "gblur=2.5",
    "parkjoy_1": "gblur=1.2",
    "rooftop_2": "unsharp=5:5:1.5",
    "toys_3": "median=radius=4,lutyuv=y=floor(val/24)*24",
    "bbb_2": "fps=8,fps=24",
    "juggle_1": "setpts=PTS/3,fps=24",
    "jogger_1": "eq=contrast=1.8",
    "blackswan_1": "eq=contrast=0.4",
    "portrait_1": "crop=iw*0.7:ih*0.7:x='min(n*6,iw*0.3)':y=0",
    "dogwalk_1": "crop=iw*0.9:ih*0.9:x='iw*0.05+sin(n*1.7)*8':y='ih*0.05+cos(n*2.3)*8'",
    "webcam_1": "scale=iw/6:-2,scale=480:-2:flags=neighbor",
    "fog_1": f"drawtext=text='{TEXT * 4}':fontcolor=white:fontsize=22:x=w-n*9:y=h/2",
    "carphone_1": "scale=iw*3:-2:flags=bicubic",
    "blocks_1": "lutyuv=y=(val-16)*0.5+16,noise=c0s=5:c0f=t",
}

VARIANTS = (
    "crop=iw/2:ih/2,scale=480:-2:flags=lanczos",
    "scale=352:-2:flags=lanczos,eq=gamma=0.6",
    "setpts=PTS/2,scale=416:-2:flags=lanczos",
    "scale=480:-2:flags=lanczos,noise=c0s=9:c0f=t",
    "scale=384:-2:flags=lanczos,unsharp=5:5:0.8",
    "crop=iw*0.6:ih*0.6,scale=640:-2:flags=bicubic",
    "scale=480:-2:flags=lanczos,lutyuv=y=(val-16)*0.35+16,noise=c0s=4:c0f=t",
)
"""One for each reference clip, in turn: other scales, cuts, speeds, light and grain of the same titles."""


def make(ffmpeg: str, output: Path, *arguments: str) -> None:
    """One lossless clip of ``FRAMES`` frames."""
    tail = ["-frames:v", str(FRAMES), "-an", "-pix_fmt", "yuv420p", "-c:v", "ffv1", "-bitexact", str(output)]
    subprocess.run([ffmpeg, "-v", "error", "-y", *arguments, *tail], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=Path, help="folder of reference clips, for the derived ones")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    ffmpeg = locate().path
    for name, graph in GENERATED.items():
        make(ffmpeg, arguments.out / f"{name}_1.mkv", "-f", "lavfi", "-i", graph)
    for number, (stem, chain) in enumerate(DERIVED.items() if arguments.clips else (), start=101):
        output = arguments.out / f"{stem.partition('_')[0]}_{number}.mkv"
        make(ffmpeg, output, "-i", str(arguments.clips / f"{stem}.mp4"), "-vf", f"{chain},{SMALL}")
    for number, clip in enumerate(sorted(arguments.clips.glob("*.mp4")) if arguments.clips else (), start=201):
        output = arguments.out / f"{clip.stem.partition('_')[0]}_{number}.mkv"
        make(ffmpeg, output, "-i", str(clip), "-vf", VARIANTS[number % len(VARIANTS)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
