"""Measuring one cell now: the way that every question about a source takes."""

from __future__ import annotations

from dataclasses import dataclass

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder_settings import gop_of
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import FAILURE_REASON, Row
from vmaftune_frv2.corpus.measure import measure
from vmaftune_frv2.corpus.packets import with_margins
from vmaftune_frv2.corpus.plan import make_plan
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import Outcome, Setup
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import usable_cpus


@dataclass(frozen=True)
class Measured:
    """A measured cell.

    Args:
        row: of it.
        known: whether it was measured before rather than now.
        cpu_seconds: what encoding one frame takes of one CPU; None where nobody knows how many were at work.
    """

    row: Row
    known: bool
    cpu_seconds: float | None = None


def measure_now(setup: Setup, source: Source, cell: Cell) -> Measured:
    """Encodes and scores one cell of a source as a sweep would, unless ledger or cache know its row.

    Args:
        setup: measures it; its ledger and its cache are given the outcome, the ledger a failed one too.
        source: through whatever view; a window whose surroundings are known is encoded with frames round it.
        cell: what to encode.

    Raises:
        UsageError: ffmpeg lacks the encoder, or parameters or VMAF model cannot be.
        InputError: the source is too deep for the encoder, too small for the VMAF model, or was changed.
        ToolError: the encode or its scoring failed.
    """
    request = _request(setup, source, cell)
    row, threads = _find(setup, request)
    if row is not None:
        return Measured(row, True, _cpu_seconds(request, row, threads))
    outcome = measure(request, ENCODERS.get(cell.encoder), setup.ffmpeg, setup.options)
    if setup.cache is not None:
        setup.cache.put(request, outcome.row, setup.options)
    if setup.ledger is not None:
        setup.ledger.take(outcome)
    if outcome.row["exit_status"] != 0:
        raise ToolError(outcome.row[FAILURE_REASON], outcome.row["exit_status"])
    return Measured(outcome.row, False, _cpu_seconds(request, outcome.row, setup.options.threads))


def is_known(setup: Setup, source: Source, cell: Cell) -> bool:
    """Whether the cache has the row of a cell.

    Raises:
        UsageError, InputError, ToolError: as it.
    """
    if setup.cache is None:
        return False
    request = _request(setup, source, cell)
    return setup.cache.knows(request, setup.options) and _find(setup, request)[0] is not None


def _request(setup: Setup, source: Source, cell: Cell) -> CellRequest:
    encoder = ENCODERS.get(cell.encoder)
    gop = gop_of(encoder, setup.arguments(source, encoder))
    plan, _ = make_plan(setup, [with_margins(source, gop)], [cell])
    (request,) = plan
    return request


def _find(setup: Setup, request: CellRequest) -> tuple[Row | None, int | None]:
    """What was measured before, and with how many threads; the ledger gets what the cache has."""
    row = setup.ledger.find(request) if setup.ledger is not None else None
    if row is not None or setup.cache is None:
        return row, None
    kept = setup.cache.find(request, setup.options)
    if kept is None:
        return None, None
    if setup.ledger is not None:
        setup.ledger.take(Outcome(kept.row, None))
    return kept.row, kept.threads


def _cpu_seconds(request: CellRequest, row: Row, threads: int | None) -> float | None:
    """Of one frame, if all threads of the encode were busy."""
    took = row.get("encode_time_ms")
    if not took or threads is None:
        return None
    return float(took) / 1000 * min(threads, usable_cpus()) / request.source.encoded_frames
