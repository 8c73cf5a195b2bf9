"""The file of rows: one writer, append only, every row on disk before the next."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from vmaftune_frv2.contract.files import write_atomic
from vmaftune_frv2.contract.rows import Row, dumps, loads, quick_loads
from vmaftune_frv2.corpus.blocks import Block, spans
from vmaftune_frv2.corpus.reader import map_blocks
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.errors import InputError, OutputError

_FIRST_KEY = b'{"schema_version":'
"""How each of our rows begins, even one that was torn."""


class CorpusStore:
    """An open corpus file. Use as a context manager.

    Attributes:
        path: the corpus.
        measured: identities of the cells that have a row with exit status 0.
        refused: identities of the measured cells that a plugin kept out.
        incomplete: identities of the measured cells none of whose rows ``complete`` accepts.
        quarantined: lines that were moved to ``<corpus>.quarantine`` on opening.
        vetoed_path: rows that a plugin refused, each with its reasons.
    """

    def __init__(self, path: Path, complete: Callable[[Row], bool] | None = None) -> None:
        """``complete`` pickles; without it every row is."""
        self.path = path
        self._complete = complete
        self.vetoed_path = path.with_name(path.name + ".vetoed")
        self.quarantine_path = path.with_name(path.name + ".quarantine")
        self.measured: set[bytes] = set()
        self.refused: set[bytes] = set()
        self.incomplete: set[bytes] = set()
        self.quarantined = 0
        self._fd = -1

    def __enter__(self) -> CorpusStore:
        """Opens, locks and repairs the file, and reads what it holds.

        Raises:
            OutputError: it cannot be written, or another sweep has it.
            InputError: it exists and is no corpus.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise OutputError(f"{self.path}: another sweep is writing to it") from error
        try:
            self._refuse_foreign()
            self._mend_tail()
            self._read_measured()
            self._read_vetoed()
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def look(self) -> CorpusStore:
        """Reads what the file holds, if there is one, and changes nothing; a sweep may be writing to it.

        Raises:
            InputError: it cannot be read, or is no corpus.
        """
        try:
            if self.path.exists():
                self._refuse_foreign()
                self._read_measured()
                self._read_vetoed()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error
        return self

    def lacks(self, digest: bytes) -> bool:
        """Whether a cell is still to be measured."""
        return digest not in self.measured and digest not in self.refused

    def append(self, row: Row) -> None:
        """Writes one row and waits until it is on disk.

        Raises:
            OutputError: it could not be written whole, and what was written of it was taken back; or the
                file was deleted or replaced by somebody, and what it held was saved.
        """
        self._write(self._fd, self.path, dumps(row))
        self._rescue_if_deleted()

    def _rescue_if_deleted(self) -> None:
        """Rows that go to a file without a name are lost when it is closed; give them one again."""
        mine = os.fstat(self._fd)
        try:
            named = os.stat(self.path)
            if (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino):
                return
            rescue = self.path.with_name(f"{self.path.name}.rescued")
        except FileNotFoundError:
            rescue = self.path
        position, data = 0, b""
        while chunk := os.pread(self._fd, 1 << 20, position):
            position += len(chunk)
            data += chunk
        write_atomic(rescue, data)
        raise OutputError(
            f"{self.path} was deleted or replaced during the sweep; its rows are in {rescue}."
            " The same command goes on from there"
            + ("" if rescue == self.path else " once that file stands in its place")
        )

    def append_vetoed(self, row: Row, reasons: list[str]) -> None:
        """Keeps a refused row beside the corpus, so that its encode was not in vain."""
        line = dumps({"reasons": reasons, "row": row})
        try:
            fd = os.open(self.vetoed_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise OutputError(f"{self.vetoed_path}: cannot be written ({error.strerror})") from error
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":  # a torn line must not swallow the next
                os.write(fd, b"\n")
            self._write(fd, self.vetoed_path, line)
        finally:
            os.close(fd)

    @staticmethod
    def _write(fd: int, path: Path, line: str) -> None:
        data = line.encode("utf-8") + b"\n"
        end = os.fstat(fd).st_size
        try:
            written = os.write(fd, data)
            if written != len(data):
                raise OSError(28, "No space left on device")
            os.fsync(fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, end)
            raise OutputError(
                f"{path}: a row could not be written ({error.strerror}); nothing before it is lost"
            ) from error

    def _refuse_foreign(self) -> None:
        """Nothing is ever appended to, or taken from, a file that does not begin with a row."""
        first = next(_lines(self.path), b"")
        if not first or first.lstrip().startswith(_FIRST_KEY):
            return
        try:
            if "schema_version" in loads(first):
                return
        except ValueError:
            pass
        raise InputError(f"{self.path}: not a corpus; refusing to append to it")

    def _mend_tail(self) -> None:
        """A last line without its newline was torn, unless it parses."""
        size = os.fstat(self._fd).st_size
        if size == 0 or os.pread(self._fd, 1, size - 1) == b"\n":
            return
        start, tail = size, b""
        while start > 0 and b"\n" not in tail:
            start = max(0, start - (1 << 16))
            tail = os.pread(self._fd, size - start, start)
        tail = tail.rpartition(b"\n")[2]
        try:
            loads(tail)
        except ValueError:
            self._quarantine(tail)
            os.ftruncate(self._fd, size - len(tail))
        else:
            os.write(self._fd, b"\n")

    def _quarantine(self, tail: bytes) -> None:
        try:
            with self.quarantine_path.open("ab") as stream:
                stream.write(tail + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.quarantine_path}: the torn last line of the corpus cannot be kept there ({error.strerror})"
            ) from error
        self.quarantined += 1

    def _read_measured(self) -> None:
        complete: set[bytes] = set()
        with self.path.open("rb") as raw:
            measured = partial(_measured, self._complete)
            for whole, lacking in map_blocks(measured, spans(self.path, raw), self.path.stat().st_size):
                self.measured.update(whole, lacking)
                if self._complete is not None:
                    complete.update(whole)
                    self.incomplete.update(lacking)
        self.incomplete -= complete

    def _read_vetoed(self) -> None:
        if not self.vetoed_path.exists():
            return
        for line in _lines(self.vetoed_path):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)["row"]
                if row["exit_status"] == 0:
                    self.refused.add(identity(row))


def _measured(complete: Callable[[Row], bool] | None, block: Block) -> tuple[list[bytes], list[bytes]]:
    """Identities of the cells that have a score in a block: complete rows, others."""
    whole: list[bytes] = []
    lacking: list[bytes] = []
    for line in block.lines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            row = quick_loads(line) or loads(line)
            if row.get("exit_status") == 0:
                (whole if complete is None or complete(row) else lacking).append(identity(row))
    return whole, lacking


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        for line in stream:
            if line.strip():
                yield line
