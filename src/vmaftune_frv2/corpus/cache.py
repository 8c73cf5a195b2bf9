"""What was measured of sources, for further questions and sweeps: rows, and what else takes time to find out."""

from __future__ import annotations

import dataclasses
import hashlib
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.cache_folder import CacheFolder, Usage
from vmaftune_frv2.corpus.measure import is_complete
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import MeasureOptions
from vmaftune_frv2.media.opening import sha256_file
from vmaftune_frv2.media.source import Source

HASHED_BYTES = 1 << 30
"""Larger files are known by path, size and time of change: reading them may take longer than the question."""
SETTLED_NS = 2 * 10**9
"""Age from which a file's time of change tells it from what it will be after the next change."""


@dataclass(frozen=True)
class Kept:
    """A row that was measured before.

    Args:
        row: of it.
        threads: of its encode.
    """

    row: Row
    threads: int


class ResultCache:
    """A folder of measured rows and other results, see ``CacheFolder``.

    Args:
        folder: made when something is kept.
        limit: bytes that it may take, None for any number.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = CacheFolder(folder, limit)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.folder

    def usage(self) -> Usage:
        """What it holds."""
        return self._folder.usage()

    def knows(self, request: CellRequest, options: MeasureOptions) -> bool:
        """Whether it seems to have a row of an equal request, at the cost of a look."""
        return self._folder.has(_key_of(request, options))

    def find(self, request: CellRequest, options: MeasureOptions) -> Kept | None:
        """The row of an equal request, under this source's name and a run of its own.

        None if there is none, or it lacks what is asked for: the encoder's statistics, or an encode to keep.
        """
        if options.keep_dir is not None:
            return None
        entry: Any = self._folder.read(_key_of(request, options))
        try:
            row, threads = entry["row"], int(entry["threads"])
            if row["exit_status"] != 0 or not is_complete(False, False, options.encoder_stats, row):
                return None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        mine = {"src": request.source.label, "run_id": uuid.uuid4().hex, "encode_path": None}
        return Kept({**row, **request.source.row_values, **mine}, threads)

    def put(self, request: CellRequest, row: Row, options: MeasureOptions) -> None:
        """Keeps a measured row.

        Args:
            request: that it answers.
            row: of it; one that failed is not kept.
            options: that it was measured with.
        """
        if row["exit_status"] == 0:
            self._folder.write(_key_of(request, options), {"row": row, "threads": options.threads})

    def recall(self, *key: object) -> Any | None:
        """What was noted under a key; None where nothing was.

        Args:
            key: numbers, text, and tuples of them.
        """
        return self._folder.read(_digest(key))

    def note(self, value: Any, *key: object) -> None:
        """Notes what was found out.

        Args:
            value: JSON.
            key: as ``recall``.
        """
        self._folder.write(_digest(key), value)


def frames_key(source: Source) -> tuple[object, ...]:
    """What tells the frames of a source in use from any others, for ``ResultCache.recall``."""
    return *_known(source).identity, source.variable, source.track, tuple(sorted(source.view.identity.items()))


def content_hash(source: Source, cache: ResultCache | None, needed: bool) -> str | None:
    """Hex sha256 of a file, computed once as long as the file is not changed.

    Args:
        source: an opened file.
        cache: remembers it.
        needed: whether to compute it of a large file, too.

    Returns:
        None where it is not needed, and would take long or serve no cache.

    Raises:
        InputError: the file cannot be read.
    """
    key = ("sha256", *_file_key(source))
    known = cache.recall(*key) if cache is not None else None
    if isinstance(known, str):
        return known
    if not needed and (cache is None or source.size_bytes > HASHED_BYTES):
        return None
    settled = time.time_ns() - source.mtime_ns > SETTLED_NS
    found = sha256_file(source.path)
    if cache is not None and settled:
        cache.note(found, *key)
    return found


def _key_of(request: CellRequest, options: MeasureOptions) -> bytes:
    """Of a request; threads belong to it where the user named them."""
    key = dataclasses.replace(request, source=_known(request.source)).identity
    return _digest((key, "threads", options.threads)) if options.threads_told else key


def _known(source: Source) -> Source:
    """A source with something that identifies its content, whatever it is called."""
    if source.sha256 is not None:
        return source
    return dataclasses.replace(source, sha256=_digest(("file", *_file_key(source))).hex())


def _file_key(source: Source) -> tuple[object, ...]:
    """What tells a file without reading it; setting its time of modification back changes its status."""
    stat = source.size_bytes, source.mtime_ns, source.ctime_ns, source.inode
    return str(source.path.absolute()), *stat


def _digest(key: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()
