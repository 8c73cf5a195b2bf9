"""A source video: what it is, and the window of it that is encoded and scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.media.ffmpeg import file_url
from vmaftune_frv2.media.view import Margins, View, Window

LEAD_S = 2.0
"""Seconds before a window at which decoding begins, at least: frames that lean on others from before the keyframe
that a seek finds are lost, and in some containers a seek finds it late by as much as frames are reordered."""
LEAD_FRAMES = 34
"""The same in frames, for low rates: a group of 32 pictures, the largest that encoders reorder."""
EARLY_S = 0.0005
"""A window's edges lie so much earlier, so that rounded timestamps of frames on them stay on their side."""


@dataclass(frozen=True)
class Surroundings:
    """The frames of a window and some before and after it.

    Args:
        times: seconds of each, from the first frame of the file that is shown; then the end of the last.
        first: place of the window's first frame among them.
    """

    times: tuple[float, ...]
    first: int


@dataclass(frozen=True)
class Source:
    """A source that was opened and whose frames were listed.

    Args:
        path: the file.
        label: the path as the user gave it.
        sha256: digest of the file, None when hashing was switched off.
        width: luma columns that are encoded: the file's, after rotation and filters, unless the view scales them.
        height: luma rows, likewise.
        pix_fmt: ffmpeg's name of the pixel format, decoded and filtered.
        depth: bits per sample.
        full_range: whether samples use the full range of their depth.
        framerate: average frames per second of the frames in use.
        frames: frames in the window (or in the whole file).
        duration_s: seconds of the whole file, None when the container does not say.
        hdr_transfer: ``pq``, ``hlg`` or ``""`` (SDR).
        hdr_primaries: colour primaries of an HDR source, else ``""``.
        raw: how to read it, for a headerless file.
        size_bytes: size of the file when it was opened.
        mtime_ns: its modification time then.
        ctime_ns: when its status had changed last; on Windows, when it was made.
        inode: its number in the file system.
        label_filters: filters that relabel the frames before they are encoded, each ending in a comma.
        row_values: further row keys that are known of the source.
        view: what of the file is used, and whether it is scaled.
        track: number of the video track in use among the file's, cover pictures aside.
        origin_s: seconds of the first frame on ffmpeg's clock of the file.
        seekable: whether a seek finds the frames of a window; otherwise decoding begins at the start.
        stated_rate: frame rate that the header states, as ffmpeg reads it.
        variable: whether the frames are shown at uneven times.
        on_ticks: of uneven times, whether one tick per frame of ``stated_rate`` can say them.
        colour: {color_range, color_space, color_primaries, color_trc: ffmpeg's names} of the first frame.
        steady_labels: filter that gives every frame the colour labels of the first, ending in a comma; empty where
            all of them have the same.
        remarks: notes for the user on the file, shown once.
        surroundings: frames round the window, where they are known.
        stored: (columns, rows, pixel format) of the frames in the file, where filters may change them.
        listed: whether its times are those of all its frames, not of a window that it was once.
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
    view: View = View()
    size_bytes: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    label_filters: str = ""
    row_values: Mapping[str, Any] = field(default_factory=dict)
    track: int = 0
    origin_s: float = 0.0
    seekable: bool = True
    stated_rate: Fraction | None = None
    variable: bool = False
    on_ticks: bool = True
    steady_labels: str = ""
    colour: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    surroundings: Surroundings | None = None
    stored: tuple[int, int, str] | None = None
    listed: bool = True

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What tells the frames in use from any others."""
        name = self.sha256 or f"path:{self.label}"
        return name, self.width, self.height, self.pix_fmt, float(self.framerate), self.view.clip_mode

    @property
    def megapixels(self) -> float:
        """Luma pixels of all frames in use, in millions."""
        return self.width * self.height * self.frames / 1e6

    @property
    def encoded_frames(self) -> int:
        """Frames that an encode has, margins among them."""
        margins = self.margins
        return self.frames if margins is None else margins.before + self.frames + margins.after

    @property
    def encoded_seconds(self) -> float:
        """Seconds that the frames in use last."""
        return float(self.frames / self.framerate)

    @property
    def whole_seconds(self) -> float:
        """Seconds that all of the file lasts; those of the frames in use where nothing says more."""
        return self.encoded_seconds if self.window is None or self.duration_s is None else self.duration_s

    @property
    def window(self) -> Window | None:
        """The part that is used, None for all of it."""
        return self.view.window

    @property
    def margins(self) -> Margins | None:
        """Frames that are encoded round the window."""
        return self.view.margins

    @property
    def stream(self) -> str:
        """ffmpeg's name of the video track in use, within its input."""
        return f"V:{self.track}"

    def input_argv(self) -> list[str]:
        """ffmpeg arguments that open this source."""
        # Frames that differ in labels only must not start the filters again: numbering would begin anew.
        argv = ["-reinit_filter", "0"] if self.steady_labels else []
        seek = self._seek()
        return [*argv, *(["-ss", f"{seek:.6f}"] if seek is not None else []), *input_argv(self.path, self.raw)]

    @property
    def filters(self) -> str:
        """Filters that every use of this source begins with: cut to the window, filter, say the range, scale."""
        return self._through(self.view.filters)

    @property
    def reference_filters(self) -> str:
        """The same for the frames that encodes are compared with."""
        other = self.view.reference_filters
        return self.filters if other is None else self._through(other)

    @property
    def unfiltered(self) -> str:
        """Filters that cut to the window and change no frame."""
        return self._cut() + self.steady_labels

    def _through(self, filters: str) -> str:
        chain = self.unfiltered + (f"{filters}," if filters else "")
        # An encoder may keep full-range samples and lose the tag; set on both sides, nothing is squeezed.
        chain += "setparams=range=pc," if self.full_range else ""
        return chain + (scale_filter(self.width, self.height) if self.view.scaled_from else "")

    def through(self, window: Window | None) -> Source:
        """Another window of the file; which frames it holds is still to be found out."""
        return dataclasses.replace(self, view=dataclasses.replace(self.view, window=window, margins=None))

    def at_height(self, height: int) -> Source:
        """The same frames at ``height`` luma rows, the width in proportion and even; itself at its own height."""
        if height == self.height:
            return self
        width = max(2, 2 * round(self.width * height / self.height / 2))
        view = dataclasses.replace(self.view, scaled_from=(self.width, self.height))
        return dataclasses.replace(self, width=width, height=height, view=view)

    def unscaled(self) -> Source:
        """The same frames at the file's own size."""
        width, height = self.view.scaled_from or (self.width, self.height)
        view = dataclasses.replace(self.view, scaled_from=None)
        return dataclasses.replace(self, width=width, height=height, view=view)

    def whole(self) -> Source:
        """All of the file; of its frames only those of a window are known, if one was in use."""
        return dataclasses.replace(
            self.through(None), surroundings=None, listed=self.listed and self.window is None
        )

    def with_margins(self, before: int, after: int) -> Source:
        """The same window, encoded with so many frames round it as far as they are there; itself without any."""
        around = self.surroundings
        if around is None:
            return self
        begin = max(around.first - before, 0)
        last = around.first + self.frames
        end = min(last + after, len(around.times) - 1)
        stretch = between(around.times, begin, end)
        margins = Margins(around.first - begin, end - last, stretch)
        return dataclasses.replace(self, view=dataclasses.replace(self.view, margins=margins))

    def since_first(self, filter_s: float) -> float:
        """Seconds from the first frame shown, of a time on the clock that ``filters`` see."""
        return filter_s + (self._seek() or 0.0) - self.origin_s

    def _seek(self) -> float | None:
        """Where on ffmpeg's clock decoding begins, None for the start of the file."""
        window = self._encoded_window
        if window is None or not self.seekable:
            return None
        lead = max(LEAD_S, float(LEAD_FRAMES / self.framerate))
        begins = self.origin_s + window.start - EARLY_S - lead
        return begins if begins > 0 else None

    def _cut(self) -> str:
        """The filter that keeps the frames of the window, and of its margins; empty without one."""
        window = self._encoded_window
        if window is None:
            return ""
        start = self.origin_s + window.start - EARLY_S - (self._seek() or 0.0)
        # On the file's own clock, which may tick once per frame, ffmpeg would round the edges to ticks.
        return f"settb=AVTB,trim=start={max(start, 0.0):.6f}:end={start + window.seconds:.6f},"

    @property
    def _encoded_window(self) -> Window | None:
        return self.window if self.margins is None else self.margins.stretch


def between(times: Sequence[float], first: int, end: int) -> Window:
    """The window of some frames; each edge lies halfway between two, where no rounding moves one past it.

    Args:
        times: [N + 1] seconds of N frames, and the end of the last.
        first: number of the first one.
        end: number of the frame after the last one.
    """
    begins, ends = (times[n] if n == 0 else (times[n - 1] + times[n]) / 2 for n in (first, end))
    return Window(begins, ends - begins)


def input_argv(path: Path, raw: RawFormat | None = None) -> list[str]:
    """ffmpeg arguments that open a file."""
    argv: list[str] = []
    if raw is not None:
        argv += ["-f", "rawvideo", "-pixel_format", raw.pix_fmt, "-video_size", f"{raw.width}x{raw.height}"]
        argv += ["-framerate", str(raw.framerate)]
    return [*argv, "-i", file_url(path)]


def scale_filter(width: int, height: int) -> str:
    """The filter that scales frames, down before an encode or up before a score; bicubic, as players do."""
    return f"scale={width}:{height}:flags=bicubic,"
