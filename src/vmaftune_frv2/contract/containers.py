"""The containers that an encode can be written to, and what each of them cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.errors import UsageError

PICTURE_SUBTITLES = ("hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub")
"""Subtitles that are pictures; nothing turns them into text."""
TEXT_SUBTITLES = (
    "subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text", "hdmv_text_subtitle", "microdvd", "mpl2", "sami",
    "realtext", "stl", "subviewer", "subviewer1", "vplayer", "jacosub", "pjs", "ttml",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """A container.

    Args:
        name: file extension, without the dot.
        muxer: ffmpeg's name.
        text: the format that text subtitles have in it where they cannot stay as they are.
        attachments: whether it holds attached files, such as fonts.
        cover: whether a cover picture can be copied into it.
        argv: muxer options.
    """

    name: str
    muxer: str
    text: str
    attachments: bool = False
    cover: bool = False
    argv: tuple[str, ...] = ()


_INDEX_FIRST = ("-movflags", "+faststart")
CONTAINERS = (
    Container("mkv", "matroska", "subrip", attachments=True),
    Container("mp4", "mp4", "mov_text", cover=True, argv=_INDEX_FIRST),
    Container("m4v", "mp4", "mov_text", cover=True, argv=_INDEX_FIRST),
    Container("mov", "mov", "mov_text", cover=True, argv=_INDEX_FIRST),
    Container("webm", "webm", "webvtt"),
)
MATROSKA = CONTAINERS[0]


def container_of(path: Path) -> Container | None:
    """The container that the name of a file says, None where it says none."""
    suffix = path.suffix.lower().removeprefix(".")
    return next((each for each in CONTAINERS if each.name == suffix), None)


def named_container(path: Path) -> Container:
    """The container of an output.

    Raises:
        UsageError: its name says none.
    """
    found = container_of(path)
    if found is None:
        known = ", ".join(f".{each.name}" for each in CONTAINERS)
        raise UsageError(f"{path}: the name of an output ends in {known}")
    return found
