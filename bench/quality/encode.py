"""What `vmaf-tune encode` promises of a file, and what the file is: quality, size, streams, length, sound.

Ten sources with sound, subtitles and chapters: clips of a folder joined, or made by ffmpeg's generators. Some last
over a minute, so that they are searched on windows. PyAV reads the files.

    python bench/quality/encode.py [FOLDER] --work WORK [--seconds 6] [--long 2] [--encoder libx264:medium ...]
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import av

import vmaftune_frv2 as vt
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg, locate

SOURCES = 10
ENCODERS = ("libx264:veryfast", "libx265:ultrafast", "libsvtav1:10")
SIZE, RATE = (384, 216), "25"
LONG_S = 66
SOUND = (("aac", "mkv"), ("ac3", "mkv"), ("flac", "mkv"), ("libopus", "mkv"), ("aac", "mp4"))
GENERATORS = ("testsrc2", "mandelbrot", "gradients=speed=0.05:seed=7", "life=mold=10:ratio=0.2:seed=3")
VMAF_SLACK, SIZE_SLACK = 0.3, 0.10


def joined(ffmpeg: FFmpeg, clips: list[Path], seconds: float, path: Path, sound: str) -> Path:
    """Clips one after the other, brought to one size and rate, with two sound tracks, subtitles and chapters."""
    if path.exists():
        return path
    half = seconds / 2
    text, about = path.with_suffix(".srt"), path.with_suffix(".txt")
    text.write_text(
        "".join(f"{n + 1}\n00:00:{n:02d},200 --> 00:00:{n:02d},900\nLine {n}\n\n" for n in range(int(seconds)))
    )
    about.write_text(
        ";FFMETADATA1\ntitle=Bench\n"
        + "".join(
            f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={round(n * half * 1000)}\nEND={round((n + 1) * half * 1000)}\n"
            f"title=Part {n + 1}\n"
            for n in range(2)
        )
    )
    inputs, chains = [], []
    for number, clip in enumerate(clips):
        inputs += ["-i", str(clip)] if clip.exists() else ["-f", "lavfi", "-t", "4", "-i", str(clip)]
        width, height = SIZE
        fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=bicubic,crop={width}:{height}"
        chains.append(f"[{number}:v]{fit},setsar=1,fps={RATE},format=yuv420p[v{number}]")
    names = "".join(f"[v{number}]" for number in range(len(clips)))
    graph = ";".join([*chains, f"{names}concat=n={len(clips)}[v]"])
    tones = [
        word
        for frequency in (330, 550)
        for word in ("-f", "lavfi", "-i", f"sine=frequency={frequency}:beep_factor=4:duration={seconds}")
    ]
    n = len(clips)
    done = ffmpeg.run(
        [
            *QUIET, *inputs, *tones, "-i", str(text), "-i", str(about), "-filter_complex", graph,
            "-map", "[v]", "-map", f"{n}", "-map", f"{n + 1}", "-map", f"{n + 2}", "-map_metadata", f"{n + 3}",
            "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast", "-crf", "10", "-c:a", sound,
            "-c:s", "srt" if path.suffix == ".mkv" else "mov_text", "-metadata:s:a:1", "language=ger", str(path),
        ]
    )  # fmt: skip
    assert done.ok, done.describe(f"making {path} failed")
    return path


def sources(ffmpeg: FFmpeg, folder: Path | None, work: Path, seconds: float, long: int) -> list[Path]:
    clips = sorted(folder.glob("*.mp4")) if folder else []
    clips = clips or [Path(f"{name}{':' if '=' in name else '='}size=384x216:rate=25") for name in GENERATORS]
    supply, found = itertools.cycle(clips), []
    for number in range(SOURCES):
        lasts = LONG_S if number >= SOURCES - long else seconds
        parts = [next(supply) for _ in range(int(lasts / 1.5) + 1 if folder else int(lasts / 4) + 1)]
        sound, container = SOUND[number % len(SOUND)]
        found.append(joined(ffmpeg, parts, lasts, work / f"source{number}_{lasts:g}s.{container}", sound))
    return found


@dataclass(frozen=True)
class File:
    """A file as PyAV reads it."""

    streams: list[tuple[str, str | None]]
    chapters: int
    sound: list[str]
    first: float
    end: float
    frames: int


def read(path: Path) -> File:
    with av.open(str(path)) as file:
        kinds = [(s.type, s.language) for s in file.streams if s.type in ("video", "audio", "subtitle")]
        digests = {s.index: hashlib.md5() for s in file.streams if s.type == "audio"}
        times = []
        video = file.streams.video[0]
        for packet in file.demux():
            if packet.stream.index in digests and packet.size:
                digests[packet.stream.index].update(bytes(packet))
            if packet.stream == video and packet.pts is not None:
                times.append(float(packet.pts * packet.time_base))
        hashes = [digest.hexdigest() for digest in digests.values()]
        return File(kinds, len(file.chapters()), hashes, min(times), max(times), len(times))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", nargs="?", type=Path)
    asked.add_argument("--work", type=Path, required=True)
    asked.add_argument("--seconds", type=float, default=6.0)
    asked.add_argument("--long", type=int, default=2)
    asked.add_argument("--target", type=float, default=93.0)
    asked.add_argument("--encoder", action="append")
    given = asked.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    ffmpeg, frame = locate(), 1 / float(RATE)
    made = sources(ffmpeg, given.folder, given.work, given.seconds, given.long)
    print(
        f"{'source':24}{'encoder':18}{'crf':>5}{'VMAF':>8}{'off':>7}{'bytes':>9}{'off':>8}  windows, what differs"
    )
    for name in given.encoder or ENCODERS:
        encoder, _, preset = name.partition(":")
        close = sized = whole = missed = 0
        for source in made:
            output = given.work / f"{source.stem}.{encoder}{source.suffix}"
            request = vt.EncodeRequest(
                sources=source, output=output, encoders=encoder, presets=preset, target_vmaf=given.target,
                record=given.work / "searched.jsonl", overwrite=True,
            )  # fmt: skip
            try:
                found = vt.encode(request)
            except vt.TuneError as error:
                print(f"{source.name:24}{name:18}  {error}", flush=True)
                continue
            before, after = read(source), read(output)
            off = found.measured.vmaf - found.promised.vmaf
            size = found.measured.size_bytes / (found.promised.size_bytes or 1) - 1
            wrong = [
                what
                for what, same in (
                    ("streams", before.streams == after.streams),
                    ("chapters", before.chapters == after.chapters),
                    ("sound", before.sound == after.sound),
                    ("frames", before.frames == after.frames),
                    ("length", abs(after.end - before.end) <= frame and abs(after.first - before.first) <= frame),
                )
                if not same
            ]
            close, sized = close + (abs(off) <= VMAF_SLACK), sized + (abs(size) <= SIZE_SLACK)
            whole, missed = whole + (not wrong), missed + bool(found.missed)
            print(
                f"{source.name:24}{name:18}{found.crf:5g}{found.measured.vmaf:8.2f}{off:+7.2f}"
                f"{found.measured.size_bytes:9d}{100 * size:+7.1f}%  {found.promised.windows or 'whole'}"
                f" {', '.join(wrong)}",
                flush=True,
            )
        print(
            f"{name}: within {VMAF_SLACK} VMAF of the promise {close} of {len(made)}, size within"
            f" {100 * SIZE_SLACK:.0f} % {sized}, streams, chapters, length and sound as in the source {whole},"
            f" targets missed {missed}\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
