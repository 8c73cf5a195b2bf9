"""What an encode says of how it was made: the encoder's name, and what x264 and x265 note of their settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.look import LOG_ARGV
from vmaftune_frv2.media.source import Source

_READ = 1 << 23
"""Bytes at the start of a file in which the first frame of its video lies."""
_NOTES = (
    ("libx264", re.compile(rb"x264 - core [^\x00]{1,120}?options: ([^\x00\x80]{20,4000})")),
    ("libx265", re.compile(rb"x265 \(build \d+\) - [^\x00]{1,200}?options: ([^\x00\x80]{20,4000})")),
)
_TAG = re.compile(r"encoder +: Lavc\S* (\S+)")
_STREAM = re.compile(
    r"^\[info\] +Stream #0:\d+.*?: Video:.*?(?=^\[info\] +Stream #|^\[info\] *Stream mapping|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class EncodedBy:
    """What a file says of its encoder.

    Args:
        encoder: name in the table, None where it says none.
        version: of the encoder.
        crf: as the encoder notes it.
    """

    encoder: str | None = None
    version: str | None = None
    crf: str | None = None


def encoded_by(ffmpeg: FFmpeg, source: Source) -> EncodedBy:
    """Reads how the video of a file was encoded, as far as the file says."""
    if source.raw is not None:
        return EncodedBy()
    with source.path.open("rb") as stream:
        head = stream.read(_READ)
    for name, notes in _NOTES:
        found = notes.search(head)
        if found:
            text = found[0].decode("ascii", "replace")
            crf = re.search(r"(?<![\w-])crf=(\d+(?:\.\d+)?)", text)
            entry = ENCODERS.find(name)
            return EncodedBy(name, entry.find_version(text) if entry else None, _plain(crf[1]) if crf else None)
    listing = ffmpeg.run([*LOG_ARGV, "-i", f"file:{source.path}"]).stderr
    for found_stream in _STREAM.finditer(listing):
        tag = _TAG.search(found_stream[0])
        if tag and ENCODERS.find(tag[1]):
            return EncodedBy(ENCODERS.get(tag[1]).name)
    return EncodedBy()


def _plain(number: str) -> str:
    """``23`` of ``23.0``."""
    return f"{float(number):g}"


def packet_sizes(ffmpeg: FFmpeg, source: Source) -> list[int]:
    """Bytes of the packets of a video, in the order in which their frames are shown."""
    argv = [*LOG_ARGV, *source.input_argv(), "-map", f"0:{source.stream}", "-c", "copy", "-f", "framecrc", "-"]
    listed = re.findall(r"^0, *-?\d+, *(-?\d+), *\d+, *(\d+),", ffmpeg.run(argv).stdout, re.MULTILINE)
    return [size for _, size in sorted((int(pts), int(size)) for pts, size in listed)]
