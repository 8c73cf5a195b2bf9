"""``vmaf-tune train-v2``: corpus to judged, exported, registered models."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._options import Number
from vmaftune_frv2.contract.cells import FEATURE_SOURCES, FROM_PROBE
from vmaftune_frv2.contract.codec import DEFAULT_VOCABULARY, VOCABULARIES
from vmaftune_frv2.contract.kinds import OPTIONS, REGRESSOR

MODEL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""What file names and the registry bear, the ensemble's suffixes included."""


def _options_of_kinds(command: Callable[..., None]) -> Callable[..., None]:
    """Adds a flag for every option by which kinds of model are asked for."""
    for name, text in OPTIONS.items():
        command = click.option(f"--{name}", is_flag=True, help=text)(command)
    return command


@click.command(name="train-v2")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Corpus file or folder; repeatable.",
)
@click.option(
    "--only-learn",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Corpus to learn from but not to judge on (made-up sources); repeatable.",
)
@click.option(
    "--smoke",
    is_flag=True,
    help="Train one epoch on 100 made-up rows: checks that training works, and makes a model of no use.",
)
@click.option(
    "--group-by",
    default="stem-prefix",
    show_default=True,
    metavar="src|stem-prefix|FILE",
    help="What is left out together: each source, sources whose file names agree up to _<number>, or groups from a"
    " CSV file of FILE NAME,GROUP lines.",
)
@click.option(
    "--features-from",
    type=click.Choice(FEATURE_SOURCES),
    default=FROM_PROBE,
    show_default=True,
    help="Features of one probe encode of the source, or of the encode that is scored.",
)
@click.option(
    "--probe-cell",
    "probe_cells",
    multiple=True,
    metavar="ENCODER:PRESET:CRF",
    help="The probe encode; repeat it to give each encoder its own.  [default: the cell that most sources have]",
)
@click.option(
    "--feature-set",
    type=click.Choice(("canonical6", "full")),
    default="canonical6",
    show_default=True,
    help="full: the 22 columns of the superseded graph.",
)
@click.option(
    "--codec-block",
    type=click.Choice(("full", "onehot")),
    default="full",
    show_default=True,
    help="onehot: the encoder alone, as in the superseded graph.",
)
@click.option(
    "--vocab",
    type=click.IntRange(min(VOCABULARIES), max(VOCABULARIES)),
    default=DEFAULT_VOCABULARY,
    show_default=True,
    help="Which list of encoders the codec block tells apart.",
)
@click.option("--emit-variance", is_flag=True, help="Predict score and log-variance (output score_logvar).")
@_options_of_kinds
@click.option("--vmaf-model", default=None, help="Keep only rows scored with this model.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Nets of the ensemble.")
@click.option("--epochs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--lr", type=Number(min=0, min_open=True), default=5e-3, show_default=True)
@click.option("--weight-decay", type=Number(min=0), default=1e-4, show_default=True)
@click.option(
    "--hidden", type=click.IntRange(min=1), default=32, show_default=True, help="Units of a hidden layer."
)
@click.option("--depth", type=click.IntRange(min=1), default=2, show_default=True, help="Hidden layers.")
@click.option("--dropout", type=Number(0, 1, max_open=True), default=0.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="torch device: cpu, cuda, cuda:1.")
@click.option("--model-id", default=REGRESSOR.model_id, show_default=True, help="Registry id.")
@click.option(
    "--out-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("model/tiny"),
    show_default=True,
    help="Folder of models, sidecars and registry.json.",
)
@click.option("--metrics-out", type=click.Path(path_type=Path, dir_okay=False), help="Write every figure as JSON.")
@click.option("--require-gate", is_flag=True, help="Exit with 1 if the ship gate is not met.")
@click.option("--no-export", is_flag=True, help="Train and judge only.")
def train_v2(**options: Any) -> None:
    """Fit the codec-aware regressor, judge it leave-one-source-out, export and register it.

    Besides: its ensemble with intervals, the codec-blind regressor of single frames and, with --curves, the curve
    models, which start from one measured cell.
    """
    from vmaftune_frv2.commands._train import run_training

    if not options["corpora"] and not options["smoke"]:
        raise click.UsageError("give --corpus, or --smoke to check that training works")
    if options["smoke"] and (options["corpora"] or options["only_learn"]):
        raise click.UsageError("--smoke trains on made-up rows; leave --corpus out")
    if not MODEL_ID.fullmatch(options["model_id"]):
        raise click.UsageError("--model-id takes at most 32 lower-case letters, digits, _ and -")
    run_training(options)
