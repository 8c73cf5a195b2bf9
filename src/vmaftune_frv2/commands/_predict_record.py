"""``vmaf-tune predict --record``: what is measured becomes rows of a corpus, and what is there is used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.known import rows_of_source
from vmaftune_frv2.corpus.measure import Outcome
from vmaftune_frv2.corpus.plan import identity
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary, take
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.predict.measuring import Measuring


class Recording:
    """An open corpus that takes what is measured, and answers what was measured before.

    May be used from several threads.
    """

    def __init__(self, store: CorpusStore, events: HookEvents) -> None:
        self.summary = Summary()
        self._store, self._events, self._lock = store, events, threading.Lock()
        self._met: set[bytes] = set()

    def attach(self, measuring: Measuring) -> None:
        """Has everything that is measured of a source recorded, and nothing measured that is there."""
        measuring.on_outcome = self._record
        sha256, rows = measuring.source.sha256, dict[bytes, Row]()
        there = frozenset(self._store.measured)

        def known(digest: bytes) -> Row | None:
            if sha256 is None or digest not in there:
                return None
            if not rows:
                rows.update(rows_of_source(self._store.path, sha256))
            self._meet(digest)
            return rows.get(digest)

        measuring.known = known

    def _meet(self, digest: bytes) -> None:
        self._met.add(digest)
        self.summary.skipped = len(self._met)

    def _record(self, outcome: Outcome) -> None:
        """Appends an outcome at once, as a sweep would: through the plugins, and no cell twice."""
        digest, store = identity(outcome.row), self._store
        with self._lock:
            if not store.lacks(digest):
                self._meet(digest)
                return
            refused = self.summary.vetoed
            take(outcome, store, self._events, self.summary)
            (store.refused if self.summary.vetoed > refused else store.measured).add(digest)


@contextlib.contextmanager
def recorder(plugins: Plugins, path: Path) -> Iterator[Recording]:
    """Opens a corpus for what will be measured. However the work ends, it says what was added.

    Args:
        plugins: hear of what is measured.
        path: the corpus; locked meanwhile.

    Raises:
        OutputError: it cannot be written, or a sweep is writing to it.
        InputError: it exists and is no corpus.
    """
    events = HookEvents(plugins, lambda todo: None, lambda row: None)
    with CorpusStore(path) as store:
        recording = Recording(store, events)
        summary = recording.summary
        try:
            yield recording
        finally:
            told = summary.told(f"{summary.measured} rows added", "of failed cells added", store.vetoed_path)
            click.echo(f"{path}: {told}", err=True)
