"""FULL_FEATURES: the 22 columns of the superseded 22-feature graph, and the libvmaf extractors behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from vmaftune_frv2.contract.features import read_metric

NAMED_FEATURES = (
    "adm2", "adm_scale0", "adm_scale1", "adm_scale2", "adm_scale3",
    "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3",
    "motion", "motion2", "motion3", "psnr_y", "psnr_cb", "psnr_cr", "float_ssim", "float_ms_ssim",
    "cambi", "ciede2000", "psnr_hvs", "ssimulacra2",
)  # fmt: skip
"""The 21 columns that upstream names, in its order; the keys of a row's ``full_features``."""

RESERVED = "reserved"
"""The 22nd column. Upstream's graph takes it, and names it nowhere; no row carries it."""

FULL_FEATURES = (*NAMED_FEATURES, RESERVED)
"""Columns of the graph's ``features``. Load-bearing."""

EXTRACTORS = ("psnr", "float_ssim", "float_ms_ssim", "cambi", "ciede", "psnr_hvs", "ssimulacra2")
"""libvmaf's extractors of the columns that adm, vif and motion do not give."""


def pool_full(frames: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means over frames of the named columns, in order.

    Args:
        frames: the metrics of each frame of a libvmaf log.

    Returns:
        {column: mean}; None where a frame lacks the column, or has no finite number for it (libvmaf logs an
        infinite value, which ciede2000 and psnr_hvs have for equal frames, as null).
    """
    metrics = list(frames)
    return {name: _mean(metrics, name) for name in NAMED_FEATURES}


def _mean(frames: list[Mapping[str, Any]], name: str) -> float | None:
    try:
        values = [read_metric(metrics, name) for metrics in frames]
    except KeyError:
        return None
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None
