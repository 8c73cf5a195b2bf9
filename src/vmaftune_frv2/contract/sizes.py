"""Sizes of files as people write them: 700MB, 1.5GiB."""

from __future__ import annotations

import math
import re

from vmaftune_frv2.errors import UsageError

_UNITS = ("", "K", "M", "G", "T")
_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:([KMGT])?(I?)B)?", re.IGNORECASE)
FORM = "700MB or 1.5GiB"


def parse_size(text: str, spelled: str) -> int:
    """Bytes of a size: KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB powers of 1024.

    Args:
        text: a number and a unit; without one it is in bytes.
        spelled: the option, for the error.

    Raises:
        UsageError: no size, or nothing at all.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(f"{spelled} {text!r}: not a size; write a number and its unit, as in {FORM}")
    size = float(found[1]) * (1024 if found[3] else 1000) ** _UNITS.index((found[2] or "").upper())
    if not 1 <= size < math.inf:
        raise UsageError(f"{spelled} {text!r}: less than a byte")
    return int(size)


def size_text(size: float) -> str:
    """A size for people, three digits of it: ``1.21 GB``."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:
        size, power = size / 1000, power + 1
    digits = 0 if size >= 99.95 or power == 0 else 1 if size >= 9.995 else 2
    return f"{size:.{digits}f} {_UNITS[power].replace('K', 'k')}B"
