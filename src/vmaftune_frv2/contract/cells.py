"""A cell: one (encoder, preset, crf)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vmaftune_frv2.contract.crf import Crf, parse_crf
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.errors import UsageError

UNIVERSAL_ENCODER = "libx264"
"""Its cells serve as probes for every encoder: the cheapest to encode."""
FROM_PROBE = "probe"
FROM_CELL = "cell"
FEATURE_SOURCES = (FROM_PROBE, FROM_CELL)
"""Which encode a model's features describe: a probe cell of the source, or the cell that is scored."""

T = TypeVar("T")


class Line(NamedTuple):
    """An encoder at one of its presets: the cells along which only crf changes."""

    encoder: str
    preset: str


@dataclass(frozen=True, order=True)
class Cell:
    """One point of the grid, spelled natively."""

    encoder: str
    preset: str
    crf: Crf

    def __str__(self) -> str:
        return f"{self.encoder}:{self.preset}:{self.crf}"

    @property
    def line(self) -> Line:
        """Its encoder and preset."""
        return Line(self.encoder, self.preset)

    @classmethod
    def resolve(cls, encoder: str, preset: str, crf: Crf, table: EncoderTable = ENCODERS) -> Cell:
        """The cell that really runs: encoder aliases and shared preset names resolved, ranges checked.

        Raises:
            UsageError: unknown encoder or preset, crf out of range or between the encoder's steps.
        """
        entry = table.get(encoder)
        return cls(entry.name, entry.resolve_preset(preset), entry.check_crf(crf))

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Reads ``ENCODER:PRESET:CRF``.

        Raises:
            UsageError: another form, or a cell that cannot run.
        """
        parts = text.split(":")
        crf = parse_crf(parts[2]) if len(parts) == 3 else None
        if crf is None:
            raise UsageError(f"{text!r} is not a cell; write ENCODER:PRESET:CRF, as in libx264:medium:28")
        return cls.resolve(parts[0], parts[1], crf)


def by_line(items: Iterable[T], key: Callable[[T], Line]) -> dict[Line, list[T]]:
    """Items by encoder and preset; lines, and the items of each, in the order in which they come."""
    lines: dict[Line, list[T]] = {}
    for item in items:
        lines.setdefault(key(item), []).append(item)
    return lines
