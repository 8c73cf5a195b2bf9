"""A corpus that takes what is measured for a question, and answers what was measured before."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmaftune_frv2.contract.descriptor import descriptor
from vmaftune_frv2.contract.rowcheck import check_line
from vmaftune_frv2.contract.rows import PACKETS, VMAF_AT_SOURCE_SIZE, Row
from vmaftune_frv2.corpus.request import CellRequest, identity
from vmaftune_frv2.corpus.setup import Outcome
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary, SweepEvents, take
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.log import get_logger

log = get_logger(__name__)


class Recording:
    """An open corpus as the ledger of a ``Setup``. May be used from several threads.

    Attributes:
        summary: what was added, and how much was there.
    """

    def __init__(self, store: CorpusStore, events: SweepEvents) -> None:
        self.summary = Summary()
        self._store, self._events, self._lock = store, events, threading.Lock()
        self._before = frozenset(store.measured)
        self._rows: dict[str, dict[bytes, Row]] = {}
        self._met: set[bytes] = set()

    def find(self, request: CellRequest) -> Row | None:
        """The row of an equal request, if it tells all that a new one would."""
        digest, sha256 = request.identity, request.source.sha256
        if sha256 is None or digest not in self._before:
            return None
        with self._lock:
            self._meet(digest)
        row = self._of_source(sha256).get(digest)
        return row if row is not None and _tells_all(request, row) else None

    def rows(self, sha256: str) -> Iterable[Row]:
        """The rows of a source that have a score, as they were when the corpus was opened."""
        return self._of_source(sha256).values()

    def _of_source(self, sha256: str) -> dict[bytes, Row]:
        with self._lock:
            if sha256 not in self._rows:
                self._rows[sha256] = rows_of_source(self._store.path, sha256)
            return self._rows[sha256]

    def take(self, outcome: Outcome) -> None:
        """Appends an outcome at once, as a sweep would: through the plugins, and no cell twice."""
        digest, store = identity(outcome.row), self._store
        with self._lock:
            if not store.lacks(digest):
                self._meet(digest)
                return
            refused = self.summary.vetoed
            take(outcome, store, self._events, self.summary)
            if outcome.row["exit_status"] == 0:
                (store.refused if self.summary.vetoed > refused else store.measured).add(digest)

    def _meet(self, digest: bytes) -> None:
        self._met.add(digest)
        self.summary.skipped = len(self._met)


def _tells_all(request: CellRequest, row: Row) -> bool:
    """Whether a row has what predictions start from; those of other tools need not have frames."""
    view = request.source.view
    if (view.margins and not row.get(PACKETS)) or (view.scaled_from and not row.get(VMAF_AT_SOURCE_SIZE)):
        return False
    with contextlib.suppress(InputError):
        descriptor(row, "row")
        return True
    return False


@contextlib.contextmanager
def recording(path: Path, events: SweepEvents) -> Iterator[Recording]:
    """Opens a corpus for what will be measured. However the work ends, what was added is logged.

    Args:
        path: the corpus; locked meanwhile.
        events: given every row.

    Raises:
        OutputError: it cannot be written, or a sweep is writing to it.
        InputError: it exists and is no corpus.
    """
    with CorpusStore(path) as store:
        opened = Recording(store, events)
        try:
            yield opened
        finally:
            summary = opened.summary
            counts = summary.counts(f"{summary.measured} rows added", "of failed cells added", store.vetoed_path)
            log.info("%s: %s", path, counts)


def rows_of_source(path: Path, sha256: str) -> dict[bytes, Row]:
    """{identity: row} of the cells of a source that have a score; of several, the last.

    Args:
        path: a plain corpus; lines that are no valid rows are passed over, a torn last one among them.
        sha256: of the source.
    """
    found: dict[bytes, Row] = {}
    digest = sha256.encode()
    with path.open("rb") as stream:
        for line in stream:
            if digest not in line:  # most lines of a large corpus need not be parsed
                continue
            with contextlib.suppress(ValueError):
                row, violations = check_line(line)
                if not violations and row["exit_status"] == 0 and row["src_sha256"] == sha256:
                    found[identity(row)] = row
    return found
