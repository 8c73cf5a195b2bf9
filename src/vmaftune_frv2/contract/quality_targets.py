"""What the quality of a pick has to reach: least values of pools of the frames' VMAF."""

from __future__ import annotations

from collections.abc import Iterable

from vmaftune_frv2.errors import UsageError

HIGHEST_PERCENT = 50.0
SHAPE = "write P=VMAF, as in 1=90 for a 1st percentile of 90"


def read_percentiles(texts: Iterable[str]) -> dict[float, float]:
    """{percentile: least VMAF} of what ``--target-percentile`` was given.

    Raises:
        UsageError: one is no such pair, or out of range, or a percentile is named twice.
    """
    found: dict[float, float] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        try:
            percent, least = float(left), float(right)
        except ValueError:
            percent = least = float("nan")
        if not equals or percent != percent or least != least:
            raise UsageError(f"--target-percentile {text!r}: {SHAPE}")
        if not (0.0 <= percent <= HIGHEST_PERCENT and 0.0 <= least <= 100.0):
            raise UsageError(
                f"--target-percentile {text!r}: percentiles run from 0, the worst frame, to {HIGHEST_PERCENT:g},"
                " VMAF from 0 to 100"
            )
        if percent in found:
            raise UsageError(f"--target-percentile {text!r}: percentile {percent:g} has a target already")
        found[percent] = least
    return found


def percentile_name(percent: float) -> str:
    """``p05`` of the 5th percentile, ``p2.5`` of the 2.5th."""
    return f"p{percent:g}" if percent % 1 else f"p{int(percent):02d}"


def ordinal(percent: float) -> str:
    """A percentile in words: 1st, 2nd, 2.5th."""
    ends = {1.0: "st", 2.0: "nd", 3.0: "rd"}
    teen = 10.0 < percent < 14.0
    return f"{percent:g}{'th' if teen or percent % 1 else ends.get(percent % 10, 'th')}"
