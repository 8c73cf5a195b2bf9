"""Reading corpora: files or folders, checked row by row, a few blocks of lines in memory.

Large corpora are checked on every CPU that this process may use.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

from vmaftune_frv2.contract.rowcheck import check_line
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.contract.schema import Violation
from vmaftune_frv2.corpus.blocks import Block, read_blocks
from vmaftune_frv2.errors import InputError

T = TypeVar("T")

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
ALONE_BYTES = 16 << 20
"""Lines that are checked before a helper process has started."""
_RATIO = 10
"""About what compression makes of a corpus, for that decision."""


@dataclass(frozen=True)
class Fault:
    """A line that is no valid row: no row at all (``error`` says why), or one that breaks the contract."""

    path: Path
    line: int
    error: str
    violations: tuple[Violation, ...] = ()

    @property
    def where(self) -> str:
        """``FILE:LINE``."""
        return f"{self.path}:{self.line}"

    @property
    def summary(self) -> str:
        """What is wrong, for counting lines."""
        if self.error:
            return "not JSON"
        unread = next((str(each) for each in self.violations if each.key == "schema_version"), None)
        return unread or "breaks the row contract (vmaf-tune validate says how)"


def corpus_files(paths: Iterable[Path]) -> list[Path]:
    """The corpus files among the given files and folders (SUFFIXES, below a folder), sorted.

    Raises:
        InputError: a path does not exist, or a folder holds no corpus.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*.jsonl*") if file.name.endswith(SUFFIXES))
            if not found:
                raise InputError(f"{path}: no {', '.join(SUFFIXES)} file in this folder")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file")
    return files


def read_rows(files: Iterable[Path], take: Callable[[Row], T]) -> Iterator[T | Fault]:
    """What ``take`` makes of every valid row, and a fault for every other line that is not blank, in file order.

    A row is valid when ``check_row`` finds nothing. ``take`` runs where the row was checked, which may be another
    process.

    Args:
        files: plain, gzip or Zstandard.
        take: a function of a valid row that pickles and raises nothing; its result pickles.

    Raises:
        InputError: a file cannot be read, or is cut short; what comes before was yielded.
    """
    return read_lines(files, partial(_row_alone, take))


def _row_alone(take: Callable[[Row], T], row: Row, line: bytes) -> T:
    return take(row)


def read_lines(files: Iterable[Path], take: Callable[[Row, bytes], T]) -> Iterator[T | Fault]:
    """As ``read_rows``, for a ``take`` that is given the line of the row besides, without its newline."""
    files = list(files)
    blocks = chain.from_iterable(map(read_blocks, files))
    before = 0  # lines of the file at hand
    for checked in map_blocks(partial(_check_block, take), blocks, sum(map(_expected_bytes, files))):
        if checked.begins:
            before = 0
        for found in checked.found:
            yield replace(found, line=before + found.line) if isinstance(found, Fault) else found
        before += checked.lines
        if checked.damage:
            beyond = f"cannot be read beyond line {before}: " if before else ""
            raise InputError(f"{checked.path}: {beyond}{checked.damage}")


@dataclass(frozen=True)
class _Checked(Generic[T]):
    """What became of a block of ``lines`` lines; faults are numbered within the block."""

    path: Path
    begins: bool
    lines: int
    found: list[T | Fault]
    damage: str


def map_blocks(check: Callable[[Block], T], blocks: Iterator[Block], expected_bytes: int) -> Iterator[T]:
    """``check``, which pickles, of every block, in order; on every CPU if there are many bytes."""
    if expected_bytes <= ALONE_BYTES:
        return map(check, blocks)
    from vmaftune_frv2.corpus.helpers import map_with_helpers, spare_cpus

    return map_with_helpers(check, blocks, spare_cpus())


def _check_block(take: Callable[[Row, bytes], T], block: Block) -> _Checked[T]:
    try:
        lines, damage = block.lines(), block.damage
    except OSError as error:
        lines, damage = [], error.strerror or str(error)
    found: list[T | Fault] = []
    with _no_garbage_collection():
        for number, line in enumerate(lines, start=1):
            if not line or line.isspace():
                continue
            try:
                row, violations = check_line(line)
            except UnicodeDecodeError:
                found.append(Fault(block.path, number, "not UTF-8"))
            except ValueError as error:
                found.append(Fault(block.path, number, f"not JSON: {error}"))
            else:
                found.append(Fault(block.path, number, "", tuple(violations)) if violations else take(row, line))
    return _Checked(block.path, block.begins, len(lines), found, damage)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Rows hold no cycles; looking for some among them takes a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _expected_bytes(file: Path) -> int:
    """About how many bytes of lines a file holds; 0 for what is no regular file."""
    try:
        size = file.stat().st_size
    except OSError:
        return 0
    return size if file.suffix == ".jsonl" else size * _RATIO
