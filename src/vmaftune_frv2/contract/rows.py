"""Corpus rows: their keys, and reading and writing them as strict JSON.

Version 3 is what is written; 1, 2 and 3 are read. Unknown is null, never 0.0 and never a bare NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vmaftune_frv2.contract.features import MEAN_KEYS, STD_KEYS

Row = dict[str, Any]
"""One measured cell, keyed as CORPUS_ROW_KEYS."""

SCHEMA_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)

_V1_KEYS = (
    "schema_version", "run_id", "timestamp", "src", "src_sha256", "width", "height", "pix_fmt", "framerate",
    "duration_s", "encoder", "encoder_version", "preset", "crf", "extra_params", "encode_path",
    "encode_size_bytes", "bitrate_kbps", "encode_time_ms", "vmaf_score", "vmaf_model", "score_time_ms",
    "ffmpeg_version", "vmaf_binary_version", "exit_status",
)  # fmt: skip
_V2_KEYS = ("clip_mode",)
_V3_KEYS = (
    "hdr_transfer", "hdr_primaries", "hdr_forced", "shot_count", "shot_avg_duration_sec",
    "shot_duration_std_sec", *MEAN_KEYS, *STD_KEYS, "enc_internal_qp_mean", "enc_internal_qp_std",
    "enc_internal_bits_mean", "enc_internal_bits_std", "enc_internal_mv_mean", "enc_internal_mv_std",
    "enc_internal_itex_mean", "enc_internal_ptex_mean", "enc_internal_intra_ratio", "enc_internal_skip_ratio",
)  # fmt: skip

ROW_KEYS_BY_VERSION = {1: _V1_KEYS, 2: _V1_KEYS + _V2_KEYS, 3: _V1_KEYS + _V2_KEYS + _V3_KEYS}
CORPUS_ROW_KEYS = ROW_KEYS_BY_VERSION[SCHEMA_VERSION]
"""Keys of a row that we write, in order."""

PER_FRAME_FEATURES = "per_frame_features"
PER_FRAME_VMAF = "per_frame_vmaf"
FULL_FEATURES = "full_features"
SOURCE_COMPLEXITY = "source_complexity"
FAILURE_REASON = "failure_reason"
VARIABLE_FRAME_RATE = "variable_frame_rate"
VIDEO_TRACK = "video_track"
VIEW = "view"
"""Which part of a file was measured, and from what size it was scaled, as far as other keys do not say it."""
PACKETS = "window_packets"
"""Of a window that was encoded with frames round it: what its packets tell of an encode of the whole."""
SAMPLE_PACE = "sample_pace"
"""Of a window among several: how many, and what a frame of the whole takes over one of theirs."""
VMAF_AT_SOURCE_SIZE = "per_frame_vmaf_source_size"
"""Of a scaled encode: VMAF of each frame, scaled up and held against the source."""
VMAF_ALSO = "vmaf_also"
"""{VMAF model: its scores of the same encode, as ``frame_pools.summary_of``}, of models besides ``vmaf_model``."""
UPGRADED_FROM = "upgraded_from"
"""Of a row that was made of an older one: that one's shape."""
ATTACHED = "attached"
"""Of a row whose frames were scored later than its encode: how, and what the row said before."""
SCORED_PAIR = "scored_pair"
"""Of a row whose encode somebody else made: what of it was compared with what of the source."""
OPTIONAL_KEYS = (
    PER_FRAME_FEATURES, PER_FRAME_VMAF, FULL_FEATURES, SOURCE_COMPLEXITY, FAILURE_REASON, VARIABLE_FRAME_RATE,
    VIDEO_TRACK, VIEW, PACKETS, SAMPLE_PACE, VMAF_AT_SOURCE_SIZE, VMAF_ALSO, UPGRADED_FROM, ATTACHED,
    SCORED_PAIR,
)  # fmt: skip
"""Keys that this plugin attaches beside the contract's."""
NULL_IF_UPGRADED = ("timestamp", "width", "height", "pix_fmt", "preset", "crf")
"""Keys that every measured row has, and that older shapes may not tell."""


Clip = tuple[object, ...]
"""What tells the frames of a row from those of others, see ``clip_of``."""


def view_key(view: Mapping[str, Any] | None) -> tuple[tuple[str, float | str], ...]:
    """A row's ``view`` as something that can be compared; empty for all of a file, and for its middle.

    Raises:
        ValueError: it is none.
    """
    try:
        pairs = sorted((view or {}).items())
        return tuple((key, value if isinstance(value, str) else float(value)) for key, value in pairs)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{view!r} is not a view") from error


def clip_of(row: Row) -> Clip:
    """What tells the frames of a row from those of others: rows of one clip differ in their cell only."""
    source, view = row.get("src_sha256") or row["src"], view_key(row.get(VIEW))
    size = (row["width"], row["height"]) if "source_width" in dict(view) else ()
    return source, row.get("clip_mode", "full"), *view, *size


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is not JSON")


def loads(line: str | bytes) -> Row:
    """One corpus line as a row. The bare ``NaN`` that upstream writes reads as null.

    Raises:
        ValueError: not JSON, not UTF-8, or not an object.
    """
    try:
        row = json.loads(line, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(row, dict):
        raise ValueError(f"a row is an object, not {type(row).__name__}")
    return row


def quick_loads(line: bytes) -> Row | None:
    """As ``loads``, several times faster; None where only ``loads`` can tell.

    That is a bare ``NaN``, a byte order mark, half a surrogate pair, a number too large for a float, and what
    is no row. An integer beyond 64 bits comes back as a float.
    """
    import orjson

    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def dumps(row: Row) -> str:
    """One row as one line of strict JSON, without the newline.

    Raises:
        ValueError: NaN or infinity somewhere in the row.
    """
    return json.dumps(row, allow_nan=False)


def empty_row() -> Row:
    """A row of the written version with every key present and unknown."""
    row: Row = dict.fromkeys(CORPUS_ROW_KEYS)
    row["schema_version"] = SCHEMA_VERSION
    return row
