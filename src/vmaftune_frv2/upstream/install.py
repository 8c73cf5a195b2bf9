"""Putting our hooks into upstream's emission of rows, and taking them out again."""

from __future__ import annotations

import threading
from types import TracebackType

from vmaftune_frv2.corpus.sweep import Summary
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.plugins import Plugins, load_plugins
from vmaftune_frv2.upstream import seams
from vmaftune_frv2.upstream.emission import Emission, Wrapped

_lock = threading.Lock()
_installed: Installation | None = None


class Installation:
    """Our hooks in upstream's emission. As a context manager it takes them out at its end."""

    def __init__(self, emission: Emission) -> None:
        self._emission = emission
        self._replaced: list[tuple[Wrapped, Wrapped]] = []

    @property
    def summary(self) -> Summary:
        """Counts of the cells that upstream emitted meanwhile; ``planned`` is their sum."""
        return self._emission.summary

    def put_in(self) -> None:
        """Replaces upstream's functions in every module of upstream's that has them."""
        for original, ours in self._emission.replacements():
            self._replaced.append((original, ours))
            _swap(original, ours)

    def uninstall(self) -> None:
        """Puts upstream's own functions back, also where they were imported meanwhile; a second time does nothing.

        Whoever still holds one of ours calls upstream's through it from now on.
        """
        global _installed
        with _lock:
            self._emission.active = False
            while self._replaced:
                original, ours = self._replaced.pop()
                _swap(ours, original)
            if _installed is self:
                _installed = None

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()


def install(plugins: Plugins | None = None) -> Installation:
    """Puts our hooks into upstream's emission: ``iter_rows`` and ``write_jsonl`` of ``vmaftune.corpus``.

    Args:
        plugins: see, enrich and check every row; None loads those that are installed.

    Raises:
        ToolError: upstream is not installed, or is another than we know; nothing was changed.
        UsageError: they are in already.
    """
    global _installed
    with _lock:
        if _installed is not None:
            raise UsageError("our hooks are in upstream's emission already; uninstall() takes them out")
        events = HookEvents(plugins or load_plugins(), lambda todo: None, lambda row: None)
        installation = Installation(Emission(seams.find(), events))
        installation.put_in()
        _installed = installation
        return installation


def uninstall() -> None:
    """Takes our hooks out of upstream's emission, if they are in."""
    if _installed is not None:
        _installed.uninstall()


def _swap(old: object, new: object) -> None:
    for module, name in seams.holders(old):
        setattr(module, name, new)
