"""What ``vmaf-tune train-v2`` does once its options are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._progress import progress_bar
from vmaftune_frv2.commands._train_report import print_report
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.files import dump_json, write_atomic
from vmaftune_frv2.contract.kinds import KINDS
from vmaftune_frv2.errors import NegativeError, ToolError

SMOKE_EPOCHS = 1


def run_training(options: Mapping[str, Any]) -> None:
    """Trains, prints the report, exports.

    Raises:
        NegativeError: the gate is required and not met.
    """
    try:
        from vmaftune_frv2.training.release import release
        from vmaftune_frv2.training.train import train
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ToolError(
            "training needs torch: pip install torch==2.13.0 (the CPU build on a CPU machine)"
        ) from error

    request = _request(options)
    with progress_bar("epochs") as bar:
        trained = train(request, bar)
    print_report(trained)
    metrics_out: Path | None = options["metrics_out"]
    if metrics_out is not None:
        write_atomic(metrics_out, dump_json(trained.metrics()))
    if not options["no_export"]:
        for path in release(trained, options["out_dir"]):
            if path.stem.endswith("_candidate"):
                standing = path.stem.removesuffix("_candidate")
                click.echo(f"{standing} is a production model; {path.stem} does not take its place")
            click.echo(f"wrote {path}")
        click.echo(f"registered in {options['out_dir'] / 'registry.json'} (smoke: {str(trained.smoke).lower()})")
    if options["require_gate"] and trained.smoke:
        raise NegativeError("the ship gate is not met (--require-gate)")


def _request(options: Mapping[str, Any]) -> Any:
    from vmaftune_frv2.training.fit import FitOptions
    from vmaftune_frv2.training.learnt import TrainRequest

    smoke = options["smoke"]
    same = (
        "corpora", "only_learn", "smoke", "features_from", "vocab", "vmaf_model", "group_by", "feature_set",
        "codec_block", "hidden", "depth", "dropout", "emit_variance", "model_id",
    )  # fmt: skip
    return TrainRequest(
        **{name: options[name] for name in same},
        kinds=tuple(kind for kind in KINDS[1:] if kind.option is None or options[kind.option]),
        probes=tuple(map(Cell.parse, options["probe_cells"])),
        seeds=1 if smoke else options["seeds"],
        fit=FitOptions(
            epochs=SMOKE_EPOCHS if smoke else options["epochs"],
            batch_size=options["batch_size"],
            lr=options["lr"],
            weight_decay=options["weight_decay"],
            seed=options["seed"],
            device=options["device"],
        ),
    )
