"""Opening a source: what it is, how many frames are in use, its hash, and why it cannot be used."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import PROBE_TIMEOUT_S, FFmpeg, bit_depths
from vmaftune_frv2.media.process import Completed
from vmaftune_frv2.media.source import RawFormat, Source, Window, input_argv, window_filter

_HASH_CHUNK = 1 << 20
_TEXT_DEMUXERS = ("tty", "srt", "ass", "webvtt")
_INEXACT_SEEK = ("mpegts", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "obu")
"""Demuxers in which a seek lands on another frame than the one asked for."""
_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}
_TELL_INTERLACED = "select='if(ld(0)+eq(interlace_type,PROGRESSIVE),1,st(0,1)*print(n+1,16))'"
"""Passes every frame, and prints a line at the level of errors when the first interlaced one comes."""
_INTERLACED_LATER = re.compile(r"^\[Eval @ ", re.MULTILINE)
_DEINTERLACE = "deinterlace it first, VMAF compares progressive frames"
_CUT_SHORT = "File ended prematurely"
"""What the Matroska demuxer says, and then ends as if nothing were wrong."""
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
) -> Source:
    """Probes a file, counts the frames in use and hashes it.

    Args:
        ffmpeg: does the decoding.
        label: path of the file, as given.
        raw: format of a headerless file.
        sample_seconds: use only this many seconds around the middle; 0 uses everything.
        hash_file: whether to compute the sha256.
        trust_header: whether the middle may be where the container says, so that a window of a long file is
            opened without reading all of it. A header that is wrong is noticed by a window without frames.

    Raises:
        InputError: missing, unreadable, not video, interlaced, too small, or of odd dimensions.
        UsageError: the raw format does not fit the file.
    """
    path = Path(label)
    stat = _stat_of(path, label)
    probed = _probe(ffmpeg, label, raw)
    window, duration, frames = None, None, 0
    if sample_seconds > 0 and trust_header and probed.stated_s:
        duration = probed.stated_s
        window = _middle(duration, sample_seconds, probed.seekable)
        frames = _frames_if_any(ffmpeg, label, raw, window, probed.framerate)
    if sample_seconds > 0 and not frames:
        duration = float(_count_packets(ffmpeg, label, raw) / probed.framerate)
        window = _middle(duration, sample_seconds, probed.seekable)
    frames = frames or count_frames(ffmpeg, label, raw, window, probed.framerate)
    return Source(
        path=path.absolute(),
        label=label,
        sha256=sha256_file(path) if hash_file else None,
        width=probed.width,
        height=probed.height,
        pix_fmt=probed.pix_fmt,
        depth=probed.depth,
        full_range=probed.full_range,
        framerate=probed.framerate,
        frames=frames,
        duration_s=float(frames / probed.framerate) if window is None else duration,
        hdr_transfer=probed.hdr_transfer,
        hdr_primaries=probed.hdr_primaries,
        raw=raw,
        window=window,
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
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


def _middle(duration: float, seconds: float, seekable: bool) -> Window | None:
    """The middle of a file; None where there is no more than that."""
    return Window((duration - seconds) / 2, seconds, seekable) if seconds < duration else None


def _frames_if_any(
    ffmpeg: FFmpeg, label: str, raw: RawFormat | None, window: Window | None, framerate: Fraction
) -> int:
    """Frames of a window, 0 where the file has none there."""
    try:
        return count_frames(ffmpeg, label, raw, window, framerate)
    except NoFramesError:
        return 0


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


@dataclass(frozen=True)
class _Probed:
    width: int
    height: int
    pix_fmt: str
    depth: int
    full_range: bool
    framerate: Fraction
    seekable: bool
    hdr_transfer: str
    hdr_primaries: str
    stated_s: float | None


def _probe(ffmpeg: FFmpeg, label: str, raw: RawFormat | None) -> _Probed:
    """Decodes one frame; what showinfo says of it is what the filters see, rotation included."""
    done = ffmpeg.run(
        [
            "-hide_banner", "-nostdin", "-v", "info", *input_argv(Path(label), raw),
            "-map", "0:V:0", "-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-",
        ],
        timeout=PROBE_TIMEOUT_S,
    )  # fmt: skip
    log = done.stderr
    demuxer = re.search(r"^Input #0, (\S+), from", log, re.MULTILINE)
    names = demuxer.group(1).split(",") if demuxer else []
    if set(names) & set(_TEXT_DEMUXERS):
        raise InputError(f"{label}: this is text, not video")
    frame = re.search(r" n: *0 .*? fmt:(\S+) .*? s:(\d+)x(\d+) i:(\S)", log)
    rate = re.search(r"config in time_base: \S+ frame_rate: (\d+)/(\d+)", log)
    if not done.ok or frame is None or rate is None:
        if raw is not None:
            raise UsageError(
                f"{label}: shorter than one {raw.width}x{raw.height} {raw.pix_fmt} frame,"
                " or there is no such pixel format"
            )
        if re.search(r"matches no streams", log):
            raise InputError(f"{label}: there is no video in it")
        raise InputError(f"{label}: ffmpeg finds no video in it ({_last_line(log)})")
    if int(rate.group(1)) == 0:
        raise InputError(f"{label}: the file does not say its frame rate")
    pix_fmt, width, height = frame[1], int(frame[2]), int(frame[3])
    _refuse_unusable(label, width, height, interlacing=frame[4])
    colour = dict(re.findall(r"(color_range|color_trc|color_primaries):(\S+)", log))
    transfer = _TRANSFERS.get(colour.get("color_trc", ""), "")
    return _Probed(
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        depth=bit_depths(ffmpeg)[pix_fmt],
        full_range=pix_fmt.startswith("yuvj") or (colour.get("color_range") == "pc" and "yuv" in pix_fmt),
        framerate=Fraction(int(rate[1]), int(rate[2])),
        seekable=not set(names) & set(_INEXACT_SEEK),
        hdr_transfer=transfer,
        hdr_primaries=colour.get("color_primaries", "") if transfer else "",
        stated_s=_stated_seconds(log),
    )


def _stated_seconds(log: str) -> float | None:
    """How long the container says it lasts, None where it does not."""
    found = re.search(r"^  Duration: (\d+):(\d+):(\d+\.\d+)", log, re.MULTILINE)
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _refuse_unusable(label: str, width: int, height: int, interlacing: str) -> None:
    if interlacing in "TB":
        raise InputError(f"{label}: interlaced; {_DEINTERLACE}")
    if width % 2 or height % 2:
        raise InputError(
            f"{label}: {width}x{height} has an odd side, which 4:2:0 encoders cannot keep; crop or pad it"
        )
    if min(width, height) < LEAST_SIDE:
        raise InputError(f"{label}: {width}x{height} is too small; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}")


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return re.sub(r"^\[[^\]]+\] *", "", lines[-1]) if lines else "no message"


def _count_packets(ffmpeg: FFmpeg, label: str, raw: RawFormat | None) -> int:
    """Frames of the whole file, without decoding; headers that state a duration disagree on what it counts."""
    return _counted(
        ffmpeg, label, raw, [*input_argv(Path(label), raw), "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]
    )


def count_frames(
    ffmpeg: FFmpeg, label: str, raw: RawFormat | None, window: Window | None, framerate: Fraction
) -> int:
    """Frames of a file or of a window of it, by decoding them.

    Raises:
        NoFramesError: there are none.
        InputError: it cannot be decoded to its end, or is interlaced in part.
        UsageError: the raw format does not fit the file.
    """
    chain = f"{window_filter(window, framerate)}{_TELL_INTERLACED},settb=AVTB,setpts=N"
    argv = [*input_argv(Path(label), raw, window), "-map", "0:V:0", "-vf", chain]
    return _counted(ffmpeg, label, raw, [*argv, "-fps_mode", "passthrough", "-f", "null", "-"])


def _counted(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, argv: list[str]) -> int:
    done = ffmpeg.run(["-hide_banner", "-nostdin", "-v", "error", "-xerror", "-progress", "pipe:1", *argv])
    if not done.ok and raw is not None:
        size = Path(label).stat().st_size
        raise UsageError(
            f"{label}: {size} bytes are no whole number of {raw.width}x{raw.height} {raw.pix_fmt} frames;"
            " check --width, --height and --pix-fmt"
        )
    if not done.ok:
        raise InputError(f"{label}: cannot be decoded to its end ({_last_line(done.stderr)})")
    if _CUT_SHORT in done.stderr:
        raise InputError(f"{label}: the file was cut short; remux it if what is left is what you want")
    if _INTERLACED_LATER.search(done.stderr):
        raise InputError(f"{label}: interlaced in part; {_DEINTERLACE}")
    frames = muxed_frames(done)
    if frames == 0:
        raise NoFramesError(f"{label}: no frames to encode")
    return frames


def muxed_frames(done: Completed) -> int:
    """Frames that the first output of an ffmpeg run with ``-progress pipe:1`` got."""
    counts = re.findall(r"^frame=(\d+)$", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts else 0
