"""Is this row true? JSON Schema per version, then the rules that JSON Schema cannot say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, mean_key, std_key
from vmaftune_frv2.contract.rows import (
    FULL_FEATURES,
    OPTIONAL_KEYS,
    PER_FRAME_FEATURES,
    PER_FRAME_VMAF,
    READABLE_VERSIONS,
    Row,
    loads,
    quick_loads,
)
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.resources import schema_path

BITRATE_TOLERANCE = 0.01
"""Relative difference allowed between bitrate_kbps and size / duration."""
LARGEST = 1e15
"""No number of a row comes near it."""
POOL_TOLERANCE = 1e-4
"""Difference allowed between a pooled value and the pool of its per-frame array."""


_POOLED_KEYS = {feature: (mean_key(feature), std_key(feature)) for feature in CANONICAL6}


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong with a row: where, what stands there, why it cannot be."""

    key: str
    value: Any
    message: str

    def __str__(self) -> str:
        shown = json.dumps(self.value, default=str)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        return f"{self.key} = {shown}: {self.message}"


def _schema(version: int) -> Any:
    return json.loads(schema_path(f"corpus_row.v{version}").read_text(encoding="utf-8"))


@cache
def _validator(version: int) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_schema(version))


@cache
def _quick_validator(version: int) -> Any:
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(_schema(version))


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
    return row, violations


@cache
def _number_keys(version: int) -> tuple[frozenset[str], Callable[[Row], tuple[float | None, ...]]]:
    """The keys that a schema requires, and how to get the values of those that are numbers or null.

    The others are text, by the schema.
    """
    schema = _schema(version)
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
    """What breaks the rules of a row that its schema accepts; None where only jsonschema has the words."""
    version = row.get("schema_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        return None
    try:
        if not (_quick_validator(version).is_valid(row) and _small_values(row, version)):
            return None
    except (ValueError, OverflowError, RecursionError):  # numbers beyond a float, or nested too deeply
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
        return [Violation("schema_version", version, f"unknown schema version; known: {known}")]
    violations = [_from_schema(error, row) for error in _validator(int(version)).iter_errors(row)]
    if violations:
        return violations
    return list(_finite(row)) or _broken_rules(row)


def _broken_rules(row: Row) -> list[Violation]:
    violations: list[Violation] = []
    for rule in RULES:
        violations += rule(row)
    return violations


def _from_schema(error: Any, row: Row) -> Violation:
    if error.validator == "required":
        missing = [
            ".".join((*map(str, error.absolute_path), key))
            for key in error.validator_value
            if key not in error.instance
        ]
        return Violation(", ".join(missing), None, "required key is missing")
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return Violation(path.lstrip("."), error.instance, _reason(error))


def _reason(error: Any) -> str:
    if error.validator == "type":
        wanted = error.validator_value
        return f"must be {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
    if error.validator in ("minimum", "exclusiveMinimum"):
        sign = ">=" if error.validator == "minimum" else ">"
        return f"must be {sign} {error.validator_value}"
    if error.validator == "pattern":
        return f"must match {error.validator_value}"
    if error.validator == "oneOf":
        return "must be an array of numbers, one per frame, or one number"
    return str(error.message)


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


def _cell_exists(row: Row) -> Iterator[Violation]:
    encoder = ENCODERS.find(row["encoder"])
    if encoder is None:
        return
    if not encoder.crf_min <= row["crf"] <= encoder.crf_max:
        yield Violation("crf", row["crf"], f"outside {encoder.name}'s range {encoder.crf_min}..{encoder.crf_max}")
    try:
        encoder.resolve_preset(row["preset"])
    except UsageError as error:
        yield Violation("preset", row["preset"], str(error))


def _failure_has_no_score(row: Row) -> Iterable[Violation]:
    status = row["exit_status"]
    if status == 0:
        if row["vmaf_score"] is not None:
            return ()
        return (Violation("vmaf_score", None, "exit_status is 0, so there must be a score"),)
    scored = ("vmaf_score", PER_FRAME_VMAF, PER_FRAME_FEATURES, FULL_FEATURES, *map(mean_key, CANONICAL6))
    message = f"a row that failed (exit_status {status}) carries no score"
    return [Violation(key, row[key], message) for key in scored if row.get(key) is not None]


def _score_range(row: Row) -> Iterable[Violation]:
    score = row["vmaf_score"]
    if score is None or 0.0 <= score <= 100.0:
        return ()
    return (Violation("vmaf_score", score, "VMAF lies in 0..100"),)


def encoded_seconds(row: Row) -> tuple[float, float] | None:
    """Shortest and longest duration the encode of a row can have; None where the row does not say."""
    frames, rate = row.get(PER_FRAME_VMAF), row["framerate"]
    if frames and rate:
        return len(frames) / rate, len(frames) / rate
    mode = row.get("clip_mode", "full")
    if mode != "full":
        seconds = float(mode.removeprefix("sample_").removesuffix("s"))
        return max(seconds - 0.5, 0.0), seconds + 0.5
    duration = row["duration_s"]
    return (duration, duration) if duration else None


def _bitrate_agrees(row: Row) -> Iterable[Violation]:
    size, bitrate, seconds = row["encode_size_bytes"], row["bitrate_kbps"], encoded_seconds(row)
    if size is None or bitrate is None or seconds is None:
        return ()
    kilobits = size * 8 / 1000
    low = kilobits / seconds[1] * (1 - BITRATE_TOLERANCE)
    high = kilobits / seconds[0] * (1 + BITRATE_TOLERANCE) if seconds[0] > 0 else math.inf
    if low - 0.01 <= bitrate <= high + 0.01:
        return ()
    return (Violation("bitrate_kbps", bitrate, f"size and duration give {kilobits / seconds[1]:.2f}"),)


def _per_frame_agrees(row: Row) -> Iterable[Violation]:
    scores, features = row.get(PER_FRAME_VMAF), row.get(PER_FRAME_FEATURES)
    if not scores and not features:
        return ()
    arrays = {name: values for name, values in (features or {}).items() if isinstance(values, list)}
    violations = []
    if arrays and not arrays.keys() >= _POOLED_KEYS.keys():
        violations = [
            Violation(f"{PER_FRAME_FEATURES}.{feature}", None, "missing beside the other features")
            for feature in CANONICAL6
            if feature not in arrays
        ]
    if len({*map(len, arrays.values()), *([len(scores)] if scores else [])}) > 1:
        lengths = {f"{PER_FRAME_FEATURES}.{name}": len(values) for name, values in arrays.items()}
        if scores:
            lengths[PER_FRAME_VMAF] = len(scores)
        return [*violations, Violation(PER_FRAME_FEATURES, lengths, "arrays differ in length")]
    pools: list[tuple[str, float]] = []
    for feature, values in arrays.items():
        if feature in _POOLED_KEYS:
            mean_of, std_of = _POOLED_KEYS[feature]
            count = len(values)
            mean = sum(values) / count
            # The distance of [N] values from N times their mean, over sqrt(N): their population deviation.
            pools += (mean_of, mean), (std_of, math.dist(values, (mean,) * count) / math.sqrt(count))
    if scores:
        pools.append(("vmaf_score", sum(scores) / len(scores)))
    for key, pooled in pools:
        value = row.get(key, pooled)
        if not (isinstance(value, (int, float)) and abs(value - pooled) <= POOL_TOLERANCE):
            violations.append(Violation(key, value, f"its per-frame values pool to {pooled:.6f}"))
    return violations


def _full_features_agree(row: Row) -> Iterator[Violation]:
    full = row.get(FULL_FEATURES)
    if not isinstance(full, dict) or row["schema_version"] < 3:
        return
    for feature in CANONICAL6:
        here, there = full.get(feature), row.get(mean_key(feature))
        if here is not None and there is not None and abs(here - there) > POOL_TOLERANCE:
            yield Violation(f"{FULL_FEATURES}.{feature}", here, f"{mean_key(feature)} is {there:.6f}")


Rule = Callable[[Row], Iterable[Violation]]
RULES: tuple[Rule, ...] = (
    _cell_exists,
    _failure_has_no_score,
    _score_range,
    _bitrate_agrees,
    _per_frame_agrees,
    _full_features_agree,
)
"""Cross-field rules; each sees a row that its JSON Schema accepts."""
