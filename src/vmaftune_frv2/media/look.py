"""A first look at a file: which demuxer reads it, which video track is used, what its first frame is like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg
from vmaftune_frv2.media.process import Completed
from vmaftune_frv2.media.source import input_argv
from vmaftune_frv2.media.trouble import cause

LOG_ARGV = ("-hide_banner", "-nostdin", "-nostats", "-v", "level+info")
"""ffmpeg's words, each line with its level."""
_TEXT = ("tty", "srt", "ass", "webvtt")
_PLAYLISTS = {
    "concat": "a concat list", "hls": "an HLS playlist", "dash": "a DASH manifest", "imf": "an IMF composition",
    "webm_dash_manifest": "a DASH manifest", "sdp": "an SDP description", "rtsp": "an RTSP redirect",
}  # fmt: skip
_PLAYLIST_WORDS = (
    (b"#EXTM3U", "an HLS playlist"), (b"ffconcat version", "a concat list"), (b"<MPD", "a DASH manifest"),
    (b"[playlist]", "a playlist"), (b"<asx", "a playlist"), (b"<smil", "a playlist"),
    (b"<CompositionPlaylist", "an IMF composition"),
)  # fmt: skip
_HEAD = 4096
_EXACT_SEEK = ("mov", "matroska", "yuv4mpegpipe", "rawvideo", "ivf")
"""Demuxers in which a seek finds the frame that is asked for; elsewhere timestamps after a seek may be guesses."""
_TRACK = re.compile(r"^\[info\] +Stream #0:(\d+)\S*: Video: (.*)$", re.MULTILINE)
_NO_FILM = ("(attached pic)", "(still image)", "(timed thumbnails)")
_CHOSEN = re.compile(r"^\[info\]   Stream #0:(\d+) -> #0:0", re.MULTILINE)


@dataclass(frozen=True)
class Track:
    """A video track of a file, cover pictures aside.

    Args:
        number: among the video tracks of the file, from 0.
        stream: among all of its streams.
        text: what ffmpeg says of it.
    """

    number: int
    stream: int
    text: str

    @property
    def codec(self) -> str:
        """The format that it is coded in, by ffmpeg's name: h264."""
        return self.text.split(" ", 1)[0].rstrip(",")

    @property
    def is_default(self) -> bool:
        """Whether it has the default flag."""
        return "(default)" in self.text

    def __str__(self) -> str:
        size = re.search(r", (\d+x\d+)", self.text)
        flag = ", default" if self.is_default else ""
        return f"{self.number} ({self.codec}, {size[1] if size else 'size unknown'}{flag})"


@dataclass(frozen=True)
class FirstLook:
    """What opening a file and decoding its first frame shows.

    Args:
        track: the one in use.
        tracks: all there are.
        seekable: whether its demuxer seeks exactly.
        lasts_s: seconds that the container states, None where it does not.
        stated_rate: frame rate as ffmpeg reads the header, None where it cannot.
        first_s: seconds of the first frame on ffmpeg's clock of the file.
        pix_fmt: of the frame.
        width: columns after rotation.
        height: rows after rotation.
        interlaced: whether the frame is.
        colour: {color_range, color_space, color_primaries, color_trc: ffmpeg's names}.
    """

    track: Track
    tracks: tuple[Track, ...]
    seekable: bool
    lasts_s: float | None
    stated_rate: Fraction | None
    first_s: float
    pix_fmt: str
    width: int
    height: int
    interlaced: bool
    colour: dict[str, str]


def look_at(ffmpeg: FFmpeg, label: str, raw: RawFormat | None = None, number: int | None = None) -> FirstLook:
    """Opens a file, chooses its video track and decodes one frame.

    Args:
        ffmpeg: opens it.
        label: path as given.
        raw: format of a headerless file.
        number: track that the user wants; None takes the one with the default flag, else ffmpeg's.

    Raises:
        InputError: no video in it, a playlist, or it cannot be decoded.
        UsageError: there is no such track, or the raw format does not fit the file.
    """
    _refuse_playlists(label)
    done = _decode_one(ffmpeg, label, raw, number)
    demuxers = _demuxers(done.stderr)
    _refuse_demuxer(label, demuxers)
    tracks = _tracks(done.stderr)
    if number is not None and demuxers and number >= len(tracks):
        known = ", ".join(map(str, tracks)) or "none"
        raise UsageError(f"{label}: there is no video track {number}; it has {known}")
    chosen = number if number is not None else _choose(tracks, done.stderr)
    used = _CHOSEN.search(done.stderr)
    if chosen is not None and (used is None or int(used[1]) != tracks[chosen].stream):
        done = _decode_one(ffmpeg, label, raw, chosen)
    return _read(label, raw, done, demuxers, tracks, chosen)


def _refuse_playlists(label: str) -> None:
    """Refuses lists of other files whatever they are called: their own bytes say nothing of what they show."""
    with Path(label).open("rb") as stream:
        head = stream.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
    for word, what in _PLAYLIST_WORDS:
        if head.startswith(word) or (head.startswith(b"<") and word in head):
            raise InputError(f"{label}: this is {what}, not a video; name the files that it lists")


def _decode_one(ffmpeg: FFmpeg, label: str, raw: RawFormat | None, number: int | None) -> Completed:
    """Decodes one frame of a track, or of the one that ffmpeg chooses; showinfo says what the filters see."""
    wanted = ("-map", f"0:V:{number}") if number is not None else ("-an", "-sn", "-dn")
    argv = [*LOG_ARGV, *input_argv(Path(label), raw), *wanted, "-frames:v", "1", "-vf", "showinfo=checksum=0"]
    return ffmpeg.run([*argv, "-f", "null", "-"], timeout=TRIAL_TIMEOUT_S)


def _demuxers(log: str) -> list[str]:
    found = re.search(r"Input #0, (\S+), from", log)
    return found[1].split(",") if found else []


def _refuse_demuxer(label: str, names: list[str]) -> None:
    for name in names:
        if name in _TEXT:
            raise InputError(f"{label}: this is text, not video")
        if name in _PLAYLISTS:
            raise InputError(f"{label}: this is {_PLAYLISTS[name]}, not a video; name the files that it lists")


def _tracks(log: str) -> tuple[Track, ...]:
    described = re.split(r"^\[info\] (?:Stream mapping|Output #0)", log, maxsplit=1, flags=re.MULTILINE)[0]
    # A stream that belongs to several programs or groups is listed several times.
    streams = {int(stream): text for stream, text in _TRACK.findall(described)}
    films = [stream for stream in sorted(streams) if not any(flag in streams[stream] for flag in _NO_FILM)]
    return tuple(Track(number, stream, streams[stream]) for number, stream in enumerate(films))


def _choose(tracks: tuple[Track, ...], log: str) -> int | None:
    """The track with the default flag; among several such, or without any, the one that ffmpeg chose."""
    candidates = [track for track in tracks if track.is_default] or list(tracks)
    used = _CHOSEN.search(log)
    if used is not None:
        candidates = [track for track in candidates if track.stream == int(used[1])] or candidates
    return candidates[0].number if candidates else None


def _read(
    label: str,
    raw: RawFormat | None,
    done: Completed,
    demuxers: list[str],
    tracks: tuple[Track, ...],
    chosen: int | None,
) -> FirstLook:
    log = done.stderr
    frame = shown_frame(log)
    if not done.ok or frame is None or chosen is None:
        if raw is not None:
            raise UsageError(
                f"{label}: shorter than one {raw.width}x{raw.height} {raw.pix_fmt} frame,"
                " or there is no such pixel format"
            )
        if demuxers and chosen is None:
            raise InputError(f"{label}: there is no video in it")
        raise InputError(f"{label}: {cause(log, Path(label))}")
    rate = re.search(r"config in time_base: \S+ frame_rate: (\d+)/(\d+)", log)
    return FirstLook(
        track=tracks[chosen],
        tracks=tracks,
        seekable=bool(set(demuxers) & set(_EXACT_SEEK)),
        lasts_s=_stated_seconds(log, demuxers),
        stated_rate=Fraction(int(rate[1]), int(rate[2])) if rate and int(rate[1]) and int(rate[2]) else None,
        first_s=float(frame[1]) if frame[1] != "NOPTS" else 0.0,
        pix_fmt=frame[2],
        width=int(frame[3]),
        height=int(frame[4]),
        interlaced=frame[5] in "TB",
        colour=colour_of(log),
    )


def shown_frame(log: str) -> re.Match[str] | None:
    """What showinfo says of the first frame: time, pixel format, columns, rows, and P where it is progressive."""
    return re.search(r" n: *0 .*? pts_time:(\S+) .*? fmt:(\S+) .*? s:(\d+)x(\d+) i:(\S)", log)


def colour_of(text: str) -> dict[str, str]:
    """What showinfo says of a frame's colours."""
    return dict(re.findall(r"(color_range|color_space|color_primaries|color_trc):(\S+)", text)[:4])


def _stated_seconds(log: str, demuxers: list[str]) -> float | None:
    """How long the container says it lasts, None where it does not."""
    found = re.search(r"^\[info\]   Duration: (\d+):(\d+):(\d+\.\d+)(?:, start: (\S+),)?", log, re.MULTILINE)
    if found is None:
        return None
    end = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    # Matroska's duration counts from 0, whenever its first frame is shown.
    return end - float(found[4] or 0) if "matroska" in demuxers else end
