"""The frames in use of a source, one by one: when each is shown, and why they cannot be used."""

from __future__ import annotations

import dataclasses
import re
from array import array
from bisect import bisect_left
from dataclasses import dataclass

from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import COUNT_FRAMES, FFmpeg, pixel_formats
from vmaftune_frv2.media.frame_properties import CHANGED, find_change, steady_filter
from vmaftune_frv2.media.look import LOG_ARGV
from vmaftune_frv2.media.process import Completed, scratch_dir
from vmaftune_frv2.media.source import EARLY_S, Source, Surroundings
from vmaftune_frv2.media.timing import LIST_FRAMES, LIST_PACKETS, Stamps, Timing, read_stamps, read_timing
from vmaftune_frv2.media.trouble import cause, first_error
from vmaftune_frv2.media.view import Window

_TELL_INTERLACED = "select='if(ld(0)+eq(interlace_type,PROGRESSIVE),1,st(0,1)*print(n+1,16))'"
"""Passes every frame, and prints its number at the level of errors when the first interlaced one comes."""
_INTERLACED = re.compile(r"^\[Eval @ [^\]]+\] \[error\] (\d+)", re.MULTILINE)
_CUT_SHORT = re.compile(r"File ended prematurely|^\[in#0/(?!mpegts).*corrupt input packet", re.MULTILINE)
"""ffmpeg's message when a file ends before its index does; in a transport stream it only means damage."""
NO_WATCH = "null"
AFTER_S = 0.5
"""Seconds beyond a window in which the frame after it is looked for."""
_PLANAR = ("yuv4", "yuvj4", "gray", "gbrp")
_Y4M_FRAME = b"FRAME\n"
DEINTERLACE = "deinterlace it (--vfilter yadif), VMAF compares progressive frames"


class NoFramesError(InputError):
    """A file, or the window of it that was asked for, holds no frames."""


def packets_span(ffmpeg: FFmpeg, source: Source) -> float:
    """Seconds of the whole file by its packets, without decoding; headers disagree on what a duration counts."""
    argv = [*source.input_argv(), "-map", f"0:{source.stream}", *LIST_PACKETS]
    stamps, _ = _listed(ffmpeg, source, argv, decoded=False)
    return float(read_timing(stamps, source.stated_rate).span)


def open_window(ffmpeg: FFmpeg, source: Source, window: Window | None) -> Source:
    """A source with another window of its file in use, whose frames are decoded and listed.

    Args:
        ffmpeg: decodes.
        source: how to open the file.
        window: the part to use, None for all of it.

    Raises:
        NoFramesError: there are none.
        InputError: it cannot be decoded to its end, is interlaced in part, or changes on the way.
        UsageError: the raw format does not fit the file.
    """
    if window is None:
        return list_frames(ffmpeg, source.through(None)).source
    # How long the last frame lasts is known from the one after it.
    beyond = max(AFTER_S, float(2 / source.framerate))
    return dataclasses.replace(open_surrounded(ffmpeg, source, window, beyond), surroundings=None)


@dataclass(frozen=True)
class Listing:
    """A source whose N frames in use were decoded one by one.

    Args:
        source: with what the frames' times say.
        times: [N] seconds of each, from the first frame of the file that is shown.
        stamps: the timestamps that they follow from.
        printed: what filters printed meanwhile.
    """

    source: Source
    times: tuple[float, ...]
    stamps: Stamps
    printed: str


def list_frames(ffmpeg: FFmpeg, source: Source, watch: str = NO_WATCH) -> Listing:
    """Decodes and lists the frames in use; see ``open_window``.

    Args:
        ffmpeg: decodes.
        source: how to open the file, and the window.
        watch: filters that look at the frames and print to ffmpeg's stdout.
    """
    window = source.window
    chain = f"{source.filters}{_TELL_INTERLACED},{watch}"
    # What filters print there counts frames, too, and must not be torn.
    counted = COUNT_FRAMES if watch == NO_WATCH else ()
    argv = [*counted, *source.input_argv(), "-map", f"0:{source.stream}", "-vf", chain, *LIST_FRAMES]
    stamps, done = _listed(ffmpeg, source, argv)
    if source.view.filters or source.view.reference_filters:
        _refuse_changed_count(ffmpeg, source, len(stamps.pts))
    interlaced = _INTERLACED.search(done.stderr)
    if interlaced:
        raise InputError(f"{source.label}: interlaced from frame {int(interlaced[1]) - 1} on; {DEINTERLACE}")
    if CHANGED in done.stderr and not source.steady_labels:
        remark = find_change(ffmpeg, source)
        if remark is not None:
            source = dataclasses.replace(
                source, steady_labels=steady_filter(source.colour), remarks=(*source.remarks, remark)
            )
    timing = read_timing(stamps, source.stated_rate)
    source = dataclasses.replace(source, listed=True)
    if window is None:
        _refuse_partial_frames(ffmpeg, source, timing.frames)
        source = dataclasses.replace(source, origin_s=float(timing.first), duration_s=float(timing.span))
    source = _timed(source, timing)
    times = tuple(source.since_first(float(pts * stamps.tick)) for pts in stamps.pts)
    return Listing(source, times, stamps, done.stdout)


def _refuse_changed_count(ffmpeg: FFmpeg, source: Source, filtered: int) -> None:
    """Refuses filters that add or drop frames, of which an encode could not be compared with its source.

    Args:
        ffmpeg: decodes.
        source: the frames in use.
        filtered: how many the filters of encodes let through.
    """
    legs = [("--vfilter", source.view.filters, source.unfiltered + "null")]
    if source.view.reference_filters is not None:
        legs.append(("--reference-vfilter", source.view.reference_filters, source.reference_filters + "null"))
    for spelled, filters, chain in legs:
        argv = [*source.input_argv(), "-map", f"0:{source.stream}", "-vf", chain, *LIST_FRAMES]
        stamps, _ = _listed(ffmpeg, source, argv)
        frames = len(stamps.pts)
        if frames != filtered:
            before, after = (frames, filtered) if spelled == "--vfilter" else (filtered, frames)
            raise UsageError(
                f"{source.label}: {spelled} {filters} makes {after} frames of {before}; leave out what adds or"
                " drops frames (deinterlacers keep them with mode=send_frame), scores compare frame by frame"
            )


def open_surrounded(ffmpeg: FFmpeg, source: Source, window: Window, margin_s: float) -> Source:
    """As ``open_window``, and the frames round the window are known besides.

    Args:
        ffmpeg: decodes.
        source: how to open the file.
        window: the part to use.
        margin_s: seconds before it and after it.

    Raises:
        NoFramesError: there are none in the window.
        InputError: as ``open_window``.
    """
    start = max(window.start - margin_s, 0.0)
    stretch = Window(start, window.start + window.seconds + margin_s - start)
    listing = list_frames(ffmpeg, source.through(stretch))
    begin, end = window.start - EARLY_S, window.start + window.seconds - EARLY_S
    first, last = bisect_left(listing.times, begin), bisect_left(listing.times, end)
    if first == last:
        raise NoFramesError(f"{source.label}: its window of {window.seconds:g} s shows no frame")
    stamps = listing.stamps
    durations = array("q", stamps.durations[first:last])
    if last < len(stamps.pts):  # known, where a container only guesses
        durations[-1] = stamps.pts[last] - stamps.pts[last - 1]
    timing = read_timing(Stamps(stamps.tick, stamps.pts[first:last], durations), source.stated_rate)
    lasts = listing.times[0] + listing.source.encoded_seconds
    surroundings = Surroundings((*listing.times, lasts), first)
    return dataclasses.replace(_timed(listing.source, timing).through(window), surroundings=surroundings)


def _timed(source: Source, timing: Timing) -> Source:
    """A source whose frames in use are shown so."""
    return dataclasses.replace(
        source,
        frames=timing.frames,
        framerate=timing.rate,
        variable=timing.variable,
        on_ticks=timing.on_ticks,
    )


def _listed(ffmpeg: FFmpeg, source: Source, argv: list[str], *, decoded: bool = True) -> tuple[Stamps, Completed]:
    """Timestamps of what ``argv`` lists, and the run that listed them."""
    with scratch_dir(None, "frames-") as folder:
        listing = folder / "frames"
        done = ffmpeg.run([*LOG_ARGV, "-xerror", *argv, listing.name], cwd=folder)
        stamps = None
        if listing.is_file():
            with listing.open(encoding="ascii", errors="replace") as lines:
                stamps = read_stamps(lines, decoded=decoded)
    _refuse_failed(source, done, stamps)
    if stamps is None:
        seconds = source.window.seconds if source.window else None
        where = "no frames to encode" if seconds is None else f"its window of {seconds:g} s shows no frame"
        raise NoFramesError(f"{source.label}: {where}")
    return stamps, done


def _refuse_failed(source: Source, done: Completed, stamps: Stamps | None) -> None:
    """Refuses a file that was not read to its end."""
    raw = source.raw
    if not done.ok and raw is not None:
        raise UsageError(_partial_frames(source))
    reached = "" if stamps is None else f" at {float(max(stamps.pts) * stamps.tick) - source.origin_s:.1f} s"
    if _CUT_SHORT.search(done.stderr):
        where = f"{source.label}: the file was cut short{reached}"
        raise InputError(f"{where}; remux it if what is left is what you want")
    if not done.ok and stamps is None and source.window is None:
        raise InputError(f"{source.label}: {cause(done.stderr, source.path)}")
    if not done.ok:
        words = first_error(done.stderr)
        raise InputError(f"{source.label}: damaged{reached}, cannot be decoded to its end ({words})")


def _refuse_partial_frames(ffmpeg: FFmpeg, source: Source, frames: int) -> None:
    """Refuses raw frames of which the last is not all there; ffmpeg drops it without a word."""
    with source.path.open("rb") as stream:
        header = stream.readline(256) if source.raw is None else b""
        plain = source.raw is not None or (header.startswith(b"YUV4MPEG2") and stream.read(6) == _Y4M_FRAME)
    if not plain:
        return
    size = _frame_bytes(ffmpeg, source)
    step = size + (len(_Y4M_FRAME) if header else 0)
    if size == 0 or len(header) + frames * step == source.path.stat().st_size:
        return
    if source.raw is not None:
        raise UsageError(_partial_frames(source))
    raise InputError(f"{source.label}: the file was cut short after {frames} whole frames")


def _frame_bytes(ffmpeg: FFmpeg, source: Source) -> int:
    """Bytes of a frame whose planes follow each other, 0 of any other format."""
    width, height, pix_fmt = source.stored or (source.width, source.height, source.pix_fmt)
    known = pixel_formats(ffmpeg)[pix_fmt]
    if not pix_fmt.startswith(_PLANAR):
        return 0
    samples = known.bits_per_pixel / known.depth * width * height
    return round(samples) * (1 if known.depth <= 8 else 2)


def _partial_frames(source: Source) -> str:
    raw = source.raw
    assert raw is not None
    return (
        f"{source.label}: {source.path.stat().st_size} bytes are not a whole number of {raw.width}x{raw.height}"
        f" {raw.pix_fmt} frames; check --width, --height and --pix-fmt, or the file was cut short"
    )
