"""From options to what is measured of a source: all of it, its middle, or windows spread over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmaftune_frv2.commands._sources import open_sources, raw_format
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
from vmaftune_frv2.media.vmaf_models import model_warning
from vmaftune_frv2.predict.measuring import Measuring, start_measuring
from vmaftune_frv2.predict.predictor import Predictor


def open_measuring(predictor: Predictor, options: Mapping[str, Any], beside: int = 1) -> Measuring:
    """Opens the source that the options name.

    Args:
        predictor: says which libvmaf model counts.
        options: of ``predict``.
        beside: sources at work at once, this one among them; they share the CPUs.

    Raises:
        InputError: the source cannot be used.
        UsageError: a raw file without its dimensions.
    """
    ffmpeg = locate(options["ffmpeg_bin"])
    jobs = max(1, jobs_of(options) // beside)
    samples, seconds = options["samples"] or 0, options["sample_seconds"]
    source = open_one(ffmpeg, options, seconds if samples else options["sample_clip_seconds"])
    model = predictor.vmaf_model or DEFAULT_MODEL
    say_hdr(source, model)
    measuring = start_measuring(
        ffmpeg, source, model, options["pool"],
        samples=samples, sample_seconds=seconds, jobs=jobs, beside=beside,
    )  # fmt: skip
    if not samples:
        say_if_whole(source, options["sample_clip_seconds"])
    elif measuring.source.window is None:
        click.echo(_too_short(measuring.source, options), err=True)
    return measuring


def open_one(ffmpeg: FFmpeg, options: Mapping[str, Any], seconds: float) -> Source:
    """The source that the options name, or its middle; by what its header says where windows were asked for.

    Raises:
        InputError: it cannot be used.
        UsageError: a raw file without its dimensions.
    """
    raw = raw_format(options["width"], options["height"], options["pix_fmt"], options["framerate"])
    quick = bool(options["samples"] or options["shots"])
    (source,) = open_sources(
        ffmpeg,
        [options["source"]],
        raw,
        sample_seconds=seconds,
        hash_files=bool(options["record"]),
        trust_header=quick,
        track=options["video_track"],
    )
    return source


def jobs_of(options: Mapping[str, Any]) -> int:
    """How many things may be at work at once."""
    return int(options["jobs"] or usable_cpus())


def say_if_whole(source: Source, seconds: float) -> None:
    """Tells that a source is no longer than the window that was asked for, 0 for none."""
    if seconds and source.window is None:
        lasts = f"{source.label} lasts {source.encoded_seconds:.2f} s"
        click.echo(f"{lasts}, no longer than {seconds:g} s; all of it is used", err=True)


def say_hdr(source: Source, model: str) -> None:
    """Warns of an HDR source, which every VMAF model judges as if it were SDR."""
    warning = model_warning(source.hdr_transfer, model)
    if warning:
        click.echo(f"Warning: {source.label}: {warning}", err=True)


def _too_short(source: Source, options: Mapping[str, Any]) -> str:
    return (
        f"{source.label} lasts {source.encoded_seconds:.2f} s, no longer than {options['samples']} windows of"
        f" {options['sample_seconds']:g} s; all of it is used"
    )
