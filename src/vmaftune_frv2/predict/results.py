"""What predictions come back as: a scored cell, a prediction with its intervals, a pick, an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vmaftune_frv2.contract.cells import Cell, Line, by_line


@dataclass(frozen=True, kw_only=True)
class ScoredCell:
    """One candidate cell and its VMAF.

    Args:
        cell: encoder, preset, crf.
        vmaf: predicted, or measured.
        extrapolated: whether training saw nothing of the encoder, preset or crf, or nothing like the source.
    """

    cell: Cell
    vmaf: float
    extrapolated: bool


@dataclass(frozen=True, kw_only=True)
class Prediction(ScoredCell):
    """A candidate cell with VMAF, bitrate and their intervals.

    Args:
        vmaf_low: lower end of the interval of ``vmaf``.
        vmaf_high: upper end.
        kbps: predicted bitrate, kbit/s; measured where ``measured``.
        kbps_low: lower end of its interval.
        kbps_high: upper end.
        measured: whether the cell was encoded and scored.
        typical_error: typical absolute error of ``vmaf``, widened as its interval is; 0 where measured.
        vmaf_p05: 5th percentile of the frames' VMAF, None where it was not asked for.
    """

    vmaf_low: float
    vmaf_high: float
    kbps: float
    kbps_low: float
    kbps_high: float
    measured: bool
    typical_error: float = 0.0
    vmaf_p05: float | None = None


P = TypeVar("P", bound=ScoredCell)


@dataclass(frozen=True)
class Pick(Generic[P]):
    """The answer for one encoder at one preset.

    Args:
        line: encoder and preset.
        prediction: the cell to use, None where the target is out of reach.
        best: the cell of the highest VMAF within the bitrate limit, None where all are above it.
        encodes: how many were made on this line.
        verified: whether measurements show that no higher crf reaches the target, or none does.
    """

    line: Line
    prediction: P | None
    best: P | None
    encodes: int = 0
    verified: bool = False

    @property
    def encoder(self) -> str:
        """Encoder name."""
        return self.line.encoder

    @property
    def preset(self) -> str:
        """Native preset."""
        return self.line.preset


@dataclass(frozen=True)
class Step:
    """One measured cell on the way to an answer.

    Args:
        cell: what was encoded.
        predicted: the VMAF expected of it, None of a first probe.
        vmaf: measured.
        kbps: measured, kbit/s.
        known: it was measured before, and not encoded now.
    """

    cell: Cell
    predicted: float | None
    vmaf: float
    kbps: float
    known: bool = False

    def __str__(self) -> str:
        """As it is logged."""
        done = "known" if self.known else "encoded"
        expected = "" if self.predicted is None else f", expected VMAF {self.predicted:.2f}"
        return f"{done} {self.cell}: VMAF {self.vmaf:.2f}, {self.kbps:.1f} kbit/s{expected}"


@dataclass(frozen=True)
class Answer:
    """Everything that is predicted of one source.

    Args:
        predictions: every candidate.
        picks: per (encoder, preset), lowest bitrate first; empty without a target.
        steps: the measured cells in order, with what was expected of each.
    """

    predictions: tuple[Prediction, ...]
    picks: tuple[Pick[Prediction], ...]
    steps: tuple[Step, ...]

    @property
    def reached(self) -> bool:
        """Whether every pick has a cell that reaches the target."""
        return all(pick.prediction is not None for pick in self.picks)


def highest_reaching(candidates: Iterable[P], target: float, worth: Callable[[P], float]) -> P | None:
    """The candidate of the highest crf that is worth at least the target; None where none is."""
    return max((c for c in candidates if worth(c) >= target), key=lambda c: c.cell.crf, default=None)


def by_cell_line(candidates: Iterable[P]) -> dict[Line, list[P]]:
    """Candidates by encoder and preset."""
    return by_line(candidates, lambda candidate: candidate.cell.line)
