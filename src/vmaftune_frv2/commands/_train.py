"""What ``vmaf-tune train-v2`` does once its options are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._progress import progress_bar
from vmaftune_frv2.commands._table import format_table
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.files import dump_json, write_atomic
from vmaftune_frv2.errors import ToolError

SMOKE_EPOCHS = 1


def run_training(options: Mapping[str, Any]) -> None:
    """Trains, prints the report, exports."""
    try:
        from vmaftune_frv2.training.fit import FitOptions
        from vmaftune_frv2.training.train import TrainRequest, export, train
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ToolError(
            "training needs torch: pip install torch==2.13.0 (the CPU build on a CPU machine)"
        ) from error

    smoke = options["smoke"]
    fit = FitOptions(
        epochs=SMOKE_EPOCHS if smoke else options["epochs"],
        batch_size=options["batch_size"],
        lr=options["lr"],
        weight_decay=options["weight_decay"],
        seed=options["seed"],
        device=options["device"],
    )
    request = TrainRequest(
        corpora=options["corpora"],
        smoke=smoke,
        features_from=options["features_from"],
        probe=Cell.parse(options["probe_cell"]) if options["probe_cell"] else None,
        vocab=options["vocab"],
        vmaf_model=options["vmaf_model"],
        hidden=options["hidden"],
        depth=options["depth"],
        dropout=options["dropout"],
        fit=fit,
        model_id=options["model_id"],
    )
    with progress_bar("epochs") as bar:
        bar.start(2 * fit.epochs)
        trained = train(request, bar.advance)
    _print_rows(trained)
    _print_folds(trained)
    _print_gate(trained)
    metrics_out: Path | None = options["metrics_out"]
    if metrics_out is not None:
        write_atomic(metrics_out, dump_json(trained.metrics()))
    if not options["no_export"]:
        path = export(trained, options["out_dir"])
        if path.stem != request.model_id:
            click.echo(f"{request.model_id} is a production model; this one does not take its place")
        click.echo(f"wrote {path} (smoke: {str(trained.smoke).lower()}), its sidecar and registry entry")


def _print_rows(trained: Any) -> None:
    dataset = trained.dataset
    click.echo(f"rows used: {len(dataset)} of {len(dataset.source_names)} sources")
    for reason, count in trained.dropped().items():
        click.echo(f"rows dropped: {count}: {reason}")
    for encoder, count in trained.corpus.unknown_encoders.items():
        click.echo(f"rows in the unknown slot: {count}: {encoder}")
    click.echo(f"features from: {f'probe {dataset.probe}' if dataset.probe else 'the cell itself'}")
    click.echo("")


def _print_folds(trained: Any) -> None:
    evaluation = trained.evaluation
    rows = [_figures(fold.source, fold.aware, fold.blind) for fold in evaluation.folds]
    rows.append(_figures("all", evaluation.aware, evaluation.blind))
    headers = ("left-out source", "rows", "PLCC", "SROCC", "RMSE", "MAE", "p95", "blind PLCC", "blind RMSE")
    click.echo(format_table(headers, rows))
    click.echo("")
    encoders = [_figures(name, a, None)[:7] for name, a in evaluation.by_encoder.items()]
    click.echo(format_table(("encoder", *headers[1:7]), encoders))
    click.echo("")


def _figures(name: str, aware: Any, blind: Any) -> tuple[str, ...]:
    figures = [
        name, str(aware.n), _number(aware.plcc, 4), _number(aware.srocc, 4), _number(aware.rmse, 2),
        _number(aware.mae, 2), _number(aware.p95, 2),
    ]  # fmt: skip
    if blind is not None:
        figures += [_number(blind.plcc, 4), _number(blind.rmse, 2)]
    return tuple(figures)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _print_gate(trained: Any) -> None:
    click.echo("ship gate, leave-one-source-out:")
    for line in trained.evaluation.gate.lines:
        click.echo(f"  {line}")
    if trained.request.smoke:
        click.echo("  synthetic rows: smoke, whatever the gate says")
