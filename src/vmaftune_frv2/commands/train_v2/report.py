"""What training prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmaftune_frv2.commands.shared.table import format_table
from vmaftune_frv2.contract.kinds import PER_FRAME
from vmaftune_frv2.contract.old_rows import OURS
from vmaftune_frv2.contract.scenarios import OF_ENCODER, WORDS

HEADERS = ("rows", "PLCC", "SROCC", "RMSE", "MAE", "p95")


def print_report(trained: Any) -> None:
    """Rows, folds, models, encoders, bands, intervals, the other models and the gate, on stdout."""
    _print_rows(trained)
    evaluation = trained.evaluation
    folds = [
        (*_figures(fold.source, fold.aware), _number(fold.blind.plcc, 4), _number(fold.blind.rmse, 2))
        for fold in evaluation.folds
    ]
    _table(("left-out group", *HEADERS, "blind PLCC", "blind RMSE"), folds)
    _agreements("model", evaluation.models)
    _agreements("encoder", evaluation.by_encoder)
    _agreements("true VMAF", evaluation.by_band)
    unseen = {f"{name}, not in training": figures for name, figures in evaluation.left_out_encoder.items()}
    if evaluation.as_unknown:
        unseen["every encoder"] = evaluation.as_unknown
    if unseen:
        _agreements("as an unknown encoder", unseen)
    if trained.coverage:
        _print_coverage("intervals of the ensemble", trained.coverage)
    if evaluation.variance_coverage:
        shares = ", ".join(f"{level}: {share:.3f}" for level, share in evaluation.variance_coverage.items())
        click.echo(f"variance head, share of left-out rows inside its Gaussian intervals: {shares}\n")
    frames = trained.others.get(PER_FRAME)
    if frames:
        figures = {"clip means": frames.clips, "frames": frames.frames}
        _agreements(f"per-frame {PER_FRAME.model_id}, {frames.folds} folds", figures, digits=3)
    for kind, model in trained.curves.items():
        title = f"{kind.name}, {model.evaluation.folds} folds of {model.evaluation.groups} groups"
        scenarios = {WORDS[name]: figures for name, figures in model.evaluation.scenarios.items()}
        _agreements(title, scenarios, digits=3)
        _agreements(WORDS[OF_ENCODER], model.evaluation.by_encoder, digits=3)
        _agreements("VMAF of the probe", model.evaluation.by_probe, digits=3)
        _print_pairs(model.evaluation.by_pair)
        _print_coverage(f"intervals of the {kind.name}", model.evaluation.coverage)
        if model.evaluation.coverage_across:
            _print_coverage("the same, from another encoder", model.evaluation.coverage_across)
    click.echo("ship gate, leave-one-source-out:")
    for line in evaluation.gate.lines:
        click.echo(f"  {line}")
    if trained.request.smoke:
        click.echo("  synthetic rows: smoke, whatever the gate says")


def _print_rows(trained: Any) -> None:
    data = trained.data
    click.echo(f"rows used: {len(data)} of {data.references} sources in {len(data.group_names)} groups")
    learnt = int((~data.judged).sum())
    if learnt:
        click.echo(f"rows that are only learnt from: {learnt}")
    older = {shape: count for shape, count in trained.corpus.shapes.items() if shape != OURS.shape}
    for shape, count in sorted(older.items()):
        click.echo(f"rows read of an older shape: {count}: {shape}")
    for reason, count in trained.dropped().items():
        click.echo(f"rows dropped: {count}: {reason}")
    frameless = sum(row.frames is None for row in trained.corpus.rows)
    if frameless and not trained.request.smoke:
        lack = "only the regressor learns from rows without frames (vmaf-tune attach measures them)"
        click.echo(f"rows used in part: {frameless}: {lack}")
    for encoder, count in data.unknown_encoders.items():
        click.echo(f"rows in the unknown slot: {count}: {encoder}")
    for warning in trained.warnings:
        click.echo(f"Warning: {warning}", err=True)
    probes = ", ".join(map(str, data.probes))
    click.echo(f"features from: {f'probe {probes}' if probes else 'the cell itself'}\n")


def _agreements(title: str, figures: Mapping[str, Any], digits: int = 2) -> None:
    _table((title, *HEADERS), [_figures(name, each, digits) for name, each in figures.items()])


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    click.echo(format_table(headers, rows))
    click.echo("")


def _print_pairs(by_pair: Mapping[str, Mapping[str, Any]]) -> None:
    encoders = list(by_pair)
    rows = [
        (probe, *(_number(found[name].mae if name in found else None, 3) for name in encoders))
        for probe, found in by_pair.items()
    ]
    _table(("MAE from any cell of", *encoders), rows)


def _print_coverage(title: str, coverage: Any) -> None:
    encoders = list(coverage.by_encoder)
    rows = [
        (
            f"{float(level):.0%}", f"{share:.3f}", f"{coverage.width[level]:.3g}",
            *(f"{coverage.by_encoder[encoder][level]:.3f}" for encoder in encoders),
        )
        for level, share in coverage.measured.items()
    ]  # fmt: skip
    _table((title, "covered", "mean width", *encoders), rows)


def _figures(name: str, figures: Any, digits: int = 2) -> tuple[str, ...]:
    return (
        name, str(figures.n), _number(figures.plcc, digits + 2), _number(figures.srocc, digits + 2),
        _number(figures.rmse, digits), _number(figures.mae, digits), _number(figures.p95, digits),
    )  # fmt: skip


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
