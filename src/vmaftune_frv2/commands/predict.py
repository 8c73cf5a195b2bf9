"""``vmaf-tune predict``: VMAF of cells that nobody has encoded, and the crf to use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._options import ffmpeg_option, grid_options, raw_options

FORMATS = ("table", "json", "jsonl", "csv")


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
@click.option("--target-vmaf", type=click.FloatRange(0, 100), help="Pick the highest crf that still reaches this.")
@click.option("--verify", is_flag=True, help="Encode each pick and report its measured VMAF.")
@click.option("--sample-clip-seconds", type=click.FloatRange(min=0), default=0.0, help="Probe only the middle.")
@click.option(
    "--model", "model_ref", default=None, metavar="ID|FILE.onnx", help="Model.  [default: fr_regressor_v2]"
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True, help="Output.")
@ffmpeg_option
def predict(**options: Any) -> int:
    """Probe SOURCE once and predict the VMAF of every candidate cell.

    With --target-vmaf, picks per encoder and preset the highest crf that still reaches it.
    """
    # numpy would start a pool of BLAS threads that one small net never uses.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from vmaftune_frv2.commands._predict import run_predict

    given = [options["source"] is not None, options["features"] is not None, bool(options["corpora"])]
    if sum(given) != 1:
        raise click.UsageError("give one of SOURCE, --features and --corpus")
    if options["verify"] and (options["source"] is None or options["target_vmaf"] is None):
        raise click.UsageError("--verify needs SOURCE and --target-vmaf")
    if options["corpora"] and (
        options["encoders"] or options["presets"] or options["crfs"] or options["target_vmaf"]
    ):
        raise click.UsageError("--corpus scores the cells of its rows; leave out the grid and --target-vmaf")
    return run_predict(options)
