"""Opening sources from command-line options."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import click

from vmaftune_frv2.commands._options import RAW_SUFFIXES, is_raw, parse_framerate
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.probe import open_source
from vmaftune_frv2.media.source import RawFormat, Source

UPSTREAM_FRAMERATE = Fraction(24)
"""Frame rate of a raw source that names none, as in the upstream tool."""


def raw_format(
    width: int | None, height: int | None, pix_fmt: str | None, framerate: str | None
) -> RawFormat | None:
    """The format of raw sources, None when the options do not describe one.

    Raises:
        click.UsageError: only one of width and height was given.
    """
    if width is None and height is None:
        return None
    if width is None or height is None:
        raise click.UsageError("--width and --height go together")
    rate = UPSTREAM_FRAMERATE if framerate is None else parse_framerate(framerate)
    return RawFormat(width, height, pix_fmt or "yuv420p", rate)


def open_sources(
    ffmpeg: FFmpeg,
    labels: Sequence[str],
    raw: RawFormat | None,
    *,
    sample_seconds: float = 0.0,
    hash_files: bool = True,
    duration: float = 0.0,
) -> list[Source]:
    """Opens every source, each once.

    Raises:
        UsageError: a raw file without its dimensions, or dimensions or a duration that a file contradicts.
        InputError: a source cannot be used.
    """
    sources = []
    for label in dict.fromkeys(labels):
        if is_raw(label) and raw is None:
            raise UsageError(f"{label}: {'/'.join(RAW_SUFFIXES)} files have no header; give --width and --height")
        source = open_source(
            ffmpeg,
            label,
            raw=raw if is_raw(label) else None,
            sample_seconds=sample_seconds,
            hash_file=hash_files,
        )
        _check_claims(source, raw, duration)
        sources.append(source)
    return sources


def _check_claims(source: Source, raw: RawFormat | None, duration: float) -> None:
    if raw is not None and (source.width, source.height) != (raw.width, raw.height):
        raise UsageError(
            f"{source.label} is {source.width}x{source.height}, not {raw.width}x{raw.height}:"
            " leave --width and --height to raw files"
        )
    if duration > 0 and source.duration_s and abs(duration / source.duration_s - 1) > 0.01:
        raise UsageError(
            f"--duration {duration:g}: {source.label} lasts {source.duration_s:.3f} s by its frames; leave it out"
        )
