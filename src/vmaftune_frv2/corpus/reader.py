"""Reading corpora: files or folders, checked row by row, a few blocks of lines in memory.

Large corpora are checked on every CPU that this process may use.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Generic, TypeVar

from vmaftune_frv2.contract.old_frames import Frames
from vmaftune_frv2.contract.old_rows import (
    NOTHING,
    OF_FRAMES,
    OURS,
    VERSIONED,
    OldRowError,
    Origin,
    Told,
    is_ours,
    shape_of,
    upgraded,
)
from vmaftune_frv2.contract.rowcheck import check_line, check_row
from vmaftune_frv2.contract.rows import Row, dumps
from vmaftune_frv2.contract.schema import Violation
from vmaftune_frv2.corpus.blocks import Block, read_blocks
from vmaftune_frv2.errors import InputError

T = TypeVar("T")
Take = Callable[[Row, bytes, Origin], T]

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
ALONE_BYTES = 16 << 20
"""Lines that are checked before a helper process has started."""
SHOWN_KEYS = 8
"""Keys of a row of no known shape that a message names."""
_RATIO = 10
"""About what compression makes of a corpus, for that decision."""


@dataclass(frozen=True)
class Fault:
    """A line that is no valid row: no row at all (``error`` says why), or one that breaks the contract.

    ``shape`` is what shape of row it has; empty where it has none that is known.
    """

    path: Path
    line: int
    error: str
    violations: tuple[Violation, ...] = ()
    shape: str = ""

    @property
    def where(self) -> str:
        """``FILE:LINE``."""
        return f"{self.path}:{self.line}"

    @property
    def reason(self) -> str:
        """What is wrong, if it has a name that lines are counted by; empty where only its violations tell."""
        return "not JSON" if self.error else next((each.reason for each in self.violations if each.reason), "")

    @property
    def summary(self) -> str:
        """What is wrong, for counting lines."""
        return self.reason or "breaks the row contract (vmaf-tune validate says how)"


@dataclass(frozen=True)
class FrameLine:
    """A line that is one frame of an encode, ``line`` of its file."""

    line: int
    row: Row
    shape: str


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

    A row is valid when ``check_row`` finds nothing; ``take`` is given rows of version 3, made of older ones where
    need be. It runs where the row was checked, which may be another process. Encodes whose frames are lines come
    at the end of their file.

    Args:
        files: plain, gzip, Zstandard, CSV or parquet.
        take: a function of a valid row that pickles and raises nothing; its result pickles.

    Raises:
        InputError: a file cannot be read, or is cut short; what comes before was yielded.
        ToolError: a parquet file, and what reads them is not installed.
    """
    return read_shapes(files, partial(_row_alone, take))


def _row_alone(take: Callable[[Row], T], row: Row, line: bytes, origin: Origin) -> T:
    return take(row)


def read_lines(
    files: Iterable[Path], take: Callable[[Row, bytes], T], told: Told = NOTHING
) -> Iterator[T | Fault]:
    """As ``read_rows``, for a ``take`` that is given the line of the row besides, without its newline."""
    return read_shapes(files, partial(_row_and_line, take), told)


def _row_and_line(take: Callable[[Row, bytes], T], row: Row, line: bytes, origin: Origin) -> T:
    return take(row, line)


def read_shapes(files: Iterable[Path], take: Take[T], told: Told = NOTHING) -> Iterator[T | Fault]:
    """As ``read_rows``, for a ``take`` that is given the line of the row, and where the row comes from.

    Args:
        files: as ``read_rows``.
        take: given a row of version 3, its line without the newline (a new one where the row was made of an older
            one) and its origin.
        told: what is known beside what rows say; with ``codec_of``, this process alone reads.
    """
    files = list(files)
    expected = 0 if told.codec_of else sum(map(_expected_bytes, files))
    blocks = chain.from_iterable(map(read_blocks, files))
    before, frames = 0, Frames()  # of the file at hand
    path: Path | None = None
    for checked in map_blocks(partial(_check_block, take, told), blocks, expected):
        if checked.begins:
            if path is not None:
                yield from _of_frames(path, frames, take, told)
            path, before, frames = checked.path, 0, Frames()
        for found in checked.found:
            if isinstance(found, FrameLine):
                frames.add(before + found.line, found.row, found.shape)
            else:
                yield replace(found, line=before + found.line) if isinstance(found, Fault) else found
        before += checked.lines
        if checked.damage:
            beyond = f"cannot be read beyond line {before}: " if before else ""
            raise InputError(f"{checked.path}: {beyond}{checked.damage}")
    if path is not None:
        yield from _of_frames(path, frames, take, told)


def _of_frames(path: Path, frames: Frames, take: Take[T], told: Told) -> Iterator[T | Fault]:
    """The encodes whose frames are lines of a file."""
    for line, shape, found in frames.rows(told):
        if isinstance(found, OldRowError):
            yield _refused(path, line, shape, found)
            continue
        row, origin = found
        yield _taken(path, line, row, origin, take)


@dataclass(frozen=True)
class _Checked(Generic[T]):
    """What became of a block of ``lines`` lines; faults are numbered within the block."""

    path: Path
    begins: bool
    lines: int
    found: list[T | Fault | FrameLine]
    damage: str


def map_blocks(check: Callable[[Block], T], blocks: Iterator[Block], expected_bytes: int) -> Iterator[T]:
    """``check``, which pickles, of every block, in order; on every CPU if there are many bytes."""
    if expected_bytes <= ALONE_BYTES:
        return map(check, blocks)
    from vmaftune_frv2.corpus.helpers import map_with_helpers, spare_cpus

    return map_with_helpers(check, blocks, spare_cpus())


def _check_block(take: Take[T], told: Told, block: Block) -> _Checked[T]:
    try:
        lines, damage = block.lines(), block.damage
    except OSError as error:
        lines, damage = [], error.strerror or str(error)
    found: list[T | Fault | FrameLine] = []
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
                if violations or not is_ours(row):
                    found.append(_old(block.path, number, row, violations, take, told))
                else:
                    found.append(take(row, line, OURS))
    return _Checked(block.path, block.begins, len(lines), found, damage)


def _old(
    path: Path, number: int, row: Row, violations: list[Violation], take: Take[T], told: Told
) -> T | Fault | FrameLine:
    """What becomes of a row that is not a valid one of ours."""
    shape = shape_of(row, told)
    if shape in OF_FRAMES:
        return FrameLine(number, row, shape)
    if shape.startswith(VERSIONED) and violations:
        return Fault(path, number, "", tuple(violations), shape)
    if not shape:
        return Fault(path, number, "", tuple(_named(row, violations)))
    try:
        new, origin = upgraded(row, shape, told)
    except OldRowError as error:
        return _refused(path, number, shape, error)
    return _taken(path, number, new, origin, take)


def _taken(path: Path, number: int, row: Row, origin: Origin, take: Take[T]) -> T | Fault:
    """What ``take`` makes of a row that was made of an older one, if it is valid."""
    violations = check_row(row)
    if violations:
        return Fault(path, number, "", tuple(violations), origin.shape)
    return take(row, dumps(row).encode(), origin)


def _refused(path: Path, number: int, shape: str, error: OldRowError) -> Fault:
    reason = f"{shape} row: {error}"
    return Fault(path, number, "", (Violation("", None, reason, reason=reason),), shape)


def _named(row: Row, violations: list[Violation]) -> list[Violation]:
    """What is wrong with a row of no known shape."""
    if "schema_version" in row:
        return violations
    keys = ", ".join(map(str, islice(row, SHOWN_KEYS))) or "none"
    more = ", ..." if len(row) > SHOWN_KEYS else ""
    reason = f"no schema_version, and no older shape of row has its keys: {keys}{more}"
    return [Violation("", None, reason, reason=reason)]


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
