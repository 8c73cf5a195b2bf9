"""How hard a source is to encode, measured on the source alone: no encode is made.

The source is set beside copies of itself from which filters took what an encoder would take first: faint detail
(``denoised``), fine detail (``blurred``), and what changes from frame to frame (``averaged``). VMAF and its
features say how much each copy lost, the interpolation error how well a frame follows from its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.features import MOTION_FLOOR, RATIO_CEILING, RATIOS

COPIES = ("denoised", "blurred", "averaged")
"""Copies of the source that are scored against it."""
COMPLEXITY_KEYS = (
    *(f"{copy}_{name}" for copy in COPIES for name in (*RATIOS, "vmaf")),
    "motion2",
    "motion2_std",
    "interpolation_psnr",
)
"""Keys of a row's ``source_complexity``: means over frames; of the interpolation's PSNR (dB) the median."""
OF_SOURCE = (
    *(f"{copy}_log_{name}" for copy in COPIES for name in RATIOS),
    *(f"{copy}_logit_vmaf" for copy in COPIES),
    "log_motion2",
    "log_motion2_std",
    "interpolation_psnr",
)
"""Order of what is measured. Load-bearing."""
COMPLEXITY = (*OF_SOURCE, "log_pixels", "log_framerate")
"""Order of a complexity vector. Load-bearing."""
VMAF_PAD = 2.0


def complexity_vector(values: Mapping[str, Any], pixels: int, framerate: float) -> NDArray[np.float64]:
    """[K] complexity of a source, in the order of COMPLEXITY.

    Args:
        values: COMPLEXITY_KEYS.
        pixels: of a frame.
        framerate: frames per second.

    Raises:
        KeyError: a value is missing.
    """
    return np.concatenate([measured_complexity(values), [math.log(pixels), math.log(framerate)]])


def measured_complexity(values: Mapping[str, Any]) -> NDArray[np.float64]:
    """What was measured of a source, COMPLEXITY_KEYS, in the order of OF_SOURCE.

    Raises:
        KeyError: a value is missing.
    """
    ratios = np.asarray([values[f"{copy}_{name}"] for copy in COPIES for name in RATIOS], dtype=np.float64)
    vmaf = np.asarray([values[f"{copy}_vmaf"] for copy in COPIES], dtype=np.float64)
    logits = np.log((vmaf + VMAF_PAD) / (100.0 + VMAF_PAD - vmaf))
    motions = [math.log(max(values[key], 0.0) + MOTION_FLOOR) for key in ("motion2", "motion2_std")]
    others = [*motions, values["interpolation_psnr"]]
    return np.concatenate([-np.log(RATIO_CEILING - np.clip(ratios, 0.0, 1.0)), logits, others])
