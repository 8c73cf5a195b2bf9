"""A ladder for one source: heights and crfs along the convex hull of bitrate and quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vmaftune_frv2.contract.cells import Cell, Line
from vmaftune_frv2.contract.ladder_request import LadderRequest
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.log import STEP, get_logger
from vmaftune_frv2.media.opening import LEAST_SIDE
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.predict.hull import choose, steps, upper_hull
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.rendition import PERFECT, Rendition, Rung
from vmaftune_frv2.progress import about, tell

log = get_logger(__name__)
NEAR = 4
"""Crfs from where a probe belongs, within which a cell that was measured before takes its place."""
TELLING = 90.0
"""VMAF of a scaled encode at its own size up to which what it loses tells of others; probes lean towards it."""


@dataclass(frozen=True)
class Ladder:
    """A ladder of one encoder at one preset.

    Args:
        line: encoder and preset.
        rungs: highest first; bitrate and VMAF fall.
        wanted: how many were asked for; there are fewer where no encode lies between two others.
        encodes: how many were made.
        complete: whether nothing better is expected than these rungs; not where ``max_encodes`` ended the search.
        candidates: every height and crf, as predicted or measured in the end.
    """

    line: Line
    rungs: tuple[Rung, ...]
    wanted: int
    encodes: int
    complete: bool = True
    candidates: tuple[Rung, ...] = ()


def check_heights(heights: Sequence[int], source: Source) -> None:
    """Checks that a source can be encoded at every height.

    Raises:
        UsageError: one is above the source, or its encodes would be too small to score.
    """
    for height in heights:
        if height > source.height:
            raise UsageError(
                f"--heights: {height} is above the source's {source.height} rows; nothing is scaled up"
            )
        width = source.at_height(height).width
        if min(height, width) < LEAST_SIDE and height != source.height:
            raise UsageError(
                f"--heights: {height} gives {width}x{height}; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}"
            )


def make_ladder(
    predictor: Predictor, renditions: Sequence[Rendition], cells: Sequence[Cell], wanted: LadderRequest
) -> Ladder:
    """Probes every height once, predicts the rest, chooses rungs and, where asked, verifies them.

    With ``verify`` every rung is encoded, and rungs are chosen again by what was measured, until all of them are;
    a measured encode may miss its step by ``tolerance``, and one rung takes at most ``max_encodes``.

    Args:
        predictor: predicts.
        renditions: the source at each height, highest first; what was measured of them stays in them.
        cells: candidates, of one (encoder, preset).
        wanted: what is asked.

    Raises:
        ToolError: an encode or a scoring failed.
    """
    work = _Work(predictor, renditions, cells, wanted)
    for rendition, target in zip(renditions, _middles(wanted.ends(), len(renditions)), strict=True):
        work.recall(rendition)
        work.encode(rendition, work.probe(rendition, target), None)
    count, chosen = work.choose(wanted.rungs)
    spent: Counter[int] = Counter()
    while wanted.verify:
        unsure = [(n, r) for n, r in enumerate(chosen) if not r.measured and spent[n] < wanted.max_encodes]
        if not unsure:
            break
        number, rung = unsure[0]
        spent[number] += 1
        work.encode(next(r for r in renditions if r.height == rung.height), rung.cell, rung)
        _, chosen = work.choose(count)
    complete = not wanted.verify or all(rung.measured for rung in chosen)
    if not complete:
        _, chosen = work.choose(count, measured_only=True)
    return Ladder(cells[0].line, tuple(chosen), count, work.encodes, complete, tuple(work.candidates()))


def _middles(ends: tuple[float, float], count: int) -> list[float]:
    """VMAF in the middle of what each of ``count`` heights serves, if all serve an equal part of the range."""
    low, high = ends
    part = (high - low) / count
    return [high - (number + 0.5) * part for number in range(count)]


class _Work:
    """The state of one ladder."""

    def __init__(
        self, predictor: Predictor, renditions: Sequence[Rendition], cells: Sequence[Cell], wanted: LadderRequest
    ) -> None:
        self.predictor, self.renditions, self.cells, self.wanted = predictor, renditions, cells, wanted
        self.encodes = 0

    def probe(self, rendition: Rendition, target: float) -> Cell:
        """The cell that is likely to give ``target`` at the source's size; one nearby that was measured before."""
        own = target
        if rendition.scaled:
            # The ceiling overrates what scaling leaves where VMAF saturates; a probe in the middle tells more.
            own = (min(PERFECT * target / max(rendition.ceiling, 1.0), PERFECT) + TELLING) / 2.0
        cell = self.predictor.probe_cell(*self.cells[0].line, own, [cell.crf for cell in self.cells])
        return min(
            (known for known in rendition.rows if abs(known.crf - cell.crf) <= NEAR),
            key=lambda known: abs(known.crf - cell.crf),
            default=cell,
        )

    def recall(self, rendition: Rendition) -> None:
        """Takes what was measured before of a height."""
        for cell in rendition.recall(self.cells):
            self._note(rendition, cell, None)

    def encode(self, rendition: Rendition, cell: Cell, expected: Rung | None) -> None:
        """Measures a cell of a height, once."""
        if cell in rendition.rows:
            return
        with about(encode=self.encodes + 1):
            rendition.measure(cell)
        self._note(rendition, cell, expected)

    def _note(self, rendition: Rendition, cell: Cell, expected: Rung | None) -> None:
        known = cell in rendition.known
        self.encodes += not known
        (rung,) = rendition.predict(self.predictor, [cell])
        measured = f"VMAF {rung.vmaf:.2f}, {rung.kbps:.1f} kbit/s"
        if expected is not None:
            measured += f", expected {expected.vmaf:.2f}, {expected.kbps:.1f} kbit/s"
        done = "known" if known else "encoded"
        log.info("%s %d rows %s: %s", done, rung.height, cell, measured, extra=STEP)
        tell(
            "measured",
            height=rung.height,
            encoder=cell.encoder,
            preset=cell.preset,
            crf=cell.crf,
            vmaf=round(rung.vmaf, 4),
            kbps=round(rung.kbps, 2),
            expected_vmaf=None if expected is None else round(expected.vmaf, 4),
            known=known,
        )

    def candidates(self) -> list[Rung]:
        """Every height and crf, from what was measured so far."""
        return [rung for each in self.renditions for rung in each.predict(self.predictor, self.cells)]

    def choose(self, count: int | None, measured_only: bool = False) -> tuple[int, list[Rung]]:
        """How many rungs are wanted, and the rungs as things stand, highest first."""
        wanted = self.wanted
        lowest, highest = wanted.ends()
        every = [r for r in self.candidates() if r.vmaf >= lowest and (r.measured or not measured_only)]
        every = [r for r in every if wanted.max_bitrate is None or r.kbps <= wanted.max_bitrate]
        every = [r for r in every if wanted.min_bitrate is None or r.kbps >= wanted.min_bitrate]
        if not every:
            return count or 0, []
        rate = np.log([rung.kbps for rung in every])
        quality = np.asarray([rung.vmaf for rung in every])
        high = min(highest, float(quality.max()))
        low = min(max(lowest, float(quality[upper_hull(rate, quality)[0]])), high)
        found = steps(low, high, count)
        bonus = np.asarray([wanted.tolerance if wanted.verify and rung.measured else 0.0 for rung in every])
        return len(found), [every[index] for index in choose(rate, quality, found, bonus, wanted.min_step)]
