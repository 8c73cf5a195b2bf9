"""Which sources belong together, and are left out together."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.learnable import Measured

BY_SOURCE = "src"
BY_STEM_PREFIX = "stem-prefix"

_NUMBER = re.compile(r"_\d+$")


def group_names(rows: Sequence[Measured], group_by: str) -> list[str]:
    """The group of every row.

    Args:
        rows: usable rows.
        group_by: ``src``: every source for itself; ``stem-prefix``: by file name up to ``_<number>``; else a CSV
            file of ``file name,group`` lines.

    Raises:
        InputError: the file cannot be read, says two things of one name, or a source is not in it.
    """
    name_of = _namer(group_by)
    # A source is one source under whichever name it was first seen.
    first: dict[str, str] = {}
    for row in rows:
        if row.source not in first:
            first[row.source] = name_of(row)
    return [first[row.source] for row in rows]


def _namer(group_by: str) -> Callable[[Measured], str]:
    if group_by == BY_SOURCE:
        return lambda row: row.source
    if group_by == BY_STEM_PREFIX:
        return lambda row: _NUMBER.sub("", PurePath(row.label).stem)
    table = _read(Path(group_by))

    def look_up(row: Measured) -> str:
        if row.label not in table:
            raise InputError(f"{group_by}: no line for {row.label}; give every source's file name a group")
        return table[row.label]

    return look_up


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheets write a mark before the text
            reader = csv.reader(stream)
            lines = [(reader.line_num, [part.strip() for part in line]) for line in reader if line]
    except OSError as error:
        raise InputError(
            f"--group-by {path}: {error.strerror}; give {BY_SOURCE}, {BY_STEM_PREFIX} or a CSV file"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--group-by {path}: no CSV file: {error}") from error
    table: dict[str, str] = {}
    for number, line in lines:
        if len(line) != 2 or not all(line):
            raise InputError(f"{path}:{number}: write FILE NAME,GROUP")
        if table.setdefault(line[0], line[1]) != line[1]:
            raise InputError(f"{path}:{number}: {line[0]} is in {table[line[0]]} already")
    return table
