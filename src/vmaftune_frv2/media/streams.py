"""The streams of a file, by what ffmpeg says of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.media.ffmpeg import QUIET, TRIAL_TIMEOUT_S, FFmpeg, file_url
from vmaftune_frv2.media.look import LOG_ARGV
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import input_argv
from vmaftune_frv2.progress import step

VIDEO, AUDIO, SUBTITLE, ATTACHMENT, DATA = "Video", "Audio", "Subtitle", "Attachment", "Data"
_STREAM = re.compile(r"^\[info\] +Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (\w+): (\S+)(.*)$")
_TAG = re.compile(r"^\[info\] {7}(\w\S*) *: (.*)$")
_CODEC_TAG = re.compile(r"\((\w{4}) / 0x")
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)
_CHAPTER = re.compile(r"^\[info\] +Chapter #0:\d+: ", re.MULTILINE)
_FLAGS = {
    "default": "default", "dub": "dub", "original": "original", "comment": "comment", "lyrics": "lyrics",
    "karaoke": "karaoke", "forced": "forced", "hearing impaired": "hearing_impaired",
    "visual impaired": "visual_impaired", "clean effects": "clean_effects", "attached pic": "attached_pic",
    "captions": "captions", "descriptions": "descriptions", "dependent": "dependent",
    "still image": "still_image", "timed thumbnails": "timed_thumbnails",
}  # fmt: skip
"""What ffmpeg calls a stream's flags where it shows them, and where it takes them."""

_STILL = {"attached_pic", "still_image", "timed_thumbnails"}


@dataclass(frozen=True)
class Stream:
    """A stream of a file.

    Args:
        index: among all of its streams.
        kind: VIDEO, AUDIO, SUBTITLE, ATTACHMENT or DATA.
        codec: by ffmpeg's name.
        language: three letters, empty where it says none.
        tag: four letters that the container calls the codec by, empty where it has none.
        flags: ffmpeg's names of its dispositions.
        tags: its metadata, names in lower case.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    tag: str = ""
    flags: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_cover(self) -> bool:
        """Whether it is a picture that stands for the file."""
        return "attached_pic" in self.flags

    def __str__(self) -> str:
        words = [self.codec, self.language, self.tags.get("title", "") or self.tags.get("filename", "")]
        return f"{self.kind.lower()} 0:{self.index} ({', '.join(filter(None, words))})"


@dataclass(frozen=True)
class Streams:
    """What a file holds.

    Args:
        streams: in order.
        seconds: that it lasts by its header, None where that does not say.
        chapters: how many.
    """

    streams: tuple[Stream, ...]
    seconds: float | None
    chapters: int

    def film(self, track: int) -> Stream | None:
        """The video track of a number, as ``look.Track`` counts them; None where there is none."""
        films = [s for s in self.streams if s.kind == VIDEO and not _STILL.intersection(s.flags)]
        return films[track] if track < len(films) else None


def list_streams(ffmpeg: FFmpeg, path: Path, raw: RawFormat | None = None) -> Streams:
    """The streams of a file; none where it cannot be opened.

    Args:
        ffmpeg: opens it.
        path: of the file.
        raw: format of a headerless one.
    """
    return read_streams(ffmpeg.run([*LOG_ARGV, *input_argv(path, raw)], timeout=TRIAL_TIMEOUT_S).stderr)


def read_streams(log: str) -> Streams:
    """The streams in what ffmpeg says of its input, each line with its level."""
    found: dict[int, Stream] = {}
    last: Stream | None = None
    for line in log.splitlines():
        shown = _STREAM.match(line)
        if shown is not None:
            index, language, kind, codec, rest = shown.groups()
            flags = tuple(name for word, name in _FLAGS.items() if f"({word})" in rest)
            known = "" if language in (None, "und") else language
            tag = _CODEC_TAG.search(rest)
            name, letters = codec.rstrip(","), tag[1] if tag else ""
            last = Stream(int(index), kind, letters if name == "none" else name, known, letters, flags, {})
            found.setdefault(last.index, last)  # of several programs, a stream is listed in each
        elif last is not None and (noted := _TAG.match(line)):
            tags = dict(last.tags) | {noted[1].lower(): noted[2]}
            last = found[last.index] = dataclasses.replace(last, tags=tags)
    lasts = _DURATION.search(log)
    seconds = int(lasts[1]) * 3600 + int(lasts[2]) * 60 + float(lasts[3]) if lasts else None
    return Streams(tuple(found[n] for n in sorted(found)), seconds, len(_CHAPTER.findall(log)))


@dataclass
class Packets:
    """The packets of a stream: how many, and their bytes together."""

    count: int = 0
    size: int = 0


def count_stream_packets(ffmpeg: FFmpeg, path: Path, raw: RawFormat | None = None) -> dict[int, Packets]:
    """{index: its packets} of the streams of a file; reads all of it, decodes nothing.

    Args:
        ffmpeg: reads it.
        path: of the file.
        raw: format of a headerless one.
    """
    streams = [each for each in list_streams(ffmpeg, path, raw).streams if each.kind != ATTACHMENT]
    if not streams:
        return {}
    maps = [word for each in streams for word in ("-map", f"0:{each.index}")]
    found = [Packets() for _ in streams]
    with scratch_dir(None, "packets-") as folder:
        listing = folder / "packets"
        argv = [*QUIET, *input_argv(path, raw), *maps, "-c", "copy", "-copy_unknown", "-f", "framecrc"]
        with step("counting", unit=None):
            ffmpeg.run([*argv, file_url(listing)])
        if listing.is_file():
            with listing.open(encoding="ascii", errors="replace") as lines:
                for line in lines:
                    if not line.startswith("#"):
                        number, _, _, _, size, *_ = line.split(",")
                        packets = found[int(number)]
                        packets.count, packets.size = packets.count + 1, packets.size + int(size)
    return {each.index: packets for each, packets in zip(streams, found, strict=True)}
