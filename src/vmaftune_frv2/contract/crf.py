"""Crf values: whole ones are integers, those between are exact decimals on an encoder's steps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from vmaftune_frv2.errors import UsageError

Crf = float
"""An ``int`` where it is whole, so that it is written without a point; else the float nearest to a decimal."""
WIDEST_RANGE = 10_000
"""Values that a range of crfs may span, and have."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?")


def tidy(value: float) -> Crf:
    """A crf as it is held: an integer where it is whole, ``28`` for ``28.0``."""
    return int(value) if value % 1 == 0 else float(value)


def on_steps(value: float, step: float) -> bool:
    """Whether a crf is a multiple of a step that whole numbers are multiples of."""
    return value % 1 == 0 or Decimal(repr(float(value))) % _exact(step) == 0


@cache
def _exact(step: float) -> Decimal:
    """A step as the decimal that it was written as.

    Raises:
        UsageError: whole numbers are no multiples of it.
    """
    exact = Decimal(str(step))
    if not (0 < exact <= 1 and 1 % exact == 0):
        raise UsageError(
            f"a crf_step of {step!r} cannot be: it is 1, or a decimal that divides 1, as 0.1 and 0.25 do"
        )
    return exact


def crf_range(first: float, last: float, step: float = 1) -> tuple[Crf, ...]:
    """Crfs from one to another, ends included where the step meets them."""
    return _stepped(Decimal(str(first)), Decimal(str(last)), Decimal(str(step)))


def _stepped(first: Decimal, last: Decimal, step: Decimal) -> tuple[Crf, ...]:
    return tuple(tidy(float(first + number * step)) for number in range(int((last - first) // step) + 1))


def parse_crf(text: str) -> Crf | None:
    """One crf as people write it, None where it is none."""
    return tidy(float(text)) if _NUMBER.fullmatch(text) else None


def parse_crfs(texts: Iterable[str]) -> tuple[Crf, ...]:
    """Crfs from numbers and ranges: ``23``, ``18:43`` (step 1), ``18:43:5`` or ``20:32:0.25``, ends included.

    Returns:
        Sorted distinct crfs.

    Raises:
        UsageError: not a number or range, an empty or an endless range, or a step that is not above 0.
    """
    crfs: set[Crf] = set()
    for text in texts:
        parts = [part.strip() for part in text.split(":")]
        if len(parts) > 3 or not all(map(_NUMBER.fullmatch, parts)):
            raise UsageError(f"--crf {text!r}: write a number (23) or a range (18:43:5)")
        numbers = [Decimal(part) for part in parts]
        start = numbers[0]
        stop = numbers[1] if len(numbers) > 1 else start
        step = numbers[2] if len(numbers) > 2 else Decimal(1)
        if step <= 0 or stop < start:
            raise UsageError(f"--crf {text!r}: a range runs upwards, START:STOP[:STEP] with a STEP above 0")
        if stop - start > WIDEST_RANGE or (stop - start) / step > WIDEST_RANGE:
            raise UsageError(f"--crf {text!r}: no encoder has so many values")
        crfs.update(_stepped(start, stop, step))
    return tuple(sorted(crfs))
