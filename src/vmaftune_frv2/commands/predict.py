"""``vmaf-tune predict``: VMAF of cells that nobody has encoded, and the crf to use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._options import ffmpeg_option, grid_options, raw_options
from vmaftune_frv2.commands._predict_ladder import check_ladder, ladder_options, run_ladder

FORMATS = ("table", "json", "jsonl", "csv")
PERCENT = click.FloatRange(0, 100)


@click.command(name="predict")
@click.argument("source", required=False)
@click.option("--features", type=click.Path(path_type=Path), help="Features from a JSON file; encodes nothing.")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Score the rows of a corpus; repeatable; encodes nothing.",
)
@raw_options
@grid_options
@click.option("--target-vmaf", type=PERCENT, help="Pick the highest crf that still reaches this.")
@click.option(
    "--verify",
    is_flag=True,
    help="Encode the picks and move them until measurements prove them. Every step is shown.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
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
    "--confidence", type=click.FloatRange(0.75, 0.99), help="Pick by the lower edge of the interval, not the mean."
)
@click.option("--max-bitrate", type=click.FloatRange(min=0, min_open=True), help="Leave out cells above, kbit/s.")
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
@click.option("--sample-clip-seconds", type=click.FloatRange(min=0), default=0.0, help="Use only the middle.")
@click.option(
    "--model",
    "model_ref",
    default=None,
    metavar="ID|FILE.onnx",
    help="Model.  [default: vmaf_curve_v1 for SOURCE, else fr_regressor_v2]",
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True, help="Output.")
@ffmpeg_option
def predict(**options: Any) -> int:
    """Probe SOURCE and predict VMAF and bitrate of every candidate cell.

    With --target-vmaf, picks per encoder and preset the highest crf that still reaches it, cheapest pick first.
    """
    # numpy would start a pool of BLAS threads that one small net never uses.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    given = [options["source"] is not None, options["features"] is not None, bool(options["corpora"])]
    if sum(given) != 1:
        raise click.UsageError("give one of SOURCE, --features and --corpus")
    check_ladder(options)
    if options["ladder"] is not None:
        return run_ladder(options)
    _check_combinations(options)
    if options["source"] is not None and not _is_regressor(options["model_ref"]):
        from vmaftune_frv2.commands._predict_source import run_predict_source

        return run_predict_source(options)
    from vmaftune_frv2.commands._predict import run_predict

    return run_predict(options)


def _is_regressor(reference: str | None) -> bool:
    if reference is None:
        return False
    from vmaftune_frv2.predict.session import find_model

    return find_model(reference).sidecar.quantity is None


def _check_combinations(options: dict[str, Any]) -> None:
    if options["verify"] and (options["source"] is None or options["target_vmaf"] is None):
        raise click.UsageError("--verify needs SOURCE and --target-vmaf")
    if options["corpora"] and (
        options["encoders"] or options["presets"] or options["crfs"] or options["target_vmaf"]
    ):
        raise click.UsageError("--corpus scores the cells of its rows; leave out the grid and --target-vmaf")
    if options["target_vmaf"] is None:
        for name in ("confidence", "min_vmaf_frame", "max_bitrate"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --target-vmaf")
