"""Sources with all that a file may hold, and what an independent reader finds in files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg

SUBTITLES = "1\n00:00:00,500 --> 00:00:00,900\nHello\n\n2\n00:00:01,100 --> 00:00:01,400\nWorld\n"
METADATA = """;FFMETADATA1
title=A film
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=1800
title=Two
"""
FONT = bytes(range(256)) * 8
LATE_S = 0.3
"""The picture of a rich source begins so long after its sound."""
FRAMES = 36
X264 = ("--encoder", "libx264", "--preset", "veryfast")


def made(ffmpeg: FFmpeg, path: Path, *argv: object) -> Path:
    """A file that ffmpeg makes."""
    done = ffmpeg.run([*QUIET, *map(str, argv), str(path)])
    assert done.ok, done.describe("making a source failed")
    return path


def rich_source(ffmpeg: FFmpeg, folder: Path) -> Path:
    """Video that begins late, two sound tracks, two subtitles, chapters, a font, a cover, languages and flags."""
    text, about, font = folder / "a.srt", folder / "about.txt", folder / "font.ttf"
    text.write_text(SUBTITLES)
    about.write_text(METADATA)
    font.write_bytes(FONT)
    cover = made(ffmpeg, folder / "cover.jpg", "-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", 1)
    return made(
        ffmpeg, folder / "rich.mkv",
        "-itsoffset", LATE_S, "-f", "lavfi", "-i", f"testsrc2=size=160x96:rate=24:duration={FRAMES / 24}",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=1.8",
        "-f", "lavfi", "-i", "sine=frequency=880:duration=1.8",
        "-i", text, "-i", about, "-map", 0, "-map", 1, "-map", 2, "-map", 3, "-map", 3, "-map_metadata", 4,
        "-c:v", "libx264", "-preset", "ultrafast", "-qp", 8, "-c:a:0", "aac", "-c:a:1", "ac3",
        "-c:s:0", "srt", "-c:s:1", "ass", "-metadata:s:v:0", "BPS=123456", "-metadata:s:v:0", "title=Main",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Notes",
        "-disposition:a:1", "default", "-metadata:s:s:0", "language=eng", "-disposition:s:0", "forced",
        "-attach", font, "-metadata:s:t:0", "mimetype=application/x-truetype-font",
        "-attach", cover, "-metadata:s:t:1", "mimetype=image/jpeg", "-metadata:s:t:1", "filename=cover.jpg",
    )  # fmt: skip


def picture_subtitles(path: Path) -> Path:
    """A PGS stream of two empty screens."""
    screen = struct.pack(">HHBHBBBB", 160, 96, 0x10, 0, 0x80, 0, 0, 0)
    segments = b""
    for pts in (45_000, 90_000):
        for kind, data in ((0x16, screen), (0x80, b"")):
            segments += b"PG" + struct.pack(">IIBH", pts, 0, kind, len(data)) + data
    path.write_bytes(segments)
    return path


@dataclass(frozen=True)
class Seen:
    """A stream as PyAV reads it."""

    kind: str
    codec: str | None
    language: str | None
    disposition: int
    tags: dict[str, str]


def streams_of(path: Path) -> list[Seen]:
    with av.open(str(path)) as file:
        return [
            Seen(
                s.type,
                s.codec_context.name if s.codec_context else None,
                s.language,
                int(s.disposition),
                {key.lower(): value for key, value in s.metadata.items()},
            )
            for s in file.streams
        ]


def times_of(path: Path) -> list[float]:
    """Seconds at which each frame of the first video stream is shown, on the file's own clock."""
    with av.open(str(path)) as file:
        return [float(frame.time) for frame in file.decode(video=0)]


def first_sound(path: Path) -> float:
    """Seconds of the first sound."""
    with av.open(str(path)) as file:
        return next(float(frame.time) for frame in file.decode(audio=0))


def hashes(ffmpeg: FFmpeg, path: Path, *streams: str) -> list[str]:
    """MD5 of the packets of each stream, times aside."""
    found = []
    for stream in streams:
        argv = ["-v", "error", "-i", str(path), "-map", f"0:{stream}", "-c", "copy", "-f", "streamhash"]
        done = ffmpeg.run([*argv, "-hash", "md5", "-"])
        assert done.ok, done.stderr
        found += [line.partition("=")[2] for line in done.stdout.splitlines()]
    return found


def side_data(path: Path) -> dict[str, Any]:
    """{kind: bytes} of the side data of the first frame."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        return {str(each.type): bytes(each) for each in frame.side_data}
