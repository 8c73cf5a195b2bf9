"""Is this row true? JSON Schema per version, then the rules that JSON Schema cannot say (``row_rules``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache
from operator import itemgetter
from typing import Any

from vmaftune_frv2.contract.crf import tidy
from vmaftune_frv2.contract.row_rules import RULES
from vmaftune_frv2.contract.rows import OPTIONAL_KEYS, READABLE_VERSIONS, Row, loads, quick_loads
from vmaftune_frv2.contract.schema import CANNOT_BE_CHECKED, Violation, breaches, schema_of, validator_of

LARGEST = 1e15
"""No number of a row comes near it."""


def _schema_name(version: int) -> str:
    return f"corpus_row.v{version}"


def check_line(line: bytes) -> tuple[Row, list[Violation]]:
    """The row of one corpus line, and everything that is wrong with it.

    The same as ``loads`` and ``check_row``, many times faster for a valid line.

    Raises:
        ValueError: as ``loads`` does.
    """
    row = quick_loads(line)
    violations = None if row is None else _check_quickly(row)
    if row is None or violations is None:
        row = loads(line)
        violations = check_row(row)
    if type(row.get("crf")) is float and math.isfinite(row["crf"]):  # tables hold whole numbers among others so
        row["crf"] = tidy(row["crf"])
    return row, violations


@cache
def _number_keys(version: int) -> tuple[frozenset[str], Callable[[Row], tuple[float | None, ...]]]:
    """The keys that a schema requires, and how to get the values of those that are numbers or null.

    The others are text, by the schema.
    """
    schema = schema_of(_schema_name(version))
    numeric = [key for key in schema["required"] if {"number", "integer"} & {*_types(schema["properties"][key])}]
    return frozenset(schema["required"]), itemgetter(*numeric)


def _types(schema: Any) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _small_values(row: Row, version: int) -> bool:
    """Whether the numbers of a row that its schema accepts are finite and, by their norm, small beyond doubt."""
    required, numbers = _number_keys(version)
    if not math.hypot(*filter(None, numbers(row))) < LARGEST:
        return False
    if len(row) == len(required):
        return True
    further: Collection[str] = [key for key in OPTIONAL_KEYS if key in row]
    if len(required) + len(further) < len(row):
        further = row.keys() - required
    return all(_is_finite(row[key]) for key in further)


def _check_quickly(row: Row) -> list[Violation] | None:
    """What breaks the rules of a row that its schema accepts; None where it accepts no such row."""
    version = row.get("schema_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        return None
    try:
        if not (validator_of(_schema_name(version)).is_valid(row) and _small_values(row, version)):
            return None
    except CANNOT_BE_CHECKED:  # numbers beyond a float, or nested too deeply
        return None
    return _broken_rules(row)


def check_row(row: Row) -> list[Violation]:
    """Everything that is wrong with a row; empty for a valid one."""
    quick = _check_quickly(row)
    if quick is not None:
        return quick
    version = row.get("schema_version")
    if isinstance(version, bool) or version not in READABLE_VERSIONS:
        known = ", ".join(map(str, READABLE_VERSIONS))
        unread = Violation("schema_version", version, f"unknown schema version; known: {known}")
        return [replace(unread, reason=str(unread))]
    not_finite = list(_finite(row))
    try:
        # NaN is of no type either, which is not the way to say it.
        found = [each for each in breaches(row, _schema_name(int(version))) if _is_finite(each.value)]
    except CANNOT_BE_CHECKED as error:
        return not_finite or [Violation("", None, f"the row cannot be checked: {error}")]
    return found + not_finite or _broken_rules(row)


def _broken_rules(row: Row) -> list[Violation]:
    violations: list[Violation] = []
    for rule in RULES:
        try:
            violations += rule(row)
        except Exception as error:  # a plugin's encoder may hold anything; what cannot be checked is not true
            message = f"the row cannot be checked: {type(error).__name__}: {error}"
            violations.append(Violation("", None, message))
    return violations


def _finite(row: Row) -> Iterator[Violation]:
    for key, value in row.items():
        try:
            if not _is_finite(value):
                yield Violation(key, value, f"numbers must be finite and below {LARGEST:g}; unknown is null")
        except RecursionError:
            yield Violation(key, None, "nested too deeply")


def _is_finite(value: Any) -> bool:
    kind = type(value)
    if kind is list:
        return _small_numbers(value) or all(map(_is_finite, value))
    if kind is float or kind is int:
        return bool(-LARGEST < value < LARGEST)
    if kind is dict:
        return all(map(_is_finite, value.values()))
    return -LARGEST < value < LARGEST if isinstance(value, (int, float)) else True


def _small_numbers(values: list[Any]) -> bool:
    """Whether these are all numbers, and their norm, which none of them exceeds, is below LARGEST."""
    try:
        return math.hypot(*values) < LARGEST
    except (TypeError, ValueError, OverflowError):
        return False
