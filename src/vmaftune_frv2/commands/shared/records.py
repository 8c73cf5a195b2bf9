"""Records to stdout: a table for people; json, jsonl and csv for programs."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from vmaftune_frv2.commands.shared.table import format_table

Record = Mapping[str, Any]
HELD_BYTES = 1 << 18
"""Lines that are written at once."""


def emit(style: str, columns: Sequence[str], records: Iterable[Record]) -> None:
    """Prints records; jsonl and csv as they come, table and json once all are there.

    Args:
        style: ``table``, ``json``, ``jsonl`` or ``csv``.
        columns: keys in order; a record without one prints as unknown.
        records: what to print.
    """
    if style == "jsonl":
        for record in records:
            click.echo(json.dumps(_ordered(columns, record), allow_nan=False))
    elif style == "json":
        click.echo(json.dumps([_ordered(columns, record) for record in records], indent=2, allow_nan=False))
    elif style == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            writer.writerow([_plain(value) for value in _ordered(columns, record).values()])
    else:
        rows = [[_text(value) for value in _ordered(columns, record).values()] for record in records]
        click.echo(format_table([column.replace("_", " ") for column in columns], rows, left=2))


def emit_lines(lines: Iterable[bytes]) -> None:
    """Prints lines that are JSON already, newlines included, as they come, some at a time."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= HELD_BYTES:
            _write(b"".join(held))
            held, size = [], 0
    _write(b"".join(held))


def _write(data: bytes) -> None:
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # somebody put text in the place of stdout
        sys.stdout.write(data.decode())
        return
    sys.stdout.flush()
    stream.write(data)
    stream.flush()


def _ordered(columns: Sequence[str], record: Record) -> dict[str, Any]:
    return {column: record.get(column) for column in columns}


def _plain(value: Any) -> Any:
    """A value as JSON spells it, but for text without quotes and nothing for null."""
    if value is None:
        return ""
    if isinstance(value, list):
        return shlex.join(value)
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
