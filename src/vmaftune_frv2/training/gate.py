"""The ship gate: what a model must reach to be registered with ``smoke: false``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIN_PLCC = 0.95
MIN_LIFT = 0.005
MIN_REFERENCES = 50
MIN_ENCODERS = 5


@dataclass(frozen=True)
class GateLine:
    """One condition: what was measured and what it must reach."""

    name: str
    value: float | None
    at_least: float

    @property
    def met(self) -> bool:
        """Whether it is reached; a figure that could not be measured is not."""
        return self.value is not None and self.value >= self.at_least

    def __str__(self) -> str:
        shown = "not measurable" if self.value is None else f"{self.value:.4g}"
        verdict = "met" if self.met else "NOT met"
        if not self.met and self.value is not None:
            verdict += f", short by {self.at_least - self.value:.4g}"
        return f"{self.name}: {shown} (needs >= {self.at_least:g}): {verdict}"


@dataclass(frozen=True)
class Gate:
    """All conditions."""

    lines: tuple[GateLine, ...]

    @property
    def met(self) -> bool:
        """Whether every condition is."""
        return all(line.met for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The sidecar's ``gate``."""
        return {
            "met": self.met,
            "lines": [
                {"name": line.name, "value": line.value, "at_least": line.at_least, "met": line.met}
                for line in self.lines
            ],
        }


def judge(
    fold_plccs: Sequence[float | None],
    blind_plccs: Sequence[float | None] | None,
    references: int,
    encoders: int,
) -> Gate:
    """Applies the gate to leave-one-source-out figures.

    Args:
        fold_plccs: PLCC of each fold, None where it is undefined.
        blind_plccs: PLCC of the codec-blind net on the same folds and inputs; None for a model that has no such
            counterpart, whose gate has no line for it.
        references: distinct sources.
        encoders: distinct encoders.
    """
    plcc = _mean(fold_plccs)
    lines = [GateLine("mean fold PLCC", plcc, MIN_PLCC)]
    if blind_plccs is not None:
        blind = _mean(blind_plccs)
        lift = None if plcc is None or blind is None else plcc - blind
        lines.append(GateLine("PLCC lift over codec-blind", lift, MIN_LIFT))
    lines += [
        GateLine("references", float(references), float(MIN_REFERENCES)),
        GateLine("encoders", float(encoders), float(MIN_ENCODERS)),
    ]
    return Gate(tuple(lines))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
