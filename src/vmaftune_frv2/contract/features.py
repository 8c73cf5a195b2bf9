"""The canonical-6 libvmaf features: their names, their pooling, their scaling.

Training and prediction both scale here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

CANONICAL6 = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")
"""Feature order of every vector and tensor in this project. Load-bearing."""

_PREFIXES = ("", "integer_", "float_")

RATIO_CEILING = 1.02
"""adm2 and vif reach 1 and a little more; -log(1.02 - x) stays finite."""
MOTION_FLOOR = 0.1


def mean_key(feature: str) -> str:
    """Row key of a feature's mean over frames."""
    return f"{feature}_mean"


def std_key(feature: str) -> str:
    """Row key of a feature's population standard deviation over frames."""
    return f"{feature}_std"


MEAN_KEYS = tuple(mean_key(f) for f in CANONICAL6)
STD_KEYS = tuple(std_key(f) for f in CANONICAL6)


def read_metric(metrics: Mapping[str, Any], feature: str) -> float:
    """One feature of one frame of a libvmaf log, whichever of its three spellings the log uses.

    Raises:
        KeyError: none of the spellings is there.
    """
    for prefix in _PREFIXES:
        value = metrics.get(prefix + feature)
        if value is not None:
            return float(value)
    raise KeyError(feature)


NEVER_KNOWN_STD = 1e12
"""Scales whatever comes to about 0: a net that never heard a feature is not to hear it later."""


@dataclass(frozen=True)
class FeatureScaler:
    """Standard scaling of F features. NaN is unknown, and becomes the mean.

    Args:
        mean: [F] means, in feature order.
        std: [F] standard deviations; a feature that never varies has 1, one that was never known NEVER_KNOWN_STD.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, features: ArrayLike, counts: ArrayLike | None = None) -> FeatureScaler:
        """Fits on the known ones of [N, F] raw features, a row counted once, or as often as [N] counts say."""
        import numpy as np

        X = np.asarray(features, dtype=np.float64)
        known = ~np.isnan(X)
        times = known if counts is None else known * np.asarray(counts)[:, None]
        total = times.sum(axis=0)
        count = np.maximum(total, 1)
        mean = (X * times).sum(axis=0, where=known) / count
        std = np.sqrt((np.square(X - mean) * times).sum(axis=0, where=known) / count)
        std[std < 1e-9] = 1.0
        std[total == 0] = NEVER_KNOWN_STD
        return cls(tuple(float(v) for v in mean), tuple(float(v) for v in std))

    def transform(self, features: ArrayLike) -> NDArray[np.float32]:
        """Scales [N, F] raw features to [N, F] float32 with zero mean and unit variance."""
        import numpy as np

        X = np.asarray(features, dtype=np.float64)
        scaled: NDArray[np.float32] = ((X - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


def feature_vector(values: Mapping[str, Any], where: str) -> list[float]:
    """[6] canonical-6 means from a mapping that has ``<f>_mean`` or bare feature names.

    Args:
        values: a corpus row, or {feature: value}.
        where: what to call the mapping in an error.

    Raises:
        InputError: a feature is missing, null, NaN, infinite or no number.
    """
    vector = []
    for feature in CANONICAL6:
        value = values.get(mean_key(feature), values.get(feature))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            shown = "missing" if value is None else f"{value!r}, not a finite number"
            raise InputError(f"{where}: feature {feature} is {shown}; all of {', '.join(CANONICAL6)} are needed")
        vector.append(float(value))
    return vector


def pool(per_frame: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """``<f>_mean`` and ``<f>_std`` (population) of per-frame canonical-6 features."""
    import numpy as np

    pooled: dict[str, float] = {}
    for feature in CANONICAL6:
        pooled[mean_key(feature)] = float(np.mean(per_frame[feature]))
    for feature in CANONICAL6:
        pooled[std_key(feature)] = float(np.std(per_frame[feature]))
    return pooled
