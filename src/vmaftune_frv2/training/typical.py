"""The typical curve of an (encoder, preset): where to begin when nothing of a source is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vmaftune_frv2.contract.cells import by_line
from vmaftune_frv2.training.baselines import falling_curve
from vmaftune_frv2.training.learnable import Measured


def typical_curves(rows: Sequence[Measured]) -> dict[str, dict[str, list[list[float]]]]:
    """{encoder: {preset: [[crf, mean VMAF], ...]}}, falling with crf."""
    curves: dict[str, dict[str, list[list[float]]]] = {}
    for (encoder, preset), members in by_line(rows, lambda row: row.cell.line).items():
        crf, vmaf = np.asarray([(row.cell.crf, row.score) for row in members], dtype=np.float64).T
        curves.setdefault(encoder, {})[preset] = [
            [float(c), round(float(v), 3)] for c, v in zip(*falling_curve(crf, vmaf), strict=True)
        ]
    return curves
