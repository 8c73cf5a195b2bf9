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
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.source import Source


@dataclass(frozen=True)
class Measured:
    """The row of a cell, and whether it was measured before rather than now."""

    row: Row
    known: bool


def measure_now(setup: Setup, source: Source, cell: Cell) -> Measured:
    """Encodes and scores one cell of a source as a sweep would, unless the ledger knows its row.

    Args:
        setup: measures it; its ledger is given the outcome, a failed one too.
        source: through whatever view; a window whose surroundings are known is encoded with frames round it.
        cell: what to encode.

    Raises:
        UsageError: ffmpeg lacks the encoder, or parameters or VMAF model cannot be.
        InputError: the source is too deep for the encoder, too small for the VMAF model, or was changed.
        ToolError: the encode or its scoring failed.
    """
    encoder = ENCODERS.get(cell.encoder)
    gop = gop_of(encoder, setup.arguments(source, encoder))
    plan, _ = make_plan(setup, [with_margins(source, gop)], [cell])
    (request,) = plan
    row = setup.ledger.find(request) if setup.ledger is not None else None
    if row is not None:
        return Measured(row, known=True)
    outcome = measure(request, encoder, setup.ffmpeg, setup.options)
    if setup.ledger is not None:
        setup.ledger.take(outcome)
    if outcome.row["exit_status"] != 0:
        raise ToolError(outcome.row[FAILURE_REASON], outcome.row["exit_status"])
    return Measured(outcome.row, known=False)
