"""What is true of every row and JSON Schema cannot say: one function per rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, FEATURE_RANGES, mean_key, std_key
from vmaftune_frv2.contract.frame_pools import FRAMES, pool_frames
from vmaftune_frv2.contract.rows import (
    FULL_FEATURES,
    NULL_IF_UPGRADED,
    PER_FRAME_FEATURES,
    PER_FRAME_VMAF,
    SOURCE_COMPLEXITY,
    UPGRADED_FROM,
    VMAF_ALSO,
    VMAF_AT_SOURCE_SIZE,
    Row,
)
from vmaftune_frv2.contract.schema import Violation
from vmaftune_frv2.errors import UsageError

BITRATE_TOLERANCE = 0.01
"""Relative difference allowed between bitrate_kbps and size / duration."""
POOL_TOLERANCE = 1e-4
"""Difference allowed between a pooled value and the pool of its per-frame array."""
IMPOSSIBLE = "a feature is not a number that libvmaf can give"
"""What rows with such a feature are counted by."""

_IF_UPGRADED = itemgetter(*NULL_IF_UPGRADED)
_POOLED_KEYS = {feature: (mean_key(feature), std_key(feature)) for feature in CANONICAL6}


def _known_as_measured(row: Row) -> Iterable[Violation]:
    if None not in _IF_UPGRADED(row) or row.get(UPGRADED_FROM):
        return ()
    message = f"must be known; null is for what older shapes of row do not tell ({UPGRADED_FROM})"
    return [Violation(key, None, message) for key in NULL_IF_UPGRADED if row[key] is None]


def _cell_exists(row: Row) -> Iterator[Violation]:
    encoder = ENCODERS.find(row["encoder"])
    if encoder is None:
        return
    if row["crf"] is None or row["preset"] is None:
        return
    if not encoder.crf_min <= row["crf"] <= encoder.crf_max:
        yield Violation("crf", row["crf"], f"outside {encoder.name}'s range {encoder.crf_min}..{encoder.crf_max}")
    elif not encoder.is_on_grid(row["crf"]):
        message = f"{encoder.name} takes crfs in steps of {encoder.finest_step:g}"
        yield Violation("crf", row["crf"], message, reason="crf is between the encoder's steps")
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
    scored = (
        "vmaf_score", PER_FRAME_VMAF, VMAF_AT_SOURCE_SIZE, PER_FRAME_FEATURES, FULL_FEATURES,
        VMAF_ALSO, *map(mean_key, CANONICAL6),
    )  # fmt: skip
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


def _duration_possible(row: Row) -> Iterable[Violation]:
    if row["duration_s"] != 0 or row["exit_status"] != 0:
        return ()
    message = "what was encoded lasts longer; unknown is null"
    return (Violation("duration_s", row["duration_s"], message, reason="duration_s is 0"),)


def _bitrate_agrees(row: Row) -> Iterable[Violation]:
    size, bitrate, seconds = row["encode_size_bytes"], row["bitrate_kbps"], encoded_seconds(row)
    if size is None or bitrate is None or seconds is None:
        if size and bitrate == 0:
            message = f"an encode of {size} bytes has a bitrate; unknown is null"
            return (Violation("bitrate_kbps", bitrate, message, reason="bitrate_kbps is 0"),)
        return ()
    kilobits = size * 8 / 1000
    low = kilobits / seconds[1] * (1 - BITRATE_TOLERANCE)
    high = kilobits / seconds[0] * (1 + BITRATE_TOLERANCE) if seconds[0] > 0 else math.inf
    if low - 0.01 <= bitrate <= high + 0.01:
        return ()
    message, reason = (
        f"size and duration give {kilobits / seconds[1]:.2f}",
        "bitrate_kbps, size and duration disagree",
    )
    return (Violation("bitrate_kbps", bitrate, message, reason=reason),)


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


def _features_possible(row: Row) -> Iterable[Violation]:
    if row["schema_version"] < 3:
        return ()
    return [
        Violation(key, row[key], f"libvmaf's {feature} lies in {low:g}..{high:g}", reason=IMPOSSIBLE)
        for feature, (low, high) in FEATURE_RANGES.items()
        if row[key := mean_key(feature)] is not None and not low <= row[key] <= high
    ]


def _frames_possible(row: Row) -> Iterable[Violation]:
    for key in (PER_FRAME_VMAF, VMAF_AT_SOURCE_SIZE):
        scores = row.get(key)
        if scores and not (min(scores) >= 0.0 and max(scores) <= 100.0):
            yield Violation(key, [min(scores), max(scores)], "VMAF lies in 0..100")


def _scaled_frames_agree(row: Row) -> Iterable[Violation]:
    own, seen = row.get(PER_FRAME_VMAF), row.get(VMAF_AT_SOURCE_SIZE)
    if own and seen and len(own) != len(seen):
        yield Violation(VMAF_AT_SOURCE_SIZE, len(seen), f"{PER_FRAME_VMAF} has {len(own)} frames")


def _other_models_agree(row: Row) -> Iterator[Violation]:
    frames = row.get(PER_FRAME_VMAF)
    for model, scores in (row.get(VMAF_ALSO) or {}).items():
        where, values = f"{VMAF_ALSO}.{model}", scores[FRAMES]
        if model == row["vmaf_model"]:
            yield Violation(where, None, "is the row's own vmaf_model, whose scores stand in the row itself")
        if frames and len(frames) != len(values):
            yield Violation(f"{where}.{FRAMES}", len(values), f"{PER_FRAME_VMAF} has {len(frames)} frames")
        for name, value in scores.items():
            if name != FRAMES:
                pooled = min(values) if name == "min" else pool_frames(values, name)
                if not abs(value - pooled) <= POOL_TOLERANCE:
                    yield Violation(f"{where}.{name}", value, f"its per-frame values pool to {pooled:.6f}")


def _complexity_possible(row: Row) -> Iterable[Violation]:
    values = row.get(SOURCE_COMPLEXITY) or {}
    ranges = {**FEATURE_RANGES, "vmaf": (0.0, 100.0), "psnr": (0.0, 100.0), "std": FEATURE_RANGES["motion2"]}
    found = []
    for key, value in values.items():
        low, high = next((ranges[name] for name in ranges if key.endswith(name)), (-math.inf, math.inf))
        if not low <= value <= high:
            found.append(Violation(f"{SOURCE_COMPLEXITY}.{key}", value, f"it lies in {low:g}..{high:g}"))
    return found


Rule = Callable[[Row], Iterable[Violation]]
RULES: tuple[Rule, ...] = (
    _known_as_measured,
    _cell_exists,
    _failure_has_no_score,
    _score_range,
    _duration_possible,
    _bitrate_agrees,
    _per_frame_agrees,
    _full_features_agree,
    _features_possible,
    _frames_possible,
    _scaled_frames_agree,
    _other_models_agree,
    _complexity_possible,
)
"""Cross-field rules; each sees a row that its JSON Schema accepts."""
