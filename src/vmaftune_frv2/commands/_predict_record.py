"""``vmaf-tune predict --record``: what was measured on the way becomes rows of a corpus."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from vmaftune_frv2.corpus.measure import Outcome
from vmaftune_frv2.corpus.plan import identity
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary, take
from vmaftune_frv2.host.cli import Host
from vmaftune_frv2.host.events import HookEvents


@contextlib.contextmanager
def recorder(host: Host, path: Path) -> Iterator[Callable[[Outcome], None]]:
    """Appends every outcome to a corpus at once, as a sweep would: through the plugins, and no cell twice.

    What it yields may be called from several threads. However the work ends, it says what was added.

    Args:
        host: has the plugins.
        path: the corpus; locked meanwhile.

    Raises:
        OutputError: it cannot be written, or a sweep is writing to it.
        InputError: it exists and is no corpus.
    """
    summary, lock = Summary(), threading.Lock()
    events = HookEvents(host.plugins, lambda todo: None, lambda row: None)
    with CorpusStore(path) as store:

        def record(outcome: Outcome) -> None:
            digest = identity(outcome.row)
            with lock:
                if not store.lacks(digest):
                    summary.skipped += 1
                    return
                take(outcome, store, events, summary)
                (store.refused if summary.vetoed else store.measured).add(digest)

        try:
            yield record
        finally:
            told = [f"{summary.measured} rows added"]
            if summary.failed:
                told.append(f"{summary.failed} of failed cells added")
            if summary.skipped:
                told.append(f"{summary.skipped} already there")
            if summary.vetoed:
                told.append(f"{summary.vetoed} refused (kept in {store.vetoed_path})")
            click.echo(f"{path}: {', '.join(told)}", err=True)
