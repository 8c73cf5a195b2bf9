"""Opening a source: what it is, which frames are in use and when, its hash, and why it cannot be used."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg, pixel_formats
from vmaftune_frv2.media.frame_properties import CHANGED, find_change, steady_filter
from vmaftune_frv2.media.look import LOG_ARGV, FirstLook, look_at
from vmaftune_frv2.media.process import Completed, scratch_dir
from vmaftune_frv2.media.source import RawFormat, Source, Window
from vmaftune_frv2.media.timing import LIST_FRAMES, LIST_PACKETS, Stamps, read_stamps, read_timing
from vmaftune_frv2.media.trouble import cause, first_error

_HASH_CHUNK = 1 << 20
_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}
_TELL_INTERLACED = "select='if(ld(0)+eq(interlace_type,PROGRESSIVE),1,st(0,1)*print(n+1,16))'"
"""Passes every frame, and prints its number at the level of errors when the first interlaced one comes."""
_INTERLACED = re.compile(r"^\[Eval @ [^\]]+\] \[error\] (\d+)", re.MULTILINE)
_DEINTERLACE = "deinterlace it first, VMAF compares progressive frames"
_CUT_SHORT = re.compile(r"File ended prematurely|^\[in#0/(?!mpegts).*corrupt input packet", re.MULTILINE)
"""What is said when a file ends before its index does; in a transport stream it only means damage."""
_PLANAR = ("yuv4", "yuvj4", "gray", "gbrp")
_Y4M_FRAME = b"FRAME\n"
LEAST_SIDE = 18
"""libvmaf crashes on pictures of 16 rows or columns; tried with each even side up to 32, alone and together."""


def open_source(
    ffmpeg: FFmpeg,
    label: str,
    *,
    raw: RawFormat | None = None,
    sample_seconds: float = 0.0,
    hash_file: bool = True,
    trust_header: bool = False,
    track: int | None = None,
) -> Source:
    """Opens a file, lists the frames in use and hashes it.

    Args:
        ffmpeg: does the decoding.
        label: path of the file, as given.
        raw: format of a headerless file.
        sample_seconds: use only this many seconds around the middle; 0 uses everything.
        hash_file: whether to compute the sha256.
        trust_header: whether the middle may be where the container says, so that a window of a long file is
            opened without reading all of it; its duration is then an estimate. A header that is wrong is noticed
            by a window without frames.
        track: number of the video track; None takes the one with the default flag, else the one ffmpeg would.

    Raises:
        InputError: missing, unreadable, not video, interlaced, too small, of odd dimensions, or of frames that
            change on the way.
        UsageError: the raw format does not fit the file, or there is no such track.
    """
    path = Path(label)
    stat = _stat_of(path, label)
    look = look_at(ffmpeg, label, raw, track)
    _refuse_unusable(label, look)
    source = _unlisted(ffmpeg, label, raw, look, stat)
    if sample_seconds <= 0:
        source = open_window(ffmpeg, source, None)
    elif not (trust_header and look.lasts_s):
        source = _open_middle(ffmpeg, source, _packets_span(ffmpeg, source), sample_seconds)
    else:
        try:
            source = _open_middle(ffmpeg, source, look.lasts_s, sample_seconds)
        except NoFramesError:  # the container says that it lasts longer than its video does
            source = _open_middle(ffmpeg, source, _packets_span(ffmpeg, source), sample_seconds)
    return dataclasses.replace(source, sha256=sha256_file(path) if hash_file else None)


def _unlisted(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook, stat: os.stat_result) -> Source:
    """A source as its first frame shows it; its frames are still to be listed."""
    transfer, pix_fmt = _TRANSFERS.get(look.colour.get("color_trc", ""), ""), look.pix_fmt
    several = f"{label}: video track {look.track} is used of {len(look.tracks)}; --video-track takes another"
    return Source(
        path=Path(label).absolute(),
        label=label,
        sha256=None,
        width=look.width,
        height=look.height,
        pix_fmt=pix_fmt,
        depth=pixel_formats(ffmpeg)[pix_fmt].depth,
        full_range=pix_fmt.startswith("yuvj") or (look.colour.get("color_range") == "pc" and "yuv" in pix_fmt),
        framerate=look.stated_rate or Fraction(25),
        frames=0,
        duration_s=None,
        hdr_transfer=transfer,
        hdr_primaries=look.colour.get("color_primaries", "") if transfer else "",
        raw=raw,
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        track=look.track.number,
        origin_s=look.first_s,
        seekable=look.seekable,
        stated_rate=look.stated_rate,
        colour=look.colour,
        remarks=(several,) if len(look.tracks) > 1 else (),
    )


def _stat_of(path: Path, label: str) -> os.stat_result:
    if path.is_dir():
        raise InputError(f"{label}: this is a folder, not a video")
    if not path.is_file():
        raise InputError(f"{label}: no such file")
    stat = path.stat()
    if stat.st_size == 0:
        raise InputError(f"{label}: the file is empty")
    return stat


def _open_middle(ffmpeg: FFmpeg, source: Source, duration: float, seconds: float) -> Source:
    """The middle of a file; all of it where there is no more than that."""
    window = Window((duration - seconds) / 2, seconds) if seconds < duration else None
    source = open_window(ffmpeg, source, window)
    return source if window is None else dataclasses.replace(source, duration_s=duration)


class NoFramesError(InputError):
    """A file, or the window of it that was asked for, holds no frames."""


def check_unchanged(source: Source) -> None:
    """Checks that a source is still the file that was opened.

    Raises:
        InputError: it is gone or holds something else; scores against it would be wrong.
    """
    try:
        stat = source.path.stat()
    except OSError as error:
        raise InputError(f"{source.label}: the source has gone during the sweep ({error.strerror})") from error
    if (stat.st_size, stat.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
        return
    if source.sha256 is None or sha256_file(source.path) != source.sha256:
        raise InputError(
            f"{source.label}: the source changed during the sweep; start again with the file as it is"
        )


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_HASH_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def _refuse_unusable(label: str, look: FirstLook) -> None:
    width, height = look.width, look.height
    if look.interlaced:
        raise InputError(f"{label}: interlaced; {_DEINTERLACE}")
    if width % 2 or height % 2:
        raise InputError(
            f"{label}: {width}x{height} has an odd side, which 4:2:0 encoders cannot keep; crop or pad it"
        )
    if min(width, height) < LEAST_SIDE:
        raise InputError(f"{label}: {width}x{height} is too small; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}")


def _packets_span(ffmpeg: FFmpeg, source: Source) -> float:
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
    return list_frames(ffmpeg, dataclasses.replace(source, window=window)).source


@dataclass(frozen=True)
class Listing:
    """A source whose N frames in use were decoded one by one.

    Args:
        source: with what the frames' times say.
        times: [N] seconds of each, from the first frame of the file that is shown.
        printed: what filters printed meanwhile.
    """

    source: Source
    times: tuple[float, ...]
    printed: str


def list_frames(ffmpeg: FFmpeg, source: Source, watch: str = "null") -> Listing:
    """Decodes and lists the frames in use; see ``open_window``.

    Args:
        ffmpeg: decodes.
        source: how to open the file, and the window.
        watch: filters that look at the frames and print to ffmpeg's stdout.
    """
    window = source.window
    chain = f"{source.filters}{_TELL_INTERLACED},{watch}"
    argv = [*source.input_argv(), "-map", f"0:{source.stream}", "-vf", chain, *LIST_FRAMES]
    stamps, done = _listed(ffmpeg, source, argv)
    interlaced = _INTERLACED.search(done.stderr)
    if interlaced:
        raise InputError(f"{source.label}: interlaced from frame {int(interlaced[1]) - 1} on; {_DEINTERLACE}")
    if CHANGED in done.stderr and not source.steady_labels:
        remark = find_change(ffmpeg, source)
        if remark is not None:
            source = dataclasses.replace(
                source, steady_labels=steady_filter(source.colour), remarks=(*source.remarks, remark)
            )
    timing = read_timing(stamps, source.stated_rate)
    if window is None:
        _refuse_partial_frames(ffmpeg, source, timing.frames)
        source = dataclasses.replace(source, origin_s=float(timing.first), duration_s=float(timing.span))
    source = dataclasses.replace(
        source,
        frames=timing.frames,
        framerate=timing.rate,
        variable=timing.variable,
        on_ticks=timing.on_ticks,
    )
    times = tuple(source.since_first(float(pts * stamps.tick)) for pts in stamps.pts)
    return Listing(source, times, done.stdout)


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
        raise NoFramesError(f"{source.label}: no frames to encode")
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
    if size == 0 or len(header) + frames * step == source.size_bytes:
        return
    if source.raw is not None:
        raise UsageError(_partial_frames(source))
    raise InputError(f"{source.label}: the file was cut short after {frames} whole frames")


def _frame_bytes(ffmpeg: FFmpeg, source: Source) -> int:
    """Bytes of a frame whose planes follow each other, 0 of any other format."""
    known = pixel_formats(ffmpeg)[source.pix_fmt]
    if not source.pix_fmt.startswith(_PLANAR):
        return 0
    samples = known.bits_per_pixel / known.depth * source.width * source.height
    return round(samples) * (1 if known.depth <= 8 else 2)


def _partial_frames(source: Source) -> str:
    raw = source.raw
    assert raw is not None
    return (
        f"{source.label}: {source.size_bytes} bytes are not a whole number of {raw.width}x{raw.height}"
        f" {raw.pix_fmt} frames; check --width, --height and --pix-fmt, or the file was cut short"
    )


def muxed_frames(done: Completed) -> int:
    """Frames that the first output of an ffmpeg run with ``-progress pipe:1`` got."""
    counts = re.findall(r"^frame=(\d+)$", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts else 0
