"""Artefacts on disk: written whole or not at all, identified by sha256."""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vmaftune_frv2.errors import ModelError, OutputError, TuneError


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a temporary file beside ``path``, syncs it and renames it into place.

    Raises:
        OutputError: it cannot be written; what stood there before still does.
    """
    with atomic_file(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside ``path`` to write to, which is synced and renamed into place at the end.

    Where the block raises, it is removed, and what stood there before still does. A link stays one: the file that
    it leads to is written.

    Raises:
        OutputError: it cannot be written.
    """
    import tempfile

    temporary = None
    path = _a_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=_hidden(path))
        with os.fdopen(fd, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        raise


def _hidden(path: Path) -> str:
    """How the name of a temporary file begins: short enough for any file system."""
    return f".{path.name[:30]}."


def _a_file(path: Path) -> Path:
    """Where a path leads to.

    Raises:
        OutputError: to a device or a pipe, which a file would take the place of.
    """
    target = path.resolve() if path.is_symlink() else path
    if target.exists() and not target.is_file() and not target.is_dir():
        raise OutputError(f"{path}: cannot be written (a device or a pipe; name a file)")
    return target


def check_writable(path: Path) -> None:
    """Checks that ``write_atomic`` will find a place for its file; for what is written after long work.

    Raises:
        OutputError: it will not.
    """
    import tempfile

    path = _a_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent, prefix=_hidden(path)).close()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def dump_json(document: dict[str, Any]) -> bytes:
    """A document as indented strict JSON.

    Raises:
        ValueError: NaN or infinity in it.
    """
    try:
        return _indented(document, ensure_ascii=False)
    except UnicodeEncodeError:  # names of files that are not UTF-8
        return _indented(document, ensure_ascii=True)


def _indented(document: dict[str, Any], ensure_ascii: bool) -> bytes:
    return (json.dumps(document, indent=2, allow_nan=False, ensure_ascii=ensure_ascii) + "\n").encode()


def read_json(path: Path, refusal: type[TuneError] = ModelError, finite: bool = True) -> dict[str, Any]:
    """A JSON object from a file.

    Args:
        path: of the file.
        refusal: what is raised.
        finite: whether to refuse numbers that are NaN or infinite, which strict JSON has not; they are named.

    Raises:
        TuneError: a ``refusal``: it cannot be read, is no object, or holds what is no number.
    """
    try:
        document = json.loads(path.read_bytes())
        wrong = next(_not_finite(document, ""), None) if finite else None
    except OSError as error:
        raise refusal(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise refusal(f"{path}: not JSON: {error}") from error
    except RecursionError as error:
        raise refusal(f"{path}: nested too deeply") from error
    if not isinstance(document, dict):
        raise refusal(f"{path}: not a JSON object")
    if wrong is not None:
        raise refusal(f"{path}: {wrong}; restore the file or make it anew")
    return document


def _not_finite(value: Any, where: str) -> Iterator[str]:
    """A message about each number in a document that no float can hold, by the path of its key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{where}[{index}]")
    elif isinstance(value, (int, float)) and not abs(value) <= sys.float_info.max:
        shown = value if isinstance(value, float) else "too large"
        yield f"{where} is {shown}, not a finite number"


def write_new(path: Path, pieces: Iterable[bytes]) -> bool:
    """Writes a file where there is none, whole or not at all; an empty one counts as none.

    Returns:
        False where the file stands there already, byte for byte.

    Raises:
        OutputError: another file stands there, which is left alone, or it cannot be written.
        TuneError: whatever ``pieces`` raises; nothing is written then.
    """
    import tempfile

    path = _a_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=_hidden(path))
        temporary = Path(name)
        try:
            with os.fdopen(fd, "wb") as stream:
                stream.writelines(pieces)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            return _put(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def _put(temporary: Path, path: Path) -> bool:
    """Gives a file its name unless another one has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        if path.stat().st_size == 0:
            os.replace(temporary, path)
            return True
        if filecmp.cmp(temporary, path, shallow=False):
            return False
        raise OutputError(f"{path} is there and holds something else; it is not overwritten") from None
    except OSError:  # a file system without links
        if path.exists():
            raise
        os.replace(temporary, path)
    return True


def place_file(temporary: Path, path: Path, overwrite: bool) -> None:
    """Gives a finished file its name, once it is on the disk. A link stays one: what it leads to is replaced.

    Args:
        temporary: on the same file system; gone afterwards.
        path: its name.
        overwrite: whether it may take the place of another file.

    Raises:
        OutputError: it cannot, or a file has that name meanwhile.
    """
    path = _a_file(path)
    try:
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _link(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise OutputError(f"{path} exists; --overwrite replaces it") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def _link(temporary: Path, path: Path) -> None:
    """Renames a file unless another has the name, which ``os.rename`` would replace."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError from None
        os.replace(temporary, path)
    else:
        temporary.unlink()
