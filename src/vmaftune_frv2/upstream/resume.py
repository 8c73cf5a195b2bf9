"""Which cells of upstream's request a corpus has already: the request stands in each row as a digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.crf import tidy
from vmaftune_frv2.contract.rows import Row, loads
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.upstream.versions import Versions

REQUEST = "upstream_request"
"""Row key: digest of what upstream was asked for, but for the source, which ``src_sha256`` tells."""
_COMPARED = ("src", "src_sha256", "encoder", "encoder_version", "ffmpeg_version", "exit_status", REQUEST)
_OF_JOB = ("source", "cells")
_PLACES = (
    "output", "encode_dir", "keep_encodes", "cache_dir", "cache_enabled", "src_sha256", "ffmpeg_bin", "vmaf_bin",
    "ffprobe_bin",
)  # fmt: skip
"""Options that say where, not what. Programs are told apart by the versions in the rows."""


def request_digest(job: Any, opts: Any, preset: str, crf: float) -> str:
    """What determines a row: every field of upstream's job and options but sources and places, and the cell.

    Two-pass, clip window, HDR mode and score backend are among them, which a row does not tell otherwise.
    """
    asked = {f"job.{key}": value for key, value in _fields(job, _OF_JOB)}
    asked |= {f"opts.{key}": value for key, value in _fields(opts, _PLACES)}
    text = repr((sorted(asked.items()), str(preset), tidy(float(crf))))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _fields(value: Any, without: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(value):
        if field.name not in without:
            yield field.name, repr(getattr(value, field.name))


class Known:
    """The rows of a corpus that answer a request of upstream's; read once, and added to.

    Args:
        path: the corpus.
        vetoed: rows that were refused, with their reasons.
    """

    def __init__(self, path: Path, vetoed: Path) -> None:
        self._path = path
        self._rows: dict[str, list[int]] = {}
        self._refused: dict[str, list[Row]] = {}
        for start, line in _lines(path):
            row = _row(line)
            if row is not None:
                self._rows.setdefault(row[REQUEST], []).append(start)
        for _, line in _lines(vetoed):
            try:
                row = _row(json.dumps(json.loads(line)["row"]).encode())
            except (ValueError, KeyError, TypeError):
                continue
            if row is not None:
                self.add_refused(row)

    def add(self, row: Row, start: int) -> None:
        """Takes in a row that was written at a place of the file."""
        if row.get("exit_status") == 0 and REQUEST in row:
            self._rows.setdefault(row[REQUEST], []).append(start)

    def add_refused(self, row: Row) -> None:
        """Takes in a row that was refused after it was measured."""
        if row.get("exit_status") == 0 and REQUEST in row:
            self._refused.setdefault(row[REQUEST], []).append({key: row.get(key) for key in _COMPARED})

    def has(self, digest: str) -> bool:
        """Whether a row of this request is there, of whatever source."""
        return digest in self._rows or digest in self._refused

    def row(self, digest: str, source: Source, versions: Versions) -> Row | None:
        """The row of a request of a source that these programs would give, too."""
        with self._path.open("rb") as stream:
            for start in self._rows.get(digest, ()):
                stream.seek(start)
                row = loads(stream.readline())
                if source.is_of(row) and _same_programs(row, versions):
                    return row
        return None

    def refused(self, digest: str, source: Source, versions: Versions) -> bool:
        """Whether that row was refused once it was measured."""
        rows = self._refused.get(digest, ())
        return any(source.is_of(row) and _same_programs(row, versions) for row in rows)


class Source:
    """A file by its content, which is read only if a row has to be compared.

    Args:
        path: of the source.

    Raises:
        InputError: when compared: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sha256: str | None = None

    def is_of(self, row: Row) -> bool:
        """Whether a row was measured on this file; without a digest, whether the file of this path is older."""
        digest = row.get("src_sha256")
        return self.sha256 == digest if digest else str(self._path) == row["src"] and self._is_before(row)

    def _is_before(self, row: Row) -> bool:
        """Whether the file is as it was when a row was written."""
        try:
            written = datetime.fromisoformat(str(row.get("timestamp")).replace("Z", "+00:00"))
            stat = self._path.stat()
        except (OSError, ValueError):
            return False
        if written.tzinfo is None:
            written = written.replace(tzinfo=timezone.utc)
        # Of a replaced file the time of modification may be an old one, the time of change is not.
        return int(max(stat.st_mtime, stat.st_ctime)) <= written.timestamp()

    @property
    def sha256(self) -> str:
        """Hex digest of the content."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            try:
                with self._path.open("rb") as stream:
                    while chunk := stream.read(1 << 20):
                        digest.update(chunk)
            except OSError as error:
                raise InputError(f"{self._path}: cannot be read ({error.strerror})") from error
            self._sha256 = digest.hexdigest()
        return self._sha256


def _same_programs(row: Row, versions: Versions) -> bool:
    """Whether what is known of the programs agrees; upstream cuts an encoder's version shorter than we do."""
    prefix = f"{row.get('encoder')}-"
    there, here = (
        (version or "").removeprefix(prefix).removeprefix("v")
        for version in (row.get("encoder_version"), versions.encoder)
    )
    ffmpegs = {row.get("ffmpeg_version"), versions.ffmpeg} - {None}
    return len(ffmpegs) < 2 and (there.startswith(here) or here.startswith(there))


def _row(line: bytes) -> Row | None:
    """The row of a line, if it has a score and tells its request."""
    if REQUEST.encode() not in line:
        return None
    try:
        row = loads(line)
    except ValueError:
        return None
    return row if row.get("exit_status") == 0 and isinstance(row.get(REQUEST), str) else None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines of a file and where they start; none where there is no file."""
    if path.exists():
        start = 0
        with path.open("rb") as stream:
            for line in stream:
                yield start, line
                start += len(line)
