"""One encode: pick the pixel format, build the argv, run it, count the frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoder_settings import joined
from vmaftune_frv2.errors import InputError, ToolError
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg, file_url
from vmaftune_frv2.media.opening import muxed_frames
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.progress import step

_PACKET = "{pts} {size} {key}"
_DEPTH = re.compile(r"p(\d+)le$")


@dataclass(frozen=True)
class FrameSizes:
    """What each of N frames of an encode takes, in the order in which they are shown.

    Args:
        sizes: [N] bytes of its packet.
        keyframes: numbers of those that are keyframes.
    """

    sizes: tuple[int, ...]
    keyframes: tuple[int, ...]


@dataclass(frozen=True)
class Encoded:
    """A finished encode.

    Args:
        path: the file.
        pix_fmt: of its frames.
        size_bytes: of the file.
        seconds: wall time.
        frame_sizes: frame by frame, where the source has margins.
    """

    path: Path
    pix_fmt: str
    size_bytes: int
    seconds: float
    frame_sizes: FrameSizes | None = None


def encode_pix_fmt(encoder: Encoder, source: Source) -> str:
    """The pixel format a source is encoded in: its own, else one at least as deep.

    Depth is never narrowed. Chroma may be: libvmaf's features see luma only.

    Raises:
        InputError: the encoder takes nothing that deep.
    """
    wanted = source.pix_fmt.replace("yuvj", "yuv")
    if wanted in encoder.pix_fmts:
        return wanted
    fitting = [fmt for fmt in encoder.pix_fmts if _depth(fmt) >= source.depth]
    if not fitting:
        raise InputError(f"{encoder.name} takes no {source.depth}-bit video; {source.label} is {source.pix_fmt}")
    chroma = wanted.split("p", 1)[0]
    return min(fitting, key=lambda fmt: (_depth(fmt), not fmt.startswith(f"{chroma}p")))


def _depth(pix_fmt: str) -> int:
    """Bits per sample of a planar YUV format, by its name."""
    found = _DEPTH.search(pix_fmt)
    return int(found.group(1)) if found else 8


def encode_argv(
    source: Source, encoder: Encoder, cell: Cell, output: Path, *, threads: int = 1, extra: Sequence[str] = ()
) -> list[str]:
    """ffmpeg arguments that encode every frame of a source once, in order, and count them on stdout."""
    return [*QUIET, "-progress", "pipe:1", *work_argv(source, encoder, cell, output, threads=threads, extra=extra)]


def work_argv(
    source: Source, encoder: Encoder, cell: Cell, output: Path, *, threads: int = 1, extra: Sequence[str] = ()
) -> list[str]:
    """The part of ``encode_argv`` that says what is encoded and how: every frame once, and when it is shown."""
    return [
        *encoder.device, *source.input_argv(),
        "-map", f"0:{source.stream}", "-map_metadata", "-1", "-map_chapters", "-1",
        *video_argv(source, encoder, cell, threads=threads, extra=extra), file_url(output),
    ]  # fmt: skip


def video_argv(
    source: Source, encoder: Encoder, cell: Cell, *, threads: int = 1, extra: Sequence[str] = ()
) -> list[str]:
    """What ``work_argv`` says of the video: filters, times, pixel format and codec.

    Where the encoder has a device, its arguments stand before the input.
    """
    told = extra[list(extra).index("-pix_fmt") + 1] if "-pix_fmt" in extra else None
    filters, handed = encoder.handed_over(told or encode_pix_fmt(encoder, source))
    if told is not None and (encoder.device or encoder.input_formats):
        at = list(extra).index("-pix_fmt")
        extra = [*extra[:at], *extra[at + 2 :]]
    return [
        "-vf", f"{source.filters}{source.label_filters}{timing_filter(source, encoder)}{filters}",
        *_clock(source, encoder),
        *(() if "-pix_fmt" in extra else handed),
        *joined([*encoder.codec_argv(cell.preset, cell.crf, threads), *extra]),
    ]  # fmt: skip


def keeps_times(source: Source, encoder: Encoder) -> bool:
    """Whether an encode shows the frames at their own times: uneven ones, and those that nobody has listed."""
    return (source.variable or not source.listed) and encoder.uneven_times


def timing_filter(source: Source, encoder: Encoder) -> str:
    """The filter that says when each frame is shown.

    Rate control listens to it. Uneven times are kept; even ones are rid of their rounding, and of a stated rate
    that is not theirs.
    """
    if keeps_times(source, encoder):
        return "setpts=PTS-STARTPTS"
    if not source.listed:
        return f"setpts=PTS-STARTPTS,fps={source.framerate}"
    rate = f"{source.framerate.numerator}/{source.framerate.denominator}"
    if source.framerate == source.stated_rate:
        return f"setpts=N/({rate}*TB)"
    return f"settb={source.framerate.denominator}/{source.framerate.numerator},setpts=N,fps={rate}"


def has_fine_clock(source: Source, encoder: Encoder) -> bool:
    """Whether an encode counts time as the file does, rather than in frames of the stated rate."""
    return keeps_times(source, encoder) and source.variable and not source.on_ticks


def _clock(source: Source, encoder: Encoder) -> tuple[str, ...]:
    """ffmpeg's default clock ticks once per frame of the stated rate, which not all uneven times fit.

    Of times that nobody has listed two may fall on one tick; then, as by a plain command, one frame is left.
    """
    if has_fine_clock(source, encoder):
        return "-fps_mode", "passthrough", "-enc_time_base", "demux"
    return "-fps_mode", "passthrough" if source.listed else "vfr"


def encode(
    ffmpeg: FFmpeg,
    source: Source,
    encoder: Encoder,
    cell: Cell,
    output: Path,
    *,
    threads: int = 1,
    extra: Sequence[str] = (),
    timeout: float | None = None,
) -> Encoded:
    """Encodes a source and checks that every frame came out.

    Raises:
        ToolError: ffmpeg failed, or exited with 0 and fewer or more frames than the source has.
        InputError: the encoder takes no video this deep.
    """
    packets = output.with_name(f"{output.name}.packets")
    notes = [] if source.margins is None else ["-stats_mux_pre:v", str(packets), "-stats_mux_pre_fmt:v", _PACKET]
    argv = encode_argv(source, encoder, cell, output, threads=threads, extra=[*extra, *notes])
    with step("encoding", source.encoded_frames, size_bytes=0):
        done = ffmpeg.run(argv, timeout=timeout)
    if not done.ok:
        raise ToolError(done.describe(f"{cell}: encoding {source.label} failed"), done.returncode)
    frames = muxed_frames(done)
    if frames != source.encoded_frames:
        wanted = f"{source.encoded_frames} of {source.label}"
        raise ToolError(done.describe(f"{cell}: {encoder.name} wrote {frames} frames of {wanted}"))
    sizes = _frame_sizes(packets) if notes else None
    return Encoded(output, encode_pix_fmt(encoder, source), output.stat().st_size, done.seconds, sizes)


def _frame_sizes(path: Path) -> FrameSizes:
    """Reads what ffmpeg noted of the packets that it muxed."""
    packets = sorted(
        (int(pts), int(size), key == "K")
        for pts, size, key in (line.split() for line in path.read_text(encoding="ascii").splitlines())
    )
    keyframes = tuple(number for number, (_, _, key) in enumerate(packets) if key)
    return FrameSizes(tuple(size for _, size, _ in packets), keyframes)
