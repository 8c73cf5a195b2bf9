"""A source video: what it is, and the window of it that is encoded and scored."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import PROBE_TIMEOUT_S, FFmpeg, file_url
from vmaftune_frv2.media.process import Completed

_HASH_CHUNK = 1 << 20
_TEXT_DEMUXERS = ("tty", "srt", "ass", "webvtt")
_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}
_DEPTH = re.compile(r"p(\d+)(le|be)$")


@dataclass(frozen=True)
class RawFormat:
    """How to read a headerless YUV file."""

    width: int
    height: int
    pix_fmt: str
    framerate: Fraction


@dataclass(frozen=True)
class Window:
    """The part of a source that is used: ``seconds`` from ``start`` on."""

    start: float
    seconds: float


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
        framerate: average frames per second.
        frames: frames in the window (or in the whole file).
        duration_s: seconds of the whole file, None when the container does not say.
        hdr_transfer: ``pq``, ``hlg`` or ``""`` (SDR).
        hdr_primaries: colour primaries of an HDR source, else ``""``.
        raw: how to read it, for a headerless file.
        window: the part that is used, None for all of it.
    """

    path: Path
    label: str
    sha256: str | None
    width: int
    height: int
    pix_fmt: str
    framerate: Fraction
    frames: int
    duration_s: float | None
    hdr_transfer: str = ""
    hdr_primaries: str = ""
    raw: RawFormat | None = None
    window: Window | None = None

    @property
    def encoded_seconds(self) -> float:
        """Seconds that the frames in use last."""
        return float(self.frames / self.framerate)

    @property
    def clip_mode(self) -> str:
        """``full`` or ``sample_<N>s``."""
        return "full" if self.window is None else f"sample_{self.window.seconds:g}s"

    @property
    def depth(self) -> int:
        """Bits per sample."""
        return pix_fmt_depth(self.pix_fmt)

    def input_argv(self) -> list[str]:
        """Ffmpeg arguments that open this source."""
        return input_argv(self.path, self.raw, self.window)


def pix_fmt_depth(pix_fmt: str) -> int:
    """Bits per sample of a planar pixel format by its name."""
    found = _DEPTH.search(pix_fmt)
    return int(found.group(1)) if found else 8


def input_argv(path: Path, raw: RawFormat | None = None, window: Window | None = None) -> list[str]:
    """Ffmpeg arguments that open a file, or a part of it."""
    argv: list[str] = []
    if window is not None:
        argv += ["-ss", f"{window.start:.6f}", "-t", f"{window.seconds:.6f}"]
    if raw is not None:
        argv += ["-f", "rawvideo", "-pixel_format", raw.pix_fmt, "-video_size", f"{raw.width}x{raw.height}"]
        argv += ["-framerate", str(raw.framerate)]
    return [*argv, "-i", file_url(path)]


def open_source(
    ffmpeg: FFmpeg,
    label: str,
    *,
    raw: RawFormat | None = None,
    sample_seconds: float = 0.0,
    hash_file: bool = True,
) -> Source:
    """Probes a file, counts the frames in use and hashes it.

    Args:
        ffmpeg: does the decoding.
        label: path of the file, as given.
        raw: format of a headerless file.
        sample_seconds: use only this many seconds around the middle; 0 uses everything.
        hash_file: whether to compute the sha256.

    Raises:
        InputError: missing, unreadable, not video, interlaced, or of odd dimensions.
        UsageError: the raw format does not fit the file.
    """
    path = Path(label)
    if not path.is_file():
        raise InputError(f"{label}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{label}: the file is empty")
    probed = _probe(ffmpeg, label, raw)
    window = _centre_window(sample_seconds, probed.duration_s)
    frames = _count_frames(ffmpeg, label, raw, window)
    if window is None:
        probed_duration: float | None = float(frames / probed.framerate)
    else:
        probed_duration = probed.duration_s
    return Source(
        path=path,
        label=label,
        sha256=sha256_file(path) if hash_file else None,
        width=probed.width,
        height=probed.height,
        pix_fmt=probed.pix_fmt,
        framerate=probed.framerate,
        frames=frames,
        duration_s=probed_duration,
        hdr_transfer=probed.hdr_transfer,
        hdr_primaries=probed.hdr_primaries,
        raw=raw,
        window=window,
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
    framerate: Fraction
    duration_s: float | None
    hdr_transfer: str
    hdr_primaries: str


def _probe(ffmpeg: FFmpeg, label: str, raw: RawFormat | None) -> _Probed:
    """Decodes one frame; what showinfo says of it is what the filters see, rotation included."""
    done = ffmpeg.run(
        [
            "-hide_banner", "-nostdin", "-v", "info", *input_argv(Path(label), raw),
            "-map", "0:v:0", "-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-",
        ],
        timeout=PROBE_TIMEOUT_S,
    )  # fmt: skip
    log = done.stderr
    demuxer = re.search(r"^Input #0, (\S+), from", log, re.MULTILINE)
    frame = re.search(r" n: *0 .*? fmt:(\S+) .*? s:(\d+)x(\d+) i:(\S)", log)
    rate = re.search(r"config in time_base: \S+ frame_rate: (\d+)/(\d+)", log)
    if demuxer and demuxer.group(1) in _TEXT_DEMUXERS:
        raise InputError(f"{label}: this is text, not video")
    if not done.ok or frame is None or rate is None:
        if raw is not None:
            raise UsageError(
                f"{label}: shorter than one {raw.width}x{raw.height} {raw.pix_fmt} frame, or no such pixel format"
            )
        raise InputError(f"{label}: ffmpeg finds no video in it ({_last_line(log)})")
    if int(rate.group(1)) == 0:
        raise InputError(f"{label}: the file does not say its frame rate")
    pix_fmt, width, height, interlacing = frame[1], int(frame[2]), int(frame[3]), frame[4]
    if interlacing in "TB":
        raise InputError(f"{label}: interlaced; deinterlace it first, VMAF compares progressive frames")
    if width % 2 or height % 2:
        raise InputError(
            f"{label}: {width}x{height} has an odd side, which 4:2:0 encoders cannot keep; crop or pad it"
        )
    colour = dict(re.findall(r"(color_trc|color_primaries):(\S+)", log))
    transfer = _TRANSFERS.get(colour.get("color_trc", ""), "")
    return _Probed(
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        framerate=Fraction(int(rate[1]), int(rate[2])),
        duration_s=_duration(log),
        hdr_transfer=transfer,
        hdr_primaries=colour.get("color_primaries", "") if transfer else "",
    )


def _duration(log: str) -> float | None:
    found = re.search(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", log)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return re.sub(r"^\[[^\]]+\] *", "", lines[-1]) if lines else "no message"


def _centre_window(seconds: float, duration: float | None) -> Window | None:
    if seconds <= 0 or duration is None or seconds >= duration:
        return None
    return Window(start=(duration - seconds) / 2, seconds=seconds)


def _count_frames(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, window: Window | None) -> int:
    done = ffmpeg.run(
        [
            "-hide_banner", "-nostdin", "-v", "error", "-xerror", "-progress", "pipe:1",
            *input_argv(Path(label), raw, window),
            "-map", "0:v:0", "-vf", "settb=AVTB,setpts=N", "-fps_mode", "passthrough", "-f", "null", "-",
        ]
    )  # fmt: skip
    if not done.ok:
        raise InputError(f"{label}: cannot be decoded to its end ({_last_line(done.stderr)})")
    frames = muxed_frames(done)
    if frames == 0:
        raise InputError(f"{label}: no frames to encode")
    return frames


def muxed_frames(done: Completed) -> int:
    """Frames that an ffmpeg run with ``-progress pipe:1`` wrote."""
    counts = re.findall(r"^frame=(\d+)$", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts else 0
