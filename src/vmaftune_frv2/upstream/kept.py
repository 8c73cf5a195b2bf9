"""A corpus that upstream's rows are appended to, and that knows which of its requests are answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary
from vmaftune_frv2.upstream.resume import Known, Source
from vmaftune_frv2.upstream.versions import Versions


class KeptCorpus:
    """An open corpus. Use as a context manager; locked meanwhile.

    Attributes:
        path: the corpus.
        vetoed_path: rows that were refused, each with its reasons.
        summary: what came of the cells that were for it.
        without_log: rows with a score that came without libvmaf's log.

    Raises:
        UsageError: the name is that of a compressed file or a table.
    """

    def __init__(self, path: Path) -> None:
        refuse_output(path, "--output")
        self.path, self.summary, self.without_log = path, Summary(), 0
        self._store = CorpusStore(path)
        self.vetoed_path = self._store.vetoed_path
        self._known: Known | None = None

    def __enter__(self) -> KeptCorpus:
        """Opens, locks and repairs the file.

        Raises:
            OutputError: it cannot be written, or a sweep has it.
            InputError: it exists and is no corpus.
        """
        self._store.__enter__()
        self._known = Known(self.path, self.vetoed_path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.__exit__(kind, error, trace)

    def find(self, digest: str, source: Source, versions: Callable[[], Versions]) -> tuple[Row | None, bool]:
        """The row of a request, and whether it was refused; programs are asked only where there may be one."""
        known = self._known
        if known is None or not known.has(digest):
            return None, False
        row = known.row(digest, source, versions())
        return row, row is None and known.refused(digest, source, versions())

    def append(self, row: Row) -> None:
        """Writes a row and waits until it is on disk.

        Raises:
            OutputError: it could not be written; nothing before it is lost.
        """
        start = self.path.stat().st_size
        self._store.append(row)
        if self._known is not None:
            self._known.add(row, start)

    def refuse(self, row: Row, reasons: list[str]) -> None:
        """Keeps a refused row beside the corpus.

        Raises:
            OutputError: it could not be written.
        """
        self._store.append_vetoed(row, reasons)
        if self._known is not None:
            self._known.add_refused(row)
