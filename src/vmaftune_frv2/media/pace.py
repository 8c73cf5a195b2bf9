"""How hard all of a source is to encode against some windows of it, by a cheap encode of both in small."""

from __future__ import annotations

from collections.abc import Sequence

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.ffmpeg import COUNT_FRAMES, QUIET, FFmpeg
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source, input_argv
from vmaftune_frv2.media.together import together
from vmaftune_frv2.media.view import Window
from vmaftune_frv2.progress import step

WHOLE_S = 90.0
"""Sources of up to so many seconds are encoded in small from end to end."""
PIECES, PIECE_S = 20, 0.5
"""All of a longer one is judged by so many pieces of so many seconds, spread evenly."""
SETTLE = 8
"""First frames of a piece, which a keyframe and the warm-up of rate control make unlike the others."""
SHARE = 0.65
"""Exponent that the ratio of bits is taken to: what other encoders share of it, bench/quality/windows.py."""
_CHEAP = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "22", "-g", "9999", "-sc_threshold", "0")
_SMALL = "scale=max(2*trunc(iw/6)\\,16):max(2*trunc(ih/6)\\,16):flags=bilinear,format=yuv420p"
_IN_MS = "settb=1/1000,setpts=PTS-STARTPTS"
_MS = 1000


def measure_pace(ffmpeg: FFmpeg, windows: Sequence[Source], jobs: int = 1) -> float:
    """Bits per frame of all of a source over those of its windows, as an encoder would have them.

    Args:
        ffmpeg: encodes; where it lacks libx264 the factor is 1.
        windows: of one source, whose duration is known.
        jobs: encodes at once.

    Returns:
        The factor; 1 where it cannot be measured.
    """
    source = windows[0]
    seen = [window.window for window in windows if window.window is not None]
    with step("pace", _frames(source, seen)):
        return _pace(ffmpeg, source, seen, jobs)


def _frames(source: Source, seen: Sequence[Window]) -> int:
    """How many are encoded in small."""
    duration, rate = source.duration_s or 0.0, float(source.framerate)
    if duration <= WHOLE_S:
        return round(duration * rate)
    pieces = [*(PIECE_S for _ in range(PIECES)), *(window.seconds for window in seen)]
    return sum(round(seconds * rate) + SETTLE for seconds in pieces)


def _pace(ffmpeg: FFmpeg, source: Source, seen: Sequence[Window], jobs: int) -> float:
    duration = source.duration_s or 0.0
    try:
        if duration <= WHOLE_S:
            everything, inside = _of_whole(ffmpeg, source, seen, jobs)
        else:
            pieces = [Window((place + 0.5) * duration / PIECES - PIECE_S / 2, PIECE_S) for place in range(PIECES)]
            found = list(together(lambda window: _of_piece(ffmpeg, source, window), [*pieces, *seen], jobs))
            everything, inside = found[:PIECES], found[PIECES:]
    except ToolError:
        return 1.0
    everything_mean, inside_mean = _mean(everything), _mean(inside)
    return float((everything_mean / inside_mean) ** SHARE) if everything_mean > 0 and inside_mean > 0 else 1.0


def _mean(parts: Sequence[Sequence[int]]) -> float:
    """Mean of the bytes of frames of several parts."""
    frames = sum(map(len, parts))
    return sum(map(sum, parts)) / frames if frames else 0.0


def _of_whole(
    ffmpeg: FFmpeg, source: Source, seen: Sequence[Window], threads: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Bytes of all frames, those that settle aside, and of those of the windows."""
    packets = _encoded(ffmpeg, source, [], threads)[SETTLE:]
    inside = [
        [size for pts, size in packets if window.start <= pts / _MS < window.start + window.seconds]
        for window in seen
    ]
    return [[size for _, size in packets]], inside


def _of_piece(ffmpeg: FFmpeg, source: Source, window: Window) -> list[int]:
    """Bytes of the frames of a piece, those that settle aside."""
    # Where exactly a piece begins is of no account, so nothing is decoded before it for certainty.
    start = max(source.origin_s + window.start - float(SETTLE / source.framerate), 0.0)
    frames = round(window.seconds * float(source.framerate)) + SETTLE
    found = _encoded(ffmpeg, source, ["-ss", f"{start:.6f}"], 1, ["-frames:v", str(frames)])
    return [size for _, size in found[SETTLE:]]


def _encoded(
    ffmpeg: FFmpeg, source: Source, seek: Sequence[str], threads: int, limit: Sequence[str] = ()
) -> list[tuple[int, int]]:
    """(milliseconds, bytes) of each frame in a cheap encode, in order of presentation."""
    with scratch_dir(None, "pace-") as folder:
        argv = [*QUIET, *COUNT_FRAMES, *seek, *input_argv(source.path, source.raw)]
        argv += ["-map", f"0:{source.stream}", *limit]
        filters = f"{source.view.filters}," if source.view.filters else ""
        argv += [
            "-vf",
            f"{filters}{_SMALL},{_IN_MS}",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "filter",
            *_CHEAP,
        ]
        argv += ["-threads", str(threads), "-stats_mux_pre:v", "packets", "-stats_mux_pre_fmt:v", "{pts} {size}"]
        done = ffmpeg.run([*argv, "-f", "null", "-"], cwd=folder)
        if not done.ok:
            raise ToolError(done.describe(f"looking at {source.label} in small failed"), done.returncode)
        lines = (folder / "packets").read_text(encoding="ascii").splitlines()
    return sorted((int(pts), int(size)) for pts, size in map(str.split, lines))
