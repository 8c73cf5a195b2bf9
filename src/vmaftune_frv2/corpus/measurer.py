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


@dataclass(frozen=True)
class Measured:
    """The row of a cell, and whether it was measured before rather than now."""

    row: Row
    known: bool


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
    row = _find(setup, request)
    if row is not None:
        return Measured(row, known=True)
    outcome = measure(request, ENCODERS.get(cell.encoder), setup.ffmpeg, setup.options)
    if setup.cache is not None:
        setup.cache.put(request, outcome.row)
    if setup.ledger is not None:
        setup.ledger.take(outcome)
    if outcome.row["exit_status"] != 0:
        raise ToolError(outcome.row[FAILURE_REASON], outcome.row["exit_status"])
    return Measured(outcome.row, known=False)


def is_known(setup: Setup, source: Source, cell: Cell) -> bool:
    """Whether the cache has the row of a cell.

    Raises:
        UsageError, InputError, ToolError: as it.
    """
    if setup.cache is None:
        return False
    request = _request(setup, source, cell)
    return setup.cache.knows(request) and _find(setup, request) is not None


def _request(setup: Setup, source: Source, cell: Cell) -> CellRequest:
    encoder = ENCODERS.get(cell.encoder)
    gop = gop_of(encoder, setup.arguments(source, encoder))
    plan, _ = make_plan(setup, [with_margins(source, gop)], [cell])
    (request,) = plan
    return request


def _find(setup: Setup, request: CellRequest) -> Row | None:
    """What was measured before; the ledger gets what the cache has."""
    row = setup.ledger.find(request) if setup.ledger is not None else None
    if row is None and setup.cache is not None:
        row = setup.cache.get(request, setup.options)
        if row is not None and setup.ledger is not None:
            setup.ledger.take(Outcome(row, None))
    return row
