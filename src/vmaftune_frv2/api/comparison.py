"""Encoders and presets side by side at a target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmaftune_frv2.api.curve_pair import open_predictor
from vmaftune_frv2.api.questions import SourceAnswer, SourceFailure, predict_sources
from vmaftune_frv2.contract.cells import Line, by_line
from vmaftune_frv2.contract.compare_request import CompareRequest
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.predict.bjontegaard import ABOVE, BELOW, bd_rate, rate_at, rate_curve
from vmaftune_frv2.predict.picks import Pick, by_cell_line
from vmaftune_frv2.predict.results import Prediction


@dataclass(frozen=True)
class Contender:
    """One encoder at one preset, on one source.

    Args:
        line: encoder and preset.
        pick: the cell that reaches the target; without one where none does.
        kbps_at_target: bitrate at exactly the target, between crfs; None where the curve does not reach it.
        rate_change: of that bitrate against the first line's, as a share of it; None where one of them has none.
        bd_rate: mean difference of bitrate at equal VMAF round the target, likewise; None where the curves have
            too little in common.
        fps: frames per second of the whole encode on all CPUs, an estimate; None without a pick.
    """

    line: Line
    pick: Pick[Prediction]
    kbps_at_target: float | None
    rate_change: float | None
    bd_rate: float | None
    fps: float | None


@dataclass(frozen=True)
class SourceComparison:
    """All lines on one source.

    Args:
        found: the answer for the source.
        contenders: in the order asked for.
    """

    found: SourceAnswer
    contenders: tuple[Contender, ...]


@dataclass(frozen=True)
class Overall:
    """One line over all sources on which it and the first line reach the target.

    Args:
        line: encoder and preset.
        sources: how many these are.
        rate_change: mean of the logarithms, as a share.
        bd_rate: likewise, of the sources that have one.
        size_bytes: of all picks.
        encode_s: of all picks, seconds.
        fps: of all picks.
    """

    line: Line
    sources: int
    rate_change: float | None
    bd_rate: float | None
    size_bytes: float
    encode_s: float
    fps: float | None


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison.

    Args:
        lines: encoders and presets in the order asked for; the first is what the others are held against.
        sources: those that were answered.
        failures: those that were not.
    """

    lines: tuple[Line, ...]
    sources: tuple[SourceComparison, ...]
    failures: tuple[SourceFailure, ...]

    @property
    def reached(self) -> bool:
        """Whether every line reaches the target on every source that was answered."""
        return all(each.pick.prediction is not None for source in self.sources for each in source.contenders)

    @property
    def overall(self) -> tuple[Overall, ...]:
        """Each line over all sources."""
        return tuple(_overall(line, self.sources) for line in self.lines)


def compare(request: CompareRequest, plugins: Plugins | None = None) -> Comparison:
    """Answers every source for every line, and holds each line against the first. Progress is logged.

    Args:
        request: sources, lines and target.
        plugins: see, enrich and check what ``record`` keeps; None loads those that are installed.

    Raises:
        UsageError: a cell that cannot be, or only one line.
        ModelError: a model is missing or altered, or did not learn an encoder.
        OutputError: the corpus of ``record`` cannot be written.
    """
    asked = request.as_predict()
    lines = tuple(by_line(open_predictor(request).cells(asked), lambda cell: cell.line))
    if len(lines) < 2:
        raise UsageError("give two lines to compare: a second --encoder or --preset")
    compared, failures = list[SourceComparison](), list[SourceFailure]()
    for each in predict_sources(asked, plugins):
        if isinstance(each, SourceFailure):
            failures.append(each)
        else:
            compared.append(SourceComparison(each, tuple(_contenders(each, lines, request.target_vmaf or 0.0))))
    return Comparison(lines, tuple(compared), tuple(failures))


def _contenders(found: SourceAnswer, lines: Sequence[Line], target: float) -> Iterator[Contender]:
    picks = {pick.line: pick for pick in found.answer.picks}
    curves = {line: rate_curve(cells) for line, cells in by_cell_line(found.answer.predictions).items()}
    # A preset that this build runs as another one is answered as that.
    ran = [line if line in picks else _runs_as(line, picks) for line in lines]
    first = curves[ran[0]]
    base = rate_at(first, target)
    for line in ran:
        at, pick = rate_at(curves[line], target), picks[line]
        change = None if at is None or base is None else at / base - 1.0
        difference = bd_rate(first, curves[line], target - BELOW, target + ABOVE)
        yield Contender(line, pick, at, change, difference, _fps(found, pick.prediction))


def _runs_as(line: Line, picks: dict[Line, Pick[Prediction]]) -> Line:
    return next(other for other in picks if other.encoder == line.encoder)


def _fps(found: SourceAnswer, chosen: Prediction | None) -> float | None:
    if chosen is None or not chosen.encode_s or chosen.seconds is None:
        return None
    return chosen.seconds * found.measuring.framerate / chosen.encode_s


def _overall(line: Line, sources: Sequence[SourceComparison]) -> Overall:
    both = [
        (source, each)
        for source in sources
        for each in source.contenders
        if each.line == line and each.rate_change is not None and each.pick.prediction is not None
    ]
    picks = [each.pick.prediction for _, each in both if each.pick.prediction is not None]
    encode_s = sum(pick.encode_s or 0.0 for pick in picks)
    frames = sum(
        (pick.seconds or 0.0) * s.found.measuring.framerate for (s, _), pick in zip(both, picks, strict=True)
    )
    return Overall(
        line,
        len(both),
        _mean_change([each.rate_change for _, each in both]),
        _mean_change([each.bd_rate for _, each in both]),
        sum(pick.size_bytes or 0.0 for pick in picks),
        encode_s,
        frames / encode_s if encode_s else None,
    )


def _mean_change(changes: Sequence[float | None]) -> float | None:
    logs = [math.log1p(change) for change in changes if change is not None]
    return math.expm1(sum(logs) / len(logs)) if logs else None
