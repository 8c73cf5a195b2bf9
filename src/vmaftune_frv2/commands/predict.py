"""``vmaf-tune predict``: VMAF of cells that nobody has encoded, and the crf to use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._options import Number, ffmpeg_option, grid_options, raw_options, track_option
from vmaftune_frv2.commands._predict_checks import check_needs, check_regressor, check_together, given_in
from vmaftune_frv2.commands._predict_ladder import check_ladder, ladder_options, run_ladder
from vmaftune_frv2.errors import InterruptedRunError

FORMATS = ("table", "json", "jsonl", "csv")
PERCENT = Number(0, 100)


@click.command(name="predict")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--features", type=click.Path(path_type=Path), help="Features from a JSON file; encodes nothing.")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Score the rows of a corpus; repeatable; encodes nothing.",
)
@raw_options
@track_option
@grid_options
@click.option("--target-vmaf", type=PERCENT, help="Pick the highest crf that still reaches this.")
@click.option(
    "--verify",
    is_flag=True,
    help="Encode the picks and move them until measurements prove them. Every step is shown.",
)
@click.option(
    "--tolerance",
    type=Number(min=0),
    default=0.5,
    show_default=True,
    help="How far above the target a verified pick may lie.",
)
@click.option(
    "--max-encodes",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    help="Most encodes per encoder and preset, the probe among them.",
)
@click.option(
    "--confidence", type=Number(0.75, 0.99), help="Pick by the lower edge of the interval, not the mean."
)
@click.option("--max-bitrate", type=Number(min=0, min_open=True), help="Leave out cells above, kbit/s.")
@click.option("--min-vmaf-frame", type=PERCENT, help="Least 5th percentile of the frames' VMAF.")
@click.option(
    "--pool",
    type=click.Choice(("mean", "harmonic_mean")),
    default="mean",
    show_default=True,
    help="How the frames' VMAF makes a clip's.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="ENCODER:PRESET:CRF",
    help="Encode this first; repeatable.  [default: in each encoder, where its typical curve meets the target]",
)
@ladder_options
@click.option("--sample-clip-seconds", type=Number(min=0), default=0.0, help="Use only the middle.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Use this many short windows spread over SOURCE instead of all of it; for long sources.",
)
@click.option(
    "--sample-seconds",
    type=Number(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Length of each of --samples, and the longest part of a shot that --shots encodes.",
)
@click.option(
    "--shots", is_flag=True, help="Pick a crf for each shot, and print zones or segments for the encoder."
)
@click.option(
    "--segments",
    is_flag=True,
    help="With --shots, encode every shot on its own also where the encoder has zones.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Sources, shots or windows at work at once; each gets its share of the CPUs.  [default: CPUs]",
)
@click.option(
    "--model",
    "model_ref",
    default=None,
    metavar="ID|FILE.onnx",
    help="Model.  [default: vmaf_curve_v2 for SOURCE, else fr_regressor_v2]",
)
@click.option(
    "--bitrate-model",
    metavar="ID|FILE.onnx",
    help="Model of the bitrate of SOURCE's cells.  [default: bitrate_curve_v2]",
)
@click.option("--emit", type=click.Choice(("ffmpeg",)), help="Print the commands that make the picks instead.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the curves of SOURCE to a .png, .svg or .html file.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CORPUS",
    help="Append what is measured to a corpus (.jsonl).",
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True, help="Output.")
@ffmpeg_option
def predict(**options: Any) -> int:
    """Probe SOURCE and predict VMAF and bitrate of every candidate cell.

    With --target-vmaf, picks per encoder and preset the highest crf that still reaches it, cheapest pick first.
    Several sources are answered one by one; one that fails is named, and the exit code is the highest of theirs.
    """
    # numpy would start a pool of BLAS threads that one small net never uses.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    try:
        return _predict(options)
    except KeyboardInterrupt as stop:
        kept = f"; what was measured is in {options['record']}" if options["record"] else ""
        raise InterruptedRunError(f"interrupted{kept}") from stop


def _predict(options: dict[str, Any]) -> int:
    options["source"] = next(iter(options["sources"]), None)
    kinds = [options["source"] is not None, options["features"] is not None, bool(options["corpora"])]
    if sum(kinds) != 1:
        raise click.UsageError("give one of SOURCE, --features and --corpus")
    given = given_in(click.get_current_context())
    check_ladder(options)
    if options["ladder"] is not None:
        check_needs(options, given)
        return run_ladder(options)
    check_together(options, given)
    if options["source"] is not None and not _is_regressor(options["model_ref"]):
        from vmaftune_frv2.commands._predict_source import run_predict_source

        return run_predict_source(options)
    check_regressor(options, given)
    from vmaftune_frv2.commands._predict import run_predict

    return run_predict(options)


def _is_regressor(reference: str | None) -> bool:
    if reference is None:
        return False
    from vmaftune_frv2.predict.session import find_model

    return not find_model(reference).sidecar.kind.is_curve
