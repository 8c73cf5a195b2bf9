"""What a sweep prints: its plan, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from vmaftune_frv2.api.sweeping import Swept
from vmaftune_frv2.contract.sweep_request import SweepRequest
from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.corpus.request import CellRequest


def print_plan(plan: Plan, todo: Sequence[CellRequest]) -> None:
    """Cells that are left, and how many there are."""
    for request in todo:
        cell = request.cell
        click.echo(f"{request.source.label}\t{cell.encoder}\t{cell.preset}\t{cell.crf}")
    click.echo(
        f"{len(plan)} cells planned: {len(plan.sources)} sources x {len(plan.cells)}; encodes to do: {len(todo)}",
        err=True,
    )


def print_summary(swept: Swept, request: SweepRequest) -> None:
    """Counts, and rows that lack what was asked for: none is measured again for what options add."""
    summary = swept.summary
    cached = f" ({summary.cached} from {request.cache_dir})" if summary.cached else ""
    failed = "failed (rows with exit_status != 0; the same command tries them again)"
    counts = summary.counts(f"{summary.measured} measured{cached}", failed, swept.vetoed_path)
    click.echo(f"{request.output}: {summary.planned} cells, {counts}", err=True)
    if swept.incomplete:
        names = ("shots", "complexity", "encoder_stats")
        asked = " ".join(f"--{name.replace('_', '-')}" for name in names if getattr(request, name))
        click.echo(
            f"{swept.incomplete} of the rows already there lack what {asked} adds; a new --output will have it",
            err=True,
        )
