"""The canonical-6 libvmaf features: their names, their pooling, their scaling.

Training and prediction both scale here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

RATIOS = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3")
"""The features that are 1 for an encode like its source."""
CANONICAL6 = (*RATIOS, "motion2")
"""Feature order of every vector and tensor in this project. Load-bearing."""

_PREFIXES = ("integer_", "", "float_")
"""Spellings of a feature in libvmaf's logs. First the fixed-point extractors', which are those that we name:
beside them a float model logs its own under bare names. A suffix, as in ``integer_motion2_mmxv_18``, tells of
options: that is another quantity."""

FEATURE_RANGES = {**dict.fromkeys(RATIOS, (0.0, 2.0)), "motion2": (0.0, 256.0)}
"""What libvmaf can give as a mean over frames. An encode stays below 1.1 in the ratios; a picture that was
enhanced lies above, by contrast=1.5 at adm2 1.36."""
OTHER_RANGE = (-1e4, 1e4)
"""Of libvmaf's other metrics; none comes near it."""
FAR = 4.0
"""Standard deviations from the training mean beyond which an input counts as unlike training."""

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
        ValueError: what is there is no number.
    """
    for prefix in _PREFIXES:
        value = metrics.get(prefix + feature)
        if value is not None:
            if isinstance(value, (bool, str)):
                raise ValueError(f"{feature} = {value!r} is no number")
            return float(value)
    raise KeyError(feature)


NEVER_KNOWN_STD = 1e12
"""Scales whatever comes to about 0: a net that never saw a feature is not to be moved by it later."""


def finite(values: Iterable[Any], what: str) -> tuple[float, ...]:
    """Numbers of a document as floats.

    Raises:
        ValueError: one is not a number, or NaN or infinite.
    """
    numbers = tuple(values)
    for value in numbers:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{what} holds {value!r}, which is not a finite number")
    return tuple(map(float, numbers))


_FARTHEST = 1e30
"""What a scaled feature is held within, so that it has a float32."""


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
    def read(cls, document: Mapping[str, Any], order: Sequence[str]) -> FeatureScaler:
        """The ``feature_mean`` and ``feature_std`` of a document, of the features in ``order``.

        Raises:
            KeyError: one is missing.
            ValueError: not a finite number per feature, a deviation that is not above 0, or a mean that the
                feature cannot have.
        """
        mean = finite(document["feature_mean"], "feature_mean")
        std = finite(document["feature_std"], "feature_std")
        if not len(mean) == len(std) == len(order) or min(std, default=0.0) <= 0.0:
            raise ValueError("feature_mean and feature_std must hold one number per feature, std above 0")
        for feature, value in zip(order, mean, strict=True):
            low, high = FEATURE_RANGES.get(feature, (-math.inf, math.inf))
            if not low <= value <= high:
                raise ValueError(f"feature_mean of {feature} is {value!r}; it lies in {low:g}..{high:g}")
        return cls(mean, std)

    def is_far(self, features: ArrayLike) -> NDArray[np.bool_]:
        """[N] whether any of [N, F] raw features lies more than FAR deviations off the training mean."""
        import numpy as np

        far: NDArray[np.bool_] = np.any(np.abs(self.transform(features)) > FAR, axis=1)
        return far

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
        off = np.clip((X - np.asarray(self.mean)) / np.asarray(self.std), -_FARTHEST, _FARTHEST)
        scaled: NDArray[np.float32] = off.astype(np.float32)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


def feature_vector(values: Mapping[str, Any], where: str) -> list[float]:
    """[F] canonical-6 means from a mapping that has ``<f>_mean`` or bare feature names.

    Args:
        values: a corpus row, or {feature: value}.
        where: what to call the mapping in an error.

    Raises:
        InputError: a feature is missing, null, not a finite number, or one that libvmaf never gives.
    """
    vector = []
    for feature in CANONICAL6:
        value = values.get(mean_key(feature), values.get(feature))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            shown = "missing" if value is None else f"{value!r}, not a finite number"
            raise InputError(f"{where}: feature {feature} is {shown}; all of {', '.join(CANONICAL6)} are needed")
        vector.append(in_range(feature, value, where))
    return vector


def in_range(feature: str, value: float, where: str) -> float:
    """The value of a feature, if libvmaf can give it.

    Raises:
        InputError: it cannot.
    """
    low, high = FEATURE_RANGES.get(feature, OTHER_RANGE)
    if not low <= value <= high:
        raise InputError(f"{where}: feature {feature} is {value!r}; it lies in {low:g}..{high:g}")
    return float(value)


def pool(per_frame: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """``<f>_mean`` and ``<f>_std`` (population) of per-frame canonical-6 features."""
    import numpy as np

    pooled: dict[str, float] = {}
    for feature in CANONICAL6:
        pooled[mean_key(feature)] = float(np.mean(per_frame[feature]))
    for feature in CANONICAL6:
        pooled[std_key(feature)] = float(np.std(per_frame[feature]))
    return pooled
