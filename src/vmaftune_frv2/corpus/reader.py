"""Reading corpora: files or folders, line by line, nothing held but the line at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.rows import Row, loads
from vmaftune_frv2.errors import InputError

SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Line:
    """One line of a corpus: a row, or why it is none."""

    path: Path
    number: int
    row: Row | None
    error: str = ""

    @property
    def where(self) -> str:
        """``FILE:LINE``."""
        return f"{self.path}:{self.number}"


def corpus_files(paths: Iterable[Path]) -> list[Path]:
    """The corpus files among the given files and folders (``*.jsonl`` below a folder), sorted.

    Raises:
        InputError: a path does not exist, or a folder holds no corpus.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob(f"*{SUFFIX}"))
            if not found:
                raise InputError(f"{path}: no {SUFFIX} file in this folder")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file")
    return files


def read_lines(path: Path) -> Iterator[Line]:
    """Every non-blank line of one corpus file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            for number, text in enumerate(stream, start=1):
                if text.strip():
                    yield _parse(path, number, text)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _parse(path: Path, number: int, text: bytes) -> Line:
    try:
        return Line(path, number, loads(text))
    except UnicodeDecodeError:
        return Line(path, number, None, "not UTF-8")
    except ValueError as error:
        return Line(path, number, None, f"not JSON: {error}")
