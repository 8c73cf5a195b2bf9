"""Corpus files as blocks of whole lines: plain, gzip, Zstandard or tables, never more than a block in memory."""

from __future__ import annotations

import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from vmaftune_frv2.corpus import tables

BLOCK_BYTES = 1 << 20
"""About the size of a block; a longer line makes a longer block."""
_GZIP, _ZSTD = ".gz", ".zst"
_MAGIC = {_GZIP: b"\x1f\x8b", _ZSTD: b"\x28\xb5\x2f\xfd"}


@dataclass(frozen=True)
class Block:
    """Some whole lines of a corpus file; its last line may lack the newline.

    Attributes:
        begins: whether they are the first of the file.
        data: their bytes; None where they are to be read from ``start`` to ``end`` of the file.
        damage: why nothing after them can be read; empty where there is no more, or the next block has it.
    """

    path: Path
    begins: bool
    data: bytes | None = None
    start: int = 0
    end: int = 0
    damage: str = ""

    def lines(self) -> list[bytes]:
        """The lines, blank ones included, without their newlines.

        Raises:
            OSError: the file cannot be read.
        """
        data = self.data
        if data is None:
            with self.path.open("rb") as stream:
                stream.seek(self.start)
                data = stream.read(self.end - self.start)
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return lines


def read_blocks(path: Path) -> Iterator[Block]:
    """The lines of one corpus file, decompressed where it is compressed, by name or by its first bytes.

    The rows of a table (CSV, parquet, by its name) are lines, too.

    Raises:
        ToolError: reading it needs an extra that is not installed.
    """
    try:
        if path.suffix.lower() in tables.SUFFIXES:
            yield from _table(path)
            return
        with path.open("rb") as raw:
            start = raw.peek(4)
            compressed = path.suffix in _MAGIC or start.startswith(tuple(_MAGIC.values()))
            regular = stat.S_ISREG(path.stat().st_mode)
            yield from spans(path, raw) if regular and not compressed else _contents(path, _pieces(path, raw))
    except OSError as error:
        yield Block(path, True, b"", damage=error.strerror or str(error))


def spans(path: Path, raw: BufferedReader) -> Iterator[Block]:
    """Blocks of a plain file, which whoever checks them reads."""
    start, size = 0, raw.seek(0, 2)
    while start < size:
        raw.seek(min(start + BLOCK_BYTES, size))
        raw.readline()
        end = raw.tell()
        yield Block(path, start == 0, start=start, end=end)
        start = end


def _table(path: Path) -> Iterator[Block]:
    begins, damage = True, ""
    try:
        for data in tables.blocks_of(path):
            yield Block(path, begins, data)
            begins = False
    except tables.DamagedTableError as error:
        damage = str(error)
    if damage:
        yield Block(path, begins, b"", damage=damage)


def _contents(path: Path, pieces: Iterator[bytes]) -> Iterator[Block]:
    """Blocks of what can only be read once, from first to last."""
    begins, damage = True, ""
    parts: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            end = piece.rfind(b"\n") + 1
            if not end or size + end < BLOCK_BYTES:
                parts.append(piece)
                size += len(piece)
                continue
            yield Block(path, begins, b"".join((*parts, piece[:end])))
            begins, parts, size = False, [piece[end:]], len(piece) - end
    except _DamagedError as error:
        damage = str(error)
    held = b"".join(parts)
    if damage:
        held = held[: held.rfind(b"\n") + 1]
    if held or damage:
        yield Block(path, begins, held, damage=damage)


class _DamagedError(Exception):
    """Compressed data that is no such data, or ends too early."""


class _Readable(Protocol):
    def read1(self, size: int = -1, /) -> bytes: ...


def _pieces(path: Path, raw: BufferedReader) -> Iterator[bytes]:
    start = raw.peek(4)
    if path.suffix in _MAGIC and not start:
        raise _DamagedError("it is empty")
    if path.suffix == _GZIP or start.startswith(_MAGIC[_GZIP]):
        yield from _gunzipped(raw)
    elif path.suffix == _ZSTD or start.startswith(_MAGIC[_ZSTD]):
        yield from _unzstandard(raw)
    else:
        yield from _read(raw)


def _read(stream: _Readable) -> Iterator[bytes]:
    while piece := stream.read1(BLOCK_BYTES):
        yield piece


def _gunzipped(raw: BufferedReader) -> Iterator[bytes]:
    import gzip

    with closing(gzip.GzipFile(fileobj=raw)) as stream:
        try:
            yield from _read(stream)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _DamagedError(str(error)) from error


def _unzstandard(raw: BufferedReader) -> Iterator[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    with closing(zstd.ZstdFile(raw)) as stream:
        try:
            yield from _read(stream)
        except (EOFError, zstd.ZstdError) as error:
            raise _DamagedError(str(error)) from error
