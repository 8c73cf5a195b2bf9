"""``vmaf-tune corpus``: sweep encoders over a grid and append rows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._options import (
    Number,
    default_jobs,
    ffmpeg_option,
    grid_options,
    raw_options,
    track_option,
)
from vmaftune_frv2.errors import InterruptedRunError
from vmaftune_frv2.host.plugins import plugins_of

LONGEST_S = 1e6
"""Days; beyond a few weeks the system's clocks run over."""


@click.command(name="corpus")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--source", "more_sources", multiple=True, metavar="SOURCE", help="A source; repeatable.")
@raw_options
@track_option
@click.option(
    "--duration", type=Number(min=0), default=0.0, help="Duration in seconds; checked against the frames."
)
@grid_options
@click.option(
    "--extra-params", default="", metavar="ARGS", help="Further ffmpeg encoder arguments, quoted as one."
)
@click.option(
    "--sample-clip-seconds",
    type=Number(min=0),
    default=0.0,
    help="Use only this many seconds around the middle of each source.",
)
@click.option(
    "--vmaf-model",
    default=None,
    help="libvmaf model version.  [default: vmaf_v0.6.1, from 2160 rows on vmaf_4k_v0.6.1]",
)
@click.option(
    "--feature-set",
    type=click.Choice(["canonical6", "full"]),
    default="canonical6",
    show_default=True,
    help="Features of a row; full adds libvmaf's further ones as full_features, and takes much longer.",
)
@click.option("--auto-hdr", "hdr_mode", flag_value="auto", default="auto", help="Label encodes as the source is.")
@click.option("--force-sdr", "hdr_mode", flag_value="force-sdr", help="Label encodes as SDR.")
@click.option("--force-hdr-pq", "hdr_mode", flag_value="force-hdr-pq", help="Label encodes as HDR, PQ.")
@click.option("--force-hdr-hlg", "hdr_mode", flag_value="force-hdr-hlg", help="Label encodes as HDR, HLG.")
@click.option("--shots", is_flag=True, help="Count each source's shots.")
@click.option("--complexity", is_flag=True, help="Measure how hard each source is to encode: source_complexity.")
@click.option("--encoder-stats", is_flag=True, help="Read the encoder's own statistics (libx264).")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Cells measured at once.  [default: CPUs]")
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads of each job.  [default: CPUs / jobs]"
)
@click.option(
    "--timeout",
    type=Number(min=0, max=LONGEST_S, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Time limit of one encode or score.  [default: from its duration and encoder]",
)
@click.option(
    "--cache-dir", type=click.Path(path_type=Path, file_okay=False), help="Share results with other corpora here."
)
@click.option(
    "--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True, help="Where cells run."
)
@click.option("--scheduler", default=None, metavar="ADDRESS", help="Scheduler of the dask cluster.")
@click.option("--container", type=click.Choice(["mp4", "mkv", "webm"]), help="Container.  [default: per encoder]")
@click.option("--keep-encodes", is_flag=True, help="Keep the encodes in --encode-dir.")
@click.option("--encode-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for encodes.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("corpus.jsonl"),
    show_default=True,
    help="Corpus to append to. Cells it already has are not measured again.",
)
@click.option("--no-source-hash", is_flag=True, help="Do not hash sources; they are told apart by path.")
@click.option("--dry-run", is_flag=True, help="Print the plan and the number of encodes, and stop.")
@ffmpeg_option
@click.pass_context
def corpus(context: click.Context, /, **options: Any) -> int:
    """Encode and score every (source, encoder, preset, crf), one row each.

    The corpus is appended to, never truncated, and the same command goes on where it stopped.
    """
    from vmaftune_frv2.commands._sweep import Request, run_sweep

    if (options["executor"] == "dask") != (options["scheduler"] is not None):
        raise click.UsageError("--executor dask and --scheduler ADDRESS go together")
    if options["output"].suffix in (".gz", ".zst"):
        raise click.BadParameter("append to a .jsonl file and compress it afterwards", param_hint="--output")
    labels = [*options.pop("sources"), *options.pop("more_sources")]
    if not labels:
        raise click.UsageError("give at least one source")
    options["encoders"] = options["encoders"] or ("libx264",)
    try:
        options["extra_params"] = tuple(shlex.split(options["extra_params"]))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--extra-params") from error
    options["jobs"] = options["jobs"] or default_jobs()
    options["threads"] = options["threads"] or max(1, default_jobs() // options["jobs"])
    try:
        return run_sweep(plugins_of(context), Request(labels=tuple(labels), **options))
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; the same command goes on from here") from stop
