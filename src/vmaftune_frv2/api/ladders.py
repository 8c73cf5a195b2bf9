"""Bitrate ladders of a source: one per encoder and preset."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from vmaftune_frv2.api.curve_pair import open_predictor
from vmaftune_frv2.api.questions import dealt, recorded, setup_for
from vmaftune_frv2.api.sources import note_if_whole, open_for, warn_of_hdr
from vmaftune_frv2.contract.cells import by_line
from vmaftune_frv2.contract.ladder_request import LadderRequest
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.predict.ladder import Ladder, check_heights, make_ladder
from vmaftune_frv2.predict.rendition import Rendition, Rung
from vmaftune_frv2.progress import about


@dataclass(frozen=True)
class Ladders:
    """The ladders of a source.

    Args:
        heights: the source at every height, highest first.
        ladders: one per (encoder, preset).
    """

    heights: tuple[Rendition, ...]
    ladders: tuple[Ladder, ...]

    @property
    def rungs(self) -> list[Rung]:
        """The rungs of all ladders."""
        return [rung for ladder in self.ladders for rung in ladder.rungs]


def ladder(request: LadderRequest, plugins: Plugins | None = None) -> Ladders:
    """Probes a source at every height and chooses the rungs; verifies them where asked. Progress is logged.

    Args:
        request: source, heights, encoders.
        plugins: see, enrich and check what ``record`` keeps; None loads those that are installed.

    Raises:
        UsageError: a height or a cell that cannot be.
        InputError: the source cannot be used.
        ModelError: no model, or an encoder that was not learnt.
        ToolError: an encode or a scoring failed.
    """
    predictor = open_predictor(request)
    lines = by_line(predictor.cells(request), lambda cell: cell.line)
    every = [cell for cells in lines.values() for cell in cells]
    setup, seconds = setup_for(request, predictor, every), request.sample_clip_seconds
    hashed = request.record is not None
    source = open_for(setup.ffmpeg, request.source, request, seconds=seconds, hashed=hashed, cache=setup.cache)
    note_if_whole(source, seconds)
    warn_of_hdr(source, setup.model_for(source))
    check_heights(request.rows(), source)
    with recorded(request, plugins) as ledger, about(source=source.label):
        setup = dataclasses.replace(dealt(setup, request.threads, 1), ledger=ledger)
        heights = [Rendition(setup, source, height, request.pool) for height in request.rows()]
        # What scaling alone costs does not depend on the encoder; what was encoded does.
        found = [
            make_ladder(predictor, [each.emptied() for each in heights], cells, request)
            for cells in lines.values()
        ]
    return Ladders(tuple(heights), tuple(found))
