"""Sources as they come from phones, screens, discs, cutters and broken downloads, made with ffmpeg's generators.

What is right is known from how each was made, not from asking a program: a frame counts if it is shown, and time
is what the frames' own timestamps say. Every function takes a ``Lab``, which makes its file once per session.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20")
"""No B-frames, no lookahead: packets lie in the order in which they are shown."""
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
NTSC = Fraction(30000, 1001)
SIZE = "96x64"


@dataclass(frozen=True)
class Odd:
    """A source and what is right about it.

    Args:
        path: the file.
        frames: frames that a player shows.
        seconds: from the first frame's timestamp to the end of the last frame.
        size: columns and rows of the picture that counts.
        doubt: seconds that the last frame may last less, where nothing in the file says how long.
    """

    path: Path
    frames: int
    seconds: Fraction
    size: tuple[int, int] = (96, 64)
    doubt: Fraction = Fraction(0)

    @property
    def rate(self) -> float:
        """Frames per second on average."""
        return float(self.frames / self.seconds)


@dataclass(frozen=True)
class Lab:
    """Makes files in one folder, each once."""

    ffmpeg: FFmpeg
    folder: Path

    def make(self, name: str, *arguments: object) -> Path:
        """Runs ffmpeg with these arguments and an output of this name."""
        path = self.folder / name
        if not path.exists():
            done = self.ffmpeg.run([*QUIET, *map(str, arguments), str(path)])
            assert done.ok, done.describe(f"making {name} failed")
        return path

    def write(self, name: str, data: bytes | str) -> Path:
        """Writes a file."""
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path


def pattern(rate: object = 25, size: str = SIZE, name: str = "testsrc2") -> tuple[str, ...]:
    """ffmpeg arguments of an endless generated input."""
    return "-f", "lavfi", "-i", f"{name}=size={size}:rate={rate}"


def at(times: str, duration: str | None = None) -> tuple[str, ...]:
    """Packets shown at ``times`` seconds, an expression of N, each lasting ``duration`` seconds."""
    lasting = "" if duration is None else f":duration='({duration})/TB'"
    return "-bsf:v", f"setts=pts='({times})/TB':dts='({times})/TB'{lasting}"


# --- Time -------------------------------------------------------------------------------


def screen(lab: Lab) -> Odd:
    """A screen recording that says how long each frame stands: 60 in 1 s, then 20 of 0.2 s: 80, 5 s, 16 fps."""
    times = at("if(lt(N,60),N/60,1+(N-60)/5)", "if(lt(N,60),1/60,1/5)")
    return Odd(lab.make("screen.mp4", *pattern(60), "-frames:v", 80, *X264, *times), 80, Fraction(5))


def screen_mkv(lab: Lab) -> Odd:
    """The same in Matroska, which does not say how long the last frame stands: a tick at 60 fps, 4.8167 s."""
    slow = "setpts='if(lt(N,60),N/60,1+(N-60)/5)/TB'"
    made = lab.make("screen.mkv", *pattern(60), "-vf", slow, "-frames:v", 80, "-fps_mode", "passthrough", *X264)
    return Odd(made, 80, Fraction(4) + Fraction(4, 5) + Fraction(1, 60))


def phone(lab: Lab) -> Odd:
    """A phone at 30 fps that drops frames 10, 11, 25 and 40..44: 52 frames of 60 in 2 s, 26 fps."""
    kept = "select='not(between(n,10,11)+eq(n,25)+between(n,40,44))'"
    made = lab.make("phone.mp4", *pattern(30), "-vf", kept, "-frames:v", 52, "-fps_mode", "passthrough", *X264)
    return Odd(made, 52, Fraction(2))


def tick120(lab: Lab) -> Odd:
    """24 fps on a clock of 120 Hz, each eighth frame a tick late: 48 frames, 2 s, 24 fps."""
    times = at("(5*N+not(mod(N+1,8))*(1-eq(N,47)))/120", "1/24")
    return Odd(lab.make("tick120.mp4", *pattern(120), "-frames:v", 48, *X264, *times), 48, Fraction(2))


def mixed_rates_ts(lab: Lab) -> Odd:
    """MPEG-TS, 24 frames at 24 fps, then 48 at 48 fps: 72 frames, 2 s, 36 fps."""
    times = at("if(lt(N,24),N/24,1+(N-24)/48)", "if(lt(N,24),1/24,1/48)")
    return Odd(lab.make("rates.ts", *pattern(48), "-frames:v", 72, *X264, *times), 72, Fraction(2))


def webm_slows_down(lab: Lab) -> Odd:
    """A call in WebM that drops from 30 to 5 fps: 30 frames in 1 s, 10 in 2 s less what the last one may last.

    WebM has no duration of the last frame; ffmpeg takes a tick at 30 fps: 40 frames, 2.8333 s.
    """
    slow = "setpts='if(lt(N,30),N/30,1+(N-30)/5)/TB'"
    codec = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8, "-lag-in-frames", 0, "-b:v", "200k")
    made = lab.make("call.webm", *pattern(30), "-vf", slow, "-frames:v", 40, "-fps_mode", "passthrough", *codec)
    return Odd(made, 40, Fraction(14, 5) + Fraction(1, 30))


def late_start(lab: Lab) -> Odd:
    """A recording that joins in at 10 s, with a first frame that stands for 0.48 s: 30 frames, 1.64 s."""
    times = at("10+if(N,0.48+(N-1)/25,0)", "if(N,1/25,0.48)")
    return Odd(lab.make("late.ts", *pattern(25), "-frames:v", 30, *X264, *times), 30, Fraction(164, 100))


def tagged(lab: Lab, rate: int, container: str) -> Odd:
    """30 fps by its timestamps, another rate by what the H.264 stream says of itself: 30 frames, 1 s.

    Only mp4 says how long the last frame lasts; elsewhere it may be a tick of the rate that is not true.
    """
    codec = (*X264, "-x264-params", "force-cfr=1")
    made = lab.make(f"tagged{rate}.{container}", *pattern(rate), "-frames:v", 30, *codec, *at("N/30", "1/30"))
    return Odd(made, 30, Fraction(1), doubt=Fraction(0 if container == "mp4" else 1, 60))


def wrong_default_duration(lab: Lab) -> Odd:
    """Matroska at 30 fps whose header says that a frame lasts a 60th of a second: 60 frames, 2 s or 1.9833 s."""
    plain = lab.make("plain60f.mkv", *pattern(30), "-frames:v", 60, *X264)
    data = plain.read_bytes()
    header = bytes.fromhex("23e38384")
    place = data.index(header) + len(header)
    assert struct.unpack(">I", data[place : place + 4]) == (33333333,)
    lied = data[:place] + struct.pack(">I", 16666667) + data[place + 4 :]
    return Odd(lab.write("default60.mkv", lied), 60, Fraction(2), doubt=Fraction(1, 60))


def empty_avi_frames(lab: Lab) -> Odd:
    """AVI at 30 fps, in which a frame that does not change is an empty chunk: 20 pictures in 2 s less 2 ticks."""
    sparse = "select='not(mod(n,3))'"
    codec = ("-c:v", "mpeg4", "-q:v", 3)
    made = lab.make("sparse.avi", *pattern(30), "-vf", sparse, "-frames:v", 20, "-fps_mode", "passthrough", *codec)
    return Odd(made, 20, Fraction(19 * 3 + 1, 30))


def trimmed(lab: Lab) -> Odd:
    """A lossless cut in the middle of a GOP, an edit list hides what leads to it: 50 of 75 frames, 2 s."""
    whole = lab.make("whole.mp4", *pattern(25), "-frames:v", 75, *X264, "-g", 75)
    return Odd(lab.make("trimmed.mp4", "-ss", 1, "-i", whole, "-c", "copy"), 50, Fraction(2))


def trimmed_b_frames(lab: Lab) -> Odd:
    """The same with B-frames, whose edit list also hides a shift of time: 50 of 75 frames, 2 s."""
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 20, "-bf", 3, "-g", 75)
    whole = lab.make("wholeb.mp4", *pattern(25), "-frames:v", 75, *codec)
    return Odd(lab.make("trimmedb.mp4", "-ss", 1, "-i", whole, "-c", "copy"), 50, Fraction(2))


def open_gop_cut(lab: Lab, container: str) -> Odd:
    """HEVC cut with ``-ss 1 -c copy`` at an open GOP: 72 frames at 24 fps, a key picture at each 20th.

    The four pictures that lead to the one at 20 are in the file and cannot be decoded: 52 frames, 2.1667 s. In mp4
    the edit list hides all before the cut: 48 frames, 2 s.
    """
    whole = _open_gop("open.mp4")(lab).path
    shown = 48 if container == "mp4" else 52
    made = lab.make(f"opencut.{container}", "-ss", 1, "-i", whole, "-c", "copy")
    return Odd(made, shown, Fraction(shown, 24))


def _box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Where the first box of this path begins and ends."""
    begin, end = 0, len(data)
    for depth, kind in enumerate(path):
        place = begin + 8 * (depth > 0)
        while data[place + 4 : place + 8] != kind:
            place += struct.unpack(">I", data[place : place + 4])[0]
            assert place < end, f"no {kind!r}"
        begin, end = place, place + struct.unpack(">I", data[place : place + 4])[0]
    return begin, end


def with_edits(data: bytes, edits: Sequence[tuple[int, int]]) -> bytes:
    """An mp4 whose description is at its end, with another edit list of its first track.

    Args:
        data: the file, which has an edit list.
        edits: (duration in ticks of the film, where in ticks of the track, -1 for nothing) of each part shown.
    """
    entries = b"".join(struct.pack(">iiI", *edit, 0x10000) for edit in edits)
    table = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    begin, end = _box(data, b"moov", b"trak", b"edts")
    box = struct.pack(">I4s", 8 + len(table), b"edts") + table
    more = len(box) - (end - begin)
    patched = bytearray(data[:begin] + box + data[end:])
    for path in ((b"moov",), (b"moov", b"trak")):
        place = _box(data, *path)[0]
        (size,) = struct.unpack(">I", data[place : place + 4])
        patched[place : place + 4] = struct.pack(">I", size + more)
    return bytes(patched)


def two_edits(lab: Lab) -> Odd:
    """An edit list of nothing for 0.4 s, then 0.52 to 1.52 s, then 2 to 3 s of 75 frames: 50 frames, 2 s."""
    whole = lab.make("whole12.mp4", *pattern(25), "-frames:v", 75, *X264, "-g", 12)
    tick = 12800
    edits = [(400, -1), (1000, 13 * tick // 25), (1000, 2 * tick)]
    return Odd(lab.write("edits.mp4", with_edits(whole.read_bytes(), edits)), 50, Fraction(2))


def altref_webm(lab: Lab) -> Odd:
    """VP9 with hidden frames of its own: 50 frames are shown in 2 s, more are in the file."""
    codec = ("-c:v", "libvpx-vp9", "-b:v", "300k", "-cpu-used", 8, "-auto-alt-ref", 1, "-lag-in-frames", 16)
    return Odd(lab.make("altref.webm", *pattern(25), "-frames:v", 50, *codec), 50, Fraction(2))


TELECINE = ((1, 1), (0, 0), (0, 1), (1, 0))
"""(top field first, repeat first field) of four frames of film in ten fields."""


def with_flags(stream: bytes, flags: Callable[[int], tuple[int, int]]) -> bytes:
    """A progressive MPEG-2 stream as a disc has it: a sequence of fields, and in each picture which are repeated.

    Args:
        stream: as ffmpeg's encoder wrote it; rows in multiples of 32, which a sequence of fields needs.
        flags: (top field first, repeat first field) of the picture that is shown as the n-th.
    """
    data = bytearray(stream)
    place = base = shown = number = 0
    while (place := data.find(b"\0\0\1", place)) >= 0 and place + 9 < len(data):
        code, kind = data[place + 3], data[place + 4] >> 4
        if code == 0xB8:  # group of pictures: numbers begin anew
            base = shown
        elif code == 0x00:  # picture
            number = base + (data[place + 4] << 2 | data[place + 5] >> 6)
            shown = max(shown, number + 1)
        elif code == 0xB5 and kind == 1:  # sequence extension: not progressive_sequence
            data[place + 5] &= ~0x08
        elif code == 0xB5 and kind == 8:  # picture coding extension
            top, repeat = flags(number)
            data[place + 7] = data[place + 7] & ~0x82 | top << 7 | repeat << 1
        place += 4
    return bytes(data)


def _film(number: int) -> tuple[int, int]:
    return TELECINE[number % 4]


def _telecine(lab: Lab, name: str, frames: int, flags: Callable[[int], tuple[int, int]], fields: str) -> Path:
    """A telecined MPEG-2 stream; ``fields`` is when the N-th frame begins, in fields."""
    codec = ("-c:v", "mpeg2video", "-q:v", 6, "-g", 12, "-bf", 0)
    noisy = (
        "-vf",
        "noise=alls=12:allf=t",
    )  # a frame fills more than one packet of 2 KiB, so that each has its time
    plain = lab.make(f"film{frames}.m2v", *pattern(NTSC, "160x96"), *noisy, "-frames:v", frames, *codec)
    stream = lab.write(f"{name.replace('.', '_')}.m2v", with_flags(plain.read_bytes(), flags))
    return lab.make(name, "-i", stream, "-c", "copy", *at(f"({fields})*1001/60000"))


def telecine(lab: Lab, container: str) -> Odd:
    """Film at 23.976 fps as a disc carries it: 48 frames, 120 fields at 59.94 Hz, 2.002 s."""
    made = _telecine(lab, f"telecine.{container}", 48, _film, "ceil(N*2.5)")
    return Odd(made, 48, Fraction(48 * 1001, 24000), (160, 96))


def telecine_shifted(lab: Lab, container: str) -> Odd:
    """Film whose first frame has two fields, as after a cut: 47 frames, 117 fields, 1.95195 s."""
    made = _telecine(lab, f"shifted.{container}", 47, lambda n: _film(n + 1), "floor(N*2.5)")
    return Odd(made, 47, Fraction(117 * 1001, 60000), (160, 96))


def telecine_joined(lab: Lab) -> Odd:
    """MPEG-TS joined in mid-film, inside a packet: 36 of 48 frames can be decoded, 90 fields, 1.5015 s."""
    data = telecine(lab, "ts").path.read_bytes()
    second = [n for n in range(0, len(data), 188) if b"\0\0\1\xb3" in data[n : n + 188]][1]
    return Odd(lab.write("joined.ts", data[second - 5 * 188 + 60 :]), 36, Fraction(90 * 1001, 60000), (160, 96))


def film_and_video(lab: Lab, container: str) -> Odd:
    """24 frames of film, then 24 of progressive video at 29.97 fps: 60 + 48 fields, 1.8018 s, 26.64 fps."""
    made = _telecine(
        lab, f"mixed.{container}", 48,
        lambda n: _film(n) if n < 24 else (1, 0), "if(lt(N,24),ceil(N*2.5),60+2*(N-24))",
    )  # fmt: skip
    return Odd(made, 48, Fraction(108 * 1001, 60000), (160, 96))


TIMED: dict[str, Callable[[Lab], Odd]] = {
    "a screen recording": screen,
    "a screen recording in Matroska": screen_mkv,
    "a phone that drops frames": phone,
    "film on a 120 Hz clock": tick120,
    "MPEG-TS of two rates": mixed_rates_ts,
    "a call in WebM that slows down": webm_slows_down,
    "MPEG-TS that starts late": late_start,
    "30 fps tagged 60, mp4": lambda lab: tagged(lab, 60, "mp4"),
    "30 fps tagged 60, MPEG-TS": lambda lab: tagged(lab, 60, "ts"),
    "30 fps tagged 60, Matroska": lambda lab: tagged(lab, 60, "mkv"),
    "30 fps tagged 15, mp4": lambda lab: tagged(lab, 15, "mp4"),
    "30 fps tagged 15, Matroska": lambda lab: tagged(lab, 15, "mkv"),
    "a wrong default duration": wrong_default_duration,
    "AVI with empty frames": empty_avi_frames,
    "a lossless cut": trimmed,
    "a lossless cut with B-frames": trimmed_b_frames,
    "a cut at an open GOP, mp4": lambda lab: open_gop_cut(lab, "mp4"),
    "a cut at an open GOP, Matroska": lambda lab: open_gop_cut(lab, "mkv"),
    "a cut at an open GOP, MPEG-TS": lambda lab: open_gop_cut(lab, "ts"),
    "an edit list of two parts": two_edits,
    "VP9 with hidden frames": altref_webm,
    "telecine in VOB": lambda lab: telecine(lab, "vob"),
    "telecine in MPEG-TS": lambda lab: telecine(lab, "ts"),
    "telecine in Matroska": lambda lab: telecine(lab, "mkv"),
    "telecine that starts with two fields, VOB": lambda lab: telecine_shifted(lab, "vob"),
    "telecine that starts with two fields, Matroska": lambda lab: telecine_shifted(lab, "mkv"),
    "telecine joined in mid-file": telecine_joined,
    "film, then video, VOB": lambda lab: film_and_video(lab, "vob"),
    "film, then video, MPEG-TS": lambda lab: film_and_video(lab, "ts"),
    "film, then video, Matroska": lambda lab: film_and_video(lab, "mkv"),
}


# --- Windows ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Windowed:
    """A source and the frames that its middle second shows: from ``first`` to before ``end``."""

    path: Path
    first: int
    end: int


def _constant(name: str, *codec: object) -> Callable[[Lab], Windowed]:
    """3 s at 24 fps; the middle second shows frames 24 to 47."""
    return lambda lab: Windowed(lab.make(name, *pattern(24), "-frames:v", 72, *codec), 24, 48)


def _cut_window(lab: Lab) -> Windowed:
    whole = lab.make("whole96.mp4", *pattern(24), "-frames:v", 96, *LOSSLESS, "-g", 96)
    return Windowed(lab.make("cut24.mp4", "-ss", 1, "-i", whole, "-c", "copy"), 24, 48)


def _open_gop(name: str) -> Callable[[Lab], Windowed]:
    parameters = "open-gop=1:keyint=20:min-keyint=20:bframes=4:log-level=error:lossless=1"
    return _constant(name, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", parameters)


WINDOWED: dict[str, Callable[[Lab], Windowed]] = {
    "H.264 with B-frames in AVI": _constant("bframes.avi", "-c:v", "libx264", "-qp", 0, "-bf", 3, "-g", 48),
    "H.264 with B-frames in mp4": _constant("bframes.mp4", "-c:v", "libx264", "-qp", 0, "-bf", 3, "-g", 48),
    "H.264 with B-frames in MPEG-TS": _constant("bframes.ts", "-c:v", "libx264", "-qp", 0, "-bf", 3, "-g", 48),
    "MPEG-4 with B-frames in AVI": _constant("mpeg4.avi", "-c:v", "mpeg4", "-q:v", 2, "-bf", 2, "-g", 48),
    "HEVC with open GOPs in mp4": _open_gop("open.mp4"),
    "HEVC with open GOPs in Matroska": _open_gop("open.mkv"),
    "VP9 with hidden frames": _constant(
        "altref72.webm", "-c:v", "libvpx-vp9", "-b:v", "300k", "-cpu-used", 8, "-auto-alt-ref", 1,
        "-lag-in-frames", 16, "-g", 48,
    ),
    "VVC in mp4": _constant("vvc.mp4", "-c:v", "libvvenc", "-preset", "faster", "-qp", 20),
    "a lossless cut": _cut_window,
    "a screen recording": lambda lab: Windowed(screen(lab).path, 65, 70),
}  # fmt: skip


# --- Tracks -----------------------------------------------------------------------------


def _two_tracks(lab: Lab, name: str, first: Sequence[object], second: Sequence[object], *options: object) -> Path:
    return lab.make(name, *first, *second, "-map", "0:v", "-map", "1:v", *options)


def _preview(seconds: float = 1) -> tuple[object, ...]:
    return *pattern(10, "64x64", "mandelbrot"), "-t", seconds


FILM = (*pattern(24, "96x64"), "-t", 1)


def default_second(lab: Lab, container: str) -> Odd:
    """A 64x64 preview at 10 fps, then the film with the default flag: 24 frames, 1 s, 96x64."""
    flags = ("-disposition:v:0", 0, "-disposition:v:1", "default")
    made = lab.make(f"second.{container}", *_preview(), *FILM, "-map", 0, "-map", 1, *X264, *flags)
    return Odd(made, 24, Fraction(1))


def default_is_small(lab: Lab) -> Odd:
    """A larger track without the default flag beside the film, which has it: 24 frames, 1 s, 96x64."""
    larger = (*pattern(10, "160x96", "mandelbrot"), "-t", 1)
    flags = ("-disposition:v:0", 0, "-disposition:v:1", "default")
    return Odd(lab.make("small.mkv", *larger, *FILM, "-map", 0, "-map", 1, *X264, *flags), 24, Fraction(1))


def no_default(lab: Lab) -> Odd:
    """A 64x64 preview first and no flag on either: ffmpeg itself takes the larger one, 24 frames, 1 s, 96x64."""
    flags = ("-disposition:v:0", 0, "-disposition:v:1", 0, "-default_mode", "passthrough")
    return Odd(lab.make("flagless.mkv", *_preview(), *FILM, "-map", 0, "-map", 1, *X264, *flags), 24, Fraction(1))


def both_default(lab: Lab) -> Odd:
    """A 64x64 preview first and the flag on both: ffmpeg itself takes the larger one, 24 frames, 1 s, 96x64."""
    flags = ("-disposition:v", "default")
    return Odd(lab.make("both.mkv", *_preview(), *FILM, "-map", 0, "-map", 1, *X264, *flags), 24, Fraction(1))


def thumbnail_first(lab: Lab) -> Odd:
    """A picture stored as a track of one frame, before the film, which has the flag: 24 frames, 1 s, 96x64."""
    picture = (*pattern(1, "160x160", "mandelbrot"), "-t", 1)
    flags = ("-c:v:0", "mjpeg", "-disposition:v:0", 0, "-disposition:v:1", "default")
    return Odd(lab.make("thumb.mkv", *picture, *FILM, "-map", 0, "-map", 1, *X264, *flags), 24, Fraction(1))


def programmes(lab: Lab) -> Odd:
    """Two programmes of a broadcast, the smaller first; ffmpeg itself takes the larger: 24 frames, 1 s, 96x64."""
    made = lab.make(
        "programmes.ts", *_preview(), *FILM, "-map", 0, "-map", 1, *X264, "-program", "st=0", "-program", "st=1"
    )
    return Odd(made, 24, Fraction(1))


TRACKS: dict[str, Callable[[Lab], Odd]] = {
    "the flag on the second track, mp4": lambda lab: default_second(lab, "mp4"),
    "the flag on the second track, Matroska": lambda lab: default_second(lab, "mkv"),
    "the flag on the smaller track": default_is_small,
    "no flag": no_default,
    "the flag on both tracks": both_default,
    "a thumbnail first": thumbnail_first,
    "two programmes": programmes,
}


# --- Changes on the way -----------------------------------------------------------------

CHANGE_AT = 25
"""The frame, counted from 0, that is the first of another kind; each of these sources has 50 at 25 fps."""


def _joined(lab: Lab, name: str, first: Path, second: Path) -> Path:
    """Two raw H.264 streams, one after the other, in any container."""
    raw = lab.write(f"{name.replace('.', '_')}.h264", first.read_bytes() + second.read_bytes())
    return raw if name.endswith(".h264") else lab.make(name, "-i", raw, "-c", "copy", *at("N/25", "1/25"))


def half(lab: Lab, name: str, *options: object, size: str = SIZE) -> Path:
    """25 frames of raw H.264."""
    return lab.make(f"{name}.h264", *pattern(25, size), "-frames:v", CHANGE_AT, *X264, *options)


def _turned(lab: Lab) -> Path:
    """Each frame says that it is to be turned by 90 degrees, in a message of its own before its slice."""
    message = bytes.fromhex("000001062f0308000980")  # display orientation, 16384/65536 of a turn, for this picture
    stream = half(lab, "plain", "-pix_fmt", "yuv420p").read_bytes()
    turned = re.sub(rb"\x00\x00\x01(?=[\x61\x41\x01\x65\x25])", lambda slice_: message + slice_[0], stream)
    return lab.write("turned.h264", turned)


def changing(lab: Lab, what: str, container: str) -> Path:
    """25 frames of 96x64 yuv420p, then 25 that differ in one thing."""
    plain = half(lab, "plain", "-pix_fmt", "yuv420p")
    other = {
        "size": lambda: half(lab, "larger", "-pix_fmt", "yuv420p", size="160x96"),
        "depth": lambda: half(lab, "deep", "-pix_fmt", "yuv420p10le"),
        "chroma": lambda: half(lab, "chroma", "-pix_fmt", "yuv444p"),
        "range": lambda: half(lab, "full", "-vf", "scale=out_range=pc,format=yuv420p", "-color_range", "pc"),
        "orientation": lambda: _turned(lab),
        "colour": lambda: half(
            lab, "bt2020", "-pix_fmt", "yuv420p", "-colorspace", "bt2020nc", "-color_primaries", "bt2020",
            "-color_trc", "bt2020-10",
        ),
    }  # fmt: skip
    return _joined(lab, f"mid_{what}.{container}", plain, other[what]())


CHANGES = [
    (what, container)
    for what in ("size", "depth", "chroma", "range", "orientation")
    for container in ("ts", "mkv", "mp4", "h264")
]


# --- Refusals ---------------------------------------------------------------------------


def _plain(lab: Lab, container: str = "mp4", *options: object) -> Path:
    """50 frames at 25 fps, a GOP of 10."""
    name = f"plain{len(options)}.{container}"
    return lab.make(name, *pattern(25), "-frames:v", 50, *X264, "-g", 10, *options)


def init_segment(lab: Lab) -> Path:
    """The first segment of a fragmented mp4, which describes the media and has none."""
    data = _plain(lab, "mp4", "-movflags", "empty_moov+default_base_moof+frag_keyframe").read_bytes()
    return lab.write("init.mp4", data[: data.index(b"moof") - 4])


def media_segment(lab: Lab) -> Path:
    """A later segment of a fragmented mp4 on its own, which nothing describes."""
    data = _plain(lab, "mp4", "-movflags", "empty_moov+default_base_moof+frag_keyframe").read_bytes()
    return lab.write("segment.m4s", data[data.index(b"moof") - 4 :])


def truncated_y4m(lab: Lab) -> Path:
    """Five frames of YUV4MPEG, the last one cut in half."""
    data = lab.make("whole.y4m", *pattern(25), "-frames:v", 5, "-pix_fmt", "yuv420p").read_bytes()
    return lab.write("truncated.y4m", data[: -96 * 64 * 3 // 4])


def truncated_mp4(lab: Lab) -> Path:
    """An mp4 with its description in front, cut in the middle of the pictures."""
    data = _plain(lab, "mp4", "-movflags", "+faststart").read_bytes()
    return lab.write("truncated.mp4", data[: len(data) * 2 // 3])


def headless_mp4(lab: Lab) -> Path:
    """An mp4 with its description at the end, which was never written."""
    data = _plain(lab).read_bytes()
    return lab.write("headless.mp4", data[: data.index(b"moov") - 4])


def truncated_mkv(lab: Lab) -> Path:
    """A Matroska file cut in the middle of a block."""
    data = _plain(lab, "mkv").read_bytes()
    return lab.write("truncated.mkv", data[: len(data) * 2 // 3])


def damaged(lab: Lab, container: str) -> Path:
    """2 s of which three or four frames in the middle were overwritten, where they begin and end, too."""
    data = bytearray(_plain(lab, container).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 5000] = bytes((97 * n + 31) % 251 for n in range(5000))
    return lab.write(f"damaged.{container}", bytes(data))


def encrypted(lab: Lab) -> Path:
    """An mp4 whose pictures are encrypted (Common Encryption, AES-CTR)."""
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "01" * 16, "-encryption_kid", "02" * 16)
    return _plain(lab, "mp4", *key)


def encrypted_fragments(lab: Lab) -> Path:
    """The same in fragments, as a streaming service sends it."""
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "01" * 16, "-encryption_kid", "02" * 16)
    return _plain(lab, "mp4", *key, "-movflags", "empty_moov+default_base_moof+frag_keyframe")


def unknown_codec(lab: Lab, fourcc: bytes = b"zzzz") -> Path:
    """An mp4 whose sample entry names a codec that nobody knows."""
    data = _plain(lab).read_bytes()
    assert data.count(b"avc1") >= 1
    place = data.rindex(b"avc1")
    return lab.write(f"unknown_{fourcc.decode()}.mp4", data[:place] + fourcc + data[place + 4 :])


def dolby_vision_av1(lab: Lab) -> Path:
    """An mp4 whose sample entry is ``dav1``: AV1 with Dolby Vision, which ffmpeg takes for no codec it has."""
    return unknown_codec(lab, b"dav1")


def interlaced_from(lab: Lab, frame: int, container: str = "ts") -> Path:
    """MPEG-2 that is progressive up to ``frame`` and interlaced from there on, ten frames long."""
    codec = ("-c:v", "mpeg2video", "-q:v", 4, "-bf", 0, "-g", 10)
    first = lab.make(f"prog{frame}.m2v", *pattern(25), "-frames:v", frame, *codec)
    fields = ("-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme")
    second = lab.make("fields10.m2v", *pattern(50), *fields, "-frames:v", 10, *codec)
    raw = lab.write(f"late{frame}.m2v", first.read_bytes() + second.read_bytes())
    return lab.make(f"interlaced_{frame}.{container}", "-i", raw, "-c", "copy", *at("N/25", "1/25"))


def ffconcat(lab: Lab, suffix: str) -> Path:
    """A list of files for ffmpeg's concat demuxer under the name of a video."""
    return lab.write(f"concat{suffix}", f"ffconcat version 1.0\nfile '{_plain(lab).name}'\n")


def playlist(lab: Lab, suffix: str) -> Path:
    """An HLS playlist under the name of a video."""
    lab.make("part0.ts", *pattern(25), "-frames:v", 25, *X264)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:1",
        "#EXTINF:1.0,",
        "part0.ts",
        "#EXT-X-ENDLIST",
    ]
    return lab.write(f"list{suffix}", "\n".join(lines) + "\n")


def manifest(lab: Lab, suffix: str) -> Path:
    """A DASH manifest under the name of a video."""
    parts = ("-f", "dash", "-single_file", 1, "-seg_duration", 1)
    made = lab.make("dash.mpd", *pattern(25), "-frames:v", 50, *X264, "-g", 25, *parts)
    return lab.write(f"manifest{suffix}", made.read_bytes())


def session_description(lab: Lab, suffix: str) -> Path:
    """A session description, which has ffmpeg wait at a port of the network, under the name of a video."""
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 127.0.0.1", "t=0 0", "m=video 5004 RTP/AVP 96"]
    return lab.write(f"session{suffix}", "\r\n".join([*lines, "a=rtpmap:96 H264/90000", ""]))


_DAMAGE = r"(damage|cannot be decoded).*\b([01]\.\d+|[1-4]\d)\b"
"""Where the damage is, in seconds or frames; it lies in the middle of 50 frames in 2 s."""

REFUSED: dict[str, tuple[Callable[[Lab], Path], str]] = {
    "an init segment": (init_segment, r"no (media|frames|pictures|video)|init"),
    "a media segment": (media_segment, r"segment|init|describe"),
    "a y4m cut short": (truncated_y4m, r"cut short|truncated|ends"),
    "an mp4 cut short": (truncated_mp4, r"cut short|truncated|ends|cannot be decoded"),
    "an mp4 without its end": (headless_mp4, r"moov|cut short|index"),
    "a Matroska file cut short": (truncated_mkv, r"cut short"),
    "damage in mp4": (lambda lab: damaged(lab, "mp4"), r"(damage|cannot be decoded).*\b(0\.\d|1\.\d|[123]\d)\b"),
    "damage in MPEG-TS": (
        lambda lab: damaged(lab, "ts"),
        r"(damage|cannot be decoded).*\b(0\.\d|1\.\d|[123]\d)\b",
    ),
    "encrypted": (encrypted, r"encrypted"),
    "encrypted fragments": (encrypted_fragments, r"encrypted"),
    "an unknown codec": (unknown_codec, r"zzzz|no decoder|unknown codec"),
    "Dolby Vision in AV1": (dolby_vision_av1, r"dav1|Dolby Vision"),
    "interlaced from frame 40 on": (lambda lab: interlaced_from(lab, 40), r"interlaced.*\b4[01]\b"),
    "ffconcat named .mp4": (lambda lab: ffconcat(lab, ".mp4"), r"list|playlist|concat"),
    "ffconcat named .mkv": (lambda lab: ffconcat(lab, ".mkv"), r"list|playlist|concat"),
    "ffconcat named .txt": (lambda lab: ffconcat(lab, ".txt"), r"list|playlist|concat|text"),
    "HLS": (lambda lab: playlist(lab, ".m3u8"), r"list|playlist"),
    "HLS named .mp4": (lambda lab: playlist(lab, ".mp4"), r"list|playlist"),
    "HLS named .mkv": (lambda lab: playlist(lab, ".mkv"), r"list|playlist"),
    "HLS named .txt": (lambda lab: playlist(lab, ".txt"), r"list|playlist|text"),
    "DASH": (lambda lab: manifest(lab, ".mpd"), r"list|playlist|manifest"),
    "DASH named .mp4": (lambda lab: manifest(lab, ".mp4"), r"list|playlist|manifest"),
    "a session description": (lambda lab: session_description(lab, ".mp4"), r"list|playlist|session|text|network"),
}
"""What is refused, and what the line that says so names."""


def names_frame(line: str, frame: int) -> bool:
    """Whether a line names a frame, counted from 0 or from 1, or the moment at 25 fps when it is shown."""
    moment = rf"\b{frame / 25:g}(\.?0*)? s"
    return re.search(rf"\b({frame}|{frame + 1})\b|{moment}", line) is not None
