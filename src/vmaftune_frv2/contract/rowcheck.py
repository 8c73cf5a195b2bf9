"""Is this row true? JSON Schema per version, then the rules that JSON Schema cannot say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, mean_key, std_key
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, READABLE_VERSIONS, Row
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.resources import schema_path

BITRATE_TOLERANCE = 0.01
"""Relative difference allowed between bitrate_kbps and size / duration."""
LARGEST = 1e15
"""No number of a row comes near it."""
POOL_TOLERANCE = 1e-4
"""Difference allowed between a pooled value and the pool of its per-frame array."""


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


@cache
def _validator(version: int) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(schema_path(f"corpus_row.v{version}").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def check_row(row: Row) -> list[Violation]:
    """Everything that is wrong with a row; empty for a valid one."""
    version = row.get("schema_version")
    if isinstance(version, bool) or version not in READABLE_VERSIONS:
        known = ", ".join(map(str, READABLE_VERSIONS))
        return [Violation("schema_version", version, f"unknown schema version; known: {known}")]
    violations = [_from_schema(error, row) for error in _validator(int(version)).iter_errors(row)]
    if violations:
        return violations
    return list(_finite(row)) or [violation for rule in RULES for violation in rule(row)]


def _from_schema(error: Any, row: Row) -> Violation:
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in row]
        return Violation(missing[0] if len(missing) == 1 else ", ".join(missing), None, "required key is missing")
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
        if not _is_finite(value):
            yield Violation(key, value, f"numbers must be finite and below {LARGEST:g}; unknown is null")


def _is_finite(value: Any) -> bool:
    if isinstance(value, (int, float)):
        return -LARGEST < value < LARGEST
    if isinstance(value, dict):
        value = list(value.values())
    return all(map(_is_finite, value)) if isinstance(value, list) else True


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


def _failure_has_no_score(row: Row) -> Iterator[Violation]:
    if row["exit_status"] == 0:
        if row["vmaf_score"] is None:
            yield Violation("vmaf_score", None, "exit_status is 0, so there must be a score")
        return
    for key in ("vmaf_score", PER_FRAME_VMAF, PER_FRAME_FEATURES, *map(mean_key, CANONICAL6)):
        if row.get(key) is not None:
            yield Violation(
                key, row[key], f"a row that failed (exit_status {row['exit_status']}) carries no score"
            )


def _score_range(row: Row) -> Iterator[Violation]:
    score = row["vmaf_score"]
    if score is not None and not 0.0 <= score <= 100.0:
        yield Violation("vmaf_score", score, "VMAF lies in 0..100")


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


def _bitrate_agrees(row: Row) -> Iterator[Violation]:
    size, bitrate, seconds = row["encode_size_bytes"], row["bitrate_kbps"], encoded_seconds(row)
    if size is None or bitrate is None or seconds is None:
        return
    kilobits = size * 8 / 1000
    low = kilobits / seconds[1] * (1 - BITRATE_TOLERANCE)
    high = kilobits / seconds[0] * (1 + BITRATE_TOLERANCE) if seconds[0] > 0 else math.inf
    if not low - 0.01 <= bitrate <= high + 0.01:
        yield Violation("bitrate_kbps", bitrate, f"size and duration give {kilobits / seconds[1]:.2f}")


def _per_frame_agrees(row: Row) -> Iterator[Violation]:
    features = {k: v for k, v in (row.get(PER_FRAME_FEATURES) or {}).items() if isinstance(v, list)}
    arrays: dict[str, list[float]] = {f"{PER_FRAME_FEATURES}.{k}": v for k, v in features.items()}
    if features:
        for feature in CANONICAL6:
            if feature not in features:
                yield Violation(f"{PER_FRAME_FEATURES}.{feature}", None, "missing beside the other features")
    scores = row.get(PER_FRAME_VMAF)
    if scores:
        arrays[PER_FRAME_VMAF] = scores
    lengths = {key: len(values) for key, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        yield Violation(PER_FRAME_FEATURES, lengths, "arrays differ in length")
        return
    for feature, values in features.items():
        if feature in CANONICAL6:
            yield from _pooled(row, mean_key(feature), _mean(values))
            yield from _pooled(row, std_key(feature), _std(values))
    if scores:
        yield from _pooled(row, "vmaf_score", _mean(scores))


def _pooled(row: Row, key: str, pooled: float) -> Iterator[Violation]:
    if key not in row:
        return
    value = row[key]
    if not isinstance(value, (int, float)) or not abs(value - pooled) <= POOL_TOLERANCE:
        yield Violation(key, value, f"its per-frame values pool to {pooled:.6f}")


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _std(values: list[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


Rule = Callable[[Row], Iterable[Violation]]
RULES: tuple[Rule, ...] = (
    _cell_exists,
    _failure_has_no_score,
    _score_range,
    _bitrate_agrees,
    _per_frame_agrees,
)
"""Cross-field rules; each sees a row that its JSON Schema accepts."""
