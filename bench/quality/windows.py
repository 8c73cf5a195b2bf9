"""How far what windows say is from the whole file: VMAF and bitrate, against encodes of everything.

Every video in FOLDER is scaled down and made lossless with constant timing in WORK, then encoded whole in each
cell: that is the truth. What windows say is asked in these ways:

- ``alone``: each as a video of its own, all bytes counted; what `--samples` did at first.
- ``led``: with frames before and after them that are encoded and not counted. Bits are those of the counted
  frames' packets; what a keyframe costs beyond that is added as often as the whole file has keyframes.
- ``looked``: ``led``, and the bitrate is moved by what a cheap encode of everything says of the windows: x264
  veryfast at a third of the size, once per source. Its bits in the windows against its bits in all frames tell how
  hard the windows are.
- ``within``: the same frames taken out of the whole file's own encode and scores, its first keyframe apart.
  On average no treatment of windows does better: what is left is which frames they happen to hold.

Half of the titles, by a digest of their names, served to choose the constants below; the other half is left out,
and the table is about those unless --titles says otherwise. The title is a file's name up to `_<number>`. A
source is used whole where the windows with all that is around them are no shorter than it; such sources are
counted apart. Everything measured is kept in WORK, so a stopped run goes on where it was.

    python bench/quality/windows.py FOLDER WORK [--cells libx264:medium:26 ...] [--windows 3x1 6x2 ...] [--jobs 2]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.ffmpeg import locate

FFMPEG = locate().path
CELLS = tuple(
    f"{name}:{preset}:{crf}"
    for name, preset, crfs in (
        ("libx264", "medium", (20, 26, 32)),
        ("libx265", "medium", (22, 28, 34)),
        ("libsvtav1", "10", (27, 35, 45)),
    )
    for crf in crfs
)
WINDOWS = ("3x1", "6x1", "3x2", "6x2", "3x3", "6x3", "3x5", "6x5")
NEVER = 1_000_000
"""A keyint that is not reached."""
METHODS = ("alone", "led", "looked", "within")
DEEP_X264 = ("fast", "medium", "slow", "slower", "veryslow", "placebo")
"""Presets of libx264 that look ahead by 30 frames or more."""
LOOK = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-crf",
    "22",
    "-g",
    "9999",
    "-sc_threshold",
    "0",
    "-threads",
    "1",
)
LOOK_SHARE = 0.65
"""How much of what the cheap encode says is believed: the exponent that its ratio of bits is taken to."""


@dataclass(frozen=True)
class Around:
    """How an encoder is led into a window and out of it.

    Args:
        before: frames until it codes as if it had always been running.
        after: frames that its lookahead wants to see after the last one that counts.
        period: frames of a pyramid whose hidden pictures travel in the packets of earlier frames; bits are
            counted over whole periods, wherever they begin.
        keyint: frames from one keyframe to the next where nothing else asks for one.
        muxed: bytes that the container spends on a frame.
        end_vmaf: VMAF, summed over frames, that a stream loses at its end, where nothing refers to its frames.
        short_vmaf: what a window still loses of that with ``after`` frames behind it.
    """

    before: int
    after: int
    period: int
    keyint: int
    muxed: float
    end_vmaf: float = 0.0
    short_vmaf: float = 0.0


def around(encoder: str, preset: str, fps: float) -> Around:
    """The constants of an encoder and preset, chosen on the tuning titles."""
    if encoder == "libx264":
        return Around(8, 16, 1, 250, 11.7, *((22.0, 5.0) if preset in DEEP_X264 else (5.0, 0.0)))
    if encoder == "libx265":
        return Around(8, 16, 1, 250, 12.2, 13.0)
    if encoder == "libsvtav1":
        period = 16 if int(preset) > 8 else 32
        # SVT-AV1 rounds a second to whole pyramids, and sends a keyframe after five of these.
        second = period * max(1, math.floor(round(fps) / period + 0.5))
        return Around(17, 16, period, 5 * second + 1, 5.0)
    if encoder == "libvpx-vp9":
        return Around(17, 16, 16, 128, 8.0)
    if encoder == "libaom-av1":
        return Around(17, 16, 32, NEVER, 9.0)
    if encoder == "libvvenc":
        second = 8 * max(1, round(fps / 8))  # it sends a keyframe after each, in windows as in the whole
        return Around(second, 16, second, NEVER, 12.0)
    raise SystemExit(f"nobody has measured yet what {encoder} needs around a window")


@dataclass(frozen=True)
class Clip:
    """A source as it is measured: lossless, small, constant timing."""

    name: str
    path: Path
    frames: int
    fps: Fraction

    @property
    def title(self) -> str:
        return re.sub(r"_\d+$", "", self.name)

    @property
    def left_out(self) -> bool:
        return hashlib.sha256(self.title.encode()).digest()[-1] % 2 == 1


@dataclass(frozen=True)
class Part:
    """Frames that are encoded, and which of them count: ``skip`` come before, then ``scored`` or ``weighed``."""

    first: int
    frames: int
    skip: int
    scored: int
    weighed: int


@dataclass(frozen=True)
class Coded:
    """Frames as they were encoded: bytes and VMAF of each, keyframes, bytes of the file, CPU seconds."""

    sizes: list[int]
    keys: list[int]
    vmaf: list[float]
    file: int
    encode_s: float
    score_s: float


@dataclass(frozen=True)
class Said:
    """What a method says of a whole file; ``paced``: the part of its size that grows with its frames."""

    vmaf: float
    size: float
    cpu_s: float
    paced: float = 0.0


def run(argv: Sequence[str], folder: Path | None = None) -> tuple[str, float]:
    """stdout and CPU seconds of an ffmpeg run."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        head = [FFMPEG, "-hide_banner", "-nostdin", "-v", "error", "-y", *argv]
        started = subprocess.Popen(head, stdout=out, stderr=err, cwd=folder)
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if started.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {err.read().decode(errors='replace')[-500:]}")
        return out.read().decode(), used.ru_utime + used.ru_stime


def prepare(path: Path, work: Path, pixels: int, seconds: float) -> Clip:
    """Makes the clip of a file, unless it is there."""
    about, clip = work / f"{path.stem}.json", work / f"{path.stem}.mkv"
    if not about.exists():
        packets = ["-i", str(path), "-map", "0:V:0", "-t", f"{seconds:g}"]
        seen = subprocess.run([FFMPEG, "-hide_banner", "-i", str(path)], capture_output=True, text=True).stderr
        width, height = map(int, re.search(r"Video:.*? (\d{2,5})x(\d{2,5})", seen).groups())  # type: ignore[union-attr]
        rate = Fraction(re.search(r"([\d.]+) (?:fps|tbr)", seen)[1]).limit_denominator(1001)  # type: ignore[index]
        by = min(1.0, math.sqrt(pixels / (width * height)))
        size = f"{2 * round(width * by / 2)}:{2 * round(height * by / 2)}"
        chain = f"scale={size}:flags=lanczos:out_range=tv,format=yuv420p,setsar=1,setpts=N/({rate}*TB)"
        lossless = ["-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-g", "8", "-fps_mode", "passthrough"]
        told, _ = run([*packets, "-vf", chain, *lossless, "-progress", "pipe:1", str(clip)])
        frames = int(re.findall(r"^frame=(\d+)", told, re.MULTILINE)[-1])
        about.write_text(json.dumps({"frames": frames, "fps": str(rate)}))
    known = json.loads(about.read_text())
    return Clip(path.stem, clip, known["frames"], Fraction(known["fps"]))


def code(clip: Clip, cell: str, first: int, frames: int, work: Path) -> Coded:
    """Encodes frames of a clip as one video and scores each, unless that was done."""
    kept = work / "coded" / f"{clip.name}-{cell.replace(':', '-')}-{first}-{frames}.json"
    if kept.exists():
        return Coded(**json.loads(kept.read_text()))
    name, preset, crf = cell.split(":")
    encoder = ENCODERS.get(name)
    pix_fmt = encoder.pix_fmts[0]
    source = ["-ss", f"{max(0.0, float((first - 0.5) / clip.fps)):.6f}", "-threads", "1", "-i", str(clip.path)]
    with tempfile.TemporaryDirectory() as scratch:
        video = f"{scratch}/video.{encoder.container}"
        chain = f"trim=end_frame={frames},setpts=N/({clip.fps}*TB)"
        argv = [*source, "-map", "0:v", "-vf", chain, "-fps_mode", "passthrough", "-pix_fmt", pix_fmt]
        _, encode_s = run([*argv, *encoder.codec_argv(preset, int(crf), 1), video])
        packets = sorted(read_packets(run(["-i", video, "-map", "0:v", "-c", "copy", "-f", "framecrc", "-"])[0]))
        leg = f"settb=AVTB,setpts=N,format={pix_fmt},setparams=range=tv:colorspace=bt709"
        scorer = "libvmaf=model='version=vmaf_v0.6.1':log_fmt=json:log_path=log.json:n_threads=1:shortest=1"
        graph = f"[0:v]{leg}[a];[1:v]trim=end_frame={frames},{leg}[b];[a][b]{scorer}"
        scored = ["-threads", "1", "-i", video, *source, "-filter_complex", graph, "-f", "null", "-"]
        _, score_s = run(scored, Path(scratch))
        log = json.loads(Path(scratch, "log.json").read_text())
        vmaf = [frame["metrics"]["vmaf"] for frame in log["frames"]]
        file = os.path.getsize(video)
    assert len(packets) == len(vmaf) == frames, f"{kept.name}: {len(packets)} packets, {len(vmaf)} scores"
    keys = [number for number, packet in enumerate(packets) if packet[2]]
    coded = Coded([packet[1] for packet in packets], keys, vmaf, file, encode_s, score_s)
    kept.write_text(json.dumps(asdict(coded)))
    return coded


def read_packets(listing: str) -> Iterator[tuple[int, int, bool]]:
    """Time, bytes and whether it is a keyframe, of each packet that ffmpeg's framecrc lists."""
    for line in listing.splitlines():
        if not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            # Flags are listed unless they say keyframe and nothing else.
            yield int(fields[2]), int(fields[4]), not any(field.startswith("F=") for field in fields[6:])


def spread(clip: Clip, count: int, seconds: float, wanted: Around | None) -> list[Part]:
    """The windows in the middle of equal stretches, with what is encoded around them."""
    frames = round(seconds * clip.fps)
    before, after, period = (wanted.before, wanted.after, wanted.period) if wanted else (0, 0, 1)
    weighed = period * max(1, round(frames / period))
    parts = []
    for index in range(count):
        start = round((index + 0.5) * clip.frames / count - frames / 2)
        first = max(0, start - before)
        end = min(clip.frames, start + max(frames, weighed) + after)
        parts.append(Part(first, end - first, start - first, frames, min(weighed, end - start)))
    return parts


def alone(clip: Clip, parts: Sequence[Part], coded: Sequence[Coded]) -> Said:
    frames = sum(part.frames for part in parts)
    vmaf = float(np.mean([score for one in coded for score in one.vmaf]))
    size = sum(one.file for one in coded) / frames * clip.frames
    return Said(vmaf, size, sum(one.encode_s + one.score_s for one in coded))


def led(clip: Clip, parts: Sequence[Part], coded: Sequence[Coded], wanted: Around) -> Said:
    """The whole file, from the settled frames of windows and from what their first keyframes cost beyond those."""
    vmaf, bits, frames, cuts, excesses, fixed, cpu, lost = [], 0.0, 0, 0, [], [], 0.0, 0.0
    for part, one in zip(parts, coded, strict=True):
        counted = slice(part.skip, part.skip + part.weighed)
        vmaf += one.vmaf[part.skip : part.skip + part.scored]
        lost += wanted.short_vmaf
        by_clock, by_cut = sort_keys(one.keys, wanted.keyint, counted)
        seen, lead = sum(one.sizes[counted]), sum(one.sizes[: part.skip])
        excess = max(0.0, lead - part.skip * seen / part.weighed)
        if by_clock and part.skip * by_clock < part.weighed:
            excess /= 1 - part.skip * by_clock / part.weighed
        if part.skip:
            excesses.append(excess)
        bits, frames, cuts = bits + seen - by_clock * excess, frames + part.weighed, cuts + by_cut
        fixed.append(one.file - sum(one.sizes) - wanted.muxed * part.frames)
        # Frames around the window need no score, but for one on either side, which motion is measured against.
        cpu += one.encode_s + one.score_s * min(1.0, (part.scored + 2) / part.frames)
    keyframes = expect_keyframes(clip.frames, wanted.keyint, cuts / frames)
    excess = float(np.mean(excesses)) if excesses else 0.0
    size = clip.frames * (bits / frames + wanted.muxed) + keyframes * excess + float(np.mean(fixed))
    mean = (sum(vmaf) + lost) / len(vmaf) - wanted.end_vmaf / clip.frames
    return Said(mean, size, cpu, clip.frames * bits / frames)


def sort_keys(keys: Sequence[int], keyint: int, counted: slice) -> tuple[int, int]:
    """Keyframes among the counted frames that came because it was time, and those that the picture asked for."""
    by_clock = by_cut = last = 0
    for key in keys:
        if key and counted.start <= key < counted.stop:
            by_clock, by_cut = (by_clock + 1, by_cut) if key - last >= keyint else (by_clock, by_cut + 1)
        last = key
    return by_clock, by_cut


def expect_keyframes(frames: int, keyint: int, cuts: float) -> float:
    """The first keyframe and those that come by the clock, which ``cuts`` of all frames set back.

    With cuts at random, a stretch between two of them outlasts k keyints with probability exp(-cuts * keyint * k).
    """
    stretch = cuts * keyint
    share = stretch / math.expm1(stretch) if 1e-9 < stretch < 500 else float(stretch <= 1e-9)
    return 1.0 + (frames - 1) // keyint * share


def look(clip: Clip, work: Path) -> tuple[list[int], float]:
    """Bits of each frame in a cheap encode of everything, but for its one keyframe, and CPU seconds of it."""
    kept = work / "coded" / f"{clip.name}-look.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as scratch:
            argv = [
                "-threads",
                "1",
                "-i",
                str(clip.path),
                "-vf",
                "scale=2*trunc(iw/6):2*trunc(ih/6):flags=bilinear",
            ]
            _, cpu_s = run([*argv, *LOOK, f"{scratch}/look.mp4"])
            listing, _ = run(["-i", f"{scratch}/look.mp4", "-c", "copy", "-f", "framecrc", "-"])
        sizes = [packet[1] for packet in sorted(read_packets(listing))]
        sizes[0] = sum(sizes[1:9]) // 8
        kept.write_text(json.dumps([sizes, cpu_s]))
    sizes, cpu_s = json.loads(kept.read_text())
    return sizes, cpu_s


def looked(clip: Clip, parts: Sequence[Part], said: Said, work: Path) -> Said:
    sizes, cpu_s = look(clip, work)
    seen = [size for part in parts for size in sizes[part.first + part.skip :][: part.weighed]]
    moved = (float(np.mean(sizes)) / max(float(np.mean(seen)), 1.0)) ** LOOK_SHARE
    return Said(said.vmaf, said.size + said.paced * (moved - 1), said.cpu_s + cpu_s)


def within(clip: Clip, parts: Sequence[Part], whole: Coded) -> Said:
    sizes, vmaf = np.asarray(whole.sizes, dtype=float), np.asarray(whole.vmaf)
    starts = [(part.first + part.skip, part.scored) for part in parts]
    scored = [frame for start, frames in starts for frame in range(start, start + frames)]
    first = sizes[0] - sizes[1:9].mean()
    sizes[0] -= first
    return Said(float(vmaf[scored].mean()), float(sizes[scored].mean() * clip.frames + first), 0.0)


def compare(clip: Clip, cell: str, windows: str, method: str, work: Path) -> tuple[float, float, float] | None:
    """VMAF beyond the whole's, bytes beyond them as a share, CPU as a share; None where the whole is used."""
    name, preset, _ = cell.split(":")
    count, seconds = windows.split("x")
    wanted = around(name, preset, float(clip.fps))
    parts = spread(clip, int(count), float(seconds), wanted if method != "alone" else None)
    if sum(part.frames for part in parts) >= clip.frames:
        return None
    whole = code(clip, cell, 0, clip.frames, work)
    if method == "within":
        said = within(clip, parts, whole)
    else:
        coded = [code(clip, cell, part.first, part.frames, work) for part in parts]
        said = alone(clip, parts, coded) if method == "alone" else led(clip, parts, coded, wanted)
        said = looked(clip, parts, said, work) if method == "looked" else said
    cost = said.cpu_s / (whole.encode_s + whole.score_s)
    return said.vmaf - float(np.mean(whole.vmaf)), said.size / whole.file - 1, cost


def show(cell: str, windows: str, method: str, found: Sequence[tuple[float, float, float] | None]) -> str:
    errors = np.asarray([one for one in found if one is not None]).reshape(-1, 3)
    if not len(errors):
        return f"{cell:22} {windows:5} {method:7} {0:4d} {len(found):6d}"
    vmaf, rate, cost = errors.T
    return (
        f"{cell:22} {windows:5} {method:7} {len(vmaf):4d} {len(found) - len(vmaf):6d}"
        f"  {vmaf.mean():+6.2f} {abs(vmaf).mean():5.2f} {abs(vmaf).max():5.1f}"
        f"  {100 * rate.mean():+6.1f} {100 * abs(rate).mean():5.1f} {100 * abs(rate).max():5.0f}"
        f"  {cost.mean():5.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cells", nargs="+", default=CELLS, metavar="ENCODER:PRESET:CRF")
    parser.add_argument("--windows", nargs="+", default=WINDOWS, metavar="COUNTxSECONDS")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--titles", choices=("left-out", "tuning", "all"), default="left-out")
    parser.add_argument("--pixels", type=int, default=130_000, help="of a picture, at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a source, at most")
    parser.add_argument("--least", type=float, default=6.0, help="seconds of a source, at least")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    (asked.work / "coded").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        files = sorted(path for path in asked.folder.iterdir() if path.is_file())
        clips = list(pool.map(lambda path: prepare(path, asked.work, asked.pixels, asked.seconds), files))
        clips = [clip for clip in clips if clip.frames >= asked.least * clip.fps]
        for side in (False, True):
            names = ", ".join(clip.name for clip in clips if clip.left_out is side)
            print(f"{'left out' if side else 'tuning'}: {names}")
        wanted = {"left-out": (True,), "tuning": (False,), "all": (False, True)}[asked.titles]
        clips = [clip for clip in clips if clip.left_out in wanted]
        print("cell                   win.  method     n  whole   VMAF+   MAE   max  kbit%+   MAE   max   cost")
        for windows in asked.windows:
            for cell in asked.cells:
                for method in asked.methods:
                    found = pool.map(lambda clip: compare(clip, cell, windows, method, asked.work), clips)  # noqa: B023
                    print(show(cell, windows, method, list(found)), flush=True)


if __name__ == "__main__":
    main()
