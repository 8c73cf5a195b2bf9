"""The videos of folders that are named as sources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.raw import RAW_SUFFIXES
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.log import get_logger

log = get_logger(__name__)
VIDEO_SUFFIXES = (
    ".mkv", ".mp4", ".m4v", ".mov", ".webm", ".ts", ".m2ts", ".mts", ".avi", ".mpg", ".mpeg", ".wmv", ".flv",
    ".vob", ".y4m", ".ogv", ".3gp", ".mxf", *RAW_SUFFIXES,
)  # fmt: skip
"""Files of these names are taken from a folder."""


def is_several(sources: Sequence[str]) -> bool:
    """Whether sources are several by what was asked: a folder may hold any number."""
    return len(set(sources)) > 1 or any(os.path.isdir(label) for label in sources)


def with_folders(sources: Sequence[str]) -> tuple[str, ...]:
    """Sources, each once, with the videos of a folder by name in its place.

    Folders within it and hidden files are left out. Files whose names are no video's are counted in the log.

    Raises:
        InputError: a folder cannot be read, or holds no video.
    """
    found: dict[str, None] = {}
    for label in sources:
        inside = _videos(Path(label)) if os.path.isdir(label) else [label]
        found |= dict.fromkeys(inside)
    return tuple(found)


def _videos(folder: Path) -> list[str]:
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    videos = [str(path) for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    others = [path.name for path in files if path.suffix.lower() not in VIDEO_SUFFIXES]
    if not videos:
        raise InputError(f"{folder}: no video in this folder (looked for *{', *'.join(VIDEO_SUFFIXES)})")
    if others:
        few = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        log.info("%s: skipped %d that are no videos by their names: %s", folder, len(others), few)
    return videos
