"""Upstream's row as strict JSON: unknown is null, and libvmaf's log stands frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vmaftune_frv2.contract.features import CANONICAL6, mean_key, read_metric, std_key
from vmaftune_frv2.contract.row_rules import BITRATE_TOLERANCE
from vmaftune_frv2.contract.rows import CORPUS_ROW_KEYS, PER_FRAME_FEATURES, PER_FRAME_VMAF, Row
from vmaftune_frv2.upstream.versions import Versions

_UNKNOWN = ("", "unknown", "skipped")
"""What upstream writes where it knows no version."""
_SHOTS = ("shot_count", "shot_avg_duration_sec", "shot_duration_std_sec")
_STATISTICS = tuple(key for key in CORPUS_ROW_KEYS if key.startswith("enc_internal_"))
_FRAME_TOLERANCE = 0.5


def strict(value: Any) -> Any:
    """A value of a row without NaN and infinity, which are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(each) for each in value]
    return value


def mended(row: Mapping[str, Any]) -> Row:
    """A row with the contract's keys first, and null for all that it does not know.

    Upstream writes zeros where it found no shots and had no statistics of the encoder.
    """
    order = [*(key for key in CORPUS_ROW_KEYS if key in row), *(key for key in row if key not in CORPUS_ROW_KEYS)]
    plain = {key: strict(row[key]) for key in order}
    if not plain.get("shot_count"):
        plain.update(dict.fromkeys(key for key in _SHOTS if key in plain))
    if not any(plain.get(key) for key in _STATISTICS):
        plain.update(dict.fromkeys(key for key in _STATISTICS if key in plain))
    for key in ("encoder_version", "ffmpeg_version", "vmaf_binary_version"):
        if plain.get(key) in _UNKNOWN:
            plain[key] = None
    return plain


def fill_versions(row: Row, versions: Versions | None, log: Mapping[str, Any] | None) -> None:
    """Puts in the versions that upstream did not find; an encoder's in its spelling, ``libx264-165``."""
    if row.get("vmaf_binary_version") is None and log is not None:
        row["vmaf_binary_version"] = str(log.get("version") or "") or None
    if versions is None:
        return
    if row.get("ffmpeg_version") is None:
        row["ffmpeg_version"] = versions.ffmpeg
    if row.get("encoder_version") is None:
        row["encoder_version"] = versions.encoder


def add_frames(row: Row, log: Mapping[str, Any]) -> None:
    """Puts VMAF and canonical-6 of every frame into a row, and their means and deviations.

    A feature that the log has only with options (``integer_motion2_mmxv_18``) is another quantity, which the
    successor files under the plain name: it becomes null.
    """
    metrics = [frame.get("metrics") or {} for frame in log.get("frames") or []]
    if not metrics:
        return
    found = {name: values for name in CANONICAL6 if (values := _column(metrics, name)) is not None}
    for name in CANONICAL6:
        mean, deviation = _pooled(found[name]) if name in found else (None, None)
        row[mean_key(name)], row[std_key(name)] = mean, deviation
    if len(found) == len(CANONICAL6):
        row[PER_FRAME_FEATURES] = found
    scores = _column(metrics, "vmaf")
    if scores is not None:
        row[PER_FRAME_VMAF] = scores


def count_window(row: Row, log: Mapping[str, Any]) -> None:
    """Has a window's bitrate follow from its frames; upstream takes the seconds that it asked for."""
    frames, rate, size = len(log.get("frames") or []), row.get("framerate"), row.get("encode_size_bytes")
    if row.get("clip_mode", "full") == "full" or not (frames and rate and size and row.get("bitrate_kbps")):
        return
    kilobits, seconds = size * 8 / 1000, frames / rate
    if abs(kilobits / row["bitrate_kbps"] - seconds) <= 1 / rate:
        row["bitrate_kbps"] = kilobits / seconds


def wrong_length(row: Mapping[str, Any], log: Mapping[str, Any]) -> str | None:
    """Why a row cannot be true of the frames that were scored; None where it can."""
    frames, rate, mode = len(log.get("frames") or []), row.get("framerate"), str(row.get("clip_mode", "full"))
    seconds = row.get("duration_s") if mode == "full" else mode.removeprefix("sample_").removesuffix("s")
    try:
        stated = float(seconds or 0.0) * float(rate or 0.0)
    except ValueError:
        return None
    # A window's label is rounded to seconds, and its end to a frame.
    allowed = float(rate or 0.0) / 2 + 1 if mode != "full" else 0.0
    if not frames or abs(frames - stated) <= max(_FRAME_TOLERANCE, allowed, BITRATE_TOLERANCE * frames):
        return None
    what = f"{seconds or 0:g} s" if mode == "full" else mode
    shown = f"{frames} frames were scored, which last {frames / rate:g} s" if rate else f"{frames} frames"
    return f"{shown} at {rate:g} per second; the row says {what}" if rate else f"{shown}; there is no frame rate"


def unproven(row: Mapping[str, Any], opts: Any) -> list[str]:
    """Reasons to refuse a row that came without a log: its key in upstream's cache leaves out what was asked for.

    Args:
        row: a row with a score.
        opts: upstream's ``CorpusOptions`` that it answers; None where nobody knows.
    """
    reasons = [] if row.get("duration_s") else ["the duration is 0 (--duration), so the bitrate is none"]
    if getattr(opts, "cache_enabled", False):
        asked = {
            "a clip window": getattr(opts, "sample_clip_seconds", 0.0),
            "two passes": getattr(opts, "two_pass", False),
            "a forced HDR label": str(getattr(opts, "hdr_mode", "")).startswith("force-hdr"),
        }
        lost = [what for what, wanted in asked.items() if wanted]
        if lost:
            reasons.append(f"it is from vmaftune's cache, which does not know of {' or '.join(lost)}")
    return reasons


def _column(metrics: Sequence[Mapping[str, Any]], name: str) -> list[float] | None:
    """One feature of every frame, None where a frame lacks it or has no number."""
    try:
        values = [read_metric(each, name) for each in metrics]
    except (KeyError, TypeError, ValueError):
        return None
    return values if all(map(math.isfinite, values)) else None


def _pooled(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population deviation; as ``features.pool``, without numpy, which takes longer to import."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
