"""libvmaf's logs on their way from upstream's scoring to its rows, paired by what was measured."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vmaftune_frv2.contract.features import CANONICAL6, mean_key, std_key

Log = Mapping[str, Any]
Measured = tuple[float | None, ...]
"""What a row and its log agree in to the last bit: VMAF, then means and deviations of the canonical-6."""


@dataclass(frozen=True)
class _Seen:
    thread: int
    log: Log


class LogBook:
    """Keeps each log from when it is read until the row that has its very values comes.

    Logs of scores that give no row (``compare`` bisects in a thread pool) are not kept: only those that are
    read while some sweep is ``open``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sweeps = 0
        self._seen: dict[Measured, list[_Seen]] = {}

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keeps logs meanwhile; forgets those without a row when the last sweep ends."""
        with self._lock:
            self._sweeps += 1
        try:
            yield
        finally:
            with self._lock:
                self._sweeps -= 1
                if not self._sweeps:
                    self._seen.clear()

    def see(self, log: Any, means: Any, deviations: Any) -> None:
        """Takes a log that was just read, with what upstream made of it. Whatever it is, nothing is raised."""
        if not self._sweeps:
            return
        with contextlib.suppress(Exception):  # a log that we cannot read is one less, not the end of a sweep
            key = _measured_by_log(log, means, deviations)
            with self._lock:
                self._seen.setdefault(key, []).append(_Seen(threading.get_ident(), log))

    def take(self, row: Mapping[str, Any]) -> Log | None:
        """The log of a row; None where none has its values, or several do that cannot be told apart."""
        key = measured_by_row(row)
        if key[0] is None:
            return None
        with self._lock:
            seen = self._seen.get(key, [])
            here = [each for each in seen if each.thread == threading.get_ident()]
            chosen = here[-1] if here else seen[0] if len(seen) == 1 else None
            if chosen is None:
                return None
            seen.remove(chosen)
            if not seen:
                del self._seen[key]
        return chosen.log


def measured_by_row(row: Mapping[str, Any]) -> Measured:
    """The values of a row by which its log is found."""
    keys = ("vmaf_score", *map(mean_key, CANONICAL6), *map(std_key, CANONICAL6))
    return tuple(_number(row.get(key)) for key in keys)


def _measured_by_log(log: Any, means: Any, deviations: Any) -> Measured:
    pooled = (log.get("pooled_metrics") or {}).get("vmaf") or {}
    score = pooled.get("mean", log.get("VMAF score"))
    values = [each.get(name) for each in (means, deviations) for name in CANONICAL6]
    return tuple(map(_number, (score, *values)))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
