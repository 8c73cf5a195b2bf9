"""A cell: one (encoder, preset, crf)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.errors import UsageError

UNIVERSAL_ENCODER = "libx264"
"""Its cells serve as probes for every encoder: the cheapest to encode."""
WIDEST_RANGE = 10_000
"""Values that a range of crfs may span."""
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
    crf: int

    def __str__(self) -> str:
        return f"{self.encoder}:{self.preset}:{self.crf}"

    @property
    def line(self) -> Line:
        """Its encoder and preset."""
        return Line(self.encoder, self.preset)

    @classmethod
    def resolve(cls, encoder: str, preset: str, crf: int, table: EncoderTable = ENCODERS) -> Cell:
        """The cell that really runs: encoder aliases and shared preset names resolved, ranges checked.

        Raises:
            UsageError: unknown encoder or preset, crf out of range.
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
        if len(parts) != 3 or not parts[2].isdecimal():
            raise UsageError(f"{text!r} is not a cell; write ENCODER:PRESET:CRF, as in libx264:medium:28")
        return cls.resolve(parts[0], parts[1], int(parts[2]))


def by_line(items: Iterable[T], key: Callable[[T], Line]) -> dict[Line, list[T]]:
    """Items by encoder and preset; lines, and the items of each, in the order in which they come."""
    lines: dict[Line, list[T]] = {}
    for item in items:
        lines.setdefault(key(item), []).append(item)
    return lines


def parse_crfs(texts: Iterable[str]) -> tuple[int, ...]:
    """Crfs from numbers and ranges: ``23``, ``18:43`` (step 1) or ``18:43:5``, ends included.

    Returns:
        Sorted distinct crfs.

    Raises:
        UsageError: not a number or range, an empty or an endless range, or a step below 1.
    """
    crfs: set[int] = set()
    for text in texts:
        try:
            numbers = [int(part) for part in text.split(":")]
        except ValueError:
            numbers = []
        if not 1 <= len(numbers) <= 3:
            raise UsageError(f"--crf {text!r}: write a number (23) or a range (18:43:5)")
        start = numbers[0]
        stop = numbers[1] if len(numbers) > 1 else start
        step = numbers[2] if len(numbers) > 2 else 1
        if stop - start > WIDEST_RANGE:
            raise UsageError(f"--crf {text!r}: no encoder has so many values")
        if step < 1 or stop < start:
            raise UsageError(f"--crf {text!r}: a range runs upwards, START:STOP[:STEP] with STEP >= 1")
        crfs.update(range(start, stop + 1, step))
    return tuple(sorted(crfs))
