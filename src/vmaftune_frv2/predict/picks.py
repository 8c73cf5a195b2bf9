"""A scored cell, and the pick among several of one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vmaftune_frv2.contract.cells import Cell, Line, by_line
from vmaftune_frv2.contract.encoders import ENCODERS


@dataclass(frozen=True, kw_only=True)
class ScoredCell:
    """One candidate cell and its VMAF.

    Args:
        cell: encoder, preset, crf.
        vmaf: predicted, or measured.
        extrapolated: whether training saw nothing of the encoder, preset, crf or settings, or
            nothing like the source.
    """

    cell: Cell
    vmaf: float
    extrapolated: bool


P = TypeVar("P", bound=ScoredCell)


@dataclass(frozen=True)
class Pick(Generic[P]):
    """The answer for one encoder at one preset.

    Args:
        line: encoder and preset.
        prediction: the cell to use, None where the target is out of reach.
        best: the cell of the highest VMAF within the bitrate limit, None where all are above it.
        encodes: how many were made on this line.
        verified: whether measurements of all of the source show that no higher crf reaches the target, or
            that none does.
        confirmed: the same of what was measured, be it a part of the source.
    """

    line: Line
    prediction: P | None
    best: P | None
    encodes: int = 0
    verified: bool = False
    confirmed: bool = False

    @property
    def encoder(self) -> str:
        """Encoder name."""
        return self.line.encoder

    @property
    def preset(self) -> str:
        """Native preset."""
        return self.line.preset


def highest_reaching(candidates: Iterable[P], target: float, worth: Callable[[P], float]) -> P | None:
    """The candidate of the highest crf that is worth at least the target; None where none is.

    Of an encoder whose quality rises with the number, the lowest.
    """
    return max((c for c in candidates if worth(c) >= target), key=_loss, default=None)


def _loss(candidate: ScoredCell) -> float:
    cell, entry = candidate.cell, ENCODERS.find(candidate.cell.encoder)
    return entry.loss(cell.crf) if entry else cell.crf


def by_cell_line(candidates: Iterable[P]) -> dict[Line, list[P]]:
    """Candidates by encoder and preset."""
    return by_line(candidates, lambda candidate: candidate.cell.line)
