"""What a corpus that rows are written to may be called."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vmaftune_frv2.errors import UsageError

COMPRESSED = (".gz", ".zst")
TABLES = (".csv", ".parquet")


def refuse_output(path: Path, spelled: str, corpora: Iterable[Path] = ()) -> None:
    """Refuses the name of a corpus that rows cannot be written to as lines.

    Args:
        path: of the corpus.
        spelled: the option that gives it.
        corpora: files and folders that are read for it, and stay as they are.

    Raises:
        UsageError: it is one of a compressed file or a table, or is or lies in a corpus that is read.
    """
    if path.suffix in COMPRESSED:
        raise UsageError(f"{spelled} {path}: write to a .jsonl file and compress it afterwards")
    if path.suffix in TABLES:
        raise UsageError(f"{spelled} {path}: rows are written as .jsonl")
    for corpus in corpora:
        if _is_within(path, corpus):
            raise UsageError(f"{spelled} {path} is, or lies in, {corpus}; a corpus that is read stays as it is")


def _is_within(path: Path, corpus: Path) -> bool:
    """Whether a path is a corpus, or lies in it, by name or by what file it is."""
    named, real = Path(os.path.realpath(path.parent)), Path(os.path.realpath(path))
    places = dict.fromkeys((path, named, *named.parents, real, *real.parents))
    return any(place == corpus or _same_file(place, corpus) for place in places)


def _same_file(one: Path, other: Path) -> bool:
    """Whether both are there and are one file, be it by links."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False
