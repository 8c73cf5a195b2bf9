"""What a file shows, read with PyAV and nothing of this package: the independent side of ``real_files.py``.

Prints one JSON object: which track counts, the frames that a player shows, their times, and what about the file
might make a reader refuse it.

    python bench/quality/pyav_reader.py FILE
"""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_STATE_DURATIONS = {"mov", "mp4"}
"""Containers that say of every frame how long it lasts."""
_LISTS = {"concat", "hls", "dash", "sdp", "imf"}


@dataclass
class Reading:
    """A file as it is shown.

    Args:
        error: why nothing can be said, empty where something can.
        container: ffmpeg's name of the format.
        codec: of the track.
        tracks: videos that are no pictures.
        track: index of the stream that counts.
        frames: frames shown.
        span: seconds from the first frame's timestamp to the end of the last one.
        also: other spans that are as right: where no container says how long the last frame lasts, it may last as
            long as most do; where every timestamp is that of a constant rate to a tick, frames / rate is exact.
        last: seconds that the last frame is said to last.
        gap: median seconds from a frame to the next.
        constant: whether each frame comes at a constant rate, to a tick of the clock.
        stated: the rate that the container or the stream states, 0 for none.
        size: columns and rows of the first frame, after rotation.
        timeless: frames without a timestamp of their own.
        backwards: frames that come before the one before, or with it.
        interlaced: frames that are.
        changes: ``[frame, what]`` of each change of size, format, range or orientation.
        retagged: frames at which only colour tags change.
        damage: errors while decoding, ``[frame, message]``.
        corrupt: frames that the decoder marks as damaged.
    """

    error: str = ""
    container: str = ""
    codec: str = ""
    tracks: int = 0
    track: int = -1
    frames: int = 0
    span: float = 0.0
    also: list[float] = field(default_factory=list)
    last: float = 0.0
    gap: float = 0.0
    constant: bool = True
    stated: float = 0.0
    size: tuple[int, int] = (0, 0)
    timeless: int = 0
    backwards: int = 0
    interlaced: int = 0
    changes: list[tuple[int, str]] = field(default_factory=list)
    retagged: list[int] = field(default_factory=list)
    damage: list[tuple[int, str]] = field(default_factory=list)
    corrupt: int = 0


@dataclass
class BestEffort:
    """Which of a frame's two timestamps to believe: that of showing, unless it went wrong more often."""

    pts: int | None = None
    dts: int | None = None
    faulty_pts: int = 0
    faulty_dts: int = 0

    def of(self, pts: int | None, dts: int | None) -> int | None:
        """The timestamp of the next frame; ``dts`` is that of the packet that made the decoder give it."""
        if dts is not None:
            self.faulty_dts += self.dts is not None and dts <= self.dts
        if pts is not None:
            self.faulty_pts += self.pts is not None and pts <= self.pts
        self.dts = self.dts if dts is None and pts is None else pts if dts is None else dts
        self.pts = self.pts if dts is None and pts is None else dts if pts is None else pts
        believed = pts is not None and (self.faulty_pts <= self.faulty_dts or dts is None)
        return pts if believed else dts


def the_track(container: Any) -> Any | None:
    """The video that counts: with the default flag if any has it, the largest of these, then the first.

    A track that says it has a picture or two, beside one that has more, is a still of a phone's, not the film.
    """
    videos = [stream for stream in container.streams.video if not stream.disposition & _PICTURE]
    videos = [stream for stream in videos if not 0 < stream.frames <= 2] or videos
    flagged = [stream for stream in videos if stream.disposition & Disposition.default]
    return max(flagged or videos, key=_pixels, default=None)


def _pixels(stream: Any) -> int:
    coded = stream.codec_context  # there is none where PyAV has no decoder
    return int(coded.width * coded.height) if coded else 0


def _frames(container: Any, stream: Any, reading: Reading) -> Any:
    """Every frame that a decoder gives; an error ends a packet, not the file, as in a player."""
    shown = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError as error:
            reading.damage.append((shown, f"demuxing: {error.strerror}"))
            return
        try:
            decoded = packet.decode()
        except FFmpegError as error:
            if not isinstance(error, av.error.EOFError):
                reading.damage.append((shown, f"decoding: {error.strerror}"))
            continue
        shown += len(decoded)
        yield from decoded


def read(path: Path) -> Reading:
    """Opens a file and decodes the track that counts."""
    reading = Reading()
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            reading.container = container.format.name
            stream = the_track(container)
            reading.tracks = len([s for s in container.streams.video if not s.disposition & _PICTURE])
            if reading.container.split(",")[0] in _LISTS:
                reading.error = "a list of other files"
            elif stream is None:
                reading.error = "no video"
            elif stream.codec_context is None:
                reading.error = "no decoder"
            else:
                _decode(container, stream, reading)
    except FFmpegError as error:
        reading.error = f"{type(error).__name__}: {error.strerror}"
    return reading


def _decode(container: Any, stream: Any, reading: Reading) -> None:
    reading.codec, reading.track = stream.codec_context.name, stream.index
    stream.thread_type = "AUTO"
    rate = stream.guessed_rate or stream.average_rate
    reading.stated = float(rate) if rate else 0.0
    times: list[tuple[Fraction | None, Fraction]] = []
    clock = BestEffort()
    before: tuple[object, ...] | None = None
    tags_before: tuple[object, ...] | None = None
    for number, frame in enumerate(_frames(container, stream, reading)):
        ticks = clock.of(frame.pts, frame.dts)
        reading.timeless += frame.pts is None
        base = frame.time_base or stream.time_base
        times.append((None if ticks is None else ticks * base, Fraction(frame.duration or 0) * base))
        reading.interlaced += bool(frame.interlaced_frame)
        reading.corrupt += bool(frame.is_corrupt)
        turned = frame.rotation % 180 != 0
        size = (frame.height, frame.width) if turned else (frame.width, frame.height)
        full = frame.format.name.startswith("yuvj") or int(frame.color_range) == 2
        kind = (*size, frame.format.name.replace("yuvj", "yuv"), full, frame.rotation)
        tags = (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))
        if before is None:
            reading.size = size
        elif kind != before:
            names = ("size", "size", "pixel format", "range", "orientation")
            changed = dict.fromkeys(n for n, old, new in zip(names, before, kind, strict=True) if old != new)
            reading.changes.append((number, ", ".join(changed)))
        elif tags != tags_before:
            reading.retagged.append(number)
        before, tags_before = kind, tags
    if rate and not any(start is not None or lasts for start, lasts in times):
        times = [(None, 1 / Fraction(rate))] * len(times)  # a raw stream; the rate is all there is
    _time(times, reading, stream.time_base)


def _time(times: list[tuple[Fraction | None, Fraction]], reading: Reading, tick: Fraction | None) -> None:
    reading.frames = len(times)
    if not times:
        reading.error = reading.damage[0][1] if reading.damage else "no frames"
        return
    starts: list[Fraction] = []
    for start, _ in times:  # one without any timestamp follows the one before
        follows = starts[-1] + times[len(starts) - 1][1] if starts else Fraction(0)
        starts.append(follows if start is None else start)
    steps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    reading.backwards = sum(step <= 0 for step in steps)
    gap = median(steps) if steps else times[-1][1]
    last = times[-1][1] or gap  # where nothing is said of it, it lasts as long as most
    reading.last, reading.gap = float(last), float(gap)
    reading.span = float(starts[-1] + last - starts[0])
    if reading.container.split(",")[0] not in _STATE_DURATIONS:
        reading.also.append(float(starts[-1] + gap - starts[0]))
        if len(starts) == 1 and reading.stated:
            reading.also.append(1 / reading.stated)
    if len(starts) > 1:
        mean = (len(starts) - 1) / (starts[-1] - starts[0]) if starts[-1] != starts[0] else Fraction(0)
        reading.constant = bool(mean) and _fits(starts, mean, tick)
        stated = Fraction(reading.stated).limit_denominator(1001)
        if stated and 4 * stated * Fraction(tick or 0) < 1 and _fits(starts, stated, tick):
            reading.also.append(float(len(starts) / stated))


def _fits(starts: list[Fraction], rate: Fraction, tick: Fraction | None) -> bool:
    slack = Fraction(tick or 0) * Fraction(11, 10)
    return all(abs(at - starts[0] - n / rate) <= slack for n, at in enumerate(starts))


if __name__ == "__main__":
    print(json.dumps(asdict(read(Path(sys.argv[1])))))
