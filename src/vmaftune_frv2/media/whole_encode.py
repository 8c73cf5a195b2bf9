"""The encode that is kept: all of a source, with everything that goes along, at the source's times."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.errors import OutputError, ToolError
from vmaftune_frv2.media.carrying import Carried
from vmaftune_frv2.media.encode import has_fine_clock, video_argv
from vmaftune_frv2.media.ffmpeg import FFmpeg, file_url
from vmaftune_frv2.media.opening import muxed_frames
from vmaftune_frv2.media.process import Completed
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.streams import Stream
from vmaftune_frv2.progress import step

FINE_CLOCK = 90_000
"""Ticks per second that the usual times are multiples of."""
_LEAST_TICKS = 10_000
_STALE_TAGS = re.compile(r"(bps|duration|number_of_frames|number_of_bytes|_statistics_\w+)(-\w+)?$")
"""Statistics of the source's video that muxers note in Matroska; they are not those of the encode."""
_NO_SPACE = re.compile(r"No space left on device|File too large|Disk quota exceeded")
_SAID = re.compile(
    r"^(?:\[lib\w+(?:-\w+)* @ 0x[0-9a-f]+\] )(?:\[(?:warning|error)\] )?(?P<lib>.*)$"
    r"|^(?:x26[45] \[(?:warning|error)\]: )(?P<x26x>.*)$|^Svt\[(?:warn|error)\]: *(?P<svt>.*)$"
)
_IGNORED = re.compile(
    r"ignor|not compatible|incompatible|not supported|unsupported|unknown|unrecogni[sz]ed|invalid|"
    r"not implemented|error (?:setting|parsing)|disabl|forc(?:ed|ing)|requires|has no effect",
    re.IGNORECASE,
)
_USUAL = re.compile(
    r"Screen-content detection|automation tooling usage|thread priority|Preset M-?\d+ is mapped"
    r"|lookahead-slices|--wpp disabled"
)
"""What encoders say of small pictures and fast presets whatever they are told."""


@dataclass(frozen=True)
class Whole:
    """A source, and what goes along with its video.

    Args:
        source: all of it, its frames listed.
        video: the stream of its video, None of a headerless file.
        carried: the streams that go along.
    """

    source: Source
    video: Stream | None
    carried: Carried


def final_argv(
    whole: Whole, encoder: Encoder, cell: Cell, output: Path, *, threads: int, extra: Sequence[str] = ()
) -> list[str]:
    """ffmpeg arguments of the encode that is kept; its video is bit by bit that of a measured one.

    Args:
        whole: the source, and what goes along.
        encoder: encodes it.
        cell: how.
        output: the file.
        threads: of the encoder.
        extra: further encoder arguments.
    """
    source, carried = whole.source, whole.carried
    video = video_argv(source, encoder, cell, threads=threads, extra=extra)
    video = [_OF_ANY_STREAM.get(word, word) for word in video]
    if carried.has_cover:  # which is video, too, and stays as it is
        video = [_of_the_first(word) for word in video]
    return [
        *encoder.device, *source.input_argv(), "-map", f"0:{source.stream}", *carried.map_argv(), *video,
        *_shift_argv(source, encoder, carried.begins_s), *_labels_argv(whole.video), *carried.codec_argv(),
        *carried.container.argv, "-f", carried.container.muxer, file_url(output),
    ]  # fmt: skip


_OF_ANY_STREAM = {"-profile": "-profile:v", "-tag": "-tag:v"}
"""Options that ffmpeg otherwise reads for copied sound as well, which has other profiles and tags."""
_OF_ANY_VIDEO = {"-vf": "-filter:v:0", "-pix_fmt": "-pix_fmt:v:0", "-vtag": "-tag:v:0", "-vcodec": "-c:v:0"}
_FOR_VIDEO = re.compile(r"-[a-z]\S*:v")


def _of_the_first(word: str) -> str:
    """A word of ffmpeg's arguments, an option for all video as one for the first stream of it."""
    return f"{word}:0" if _FOR_VIDEO.fullmatch(word) else _OF_ANY_VIDEO.get(word, word)


def join_argv(whole: Whole, listed: Path, output: Path) -> list[str]:
    """ffmpeg arguments that join encoded segments and add everything that goes along.

    Args:
        whole: the source, and what goes along.
        listed: ffmpeg's list of the segments.
        output: the file.
    """
    carried = whole.carried
    late = ["-itsoffset", f"{float(carried.begins_s):.6f}"] if carried.begins_s else []
    return [
        *late, "-f", "concat", "-safe", "0", "-i", str(listed), *whole.source.input_argv(),
        "-map", "0:v:0", *carried.map_argv(1), "-map_metadata", "1", "-map_chapters", "1", "-c:v:0", "copy",
        *_labels_argv(whole.video), *carried.codec_argv(),
        *carried.container.argv, "-f", carried.container.muxer, str(output),
    ]  # fmt: skip


def _shift_argv(source: Source, encoder: Encoder, begins_s: Fraction) -> list[str]:
    """What puts the first frame where the source has it, after the encoder, which always sees it at 0.

    An encoder's clock may tick once per frame, which is too coarse for where sound and picture begin.
    """
    if has_fine_clock(source, encoder):
        ticks = FINE_CLOCK
    else:
        rate = (source.stated_rate if source.variable and source.stated_rate else source.framerate).numerator
        ticks = rate
        while ticks < _LEAST_TICKS:
            ticks *= 2
    offset = round(begins_s * ticks)
    if offset == 0:
        return []
    finer = f"setts=pts=PTS:dts=DTS:duration=DURATION:time_base=1/{ticks}"
    return ["-bsf:v:0", f"{finer},setts=pts=PTS+{offset}:dts=DTS+{offset}"]


def _labels_argv(video: Stream | None) -> list[str]:
    """The flags of the video, said so that ffmpeg gives no stream any that it had not; no stale statistics."""
    flags: tuple[str, ...] = () if video is None else video.flags
    tags: Mapping[str, str] = {} if video is None else video.tags
    argv = ["-disposition:v:0", "+".join(flags) or "0"]
    for name in tags:
        if _STALE_TAGS.match(name):
            argv += ["-metadata:s:v:0", f"{name}="]
    return argv


@dataclass(frozen=True)
class Made:
    """A finished encode of the whole.

    Args:
        path: the file.
        seconds: wall time.
        remarks: what the encoder says that it ignored or changed, a line each.
    """

    path: Path
    seconds: float
    remarks: tuple[str, ...]


def encode_whole(
    ffmpeg: FFmpeg,
    whole: Whole,
    encoder: Encoder,
    cell: Cell,
    output: Path,
    *,
    threads: int,
    extra: Sequence[str],
    expected_bytes: int | None = None,
) -> Made:
    """Encodes all of a source with everything that goes along, and checks that every frame came out.

    Args:
        ffmpeg: encodes.
        whole: the source, and what goes along.
        encoder: of the video.
        cell: how.
        output: the file.
        threads: of the encoder.
        extra: further encoder arguments.
        expected_bytes: of the file, for progress.

    Raises:
        OutputError: there is no space for it.
        ToolError: ffmpeg failed, or wrote fewer or more frames than the source has.
    """
    argv = final_argv(whole, encoder, cell, output, threads=threads, extra=extra)
    source = whole.source
    with step("encoding", source.frames, size_bytes=0, predicted_bytes=expected_bytes):
        done = ffmpeg.run([*_WATCHED, *argv])
    if not done.ok:
        _refuse_full_disk(done, output)
        raise ToolError(done.describe(f"{cell}: encoding {source.label} failed"), done.returncode)
    frames = muxed_frames(done)
    if frames != source.frames:
        wanted = f"{source.frames} of {source.label}"
        raise ToolError(done.describe(f"{cell}: {encoder.name} wrote {frames} frames of {wanted}"))
    return Made(output, done.seconds, remarks(done.stderr))


_WATCHED = ("-hide_banner", "-nostdin", "-y", "-v", "level+warning", "-nostats", "-progress", "pipe:1")


def _refuse_full_disk(done: Completed, output: Path) -> None:
    if done.returncode == -signal.SIGXFSZ or _NO_SPACE.search(done.stderr):
        raise OutputError(f"{output.parent.parent}: no space is left for the encode; nothing was written")


def remarks(stderr: str) -> tuple[str, ...]:
    """What an encoder says that it ignores or does otherwise than it was told, each thing once."""
    found = dict[str, None]()
    for line in stderr.splitlines():
        said = _SAID.match(line)
        words = "" if said is None else next((each for each in said.groups() if each), "").strip()
        if words and _IGNORED.search(words) and not _USUAL.search(words):
            found[words] = None
    return tuple(found)
