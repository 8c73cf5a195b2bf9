"""Per-frame VMAF as one score: means, percentiles, and what a row says of a further VMAF model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MEAN, HARMONIC_MEAN = "mean", "harmonic_mean"
FRAMES = "per_frame"


def pool_frames(frames: Sequence[float], pool: str) -> float:
    """One score of the frames'.

    Args:
        frames: [T] VMAF of each.
        pool: ``mean``, ``harmonic_mean`` (libvmaf's, 1 / mean(1 / (v + 1)) - 1) or a percentile's name: ``p05``.
    """
    if pool == MEAN:
        return sum(frames) / len(frames)
    values = np.asarray(frames, dtype=np.float64)
    if pool == HARMONIC_MEAN:
        return min(float(1.0 / np.mean(1.0 / (values + 1.0)) - 1.0), float(values.max()))  # rounding
    return float(np.percentile(values, float(pool.removeprefix("p"))))


def summary_of(frames: Sequence[float]) -> dict[str, Any]:
    """What a row says of a further VMAF model: its scores of the frames, and what they pool to."""
    pools = {pool: pool_frames(frames, pool) for pool in (MEAN, HARMONIC_MEAN, "p01", "p05")}
    return {**pools, "min": min(frames), FRAMES: list(frames)}
