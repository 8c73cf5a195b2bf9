"""What curve models' predictions come back as: a prediction with its intervals, a step, an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.quality_targets import percentile_name
from vmaftune_frv2.predict.picks import Pick, ScoredCell


@dataclass(frozen=True)
class Sample:
    """The part of a source that was encoded and scored, where it is not all of it.

    Args:
        windows: how many; one is the middle.
        seconds: that they last together.
    """

    windows: int
    seconds: float

    def __str__(self) -> str:
        """As tables say it."""
        return f"{self.windows} windows" if self.windows > 1 else f"the middle {self.seconds:.3g} s"


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """A percentile of the frames' VMAF of a cell.

    Args:
        percent: 0 is the worst frame.
        vmaf: predicted, or measured.
        low: lower end of its interval.
        high: upper end.
        typical_error: typical absolute error of ``vmaf``; 0 where measured.
    """

    percent: float
    vmaf: float
    low: float
    high: float
    typical_error: float = 0.0

    @property
    def pool(self) -> str:
        """Its name: ``p05`` of the 5th."""
        return percentile_name(self.percent)


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
        extra_params: ffmpeg arguments of the encoder beside preset and crf.
        sample: of the source, what all that was measured is of; None for all of it.
        seconds: duration of the whole encode, None where nobody asked.
        encode_s: seconds that making it takes on all CPUs, an estimate; None likewise.
        percentiles: of the frames' VMAF, those that were asked for, ascending.
        also: {further VMAF model: {pool: its score}} of a cell that was measured with such.
    """

    vmaf_low: float
    vmaf_high: float
    kbps: float
    kbps_low: float
    kbps_high: float
    measured: bool
    typical_error: float = 0.0
    extra_params: tuple[str, ...] = ()
    sample: Sample | None = None
    seconds: float | None = None
    encode_s: float | None = field(default=None, compare=False)
    percentiles: tuple[Percentile, ...] = ()
    also: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> float | None:
        """Bytes of the whole encode's video; an estimate, as ``kbps`` where not all frames were encoded."""
        return self._size(self.kbps)

    @property
    def size_low(self) -> float | None:
        """Lower end of the interval of ``size_bytes``."""
        return self._size(self.kbps_low)

    @property
    def size_high(self) -> float | None:
        """Upper end."""
        return self._size(self.kbps_high)

    def _size(self, kbps: float) -> float | None:
        return None if self.seconds is None else kbps * 1000 / 8 * self.seconds

    @property
    def vmaf_p05(self) -> float | None:
        """5th percentile of the frames' VMAF, None where it was not asked for."""
        return next((found.vmaf for found in self.percentiles if found.percent == 5.0), None)


@dataclass(frozen=True)
class Step:
    """One measured cell on the way to an answer.

    Args:
        cell: what was encoded.
        predicted: the VMAF expected of it, None of a first probe.
        vmaf: measured.
        kbps: measured, kbit/s.
        known: it was measured before, and not encoded now.
        percentiles: {percentile: VMAF} of the frames, those that were asked for.
    """

    cell: Cell
    predicted: float | None
    vmaf: float
    kbps: float
    known: bool = False
    percentiles: Mapping[float, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """As it is logged."""
        done = "known" if self.known else "encoded"
        expected = "" if self.predicted is None else f", expected VMAF {self.predicted:.2f}"
        lows = "".join(f", {percent:g}% low {vmaf:.2f}" for percent, vmaf in self.percentiles.items())
        return f"{done} {self.cell}: VMAF {self.vmaf:.2f}{lows}, {self.kbps:.1f} kbit/s{expected}"


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
