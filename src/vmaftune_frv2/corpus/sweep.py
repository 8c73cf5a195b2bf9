"""The sweep: requests through an executor, rows through the plugins into the store."""

from __future__ import annotations

import concurrent.futures as cf
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.rows import FAILURE_REASON, Row
from vmaftune_frv2.corpus.measure import MeasureOptions, Outcome, measure
from vmaftune_frv2.corpus.plan import CellRequest, Plan, identity
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.media.ffmpeg import FFmpeg

QUEUED_PER_JOB = 2
"""Cells handed to the executor per job: enough to keep it busy, few enough to keep memory flat."""


class SweepEvents(Protocol):
    """What a sweep tells the outside, and what it lets the outside do to a row."""

    def started(self, plan: Plan, todo: int) -> None:
        """The sweep begins; ``todo`` cells are left of the plan."""

    def scored(self, row: Row, payload: Mapping[str, Any]) -> None:
        """Libvmaf's whole log of one cell."""

    def enrich(self, row: Row, payload: Mapping[str, Any] | None) -> None:
        """May add keys to a row and fill unknown ones."""

    def veto(self, row: Row) -> list[str]:
        """Reasons to keep a row out of the corpus; empty to let it in."""

    def cell_done(self, row: Row) -> None:
        """A cell is finished, whatever came of it."""

    def finished(self, summary: Summary) -> None:
        """The sweep is over."""


@dataclass
class Summary:
    """Counts of a sweep."""

    planned: int = 0
    skipped: int = 0
    measured: int = 0
    failed: int = 0
    vetoed: int = 0

    @property
    def clean(self) -> bool:
        """Whether every planned cell has a row with a score."""
        return self.failed == 0 and self.vetoed == 0


def sweep(
    plan: Plan,
    ffmpeg: FFmpeg,
    store: CorpusStore,
    options: MeasureOptions,
    events: SweepEvents,
    *,
    executor: cf.Executor,
    queued: int,
    table: EncoderTable = ENCODERS,
) -> Summary:
    """Measures every cell of a plan that the store has no score for.

    Args:
        plan: what to measure.
        ffmpeg: measures it.
        store: takes the rows; this call is its only writer.
        options: how cells are measured.
        events: hears of everything.
        executor: runs the cells.
        queued: cells that may be handed to the executor at once.
        table: known encoders.

    Raises:
        OutputError: a row could not be written; the cells before it are safe.
    """
    summary = Summary(planned=len(plan))
    todo_count = 0
    for request in plan:
        digest = identity(request.base_row())
        summary.skipped += digest in store.measured
        summary.vetoed += digest in store.refused
        todo_count += store.lacks(digest)
    events.started(plan, todo_count)
    todo = (request for request in plan if store.lacks(identity(request.base_row())))

    def submit(request: CellRequest) -> cf.Future[Outcome]:
        return executor.submit(measure, request, table.get(request.cell.encoder), ffmpeg, options)

    for outcome in _drain(todo, submit, queued):
        _take(outcome, store, events, summary)
    events.finished(summary)
    return summary


def _drain(todo: Iterator[CellRequest], submit: Any, queued: int) -> Iterator[Outcome]:
    """Outcomes as they arrive, with at most ``queued`` requests under way."""
    running: set[cf.Future[Outcome]] = {submit(request) for request in itertools.islice(todo, queued)}
    try:
        while running:
            done, running = cf.wait(running, return_when=cf.FIRST_COMPLETED)
            running |= {submit(request) for request in itertools.islice(todo, len(done))}
            for future in done:
                yield future.result()
    finally:
        for future in running:
            future.cancel()


def _take(outcome: Outcome, store: CorpusStore, events: SweepEvents, summary: Summary) -> None:
    row = outcome.row
    if outcome.payload is not None:
        events.scored(row, outcome.payload)
    events.enrich(row, outcome.payload)
    reasons = events.veto(row)
    if reasons:
        store.append_vetoed(row, reasons)
        summary.vetoed += 1
    else:
        store.append(row)
        if row["exit_status"] == 0:
            summary.measured += 1
        else:
            summary.failed += 1
    events.cell_done({**row, FAILURE_REASON: "; ".join(reasons)} if reasons else row)
