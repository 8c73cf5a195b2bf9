"""What a measured cell shows of its source: the descriptor, the features of the curve models.

Logarithms stretch the features where encodes crowd together; quantiles of the per-frame scores tell an even source
from one with hard moments; how much a frame differs from its neighbours shows how much the frames' different
quantizers matter, and so how steep the curve is; bits per pixel are what the quality cost. The complexity of the
source, where it was measured, adds what the encode does not show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.features import CANONICAL6, MOTION_FLOOR, RATIO_CEILING, RATIOS, feature_vector
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, SOURCE_COMPLEXITY
from vmaftune_frv2.contract.source_complexity import OF_SOURCE, measured_complexity
from vmaftune_frv2.errors import InputError

QUANTILES = (5, 25, 50, 75, 95)
COMPLEXITY_BLOCK = "complexity"
BLOCKS: dict[str, tuple[str, ...]] = {
    "features": tuple(f"log_{feature}" for feature in CANONICAL6),
    "quantiles": tuple(f"vmaf_p{q:02d}" for q in QUANTILES),
    "size": ("log_bits_per_pixel", "log_pixels", "log_framerate", "log_frames"),
    "score": ("vmaf", "vmaf_std"),
    "jitter": tuple(f"log_jitter_{name}" for name in (*CANONICAL6, "vmaf")),
    COMPLEXITY_BLOCK: OF_SOURCE,
}
"""{block: names of its elements}, in the order of a descriptor. Load-bearing."""
DESCRIPTOR = tuple(name for names in BLOCKS.values() for name in names)
JITTER_FLOOR = 0.01
JITTER_SPACE = AnchorSpace(5.0)


def block_of(name: str) -> slice:
    """Where the elements of a block lie in a descriptor."""
    start = DESCRIPTOR.index(BLOCKS[name][0])
    return slice(start, start + len(BLOCKS[name]))


def descriptor(row: Mapping[str, Any], where: str) -> NDArray[np.float64]:
    """[D] descriptor of a scored row, in the order of DESCRIPTOR; NaN where the source's complexity is not known.

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
    bits = log_bits_per_pixel(row)
    logs = map(math.log, (row["width"] * row["height"], row["framerate"], len(vmaf)))
    complexity = row.get(SOURCE_COMPLEXITY)
    values = {
        "features": _stretch(np.asarray([means]))[0],
        "quantiles": np.percentile(vmaf, QUANTILES),
        "size": [bits, *logs],
        "score": [float(row["vmaf_score"]), float(vmaf.std())],
        "jitter": _jitter(row, vmaf, where),
        COMPLEXITY_BLOCK: measured_complexity(complexity) if complexity else np.full(len(OF_SOURCE), np.nan),
    }
    return np.concatenate([values[name] for name in BLOCKS])


def _stretch(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, F] canonical-6 to [T, F]: -ln(1.02 - x) of the ratios, ln(x + 0.1) of motion2."""
    ratios, motion = np.split(features, [len(RATIOS)], axis=1)
    logs = -np.log(RATIO_CEILING - np.clip(ratios, 0.0, 1.0))
    return np.column_stack([logs, np.log(np.maximum(motion, 0.0) + MOTION_FLOOR)])


def _jitter(row: Mapping[str, Any], vmaf: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """[J] log of how far a frame lies off the middle of its neighbours: stretched features, VMAF's logit."""
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
