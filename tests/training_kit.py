"""A made-up corpus with everything that training reads, its rows as valid as measured ones."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jsonschema import Draft202012Validator

from conftest import _GOOD_ROW, Invocation, invoke
from vmaftune_frv2.contract.features import pool
from vmaftune_frv2.resources import schema_path

CELLS = {
    "libx264": ("medium", (20, 28, 36, 44)),
    "libx265": ("medium", (20, 28, 36, 44)),
    "libsvtav1": ("10", (25, 35, 45, 55)),
}
"""{encoder: preset, crfs} of every clip."""
FRAMES = 4


def made_row(label: str, title: int, encoder: str, preset: str, crf: int, **changes: Any) -> dict[str, Any]:
    """A row of one cell; titles differ in how fast quality falls with crf.

    Args:
        label: file name of the source.
        title: seed of what the source is like.
        changes: other values of row keys.
    """
    hard = 0.4 + 0.6 * np.random.default_rng(title).random()
    generator = np.random.default_rng([title, crf, len(encoder)])
    loss = hard * (crf / 63) ** 2 * (1.0 if encoder == "libx264" else 0.8)
    scores = np.clip(100 * (1 - loss) + generator.normal(0, 1, FRAMES), 0, 100)
    ratios = {
        name: np.clip(1 - loss * weight + generator.normal(0, 0.003, FRAMES), 0, 1).tolist()
        for name, weight in (
            ("adm2", 0.3), ("vif_scale0", 0.9), ("vif_scale1", 0.6), ("vif_scale2", 0.4), ("vif_scale3", 0.3),
        )
    }  # fmt: skip
    per_frame = {**ratios, "motion2": (8 * hard + generator.random(FRAMES)).tolist()}
    row = copy.deepcopy(_GOOD_ROW)
    kbps = 4000 * hard * math.exp(-crf / 9)
    row |= {
        "src": f"clips/{label}", "src_sha256": hashlib.sha256(label.encode()).hexdigest(),
        "encoder": encoder, "preset": preset, "crf": crf, "vmaf_score": float(scores.mean()),
        "bitrate_kbps": kbps, "encode_size_bytes": round(kbps * 1000 / 8 * FRAMES / row["framerate"]),
        "per_frame_vmaf": scores.tolist(), "per_frame_features": per_frame, **pool(per_frame),
    }  # fmt: skip
    return row | changes


def made_rows(
    titles: int = 4, clips: int = 2, encoders: Iterable[str] = CELLS, first: int = 0
) -> list[dict[str, Any]]:
    """Rows of ``title0_1.mp4``, ``title0_2.mp4``, ...: every cell of CELLS for every clip."""
    return [
        made_row(f"title{title}_{clip}.mp4", 10 * title + clip, encoder, CELLS[encoder][0], crf)
        for title in range(first, first + titles)
        for clip in range(1, clips + 1)
        for encoder in encoders
        for crf in CELLS[encoder][1]
    ]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A corpus of these rows."""
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    return path


def document(path: Path) -> dict[str, Any]:
    """A JSON file, which may hold no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path} holds a bare {name}")

    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    return found


def train(corpus: Path, *options: object, code: int = 0) -> Invocation:
    """Trains briefly on a corpus into ``./out``, with every figure in ``./metrics.json``."""
    result = invoke(
        "train-v2", "--corpus", corpus, "--epochs", 1, "--seeds", 2, "--hidden", 8, "--out-dir", "out",
        "--metrics-out", "metrics.json", *options,
    )  # fmt: skip
    assert result.code == code, result.err
    return result


def metrics() -> dict[str, Any]:
    """Figures of the last training."""
    return document(Path("metrics.json"))


def sidecar(name: str = "fr_regressor_v2") -> dict[str, Any]:
    """What the last training wrote."""
    return document(Path("out") / f"{name}.json")


def faults(found: dict[str, Any], schema: str) -> list[str]:
    """Why a document breaks a schema."""
    validator = Draft202012Validator(json.loads(schema_path(schema).read_text()))
    return [error.message for error in validator.iter_errors(found)]


def run_onnx(path: Path, **inputs: np.ndarray) -> np.ndarray:
    """First output of a graph."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.astype(np.float32) for name, value in inputs.items()})[0]
