"""What a probe encode tells of its source: the inputs of the curve models.

Logarithms stretch the features where encodes crowd together; quantiles of the per-frame scores tell an even source
from one with hard moments; how much a frame differs from its neighbours tells how much the frames' different
quantizers matter, and so how steep the curve is; bits per pixel tell what the quality cost. The complexity of the
source, where it was measured, tells the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.features import CANONICAL6, MOTION_FLOOR, RATIO_CEILING, feature_vector
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, SOURCE_COMPLEXITY
from vmaftune_frv2.contract.source_complexity import COMPLEXITY, complexity_vector
from vmaftune_frv2.errors import InputError

QUANTILES = (5, 25, 50, 75, 95)
OF_SOURCE = COMPLEXITY[:-2]
"""Its last two, size and frame rate, are told anyway."""
DESCRIPTOR = (
    *(f"log_{feature}" for feature in CANONICAL6),
    *(f"vmaf_p{q:02d}" for q in QUANTILES),
    "log_bits_per_pixel",
    "log_pixels",
    "log_framerate",
    "log_frames",
    "vmaf",
    "vmaf_std",
    *(f"log_jitter_{name}" for name in (*CANONICAL6, "vmaf")),
    *OF_SOURCE,
)
"""Order of a descriptor. Load-bearing."""
JITTER_FLOOR = 0.01
JITTER_SPACE = AnchorSpace(5.0)


def descriptor(row: Mapping[str, Any], where: str) -> NDArray[np.float64]:
    """[45] descriptor of a scored row; NaN where the source's complexity is not known.

    Args:
        row: a row with features, per frame too, ``per_frame_vmaf``, size and geometry.
        where: what to call the row in an error.

    Raises:
        InputError: something of it is missing.
    """
    means = feature_vector(row, where)
    vmaf = np.asarray(row.get(PER_FRAME_VMAF) or (), dtype=np.float64)
    if not len(vmaf) or not np.isfinite(vmaf).all():
        raise InputError(f"{where}: {PER_FRAME_VMAF} is missing; sweep with this version to have it")
    stretched = _stretch(np.asarray([means]))[0]
    pixels = row["width"] * row["height"]
    others = [log_bits_per_pixel(row), math.log(pixels), math.log(row["framerate"]), math.log(len(vmaf))]
    spread = [float(row["vmaf_score"]), float(vmaf.std())]
    quantiles = np.percentile(vmaf, QUANTILES)
    return np.concatenate([stretched, quantiles, others, spread, _jitter(row, vmaf, where), _of_source(row)])


def _stretch(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, 6] canonical-6 to [T, 6]: -ln(1.02 - x) of the ratios, ln(x + 0.1) of motion2."""
    ratios = -np.log(RATIO_CEILING - np.clip(features[:, :5], 0.0, 1.0))
    return np.column_stack([ratios, np.log(np.maximum(features[:, 5], 0.0) + MOTION_FLOOR)])


def _jitter(row: Mapping[str, Any], vmaf: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """[7] log of how far a frame lies off the middle of its neighbours: stretched features, VMAF's logit."""
    per_frame = row.get(PER_FRAME_FEATURES) or {}
    columns = [per_frame.get(feature) for feature in CANONICAL6]
    if not all(isinstance(column, list) and len(column) == len(vmaf) for column in columns):
        raise InputError(f"{where}: {PER_FRAME_FEATURES} is missing; sweep with this version to have it")
    frames = _stretch(np.asarray(columns, dtype=np.float64).T)
    values = np.column_stack([frames, JITTER_SPACE.enter(vmaf)])
    if len(values) < 3:
        return np.full(values.shape[1], math.log(JITTER_FLOOR))
    off = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2.0).mean(axis=0)
    logs: NDArray[np.float64] = np.log(off + JITTER_FLOOR)
    return logs


def _of_source(row: Mapping[str, Any]) -> NDArray[np.float64]:
    """[21] complexity of the row's source; NaN where it is not known."""
    values = row.get(SOURCE_COMPLEXITY)
    if not values:
        return np.full(len(OF_SOURCE), np.nan)
    return complexity_vector(values, row["width"] * row["height"], row["framerate"])[: len(OF_SOURCE)]


def log_bits_per_pixel(row: Mapping[str, Any]) -> float:
    """Natural logarithm of an encode's bits per pixel of the source.

    Raises:
        InputError: size, geometry or duration is missing or 0.
    """
    rate, pixels = row.get("framerate"), (row.get("width") or 0) * (row.get("height") or 0)
    if not row.get("bitrate_kbps") or not rate or not pixels:
        raise InputError("bitrate, frame rate or geometry is missing")
    return math.log(row["bitrate_kbps"] * 1000.0 / (pixels * rate))


def kbps(log_bpp: float, pixels: int, framerate: float) -> float:
    """kbit/s of a source from log bits per pixel; the inverse of ``log_bits_per_pixel``."""
    return math.exp(log_bpp) * pixels * framerate / 1000.0
