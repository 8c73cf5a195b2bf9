"""Opening a source: what it is, which frames are in use and when, its hash, and why it cannot be used."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.contract.filters import NO_FILTERS, Filters
from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.ffmpeg import FFmpeg, pixel_formats
from vmaftune_frv2.media.filtering import filtered
from vmaftune_frv2.media.listing import DEINTERLACE, NoFramesError, open_window, packets_span
from vmaftune_frv2.media.look import FirstLook, look_at
from vmaftune_frv2.media.process import Completed
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.view import View, Window
from vmaftune_frv2.progress import step

_HASH_CHUNK = 1 << 20
_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}
STILL_FRAMES = 2
"""A track of no more frames, beside one of more, is a thumbnail or a motion photo's photo, whatever its flags."""
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
    filters: Filters = NO_FILTERS,
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
        filters: what is done to its frames before all else.

    Raises:
        InputError: missing, unreadable, not video, interlaced, too small, of odd dimensions, or of frames that
            change on the way.
        UsageError: the raw format does not fit the file, there is no such track, or filters cannot be or change
            the number of frames.
    """
    path = Path(label)
    stat = stat_video(path, label)
    part = _Part(sample_seconds, trust_header, filters)
    look = look_at(ffmpeg, label, raw, track)
    source = _open_track(ffmpeg, label, raw, look, part)
    if track is None and source.frames <= STILL_FRAMES:
        source = _open_film(ffmpeg, label, raw, look, part) or source
    return dataclasses.replace(
        source,
        sha256=sha256_file(path) if hash_file else None,
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        ctime_ns=stat.st_ctime_ns,
        inode=stat.st_ino,
    )


@dataclass(frozen=True)
class _Part:
    """What of a file is to be used: arguments of ``open_source``."""

    seconds: float
    trust_header: bool
    filters: Filters


def _open_track(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook, part: _Part) -> Source:
    """One video track of a file, its frames listed."""
    seen = filtered(ffmpeg, label, raw, look, part.filters)
    _refuse_unusable(label, seen.look)
    source = _unlisted(ffmpeg, label, raw, seen.look)
    if part.filters:
        source = dataclasses.replace(
            source,
            view=View(filters=seen.chain, reference_filters=seen.reference, filter_files=seen.files),
            stored=(look.width, look.height, look.pix_fmt),
            remarks=(*source.remarks, *seen.remarks),
        )
    lasts_s = min(look.lasts_s or 0.0, part.seconds or math.inf)
    with step("reading", round(lasts_s * float(source.framerate)) or None):
        return _open_part(ffmpeg, source, look, part)


def _open_part(ffmpeg: FFmpeg, source: Source, look: FirstLook, part: _Part) -> Source:
    if part.seconds <= 0:
        return open_window(ffmpeg, source, None)
    if part.trust_header and look.lasts_s:
        try:
            return _open_middle(ffmpeg, source, look.lasts_s, part.seconds)
        except NoFramesError:
            pass  # the container says that it lasts longer than its video does
    return _open_middle(ffmpeg, source, packets_span(ffmpeg, source), part.seconds)


def _open_film(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, still: FirstLook, part: _Part) -> Source | None:
    """Another track than that of a still picture, as motion photos have one; None where there is none."""
    others = [track for track in still.tracks if track != still.track]
    for track in sorted(others, key=lambda track: not track.is_default):
        try:
            source = _open_track(ffmpeg, label, raw, look_at(ffmpeg, label, raw, track.number), part)
        except InputError:
            continue
        if source.frames > STILL_FRAMES:
            return source
    return None


def _unlisted(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, look: FirstLook) -> Source:
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
        track=look.track.number,
        origin_s=look.first_s,
        seekable=look.seekable,
        stated_rate=look.stated_rate,
        colour=look.colour,
        remarks=(several,) if len(look.tracks) > 1 else (),
    )


def stat_video(path: Path, label: str) -> os.stat_result:
    """The state of a file that can be opened.

    Raises:
        InputError: it is not there, no file, or empty.
    """
    # os.path takes a name that is too long for one that is not there.
    if os.path.isdir(path):
        raise InputError(f"{label}: this is a folder, not a video")
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{label}: this is no file on disk; videos are read more than once")
    if not os.path.isfile(path):
        raise InputError(f"{label}: no such file")
    stat = path.stat()
    if stat.st_size == 0:
        raise InputError(f"{label}: the file is empty")
    return stat


def _open_middle(ffmpeg: FFmpeg, source: Source, duration: float, seconds: float) -> Source:
    """The middle of a file; all of it where there is no more than that."""
    window = Window((duration - seconds) / 2, seconds, middle=True) if seconds < duration else None
    source = open_window(ffmpeg, source, window)
    return source if window is None else dataclasses.replace(source, duration_s=duration)


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
        with path.open("rb") as stream, step("hashing", path.stat().st_size, "bytes") as hashed:
            while chunk := stream.read(_HASH_CHUNK):
                digest.update(chunk)
                hashed.add(len(chunk))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def _refuse_unusable(label: str, look: FirstLook) -> None:
    width, height = look.width, look.height
    if look.interlaced:
        raise InputError(f"{label}: interlaced; {DEINTERLACE}")
    if width % 2 or height % 2:
        raise InputError(
            f"{label}: {width}x{height} has an odd side, which 4:2:0 encoders cannot keep; crop or pad it"
        )
    if min(width, height) < LEAST_SIDE:
        raise InputError(f"{label}: {width}x{height} is too small; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}")


def muxed_frames(done: Completed) -> int:
    """Frames that the first output of an ffmpeg run with ``-progress pipe:1`` got."""
    counts = re.findall(r"^frame=(\d+)$", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts else 0
