"""A ladder for one source: heights and crfs along the convex hull of bitrate and quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.opening import LEAST_SIDE
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.predict.curves import LEVEL
from vmaftune_frv2.predict.hull import choose, steps, upper_hull
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.rendition import PERFECT, Rendition, Rung

LOWEST, HIGHEST = 40.0, 95.0
"""VMAF of the ends of a ladder."""
TELLING = 90.0
"""VMAF of a scaled encode at its own size up to which what it loses tells of others; probes lean towards it."""
Told = Callable[[Rung, "Rung | None"], None]
"""Told of an encode: as measured, and as it was expected."""


@dataclass(frozen=True)
class LadderQuestion:
    """What is asked of a ladder.

    Args:
        cells: candidates, of one (encoder, preset).
        low: VMAF of the lowest rung.
        high: VMAF of the highest.
        rungs: how many; None for one per JND.
        max_kbps: leave out encodes above this bitrate.
        verify: encode every rung, and choose again by what was measured, until all are; all rungs are measured.
        tolerance: VMAF points by which a measured encode may miss its step before another is tried.
        max_encodes: most encodes for one rung.
        level: nominal coverage of the intervals.
    """

    cells: tuple[Cell, ...]
    low: float = LOWEST
    high: float = HIGHEST
    rungs: int | None = None
    max_kbps: float | None = None
    verify: bool = False
    tolerance: float = 0.5
    max_encodes: int = 6
    level: float = LEVEL


@dataclass(frozen=True)
class Ladder:
    """The answer.

    Args:
        rungs: highest first; bitrate and VMAF fall.
        wanted: how many were asked for; there are fewer where no encode lies between two others.
        encodes: how many were made.
        settled: whether nothing better is expected than these rungs; false where ``max_encodes`` ended the search.
    """

    rungs: tuple[Rung, ...]
    wanted: int
    encodes: int
    settled: bool = True


def parse_heights(text: str) -> tuple[int, ...]:
    """Heights of a ladder, highest first.

    Args:
        text: even numbers with commas between them.

    Raises:
        UsageError: not a number, or odd.
    """
    heights = set()
    for part in text.split(","):
        word = part.strip()
        if not (word.isascii() and word.isdigit()) or int(word) == 0:
            raise UsageError(f"--ladder {text!r}: {word!r} is not a height; write 1080,720,480")
        if int(word) % 2:
            raise UsageError(f"--ladder: {word} is odd; 4:2:0 video has even heights")
        heights.add(int(word))
    return tuple(sorted(heights, reverse=True))


def check_heights(heights: Sequence[int], source: Source) -> None:
    """Checks that a source can be encoded at every height.

    Raises:
        UsageError: one is above the source, or its encodes would be too small to score.
    """
    for height in heights:
        if height > source.height:
            raise UsageError(
                f"--ladder: {height} is above the source's {source.height} rows; nothing is scaled up"
            )
        width = source.at_height(height).width
        if min(height, width) < LEAST_SIDE and height != source.height:
            raise UsageError(f"--ladder: {height} gives {width}x{height}; libvmaf needs {LEAST_SIDE}x{LEAST_SIDE}")


def make_ladder(
    predictor: Predictor,
    renditions: Sequence[Rendition],
    question: LadderQuestion,
    on_step: Told = lambda measured, expected: None,
) -> Ladder:
    """Probes every height once, predicts the rest, chooses rungs and, where asked, verifies them.

    Args:
        predictor: predicts.
        renditions: the source at each height, highest first; what was measured of them stays in them.
        question: what is asked.
        on_step: told after every encode.

    Raises:
        ToolError: an encode or a scoring failed.
    """
    work = _Work(predictor, renditions, question, on_step)
    for rendition, target in zip(renditions, _middles(question, len(renditions)), strict=True):
        work.encode(rendition, work.probe(rendition, target), None)
    wanted, chosen = work.choose(question.rungs)
    spent: Counter[int] = Counter()
    while question.verify:
        unsure = [(n, r) for n, r in enumerate(chosen) if not r.measured and spent[n] < question.max_encodes]
        if not unsure:
            break
        number, rung = unsure[0]
        spent[number] += 1
        work.encode(next(r for r in renditions if r.height == rung.height), rung.cell, rung)
        _, chosen = work.choose(wanted)
    settled = not question.verify or all(rung.measured for rung in chosen)
    if not settled:
        _, chosen = work.choose(wanted, measured_only=True)
    return Ladder(tuple(chosen), wanted, work.encodes, settled)


def _middles(question: LadderQuestion, count: int) -> list[float]:
    """VMAF in the middle of what each of ``count`` heights serves, if all serve an equal part of the range."""
    part = (question.high - question.low) / count
    return [question.high - (number + 0.5) * part for number in range(count)]


class _Work:
    """The state of one ladder."""

    def __init__(
        self, predictor: Predictor, renditions: Sequence[Rendition], question: LadderQuestion, on_step: Told
    ) -> None:
        self.predictor, self.renditions, self.question, self._on_step = predictor, renditions, question, on_step
        self.encodes = 0

    def probe(self, rendition: Rendition, target: float) -> Cell:
        """The cell that is likely to give ``target`` at the source's size."""
        first, crfs = self.question.cells[0], [cell.crf for cell in self.question.cells]
        own = target
        if rendition.scaled:
            # The ceiling overrates what scaling leaves where VMAF saturates; a probe in the middle tells more.
            own = (min(PERFECT * target / max(rendition.ceiling, 1.0), PERFECT) + TELLING) / 2.0
        return self.predictor.probe_cell(first.encoder, first.preset, own, crfs)

    def encode(self, rendition: Rendition, cell: Cell, expected: Rung | None) -> None:
        """Measures a cell of a height, once."""
        if cell in rendition.rows:
            return
        rendition.measure(cell)
        self.encodes += 1
        (measured,) = rendition.predict(self.predictor, [cell], self.question.level)
        self._on_step(measured, expected)

    def choose(self, count: int | None, measured_only: bool = False) -> tuple[int, list[Rung]]:
        """How many rungs are wanted, and the rungs as things stand, highest first."""
        question = self.question
        every = [
            r for each in self.renditions for r in each.predict(self.predictor, question.cells, question.level)
        ]
        every = [r for r in every if question.max_kbps is None or r.kbps <= question.max_kbps]
        every = [r for r in every if r.measured or not measured_only]
        if not every:
            return count or 0, []
        rate = np.log([rung.kbps for rung in every])
        quality = np.asarray([rung.vmaf for rung in every])
        high = min(question.high, float(quality.max()))
        low = min(max(question.low, float(quality[upper_hull(rate, quality)[0]])), high)
        wanted = steps(low, high, count)
        bonus = np.asarray([question.tolerance if question.verify and rung.measured else 0.0 for rung in every])
        return len(wanted), [every[index] for index in choose(rate, quality, wanted, bonus)]
