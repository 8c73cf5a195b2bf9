"""Tables (CSV, parquet) as blocks of lines, a row each, so that they are read as corpora are."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
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
    damage: DamagedTableError | None = None
    try:
        for line, row in _csv_rows(path) if path.suffix.lower() == CSV else _parquet_rows(path):
            held.append(b"\n" * (line - lines - 1) + json.dumps(row).encode() + b"\n")
            lines = line
            if len(held) == ROWS_PER_BLOCK:
                yield b"".join(held)
                held = []
    except DamagedTableError as error:
        damage = error
    yield b"".join(held)
    if damage is not None:
        raise damage


def _refuse_twins(names: Sequence[str]) -> None:
    """Refuses a table with two columns of one name, of which only one could be read."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DamagedTableError(f"two columns are called {twice[0]!r}")


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row and the number of its (last) line."""
    csv.field_size_limit(LONGEST_FIELD)
    # Decoded so that what is no UTF-8 is met in the row that it stands in.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            _refuse_twins(header)
            for fields in filter(None, reader):
                "".join(fields).encode()
                if len(fields) != len(header):
                    raise DamagedTableError(f"line {reader.line_num} has {len(fields)} fields, not {len(header)}")
                row = {name: _value(name, text) for name, text in zip(header, fields, strict=True)}
                yield reader.line_num, _known(row)
        except UnicodeEncodeError as error:
            raise DamagedTableError(f"line {reader.line_num} is not UTF-8") from error
        except csv.Error as error:
            raise DamagedTableError(f"line {reader.line_num}: {error}") from error


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
            _refuse_twins(table.schema_arrow.names)
            batches = table.iter_batches(batch_size=ROWS_PER_BLOCK)
            rows = chain.from_iterable(map(_rows_of, batches))
            for number, row in enumerate(rows, start=1):
                yield number, _known(_finite(row))
    except (pyarrow.ArrowException, UnicodeDecodeError, OverflowError) as error:
        raise DamagedTableError(f"no parquet table: {str(error).splitlines()[0]}") from error


def _rows_of(batch: Any) -> list[dict[str, Any]]:
    """The rows of a ``pyarrow.RecordBatch`` as JSON holds them: times and bytes are text, decimals numbers."""
    import pyarrow
    from pyarrow import types

    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if types.is_duration(column.type):
            column = column.cast(pyarrow.int64())
        elif types.is_temporal(column.type) or types.is_binary(column.type) or types.is_large_binary(column.type):
            column = column.cast(pyarrow.string())
        elif types.is_decimal(column.type):
            column = column.cast(pyarrow.float64())
        values = column.to_pylist()
        if name == "crf" and types.is_float32(column.type):  # 23.1 there is 23.100000381
            values = [None if value is None else round(value, 4) for value in values]
        columns[name] = _plain(values)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(values: list[Any]) -> list[Any]:
    """Values of a column, those within others that JSON cannot hold as text."""
    if any(isinstance(value, (list, dict, tuple)) for value in values):
        return [json.loads(json.dumps(value, default=str)) for value in values]
    return values


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
