"""A source video: what it is, and the window of it that is encoded and scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from vmaftune_frv2.media.ffmpeg import file_url


@dataclass(frozen=True)
class RawFormat:
    """How to read a headerless YUV file."""

    width: int
    height: int
    pix_fmt: str
    framerate: Fraction


@dataclass(frozen=True)
class Window:
    """The part of a source that is used.

    Args:
        start: seconds from the first frame.
        seconds: duration.
        seekable: whether a seek finds its first frame; otherwise frames are counted from the start.
    """

    start: float
    seconds: float
    seekable: bool = True


@dataclass(frozen=True)
class Source:
    """A source that was opened and counted.

    Args:
        path: the file.
        label: the path as the user gave it.
        sha256: digest of the file, None when hashing was switched off.
        width: luma columns, after rotation.
        height: luma rows, after rotation.
        pix_fmt: ffmpeg's name of the decoded pixel format.
        depth: bits per sample.
        full_range: whether samples use the full range of their depth.
        framerate: average frames per second.
        frames: frames in the window (or in the whole file).
        duration_s: seconds of the whole file, None when the container does not say.
        hdr_transfer: ``pq``, ``hlg`` or ``""`` (SDR).
        hdr_primaries: colour primaries of an HDR source, else ``""``.
        raw: how to read it, for a headerless file.
        size_bytes: size of the file when it was opened.
        mtime_ns: its modification time then.
        label_filters: filters that relabel the frames before they are encoded, each ending in a comma.
        row_values: further row keys that are known of the source.
        window: the part that is used, None for all of it.
        rescaled: whether ``width`` and ``height`` are not the file's but what its frames are scaled to.
    """

    path: Path
    label: str
    sha256: str | None
    width: int
    height: int
    pix_fmt: str
    depth: int
    full_range: bool
    framerate: Fraction
    frames: int
    duration_s: float | None
    hdr_transfer: str = ""
    hdr_primaries: str = ""
    raw: RawFormat | None = None
    window: Window | None = None
    size_bytes: int = 0
    mtime_ns: int = 0
    label_filters: str = ""
    row_values: Mapping[str, Any] = field(default_factory=dict)
    rescaled: bool = False

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What tells the frames in use from any others."""
        name = self.sha256 or f"path:{self.label}"
        return name, self.width, self.height, self.pix_fmt, float(self.framerate), self.clip_mode

    @property
    def megapixels(self) -> float:
        """Luma pixels of all frames in use, in millions."""
        return self.width * self.height * self.frames / 1e6

    @property
    def encoded_seconds(self) -> float:
        """Seconds that the frames in use last."""
        return float(self.frames / self.framerate)

    @property
    def clip_mode(self) -> str:
        """``full`` or ``sample_<N>s``."""
        return "full" if self.window is None else f"sample_{self.window.seconds:g}s"

    def input_argv(self) -> list[str]:
        """ffmpeg arguments that open this source."""
        return input_argv(self.path, self.raw, self.window)

    @property
    def filters(self) -> str:
        """Filters that every use of this source begins with: cut to the window, say the range, scale."""
        chain = window_filter(self.window, self.framerate)
        # An encoder may keep full-range samples and lose the tag; said on both sides, nothing is squeezed.
        chain += "setparams=range=pc," if self.full_range else ""
        return chain + (scale_filter(self.width, self.height) if self.rescaled else "")

    def at_height(self, height: int) -> Source:
        """The same frames at ``height`` luma rows, the width in proportion and even; itself at its own height."""
        if height == self.height:
            return self
        width = max(2, 2 * round(self.width * height / self.height / 2))
        return dataclasses.replace(self, width=width, height=height, rescaled=True)


def input_argv(path: Path, raw: RawFormat | None = None, window: Window | None = None) -> list[str]:
    """ffmpeg arguments that open a file, or a part of it."""
    argv: list[str] = []
    if window is not None and window.seekable:
        argv += ["-ss", f"{window.start:.6f}", "-t", f"{window.seconds:.6f}"]
    if raw is not None:
        argv += ["-f", "rawvideo", "-pixel_format", raw.pix_fmt, "-video_size", f"{raw.width}x{raw.height}"]
        argv += ["-framerate", str(raw.framerate)]
    return [*argv, "-i", file_url(path)]


def scale_filter(width: int, height: int) -> str:
    """The filter that scales frames, down before an encode or up before a score; bicubic, as players do."""
    return f"scale={width}:{height}:flags=bicubic,"


def window_filter(window: Window | None, framerate: Fraction) -> str:
    """The filter that cuts a window out of a file that cannot be seeked in; empty where a seek does it."""
    if window is None or window.seekable:
        return ""
    first = round(window.start * framerate)
    return f"trim=start_frame={first}:end_frame={first + max(1, round(window.seconds * framerate))},"
