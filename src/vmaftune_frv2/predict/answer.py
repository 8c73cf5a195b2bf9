"""From a question (source, encoders, presets, target) to picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER, Cell
from vmaftune_frv2.contract.intervals import LEVELS
from vmaftune_frv2.predict.curves import LEVEL
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.predictor import Prediction, Predictor
from vmaftune_frv2.predict.search import Goal, Step, judge, next_crf

Line = tuple[str, str]
"""(encoder, preset)."""


@dataclass(frozen=True)
class Question:
    """What is asked of a source.

    Args:
        cells: candidates.
        target: VMAF to reach; None only predicts.
        tolerance: how far above the target a measured pick may lie.
        verify: encode picks until they hold.
        max_encodes: most encodes of one (encoder, preset), its probe among them.
        confidence: pick on the lower edge of the interval of this one-sided confidence; None on the mean.
        min_frame: least 5th percentile of the frames' VMAF; None asks nothing of it.
        max_kbps: leave out cells above this bitrate.
        level: nominal coverage of the intervals shown.
        probes: cells to encode first, which serve every encoder that they tell of; none chooses one per encoder.
    """

    cells: tuple[Cell, ...]
    target: float | None = None
    tolerance: float = 0.5
    verify: bool = False
    max_encodes: int = 6
    confidence: float | None = None
    min_frame: float | None = None
    max_kbps: float | None = None
    level: float = LEVEL
    probes: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Pick:
    """The answer for one (encoder, preset).

    Args:
        encoder: encoder name.
        preset: native preset.
        prediction: the cell to use, None where the target is out of reach.
        best: the cell of the highest VMAF within the bitrate limit.
        encodes: how many were made on this line.
        settled: whether measurements prove the pick.
    """

    encoder: str
    preset: str
    prediction: Prediction | None
    best: Prediction | None
    encodes: int
    settled: bool


@dataclass(frozen=True)
class Answer:
    """Everything said of one source.

    Args:
        predictions: every candidate.
        picks: per (encoder, preset), lowest bitrate first; empty without a target.
        steps: the measured cells in order, with what was expected of each.
    """

    predictions: tuple[Prediction, ...]
    picks: tuple[Pick, ...]
    steps: tuple[Step, ...]


def answer(
    predictor: Predictor,
    measuring: Measuring,
    question: Question,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Answer:
    """Probes, predicts, picks and, where asked, verifies.

    Args:
        predictor: predicts.
        measuring: the source.
        question: what is asked.
        on_step: told of every measured cell.

    Raises:
        ModelError: an encoder was not learnt.
        UsageError: ffmpeg lacks an encoder, or the source is too deep for one.
        ToolError: an encode failed.
    """
    predictor.require(list(dict.fromkeys(cell.encoder for cell in (*question.cells, *question.probes))))
    # A preset that this build runs as another one would never turn up among what was measured.
    question = replace(question, cells=measuring.real(question.cells), probes=measuring.real(question.probes))
    work = _Work(predictor, measuring, question, on_step)
    lines = _lines(question.cells)
    for cell in question.probes:
        work.encode(cell, None)
    # libx264 first: what it tells says where to begin with the others.
    for line, crfs in sorted(lines.items(), key=lambda item: item[0][0] != UNIVERSAL_ENCODER):
        if not work.knows(line[0]) and not (question.probes and work.hears(line[0])):
            work.probe(line, crfs)
        if question.verify and question.target is not None:
            work.settle(line, crfs)
    predictions = work.predict(question.cells)
    picks = [work.pick(line, [p for p in predictions if _line(p.cell) == line]) for line in lines]
    ranked = sorted(picks, key=lambda pick: pick.prediction.kbps if pick.prediction else float("inf"))
    return Answer(tuple(predictions), tuple(ranked) if question.target is not None else (), tuple(work.steps))


def _lines(cells: Sequence[Cell]) -> dict[Line, list[int]]:
    """{(encoder, preset): ascending crfs}."""
    lines: dict[Line, list[int]] = {}
    for cell in cells:
        lines.setdefault(_line(cell), []).append(cell.crf)
    return {line: sorted(set(crfs)) for line, crfs in lines.items()}


def _line(cell: Cell) -> Line:
    return cell.encoder, cell.preset


class _Work:
    """The state of one question."""

    def __init__(
        self, predictor: Predictor, measuring: Measuring, question: Question, on_step: Callable[[Step], None]
    ) -> None:
        self.predictor, self.measuring, self.question, self._on_step = predictor, measuring, question, on_step
        self.steps: list[Step] = []

    def encode(self, cell: Cell, expected: float | None) -> None:
        """Measures a cell, once, unless it is known."""
        if cell in self.measuring.rows:
            return
        point = self.measuring.measure(cell)
        rate, known = self.measuring.rows[cell]["bitrate_kbps"], cell in self.measuring.reused
        self.steps.append(Step(cell, expected, point.vmaf, rate, known))
        self._on_step(self.steps[-1])

    def knows(self, encoder: str) -> bool:
        """Whether a cell of the encoder was measured."""
        return any(cell.encoder == encoder for cell in self.measuring.rows)

    def hears(self, encoder: str) -> bool:
        """Whether what was measured tells of an encoder's cells."""
        return self.predictor.learns_from(encoder, self.measuring.points())

    def probe(self, line: Line, crfs: list[int]) -> None:
        """The first encode of an encoder: where cells of others, or else the source itself, expect the target."""
        if self.question.target is not None and self.hears(line[0]):
            self._encode_likeliest(line, crfs, {})
            return
        target, complexity = self.question.target, None
        if target is not None and self.predictor.wants_complexity:
            complexity = self.measuring.complexity
        self.encode(self.predictor.probe_cell(*line, target, crfs, complexity), None)

    def predict(self, cells: Sequence[Cell]) -> list[Prediction]:
        """Predictions from everything measured."""
        source = self.measuring.source
        sampled = self.measuring.sampling_error
        shape = source.width * source.height, self.measuring.framerate, self.question.level, sampled
        predictions = self.predictor.predict(self.measuring.points(), cells, *shape)
        if self.question.min_frame is None:
            return predictions
        worst = self.predictor.predict(self.measuring.points("p05"), cells, *shape)
        return [replace(p, vmaf_p05=w.vmaf) for p, w in zip(predictions, worst, strict=True)]

    def worth(self, vmaf: float, p05: float | None) -> float:
        """What is held against the target: VMAF, or what the worst frames leave of it."""
        question = self.question
        if question.min_frame is None or question.target is None or p05 is None:
            return vmaf
        return min(vmaf, question.target + p05 - question.min_frame)

    def settle(self, line: Line, crfs: list[int]) -> None:
        """Encodes until measurements prove the pick of a line, or as often as is allowed."""
        while True:
            measured = self.measured(line)
            if judge(self.goal, crfs, measured).settled or self.encodes(line) >= self.question.max_encodes:
                return
            self._encode_likeliest(line, crfs, measured)

    def encodes(self, line: Line) -> int:
        """Encodes made on a line; what was measured before is none."""
        return sum(_line(cell) == line for cell in self.measuring.rows.keys() - self.measuring.reused)

    @property
    def goal(self) -> Goal:
        """What is looked for."""
        assert self.question.target is not None
        return Goal(self.question.target, self.question.tolerance)

    def _encode_likeliest(self, line: Line, crfs: list[int], measured: dict[int, float]) -> None:
        predictions = self.predict([Cell(*line, crf) for crf in crfs])
        mean: NDArray[np.float64] = np.asarray([self.worth(p.vmaf, p.vmaf_p05) for p in predictions])
        typical = np.asarray([p.typical_error for p in predictions])
        crf = next_crf(self.goal, crfs, measured, mean, typical)
        self.encode(Cell(*line, crf), predictions[crfs.index(crf)].vmaf)

    def measured(self, line: Line) -> dict[int, float]:
        """{crf: what counts} of a line."""
        points = self.measuring.points()
        worst = points if self.question.min_frame is None else self.measuring.points("p05")
        return {
            point.cell.crf: self.worth(point.vmaf, low.vmaf)
            for point, low in zip(points, worst, strict=True)
            if _line(point.cell) == line
        }

    def pick(self, line: Line, predictions: Sequence[Prediction]) -> Pick:
        """The highest crf that reaches the target; measured truth goes before prediction."""
        question = self.question
        target = question.target if question.target is not None else 0.0
        affordable = [p for p in predictions if question.max_kbps is None or p.kbps <= question.max_kbps]
        reaching = [p for p in affordable if self._edge(p) >= target]
        measured = self.measured(line)
        goal = Goal(target, question.tolerance)
        state = judge(goal, sorted(p.cell.crf for p in predictions), measured)
        chosen = max(reaching, key=lambda p: p.cell.crf, default=None)
        if question.verify:
            chosen = next((p for p in affordable if p.cell.crf == state.best), None)
        best = max(affordable, key=lambda p: self.worth(p.vmaf, p.vmaf_p05), default=None)
        # Without --verify the pick may lie beyond what was measured: then nothing proves it.
        proven = question.verify if chosen is None and state.best is not None else True
        if chosen is not None:
            proven = chosen.cell.crf == state.best
        return Pick(*line, chosen, best, self.encodes(line), state.settled and proven)

    def _edge(self, prediction: Prediction) -> float:
        """What the target is held against: the mean, or the lower edge of a one-sided interval."""
        confidence, worth = self.question.confidence, self.worth(prediction.vmaf, prediction.vmaf_p05)
        if confidence is None or prediction.typical_error == 0.0:
            return worth
        level = min(max(2.0 * confidence - 1.0, LEVELS[0]), LEVELS[-1])
        encoder = prediction.cell.encoder
        factor = self.predictor.vmaf.intervals.quantile(encoder, level, other=not self.knows(encoder))
        return worth - factor * prediction.typical_error
