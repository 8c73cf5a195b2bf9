"""Trying further encoder arguments on the first frames of a source: an encode must stay comparable with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.errors import InputError, ToolError, UsageError
from vmaftune_frv2.media.encode import encode_argv
from vmaftune_frv2.media.ffmpeg import QUIET, TRIAL_TIMEOUT_S, FFmpeg, file_url, pixel_formats
from vmaftune_frv2.media.look import look_at
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.process import Completed, scratch_dir
from vmaftune_frv2.media.source import Source

TRIED_FRAMES = 12
WORDS = (*QUIET[:-1], "warning")
_ADDRESS = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] *")
_CHATTER = re.compile(r"Svt\[info\]|x265 \[info\]")
_OF_THE_CELL = {
    "c", "codec", "vcodec", "preset", "crf", "qp", "cpu-used", "speed", "deadline", "b", "q", "qscale", "cq",
    "global_quality", "qp_i", "qp_p", "quality", "pass",
}  # fmt: skip
_OF_TIME_AND_SIZE = {
    "t", "to", "ss", "r", "fps_mode", "vsync", "frames", "vframes", "s", "shortest", "itsoffset", "copyts", "fs",
    "target", "timelimit",
}  # fmt: skip
_OF_FILES = {
    "i", "f", "map", "y", "n", "an", "vn", "sn", "dn", "report", "vstats", "vstats_file", "progress",
    "passlogfile",
    "stats_mux_pre", "stats_enc_pre", "stats_enc_post", "attach", "dump_attachment", "sdp_file", "map_metadata",
    "map_chapters", "loglevel", "v",
}  # fmt: skip
_FILTERS = {"vf", "filter", "filter_complex", "lavfi", "filter_script", "filter_complex_script"}
_CELL_KEYS = {
    "crf", "q", "qp", "cqp", "preset", "bitrate", "rc", "tbr", "cq-level", "cpu-used", "cpuused", "end-usage",
    "target-bitrate", "speed", "lossless", "pass", "fps", "frames", "targetbitrate",
}  # fmt: skip
"""Parameters in an encoder's own list that take the place of the cell's, or make another than constant quality."""
_FILE_KEYS = {"stats", "csv", "dump-yuv", "log-file", "recon", "analysis-save", "analysis-load", "qpfile"}
_RATE_SLACK = 0.02


def check_parameters(extra: Sequence[str]) -> None:
    """Refuses further arguments that no trial is needed for.

    Raises:
        UsageError: they take the place of the cell's own, of the frames' times, or name files.
    """
    for place, token in enumerate(extra):
        if place % 2:
            _check_list(extra[place - 1], token)
            continue
        name = token[1:].split(":")[0]
        if name in _OF_THE_CELL:
            raise UsageError(f"--enc {token}: the cell says that; use --encoder, --preset and --crf")
        if name in _OF_TIME_AND_SIZE:
            raise UsageError(
                f"--enc {token} changes the size, the frame rate or the number of frames; leave that out,"
                " an encode is compared with its source frame by frame"
            )
        if name in _FILTERS:
            raise UsageError(f"--enc {token}: filters are for encode and reference alike; use --vfilter")
        if name in _OF_FILES or not token.startswith("-"):
            raise UsageError(f"--enc {token}: only arguments of the encoder, no files or streams")
    if len(extra) % 2:
        raise UsageError(f"--enc {extra[-1]}: its value is missing; every argument of an encoder has one")


def _check_list(option: str, value: str) -> None:
    """Refuses parameters in an encoder's own list (``-x265-params``) that are not for the user to set."""
    name = option.split(":")[0]
    if not name.endswith(("-params", "opts")):
        return
    for key in (part.partition("=")[0].lower() for part in value.split(":")):
        if key in _CELL_KEYS:
            raise UsageError(f"--enc {option} {key}: the cell says that; use --encoder, --preset and --crf")
        if key in _FILE_KEYS:
            raise UsageError(f"--enc {option} {key}: only arguments of the encoder, no files or streams")


def try_parameters(
    ffmpeg: FFmpeg, source: Source, encoder: Encoder, cell: Cell, extra: Sequence[str]
) -> list[str]:
    """Encodes the first frames of a source with further arguments and looks at what came out.

    An encode that fails says nothing here: the cell will, in its row.

    Args:
        ffmpeg: encodes and decodes.
        source: what is to be encoded.
        encoder: with what.
        cell: one of its cells.
        extra: further ffmpeg arguments.

    Returns:
        What ffmpeg and the encoder say of the arguments: that they do not know one, or ignore it.

    Raises:
        UsageError: the arguments change size, range, frame rate or number of frames, so that frames of the encode
            and of the source do not belong together.
    """
    with scratch_dir(None, "trial-") as folder:
        # A file of its own: arguments with filters would take the place of those that cut a window.
        first = folder / "first.nut"
        output = folder / f"trial.{encoder.container}"
        try:
            part = _first_frames(ffmpeg, source, first)
            done = ffmpeg.run(
                [*WORDS, *encode_argv(part, encoder, cell, output, extra=extra)[len(QUIET) :]],
                timeout=TRIAL_TIMEOUT_S,
            )
            if not done.ok:
                return []
            plain = ffmpeg.run(
                [*WORDS, *encode_argv(part, encoder, cell, folder / f"plain.{encoder.container}")[len(QUIET) :]],
                timeout=TRIAL_TIMEOUT_S,
            )
        except (ToolError, InputError):
            return []
        try:
            made = open_source(ffmpeg, str(output), hash_file=False)
        except InputError as error:
            raise UsageError(
                f"--enc with {encoder.name} make no video of the first {part.frames} frames of {source.label}"
            ) from error
    _compare(source.label, part, made, encoder)
    usual = _words(plain)
    return [said for said in _words(done) if said not in usual]


def _words(done: Completed) -> list[str]:
    """What a run says at the level of warnings, each once, without addresses."""
    said = (_ADDRESS.sub("", line).strip() for line in done.stderr.splitlines())
    return list(dict.fromkeys(line for line in said if line and not _CHATTER.match(line)))


def _first_frames(ffmpeg: FFmpeg, source: Source, path: Path) -> Source:
    """The first frames of a source, as they are, as a source of their own."""
    argv = [*QUIET, *source.input_argv(), "-map", f"0:{source.stream}", "-frames:v", str(TRIED_FRAMES)]
    argv += ["-vf", f"{source.filters}null", "-fps_mode", "passthrough", "-enc_time_base", "demux"]
    ffmpeg.run([*argv, "-c:v", "rawvideo", file_url(path)], timeout=TRIAL_TIMEOUT_S)
    return open_source(ffmpeg, str(path), hash_file=False)


def _compare(label: str, part: Source, made: Source, encoder: Encoder) -> None:
    subject = f"--enc with {encoder.name}"
    advice = "leave that out, an encode is compared with its source frame by frame"
    if (made.width, made.height) != (part.width, part.height):
        sizes = f"from {part.width}x{part.height} to {made.width}x{made.height}"
        raise UsageError(f"{subject} change the size of {label} {sizes}; {advice}")
    if made.frames != part.frames:
        raise UsageError(f"{subject} make {made.frames} frames of the first {part.frames} of {label}; {advice}")
    # Not every encoder labels its range; one that says nothing was given what the source has.
    says_range = made.full_range or made.colour.get("color_range") == "tv"
    if says_range and made.full_range != part.full_range:
        raise UsageError(f"{subject} change the range of {label}; {advice}")
    if abs(float(made.framerate / part.framerate) - 1) > max(_RATE_SLACK, 1 / part.frames):
        rates = f"from {float(part.framerate):.3f} to {float(made.framerate):.3f} fps"
        raise UsageError(f"{subject} change the frame rate of {label} {rates}; {advice}")


def compared_format(ffmpeg: FFmpeg, source: Source, encode: str) -> str:
    """The pixel format that an encode of further arguments is compared in: its own, read from it.

    Where the source is deeper, its own, so that nothing of it is lost before the score.

    Args:
        ffmpeg: decodes one frame.
        source: what was encoded.
        encode: path of the encode.
    """
    own = look_at(ffmpeg, encode).pix_fmt.replace("yuvj", "yuv")  # whose range is labelled anew
    return own if pixel_formats(ffmpeg)[own].depth >= source.depth else source.pix_fmt.replace("yuvj", "yuv")
