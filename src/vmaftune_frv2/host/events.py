"""Passes the events of a sweep on to the hooks of plugins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from vmaftune_frv2.contract.rows import CORPUS_ROW_KEYS, FULL_FEATURES, Row, dumps, loads
from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.corpus.sweep import Summary
from vmaftune_frv2.host.plugins import Plugins

FILLABLE = {k for k in CORPUS_ROW_KEYS if k.startswith(("shot_", "hdr_", "enc_internal_"))}


class HookEvents:
    """A sweep's events, passed on to hooks.

    Args:
        plugins: whose hooks are called.
        on_start: called with the number of cells left.
        on_cell: called with each finished row.
    """

    def __init__(self, plugins: Plugins, on_start: Callable[[int], None], on_cell: Callable[[Row], None]) -> None:
        self._plugins = plugins
        self._on_start = on_start
        self._on_cell = on_cell

    def started(self, plan: Plan, todo: int) -> None:
        """Passes on the start."""
        self._plugins.tell("vmaftune_sweep_started", planned=len(plan), todo=todo)
        self._on_start(todo)

    def scored(self, row: Row, payload: Mapping[str, Any]) -> None:
        """Passes on libvmaf's log."""
        self._plugins.tell("vmaftune_scored", row=row, payload=payload)

    def enrich(self, row: Row, payload: Mapping[str, Any] | None) -> None:
        """Adds what plugins return; what was measured or requested stays as it is."""
        for name, extra in self._plugins.each(
            "vmaftune_enrich_row", lambda a: dict(a or {}), row=row, payload=payload
        ):
            for key, value in extra.items():
                # Even where it is missing, full_features says what was asked for.
                fillable = key in FILLABLE or (key not in row and key != FULL_FEATURES)
                if row.get(key) is not None or not fillable:
                    self._plugins.warn_once(
                        name, key, f"would change {key} of a row; only unknown keys can be filled"
                    )
                    continue
                try:
                    dumps({key: _wrapped(value)})
                    plain = loads(dumps({key: value}))[key]  # which the plugin has no hand on any more
                except (ValueError, TypeError, RecursionError) as error:
                    self._plugins.warn_once(name, key, f"would add {key}, which is not strict JSON: {error}")
                    continue
                row[key] = plain

    def veto(self, row: Row) -> list[str]:
        """Collects the reasons of every plugin that refuses the row; our own check does where it cannot check."""
        answers = self._plugins.each("vmaftune_check_row", _reasons, _cannot_check, row=row)
        return [f"{name}: {reason}" for name, reasons in answers for reason in reasons]

    def cell_done(self, row: Row) -> None:
        """Passes on a finished cell."""
        self._on_cell(row)

    def finished(self, summary: Summary) -> None:
        """Passes on the counts."""
        self._plugins.tell("vmaftune_sweep_finished", summary=dataclasses.asdict(summary))


MARGIN = 32
"""Levels of nesting that a row may be wrapped in where it is written."""


def _wrapped(value: Any) -> Any:
    """A value as deep as it may lie in a file."""
    for _ in range(MARGIN):
        value = [value]
    return value


def _cannot_check(error: BaseException) -> list[str]:
    """The reason to refuse a row that our own check cannot check: nobody knows whether it is true."""
    return [f"the row cannot be checked: {type(error).__name__}: {error}"]


def _reasons(answer: Any) -> list[str]:
    return [answer] if isinstance(answer, str) else [str(reason) for reason in answer or ()]
