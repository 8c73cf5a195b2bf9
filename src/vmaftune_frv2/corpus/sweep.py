"""The sweep: requests through an executor, rows through the plugins into the store."""

from __future__ import annotations

import concurrent.futures as cf
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.rows import FAILURE_REASON, Row
from vmaftune_frv2.corpus.cache import ResultCache
from vmaftune_frv2.corpus.executors import WORKER_LOSSES, Workers
from vmaftune_frv2.corpus.measure import measure
from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import Outcome
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.progress import count


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
    """Counts of a sweep; cells from a cache count as measured, too."""

    planned: int = 0
    skipped: int = 0
    measured: int = 0
    cached: int = 0
    failed: int = 0
    vetoed: int = 0

    @property
    def clean(self) -> bool:
        """Whether every planned cell has a row with a score."""
        return self.failed == 0 and self.vetoed == 0

    def counts(self, measured: str, failed: str, vetoed_path: Path) -> str:
        """The counts as one line for people; what is 0 is left out, but for ``measured``.

        Args:
            measured: what to say of those that were measured.
            failed: what to call those that failed.
            vetoed_path: where refused rows are kept.
        """
        parts = [measured]
        if self.skipped:
            parts.append(f"{self.skipped} already there")
        if self.failed:
            parts.append(f"{self.failed} {failed}")
        if self.vetoed:
            parts.append(f"{self.vetoed} refused (kept in {vetoed_path})")
        return ", ".join(parts)


def run_plan(
    plan: Plan,
    store: CorpusStore,
    events: SweepEvents,
    *,
    workers: Workers,
    cache: ResultCache | None = None,
    table: EncoderTable = ENCODERS,
) -> Summary:
    """Measures every cell of a plan that the store has no score for.

    Args:
        plan: what to measure.
        store: takes the rows; this call is its only writer.
        events: given everything that happens.
        workers: run the cells.
        cache: answers requests that were measured for another corpus, and keeps what is measured now.
        table: known encoders.

    Raises:
        OutputError: a row could not be written; the cells before it are safe.
        ToolError: workers kept dying under a cell; the cells before it are safe.
    """
    summary, ffmpeg, options = Summary(planned=len(plan)), plan.setup.ffmpeg, plan.setup.options
    todo_count = 0
    for request in plan:
        digest = request.identity
        summary.skipped += digest in store.measured
        summary.vetoed += digest in store.refused
        todo_count += store.lacks(digest)
    events.started(plan, todo_count)
    todo = (request for request in plan.longest_first(table) if store.lacks(request.identity))
    cells = count("sweep", "cells", todo_count)

    def submit(request: CellRequest) -> cf.Future[Outcome]:
        return workers.executor.submit(measure, request, table.get(request.cell.encoder), ffmpeg, options)

    def uncached() -> Iterator[CellRequest]:
        for request in todo:
            kept = cache.find(request, options) if cache else None
            if kept is None:
                yield request
            else:
                summary.cached += 1
                take(Outcome(kept.row, None), store, events, summary)
                cells.add()

    with cells:
        for request, outcome in _drain(uncached(), submit, workers):
            if cache is not None:
                cache.put(request, outcome.row, options)
            take(outcome, store, events, summary)
            cells.add()
    events.finished(summary)
    return summary


def _drain(
    todo: Iterator[CellRequest], submit: Callable[[CellRequest], cf.Future[Outcome]], workers: Workers
) -> Iterator[tuple[CellRequest, Outcome]]:
    """Outcomes as they arrive, with at most ``workers.queued`` requests under way."""
    running = {submit(request): request for request in itertools.islice(todo, workers.queued)}
    try:
        while running:
            done, _ = cf.wait(running, return_when=cf.FIRST_COMPLETED)
            finished = [(running.pop(future), future) for future in done]
            running |= {submit(request): request for request in itertools.islice(todo, len(done))}
            for request, future in finished:
                try:
                    outcome = future.result()
                except workers.losses as error:
                    raise ToolError(
                        f"{request.source.label} {request.cell}: {WORKER_LOSSES} workers died that had this cell;"
                        " their logs may say why. The same command goes on from here"
                    ) from error
                yield request, outcome
    finally:
        for future in running:
            future.cancel()


def take(outcome: Outcome, store: CorpusStore, events: SweepEvents, summary: Summary) -> None:
    """A row through the plugins into the store, and into the counts."""
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
