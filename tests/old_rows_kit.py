"""Rows of every older shape, with the keys that their writers gave them."""

from __future__ import annotations

import copy
from typing import Any

from conftest import _GOOD_ROW
from vmaftune_frv2.contract.rows import ROW_KEYS_BY_VERSION

MEANS = {
    "adm2": 0.9631, "vif_scale0": 0.6479, "vif_scale1": 0.8992, "vif_scale2": 0.9469, "vif_scale3": 0.9693,
    "motion2": 6.2449,
}  # fmt: skip


def versioned(version: int, **changes: Any) -> dict[str, Any]:
    """A row with the keys of a version and no others, without features."""
    row = copy.deepcopy(_GOOD_ROW)
    row = {key: row[key] for key in ROW_KEYS_BY_VERSION[version]} | {"schema_version": version}
    row |= {key: None for key in row if key.endswith(("_mean", "_std"))}
    return row | changes


def flat(version: int = 2, **changes: Any) -> dict[str, Any]:
    """A row whose features are one number each."""
    return versioned(version) | {"per_frame_features": dict(MEANS)} | changes


def clip_sweep(**changes: Any) -> dict[str, Any]:
    """A row of a hardware sweep, one per clip."""
    row = {"src": "park.mp4", "codec": "h264_nvenc", "q": 30, "vmaf": 92.2, "actual_kbps": 362.5, "preset": "p4"}
    return row | changes


def frame_sweep(frames: int = 3, **changes: Any) -> list[dict[str, Any]]:
    """The rows of an encode of a hardware sweep, one per frame."""
    one = {"src": "park.mp4", "encoder": "h264_nvenc", "cq": 30, "enc_bytes": 5000, "enc_time_ms": 5.5}
    return [
        one
        | {"frame_index": n, "vmaf": 80.0 + n}
        | {key: value + n / 1000 for key, value in MEANS.items()}
        | changes
        for n in range(frames)
    ]


def trainer(**changes: Any) -> dict[str, Any]:
    """A row as the trainer makes them for its smoke test."""
    row: dict[str, Any] = {
        "schema_version": 3, "encoder": "libx264", "preset": "medium", "crf": 30, "vmaf_score": 92.2,
        "per_frame_features": dict(MEANS), **{f"{name}_mean": value for name, value in MEANS.items()},
        "src": "synth_000.yuv",
    }  # fmt: skip
    return row | changes


def clip_table(**changes: Any) -> dict[str, Any]:
    """A row of a table with one per clip."""
    return {"source": "park.mp4", "codec": "x264", "preset": "medium", "crf": 30, "vmaf": 92.2, **MEANS} | changes


def frame_table(frames: int = 3, **changes: Any) -> list[dict[str, Any]]:
    """The rows of an encode of a table with one per frame."""
    one = {"source": "park", "dis_basename": "park_30.yuv", "codec": "unknown"}
    return [one | {"frame_index": n, "vmaf": 80.0 + n, **MEANS} | changes for n in range(frames)]


SHAPES: dict[str, list[dict[str, Any]]] = {
    "v1": [versioned(1)],
    "v2": [versioned(2)],
    "v3": [versioned(3)],
    "v1-flat": [flat(1)],
    "v2-flat": [flat(2)],
    "v3-flat": [flat(3)],
    "hardware-clip": [clip_sweep()],
    "hardware-frame": frame_sweep(),
    "trainer": [trainer()],
    "table-clip": [clip_table()],
    "table-frame": frame_table(),
}
"""{shape: the lines of one row of it}."""
