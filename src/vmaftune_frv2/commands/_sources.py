"""Opening sources from command-line options."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import click

from vmaftune_frv2.commands._options import RAW_SUFFIXES, is_raw, parse_framerate
from vmaftune_frv2.contract.rows import SOURCE_COMPLEXITY
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.complexity import measure_complexity
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.hdr import resolve, signalling_filters
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.shots import detect_shots
from vmaftune_frv2.media.source import RawFormat, Source
from vmaftune_frv2.media.together import usable_cpus

UPSTREAM_FRAMERATE = Fraction(24)
"""Frame rate of a raw source that names none, as in the upstream tool."""


def raw_format(
    width: int | None, height: int | None, pix_fmt: str | None, framerate: str | None
) -> RawFormat | None:
    """The format of raw sources, None when the options do not describe one.

    Raises:
        click.UsageError: only one of width and height was given, or the frame rate is none.
    """
    rate = UPSTREAM_FRAMERATE if framerate is None else parse_framerate(framerate)
    if width is None and height is None:
        return None
    if width is None or height is None:
        raise click.UsageError("--width and --height go together")
    return RawFormat(width, height, pix_fmt or "yuv420p", rate)


def open_sources(
    ffmpeg: FFmpeg,
    labels: Sequence[str],
    raw: RawFormat | None,
    *,
    sample_seconds: float = 0.0,
    hash_files: bool = True,
    duration: float = 0.0,
    hdr_mode: str = "auto",
    shots: bool = False,
    complexity: bool = False,
    trust_header: bool = False,
    track: int | None = None,
) -> list[Source]:
    """Opens every source, each once.

    Args:
        ffmpeg: opens them.
        labels: paths as given.
        raw: format of headerless files.
        sample_seconds: use only the middle.
        hash_files: whether to hash them.
        duration: what the user says they last, 0 for nothing.
        hdr_mode: what encodes are labelled as.
        shots: whether to count shots.
        complexity: whether to measure how hard they are to encode.
        trust_header: whether the middle may be where the container says, as ``open_source``.
        track: number of the video track, as ``open_source``.

    Raises:
        UsageError: a raw file without its dimensions, or dimensions or a duration that a file contradicts.
        InputError: a source cannot be used.
        ToolError: ffmpeg failed at counting shots or measuring complexity.
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
            trust_header=trust_header,
            track=track,
        )
        for remark in source.remarks:
            click.echo(remark, err=True)
        _check_claims(source, raw, duration)
        hdr = resolve(source, hdr_mode)
        known: dict[str, Any] = dict(hdr.row_values())
        if shots:
            known |= detect_shots(ffmpeg, source).row_values()
        if complexity:
            known[SOURCE_COMPLEXITY] = measure_complexity(ffmpeg, [source], threads=usable_cpus())
        sources.append(
            dataclasses.replace(source, label_filters=signalling_filters(source, hdr), row_values=known)
        )
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
