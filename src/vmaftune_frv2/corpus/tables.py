"""Tables (CSV, parquet) as blocks of lines, a row each, so that they are read as corpora are."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from vmaftune_frv2.errors import ToolError

CSV, PARQUET = ".csv", ".parquet"
SUFFIXES = (CSV, PARQUET)
ROWS_PER_BLOCK = 1000
LONGEST_FIELD = 1 << 26
"""Characters; the arrays of a row's frames stand in one field."""
_TEXT = frozenset(
    (
        "run_id", "timestamp", "src", "source", "key", "src_sha256", "pix_fmt", "encoder", "encoder_version",
        "codec", "encoder_upstream", "preset", "encode_path", "dis_path", "dis_basename", "vmaf_model",
        "ffmpeg_version", "vmaf_binary_version", "clip_mode", "hdr_transfer", "hdr_primaries", "recipe",
        "failure_reason",
    )
)  # fmt: skip
"""Columns of a CSV file whose values are text whatever they look like: a preset may be 8."""
_CONSTANTS = {"true": True, "false": False}


class DamagedTableError(Exception):
    """A table that is none, or ends too early."""


def blocks_of(path: Path) -> Iterator[bytes]:
    """Lines of JSON, some at a time; line N is line N of a CSV file, row N of a parquet file.

    Raises:
        DamagedTableError: it cannot be read, or not beyond what was yielded.
        OSError: likewise.
        ToolError: parquet needs an extra that is not installed.
    """
    held: list[bytes] = []
    lines = 0
    for line, row in _csv_rows(path) if path.suffix.lower() == CSV else _parquet_rows(path):
        held.append(b"\n" * (line - lines - 1) + json.dumps(row, default=str).encode() + b"\n")
        lines = line
        if len(held) == ROWS_PER_BLOCK:
            yield b"".join(held)
            held = []
    yield b"".join(held)


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row and the number of its (last) line."""
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        try:
            header = next(reader, [])
            for fields in filter(None, reader):
                if len(fields) != len(header):
                    raise DamagedTableError(f"line {reader.line_num} has {len(fields)} fields, not {len(header)}")
                row = {name: _value(name, text) for name, text in zip(header, fields, strict=True)}
                yield reader.line_num, _known(row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DamagedTableError(f"no CSV table: {error}") from error


def _value(name: str, text: str) -> Any:
    """A field's value; null for NaN, and for nothing."""
    if name in _TEXT or not text:
        return text or None
    low = text.strip().lower()
    if low in _CONSTANTS:
        return _CONSTANTS[low]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None if low == "nan" else text
    return _finite(value)


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row and its number."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ToolError(f"{path}: parquet needs pyarrow: pip install 'vmaftune-frv2[tables]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            batches = table.iter_batches(batch_size=ROWS_PER_BLOCK)
            rows = chain.from_iterable(batch.to_pylist() for batch in batches)
            for number, row in enumerate(rows, start=1):
                yield number, _known(_finite(row))
    except pyarrow.ArrowException as error:
        raise DamagedTableError(f"no parquet table: {str(error).splitlines()[0]}") from error


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its nulls, as a table has every column of every row; with a version it needs all of them."""
    if row.get("schema_version") is not None:
        return row
    return {name: value for name, value in row.items() if value is not None}


def _finite(value: Any) -> Any:
    """A value with null in the place of NaN, on every level."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value
