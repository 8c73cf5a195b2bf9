"""A folder of small results, each in a file of its own: bounded, shared by processes, and never in the way."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import write_atomic
from vmaftune_frv2.contract.rows import dumps, loads
from vmaftune_frv2.errors import OutputError
from vmaftune_frv2.log import get_logger

log = get_logger(__name__)
SUFFIX = ".json.gz"
_ENTRY = re.compile(r"[0-9a-f]{32}\.json\.gz")
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.json\.gz\.\S+")
ABANDONED_S = 3600.0
"""Age from which a file that is being written no longer is: its process was killed."""
KEPT_SHARE = 0.9
"""Of the limit, once it was passed: so that not every further result has to look through the folder."""
LOOK_EVERY = 1 / 16
"""Share of the limit that a process adds before it looks again at what others have added."""


@dataclass(frozen=True)
class Usage:
    """What a folder holds.

    Args:
        entries: results.
        size_bytes: of their files.
    """

    entries: int
    size_bytes: int


class CacheFolder:
    """Results by their key, in files that only this class writes and deletes. May be used from several threads.

    An entry that is damaged is none. A folder that cannot be written is warned of once, and left alone.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        """``limit`` is in bytes; None for none."""
        self.folder = folder
        self._limit, self._lock = limit, threading.Lock()
        self._writable, self._unlooked = True, float("inf")

    def has(self, key: bytes) -> bool:
        """Whether there is a file for a key; what it holds may still be damaged."""
        return self._path(key).is_file()

    def read(self, key: bytes) -> Any | None:
        """The result of a key; None where there is none, or only a damaged one."""
        path = self._path(key)
        try:
            entry = loads(gzip.decompress(path.read_bytes()))
            if entry["key"] != key.hex():
                return None
            found = entry["value"]
        except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, ArithmeticError):
            return None
        except Exception as error:  # zlib's own, which need not be imported for its name
            if type(error).__module__ != "zlib":
                raise
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # when it was used last
        return found

    def write(self, key: bytes, value: Any) -> None:
        """Keeps a result, and deletes others beyond the limit. Where that fails, a line says so, once."""
        if not self._writable:
            return
        data = gzip.compress(dumps({"key": key.hex(), "value": value}).encode(), compresslevel=1, mtime=0)
        if self._limit is not None and len(data) > self._limit * KEPT_SHARE:
            return
        try:
            write_atomic(self._path(key), data)
        except OutputError as error:
            with self._lock:
                first, self._writable = self._writable, False
            if first:
                log.warning("the cache is not used: %s", error)
            return
        self._bound(len(data))

    def usage(self) -> Usage:
        """What there is."""
        sizes = [stat.st_size for _, stat in self._entries()]
        return Usage(len(sizes), sum(sizes))

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return self.folder / name[:2] / f"{name}{SUFFIX}"

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """(path, state) of each result; what a killed process left of one is deleted on the way."""
        for path, stat in _files(self.folder):
            name = os.path.basename(path)
            if _ENTRY.fullmatch(name):
                yield path, stat
            elif _UNFINISHED.fullmatch(name) and time.time() - stat.st_mtime > ABANDONED_S:
                _delete(path)

    def _bound(self, added: int) -> None:
        """Deletes what was not used for longest, where there is more than the limit."""
        if self._limit is None:
            return
        with self._lock:
            self._unlooked += added
            if self._unlooked < self._limit * LOOK_EVERY:
                return
            self._unlooked = 0
            entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime_ns)
            left = sum(stat.st_size for _, stat in entries)
            if left <= self._limit:
                self._unlooked = max(0.0, left - self._limit * (1 - LOOK_EVERY))
                return
            for path, stat in entries:
                if left <= self._limit * KEPT_SHARE:
                    return
                _delete(path)
                left -= stat.st_size


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """(path, state) of the files two levels down."""
    for sub in _scanned(folder):
        if len(sub.name) == 2:
            for entry in _scanned(sub.path):
                with contextlib.suppress(OSError):
                    yield entry.path, entry.stat(follow_symlinks=False)


def _scanned(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _delete(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
