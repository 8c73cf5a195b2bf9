"""From a question (cells, target) about a source to picks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER, Cell, Line, by_line
from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.intervals import LEVELS
from vmaftune_frv2.contract.option_groups import TargetOptions
from vmaftune_frv2.contract.quality_targets import percentile_name
from vmaftune_frv2.log import STEP, get_logger
from vmaftune_frv2.predict.aims import Aims
from vmaftune_frv2.predict.between import between, with_measured
from vmaftune_frv2.predict.costs import with_costs
from vmaftune_frv2.predict.limits import Within, limit_of
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.picks import Pick, by_cell_line, highest_reaching
from vmaftune_frv2.predict.pool_figures import wider
from vmaftune_frv2.predict.predictor import Predictor, pooled
from vmaftune_frv2.predict.results import Answer, Percentile, Prediction, Step
from vmaftune_frv2.predict.search import judge, next_crf
from vmaftune_frv2.predict.vmaf_scales import further_scores, scale_of
from vmaftune_frv2.progress import about, tell

log = get_logger(__name__)
LISTED = 3
"""Cells of the cache that are named one by one; of more, their number is told."""
NEAR = 8
"""Crfs from a cell that was measured before, within which it predicts about as well as a probe at the target."""


def answer(
    predictor: Predictor,
    measuring: Measuring,
    cells: Sequence[Cell],
    wanted: TargetOptions,
    finely: Collection[str] = (),
) -> Answer:
    """Probes, predicts, picks and, where asked, verifies. Every measured cell is logged.

    Args:
        predictor: predicts.
        measuring: the source.
        cells: candidates.
        wanted: the target, and how a pick is made.
        finely: encoders on whose steps crfs between the candidates are searched, too, where picks are verified.

    Raises:
        ModelError: an encoder was not learnt.
        UsageError: ffmpeg lacks an encoder, or the source is too deep for one.
        ToolError: an encode failed.
    """
    probes = wanted.probe_cells()
    predictor.require(list(dict.fromkeys(cell.encoder for cell in (*cells, *probes))))
    # A preset that this build runs as another one would never turn up among what was measured.
    cells, probes = measuring.real(cells), measuring.real(probes)
    work = _Work(predictor, measuring, wanted)
    lines = {
        line: sorted({cell.crf for cell in found}) for line, found in by_line(cells, lambda c: c.line).items()
    }
    if wanted.verify and (wanted.has_target or work.limit is not None):
        work.refined = between(measuring.setup.ffmpeg, lines, finely)
    searched = (Cell(*line, crf) for line, crfs in work.refined.items() for crf in crfs)
    work.recall(list(dict.fromkeys((*cells, *searched))))
    for cell in probes:
        work.encode(cell, None)
    # libx264 first: its cell says where to begin with the others.
    for line, crfs in sorted(lines.items(), key=lambda item: item[0].encoder != UNIVERSAL_ENCODER):
        if not work.has_measured(line.encoder) and not (probes and work.can_predict(line.encoder)):
            work.probe(line, crfs)
        elif not probes and work.is_far(line, crfs):
            work.encode_likeliest(line, crfs)
        if wanted.verify and wanted.has_target:
            work.verify(line, crfs)
        elif wanted.verify and work.limit is not None:
            work.verify_within(line, Within(work.limit.kbps, work.refined.get(line, crfs)))
    shown = work.costed(work.predict(with_measured(lines, work.refined, measuring.rows)))
    predictions = [replace(found, sample=measuring.sample) for found in shown]
    picks: list[Pick[Prediction]] = []
    if wanted.picks:
        choose = work.pick if wanted.has_target else work.pick_within
        picks = [choose(line, found) for line, found in by_cell_line(predictions).items()]
        picks.sort(key=lambda pick: pick.prediction.kbps if pick.prediction else float("inf"))
    return Answer(tuple(predictions), tuple(picks), tuple(work.steps))


class _Work:
    """The state of one question."""

    def __init__(self, predictor: Predictor, measuring: Measuring, wanted: TargetOptions) -> None:
        self.predictor, self.measuring, self.wanted = predictor, measuring, wanted
        self.aims = Aims(measuring.pool, wanted.targets())
        self.goal = self.aims.goal(wanted.tolerance)
        self.limit = limit_of(wanted, measuring.whole_seconds)
        measuring.scale = scale_of(measuring.setup.model_for(measuring.source), predictor.vmaf_model)
        self.steps: list[Step] = []
        self.refined: dict[Line, list[Crf]] = {}
        self._recalled: list[Cell] = []

    def encode(self, cell: Cell, expected: float | None) -> None:
        """Measures a cell, once, unless it is known."""
        measuring = self.measuring
        if cell in measuring.rows:
            return
        with about(encode=self.encodes(cell.line) + 1, max_encodes=self.most(cell.line)):
            measuring.measure(cell)
        self._note(cell, expected)

    def _note(self, cell: Cell, expected: float | None, *, listed: bool = True) -> None:
        measuring = self.measuring
        row = measuring.rows[cell]
        lows = {percent: pooled(row, percentile_name(percent)) for percent in self.wanted.percentiles()}
        vmaf = pooled(row, measuring.pool)
        step = Step(cell, expected, vmaf, row["bitrate_kbps"], cell in measuring.known, lows)
        self.steps.append(step)
        if listed:
            log.info("%s%s", measuring.prefix, step, extra=STEP)
        tell(
            "measured",
            encoder=cell.encoder,
            preset=cell.preset,
            crf=cell.crf,
            vmaf=round(vmaf, 4),
            kbps=round(step.kbps, 2),
            expected_vmaf=None if expected is None else round(expected, 4),
            known=step.known,
        )

    def most(self, line: Line) -> int | None:
        """Most encodes of a line, where they are searched for."""
        return max(self.wanted.max_encodes, self.encodes(line) + 1) if self.wanted.verify else None

    def recall(self, cells: Sequence[Cell]) -> None:
        """Takes what was measured before of some cells."""
        self._recalled = self.measuring.recall(cells)
        if len(self._recalled) > LISTED:
            log.info("%s%d encodes known from the cache", self.measuring.prefix, len(self._recalled), extra=STEP)
        for cell in self._recalled:
            self._note(cell, None, listed=len(self._recalled) <= LISTED)

    def is_far(self, line: Line, crfs: list[Crf]) -> bool:
        """Whether what is known of an encoder was measured too far from the target to predict the pick well."""
        recalled = any(cell.encoder == line.encoder for cell in self._recalled)
        if not self.wanted.has_target or not recalled or self.wanted.verify:
            return False
        measured = [cell.crf for cell in self.measuring.rows if cell.encoder == line.encoder]
        probes = self._likeliest(line, crfs, {})[0], self._first_probe(line, crfs).crf
        return min(abs(crf - probe) for crf in measured for probe in probes) > NEAR

    def has_measured(self, encoder: str) -> bool:
        """Whether a cell of the encoder was measured."""
        return any(cell.encoder == encoder for cell in self.measuring.rows)

    def can_predict(self, encoder: str) -> bool:
        """Whether an encoder's cells were learnt from ones like those that were measured."""
        return self.predictor.learns_from(encoder, self.measuring.points())

    def probe(self, line: Line, crfs: list[Crf]) -> None:
        """The first encode of an encoder: where cells of others, or else the source itself, expect the target."""
        if self.wanted.has_target and self.can_predict(line.encoder):
            self.encode_likeliest(line, crfs)
        else:
            self.encode(self._first_probe(line, crfs), None)

    def _first_probe(self, line: Line, crfs: list[Crf]) -> Cell:
        """Where the source itself expects the target."""
        target, complexity = self.aims.usual_target(self.predictor.vmaf.space), None
        if target is not None:
            if self.wanted.verify:
                target, crfs = replace(self.goal, target=target).middle, self.refined.get(line, crfs)
            target = float(self.measuring.scale.learnt(target))
            complexity = self.measuring.complexity if self.predictor.wants_complexity else None
        return self.predictor.probe_cell(*line, target, crfs, complexity)

    def predict(self, cells: Sequence[Cell]) -> list[Prediction]:
        """Predictions from everything measured."""
        measuring, percents = self.measuring, list(self.wanted.percentiles())
        found = self._pooled(cells, measuring.pool)
        lows = [self._pooled(cells, percentile_name(percent)) for percent in percents]
        return [
            replace(
                each,
                percentiles=tuple(_as_percentile(percent, p) for percent, p in zip(percents, low, strict=True)),
                also=further_scores(measuring.rows.get(each.cell) or {}),
            )
            for each, *low in zip(found, *lows, strict=True)
        ]

    def costed(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Predictions with what the whole encode will take."""
        measuring, source = self.measuring, self.measuring.source
        megapixels, seconds = source.width * source.height / 1e6, measuring.whole_seconds
        return with_costs(predictions, measuring.speeds, megapixels, seconds, measuring.framerate)

    def affordable(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Those that keep the limit."""
        return [p for p in predictions if self.limit is None or p.kbps <= self.limit.kbps]

    def _pooled(self, cells: Sequence[Cell], pool: str) -> list[Prediction]:
        """Predictions of one pool of the frames' VMAF."""
        measuring, source = self.measuring, self.measuring.source
        further = {name: measuring.arguments(name) for name in dict.fromkeys(cell.encoder for cell in cells)}
        return self.predictor.predict(
            measuring.points(pool),
            cells,
            source.width * source.height,
            measuring.framerate,
            sampled=measuring.sampling_error,
            further=further,
            scale=measuring.scale,
            wider=wider(pool),
        )

    def verify(self, line: Line, crfs: list[Crf]) -> None:
        """Encodes until measurements decide on the pick of a line, or as often as is allowed."""
        searched = self.refined.get(line, crfs)
        while True:
            measured = self.measured(line)
            if judge(self.goal, searched, measured).decided or self.encodes(line) >= self.wanted.max_encodes:
                return
            self.encode_likeliest(line, crfs, measured)

    def verify_within(self, line: Line, search: Within) -> None:
        """Encodes until measurements decide on the lowest crf within a limit, or as often as is allowed."""
        while True:
            rates = self.rates(line)
            if search.best(rates)[1] or self.encodes(line) >= self.wanted.max_encodes:
                return
            predictions = self.predict([Cell(*line, crf) for crf in search.crfs])
            crf = search.next(rates, predictions)
            self.encode(Cell(*line, crf), predictions[search.crfs.index(crf)].vmaf)

    def rates(self, line: Line) -> dict[Crf, float]:
        """{crf: measured kbit/s} of a line."""
        return {cell.crf: r["bitrate_kbps"] for cell, r in self.measuring.rows.items() if cell.line == line}

    def pick_within(self, line: Line, predictions: Sequence[Prediction]) -> Pick[Prediction]:
        """The lowest crf that keeps the limit."""
        assert self.limit is not None
        affordable = self.affordable(predictions)
        crfs = self.refined.get(line) or sorted(p.cell.crf for p in predictions)
        best, settled = Within(self.limit.kbps, crfs).best(self.rates(line))
        if self.wanted.verify:
            chosen = next((p for p in affordable if p.cell.crf == best), None)
        else:
            chosen = min(affordable, key=lambda p: p.cell.crf, default=None)
        as_measured = self.wanted.verify or best == (None if chosen is None else chosen.cell.crf)
        confirmed = settled and as_measured
        return Pick(
            line, chosen, chosen, self.encodes(line), confirmed and self.measuring.sample is None, confirmed
        )

    def encodes(self, line: Line) -> int:
        """Encodes made on a line; what was measured before is none."""
        return sum(cell.line == line for cell in self.measuring.rows.keys() - self.measuring.known)

    def encode_likeliest(self, line: Line, crfs: list[Crf], measured: Mapping[Crf, float] | None = None) -> None:
        """Measures the cell of a line that most likely decides the search."""
        crf, expected = self._likeliest(line, crfs, measured or {})
        self.encode(Cell(*line, crf), expected)

    def _likeliest(self, line: Line, crfs: list[Crf], measured: Mapping[Crf, float]) -> tuple[Crf, float]:
        """Crf and expected VMAF of that cell."""
        crfs = self.refined.get(line, crfs)
        predictions = self.predict([Cell(*line, crf) for crf in crfs])
        mean: NDArray[np.float64] = np.asarray([self.aims.of(p) for p in predictions])
        typical = np.asarray([self.aims.typical_error(p) for p in predictions])
        crf = next_crf(self.goal, crfs, measured, mean, typical)
        return crf, predictions[crfs.index(crf)].vmaf

    def measured(self, line: Line) -> dict[Crf, float]:
        """{crf: what counts} of a line."""
        rows, pools = self.measuring.rows, (self.measuring.pool, *self.aims.least)
        return {
            cell.crf: self.aims.worth({pool: pooled(row, pool) for pool in pools})
            for cell, row in rows.items()
            if cell.line == line
        }

    def pick(self, line: Line, predictions: Sequence[Prediction]) -> Pick[Prediction]:
        """The highest crf that reaches the target; measured truth goes before prediction."""
        wanted, target = self.wanted, self.goal.target
        affordable = self.affordable(predictions)
        crfs = self.refined.get(line) or sorted(p.cell.crf for p in predictions)
        state = judge(self.goal, crfs, self.measured(line))
        if wanted.verify:
            chosen = next((p for p in affordable if p.cell.crf == state.best), None)
        else:
            chosen = highest_reaching(affordable, target, self._edge)
        best = max(affordable, key=self.aims.of, default=None)
        # Without --verify the pick may lie beyond what was measured: then nothing is verified.
        as_measured = wanted.verify or state.best == (None if chosen is None else chosen.cell.crf)
        confirmed = state.decided and as_measured
        whole = self.measuring.sample is None
        return Pick(line, chosen, best, self.encodes(line), confirmed and whole, confirmed)

    def _edge(self, prediction: Prediction) -> float:
        """What the target is held against: the mean, or the lower edge of a one-sided interval."""
        confidence = self.wanted.confidence
        if confidence is None or prediction.typical_error == 0.0:
            return self.aims.of(prediction)
        level = min(max(2.0 * confidence - 1.0, LEVELS[0]), LEVELS[-1])
        encoder = prediction.cell.encoder
        factor = self.predictor.vmaf.intervals.quantile(encoder, level, other=not self.has_measured(encoder))
        return self.aims.edge(prediction, factor)


def _as_percentile(percent: float, found: Prediction) -> Percentile:
    low, high, typical = found.vmaf_low, found.vmaf_high, found.typical_error
    return Percentile(percent=percent, vmaf=found.vmaf, low=low, high=high, typical_error=typical)
