"""What a probe encode tells of its source: the inputs of the anchored predictors.

Logarithms stretch the features where encodes crowd together; quantiles of the per-frame scores tell an even source
from one with hard moments; bits per pixel tell what the quality cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.features import CANONICAL6, feature_vector
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF
from vmaftune_frv2.errors import InputError

QUANTILES = (5, 25, 50, 75, 95)
DESCRIPTOR = (
    *(f"log_{feature}" for feature in CANONICAL6),
    *(f"vmaf_p{q:02d}" for q in QUANTILES),
    "log_bits_per_pixel",
    "log_pixels",
    "log_framerate",
    "log_frames",
    "vmaf",
    "vmaf_std",
)
"""Order of a descriptor. Load-bearing."""

RATIO_CEILING = 1.02
"""adm2 and vif reach 1 and a little more; -log(1.02 - x) stays finite."""
MOTION_FLOOR = 0.1


def descriptor(row: Mapping[str, Any], where: str) -> NDArray[np.float64]:
    """[17] descriptor of a scored row.

    Args:
        row: a row with features, ``per_frame_vmaf``, size and geometry.
        where: what to call the row in an error.

    Raises:
        InputError: something of it is missing.
    """
    means = feature_vector(row, where)
    vmaf = np.asarray(row.get(PER_FRAME_VMAF) or (), dtype=np.float64)
    if not len(vmaf) or not np.isfinite(vmaf).all():
        raise InputError(f"{where}: {PER_FRAME_VMAF} is missing; sweep with this version to have it")
    ratios = -np.log(RATIO_CEILING - np.clip(means[:5], 0.0, 1.0))
    motion = math.log(max(means[5], 0.0) + MOTION_FLOOR)
    pixels = row["width"] * row["height"]
    others = [log_bits_per_pixel(row), math.log(pixels), math.log(row["framerate"]), math.log(len(vmaf))]
    spread = [float(row["vmaf_score"]), float(vmaf.std())]
    return np.concatenate([ratios, [motion], np.percentile(vmaf, QUANTILES), others, spread])


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
