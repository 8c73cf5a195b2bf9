"""What goes along with the video into a new file: sound, subtitles, attachments, cover, and what cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.contract.containers import MATROSKA, PICTURE_SUBTITLES, TEXT_SUBTITLES, Container
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg, file_url, try_encoder
from vmaftune_frv2.media.look import LOG_ARGV
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import input_argv
from vmaftune_frv2.media.streams import ATTACHMENT, AUDIO, DATA, SUBTITLE, VIDEO, Stream, Streams
from vmaftune_frv2.media.trouble import first_error

TRIED_SECONDS = "0.2"
_HEADER_ONLY = "0"
_MADE_ANEW = ("tmcd", "text")
"""Data that ffmpeg writes by itself: time codes, and chapters as text."""
_FIRST_FRAME = re.compile(r"config in time_base: (\d+/\d+),.*? n: *0 pts: *(-?\d+) ", re.DOTALL)
_LEADING_PICTURES = ("libvvenc",)
"""Encoders whose first packet is not the first picture that is shown."""


@dataclass(frozen=True)
class Wanted:
    """What is to go along.

    Args:
        audio: whether sound is.
        audio_argv: how it is encoded; empty to copy it.
        subtitles: whether they are.
        attachments: whether they are.
    """

    audio: bool = True
    audio_argv: tuple[str, ...] = ()
    subtitles: bool = True
    attachments: bool = True


@dataclass(frozen=True)
class Carried:
    """The streams of a source that go along, in the order in which they follow the video.

    Args:
        container: of the new file.
        streams: those that go along.
        converted: indices of subtitles that become the container's own text format.
        audio_argv: how sound is encoded; empty where it is copied.
        begins_s: seconds from where the first of all these streams begins to the first frame of the video.
        notes: what is left out or changed, a line each.
    """

    container: Container
    streams: tuple[Stream, ...] = ()
    converted: frozenset[int] = frozenset()
    audio_argv: tuple[str, ...] = ()
    begins_s: Fraction = Fraction(0)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def has_cover(self) -> bool:
        """Whether a cover picture goes along."""
        return any(stream.is_cover for stream in self.streams)

    @property
    def copied(self) -> list[int]:
        """Indices of the streams whose packets stay as they are."""
        encoded = self.converted | {s.index for s in self.streams if s.kind == AUDIO and self.audio_argv}
        return [stream.index for stream in self.streams if stream.index not in encoded]

    def map_argv(self, input_number: int = 0) -> list[str]:
        """ffmpeg arguments that take the streams along, after the video; of which of its inputs."""
        return [word for stream in self.streams for word in ("-map", f"{input_number}:{stream.index}")]

    def codec_argv(self) -> list[str]:
        """ffmpeg arguments that say how they are taken along."""
        kinds = {stream.kind for stream in self.streams}
        argv: list[str] = []
        if AUDIO in kinds:
            argv += self.audio_argv or ("-c:a", "copy")
        subtitles = [stream for stream in self.streams if stream.kind == SUBTITLE]
        for number, stream in enumerate(subtitles):
            codec = self.container.text if stream.index in self.converted else "copy"
            argv += [f"-c:s:{number}", codec]
        if ATTACHMENT in kinds:
            argv += ["-c:t", "copy"]
        covers = sum(stream.is_cover for stream in self.streams)
        for number in range(1, covers + 1):
            argv += [f"-c:v:{number}", "copy", f"-disposition:v:{number}", "attached_pic"]
        return argv


def carry(
    ffmpeg: FFmpeg, label: str, found: Streams, video: Stream | None, container: Container, wanted: Wanted
) -> Carried:
    """Decides what of a file goes along into a container. Nothing is read but its beginning.

    Args:
        ffmpeg: tries whether the container takes each stream.
        label: path of the file as given.
        found: its streams.
        video: the one that is encoded.
        container: of the new file.
        wanted: what the user wants to go along.

    Raises:
        UsageError: the container cannot hold some of it; all that are in the way are named, and what to do.
    """
    trial = _Trial(ffmpeg, label, container)
    otherwise = "" if container == MATROSKA else ", or write .mkv"
    going, converted, notes, refused = list[Stream](), set[int](), list[str](), list[str]()
    for stream in found.streams:
        if stream == video:
            continue
        if stream.kind == AUDIO and wanted.audio:
            trouble = None if wanted.audio_argv else trial.refusal(stream)
            if trouble is not None:
                refused.append(f"{stream}; encode it with --audio '-c:a libopus -b:a 128k'{otherwise}")
            going.append(stream)
        elif stream.kind == SUBTITLE and wanted.subtitles:
            if trial.refusal(stream) is not None:
                if stream.codec not in TEXT_SUBTITLES:
                    refused.append(f"{stream}; {_advice_on(stream)}{otherwise}")
                    continue
                converted.add(stream.index)
                notes.append(f"{stream} becomes {container.text}{_loss(stream)}: .{container.name} cannot hold it")
            going.append(stream)
        elif stream.kind == ATTACHMENT and wanted.attachments:
            if not container.attachments:
                refused.append(f"{stream}; leave it out with --no-attachments{otherwise}")
            going.append(stream)
        elif stream.is_cover:
            if container.cover and trial.refusal(stream) is None:
                going.append(stream)
            else:
                notes.append(f"{stream}, a cover picture, is left out: ffmpeg copies none into .{container.name}")
        elif stream.kind == VIDEO:
            notes.append(f"{stream} is left out; --video-track takes it instead")
        elif stream.kind == DATA and stream.tag not in _MADE_ANEW:
            notes.append(f"{stream} is left out: it is neither sound nor subtitles")
    if refused:
        lines = "".join(f"\n  {line}" for line in refused)
        raise UsageError(f"{label}: .{container.name} cannot hold{lines}")
    begins = Fraction(0) if video is None else _begins(ffmpeg, label, video, going)
    carried = Carried(container, tuple(going), frozenset(converted), wanted.audio_argv, begins, tuple(notes))
    if wanted.audio_argv and any(stream.kind == AUDIO for stream in going):
        trial.encode_sound(carried)
    return carried


def _begins(ffmpeg: FFmpeg, label: str, video: Stream, others: Sequence[Stream]) -> Fraction:
    """When the first frame is shown, on the clock that ffmpeg has when it reads these streams and no others.

    In a transport stream, that begins where the first of the streams that are read does.
    """
    argv = [*LOG_ARGV, *input_argv(Path(label)), "-map", f"0:{video.index}", "-frames:v", "1"]
    argv += ["-vf", "showinfo=checksum=0", "-f", "null", "-"]
    if timed := [stream for stream in others if stream.kind in (AUDIO, SUBTITLE)]:
        argv += [word for stream in timed for word in ("-map", f"0:{stream.index}")]
        argv += ["-c", "copy", "-t", _HEADER_ONLY, "-f", "null", "-"]
    found = _FIRST_FRAME.search(ffmpeg.run(argv, timeout=TRIAL_TIMEOUT_S).stderr)
    return Fraction(0) if found is None else Fraction(found[1]) * int(found[2])


def _advice_on(stream: Stream) -> str:
    what = "pictures, not text" if stream.codec in PICTURE_SUBTITLES else "no text that can be converted"
    return f"they are {what}: leave all subtitles out with --no-subs"


def _loss(stream: Stream) -> str:
    return ", without its styles" if stream.codec in ("ass", "ssa") else ""


class _Trial:
    """Whether a container takes the streams of a file: its header is written, and thrown away."""

    def __init__(self, ffmpeg: FFmpeg, label: str, container: Container) -> None:
        self._ffmpeg, self._label, self._container = ffmpeg, label, container

    def refusal(self, stream: Stream) -> str | None:
        """ffmpeg's words on why a stream cannot be copied, None where it can."""
        return self._write(["-map", f"0:{stream.index}", "-c", "copy", "-t", _HEADER_ONLY])

    def encode_sound(self, carried: Carried) -> None:
        """Encodes a little of all sound as it is to be.

        Raises:
            UsageError: that does not work.
        """
        maps = [w for s in carried.streams if s.kind == AUDIO for w in ("-map", f"0:{s.index}")]
        words = self._write([*maps, *carried.audio_argv, "-t", TRIED_SECONDS])
        if words is not None:
            raise UsageError(f"--audio: the sound of {self._label} cannot be encoded so ({words})")

    def _write(self, argv: Sequence[str]) -> str | None:
        container = self._container
        with scratch_dir(None, "holds-") as folder:
            output = folder / f"x.{container.name}"
            whole = [*_LEVELS, *input_argv(Path(self._label)), *argv, "-f", container.muxer, file_url(output)]
            done = self._ffmpeg.run(whole, timeout=TRIAL_TIMEOUT_S)
        return None if done.ok else first_error(done.stderr)


_LEVELS = ("-hide_banner", "-nostdin", "-y", "-v", "level+error")


def check_holds_video(ffmpeg: FFmpeg, container: Container, encoder: Encoder, preset: str) -> None:
    """Checks with three small frames that a container takes an encoder's video.

    Raises:
        UsageError: it does not, or ffmpeg lacks the encoder.
        ToolError: the encoder does not work.
    """
    words = video_refusal(ffmpeg, container, encoder, preset)
    if words is not None:
        try_encoder(ffmpeg, encoder, preset)
        raise UsageError(f".{container.name} cannot hold the video of {encoder.name} ({words}); write .mkv")


def check_holds_late_video(label: str, carried: Carried, encoder: Encoder) -> None:
    """Checks that a container can show an encoder's video from where it begins on.

    The index of an .mp4 counts from the first packet, and ffmpeg cuts off what is shown before that.

    Raises:
        UsageError: it cannot.
    """
    container = carried.container
    if carried.begins_s > 0 and encoder.name in _LEADING_PICTURES and container.argv:
        late = f"its picture begins {float(carried.begins_s):.3f} s after the sound"
        raise UsageError(f"{label}: {late}, which .{container.name} cannot hold of {encoder.name}; write .mkv")


def video_refusal(ffmpeg: FFmpeg, container: Container, encoder: Encoder, preset: str) -> str | None:
    """ffmpeg's words on why a container does not take an encoder's video, None where it does."""
    filters, handed = encoder.handed_over(encoder.pix_fmts[0])
    size = "640x360" if encoder.hardware else "128x128"
    pattern = (*encoder.device, "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=0.12")
    codec = ("-vf", f"null{filters}", *handed, *encoder.codec_argv(preset, encoder.crf_max, 1))
    with scratch_dir(None, "holds-") as folder:
        output = ("-f", container.muxer, file_url(folder / f"x.{container.name}"))
        done = ffmpeg.run([*_LEVELS, *pattern, *codec, *output], timeout=TRIAL_TIMEOUT_S)
    return None if done.ok else first_error(done.stderr)
