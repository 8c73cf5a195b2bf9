"""Simpler models on the same folds: the bar that the nets must clear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import by_line
from vmaftune_frv2.contract.codec import CodecParts
from vmaftune_frv2.training.dataset import Dataset

RIDGE = 1e-3
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


def linear(data: Dataset, learn: Mask, ask: Mask) -> Vector:
    """Ridge regression on features, codec block, and crf times encoder."""
    parts = CodecParts.of_width(data.codec.shape[1])
    crf_of_encoder = data.codec[:, parts.encoder] * data.codec[:, parts.crf, None]
    X = np.concatenate([data.features, data.codec, crf_of_encoder], axis=1)
    mean, std = X[learn].mean(axis=0), X[learn].std(axis=0)
    X = (X - mean) / np.where(std < 1e-9, 1.0, std)
    centre = data.targets[learn].mean()
    A = X[learn].T @ X[learn] + RIDGE * learn.sum() * np.eye(X.shape[1])
    weights = np.linalg.solve(A, X[learn].T @ (data.targets[learn] - centre))
    predicted: Vector = np.clip(X[ask] @ weights + centre, 0.0, 100.0)
    return predicted


def crf_curves(data: Dataset, learn: Mask, ask: Mask) -> Vector:
    """The mean curve of each (encoder, preset): isotonic in crf, interpolated; it knows nothing of the source."""
    lines = by_line(range(len(data)), lambda index: data.cells[index].line)
    crf = np.asarray([float(cell.crf) for cell in data.cells])
    predicted = np.full(len(data), data.targets[learn].mean())
    for members in lines.values():
        mine = np.asarray(members)
        known = mine[learn[mine]]
        if known.size:
            predicted[mine] = np.interp(crf[mine], *falling_curve(crf[known], data.targets[known]))
    return predicted[ask]


def falling_curve(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """The least-squares curve that never rises: distinct [K] x and [K] y.

    Source: pool adjacent violators (Barlow et al. 1972).
    """
    distinct, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=y) / counts
    blocks: list[tuple[float, int, int]] = []  # mean, weight, points
    for mean, count in zip(means, counts, strict=True):
        value, weight, points = float(mean), int(count), 1
        while blocks and blocks[-1][0] < value:
            before = blocks.pop()
            value = (value * weight + before[0] * before[1]) / (weight + before[1])
            weight, points = weight + before[1], points + before[2]
        blocks.append((value, weight, points))
    return distinct, np.repeat([b[0] for b in blocks], [b[2] for b in blocks])


BASELINES: dict[str, Callable[[Dataset, Mask, Mask], Vector]] = {
    "linear": linear,
    "crf curves": crf_curves,
}
