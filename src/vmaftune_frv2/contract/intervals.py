"""Intervals round predictions: how wrong they were on sources never seen, scaled by how hard a cell is.

Source: split conformal prediction with locally scaled residuals (Papadopoulos et al. 2008; Lei et al. 2018), one
set of quantiles per encoder (Mondrian, Vovk et al. 2003).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.descriptor import BLOCKS, COMPLEXITY_BLOCK, block_of
from vmaftune_frv2.contract.features import finite

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
"""Nominal coverages that quantiles are kept for."""
METHOD = "conformal, locally scaled residuals, per encoder"
ALL = "all"
"""Quantiles for an encoder without its own."""
FROM_ANOTHER = " from another"
"""After an encoder's name: its cells, predicted from cells of other encoders only."""
BIAS = "bias"
OF_SOURCE = BLOCKS[COMPLEXITY_BLOCK]
CURVE_COVARIATES = (
    "log_spread", "log_moved", "other_encoder", "other_log_spread", "other_log_moved", *OF_SOURCE,
)  # fmt: skip
BOUNDED_COVARIATES = ("level1", "level2", "level3")
"""Names of ``curve_covariates``: those of both kinds, and those of bounded ones besides."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Half-widths of intervals.

    Args:
        weights: {covariate: weight} of the logarithm of a typical error, BIAS among them.
        quantiles: {encoder, one with FROM_ANOTHER after it, or "all": error over typical error at each of LEVELS}.
        floor: least half-width.
    """

    weights: Mapping[str, float]
    quantiles: Mapping[str, Sequence[float]]
    floor: float = 0.0

    def typical_error(self, covariates: Mapping[str, Vector]) -> Vector:
        """[N] typical absolute errors of predictions with [N] covariates."""
        terms = [w * (1.0 if name == BIAS else covariates[name]) for name, w in self.weights.items()]
        shape = np.shape(next(iter(covariates.values())))
        typical: Vector = np.exp(np.clip(np.sum([np.broadcast_to(t, shape) for t in terms], axis=0), -6.0, 6.0))
        return typical

    def weigh_only(self, covariates: Iterable[str]) -> bool:
        """Whether these covariates are all that a typical error takes."""
        return {BIAS, *covariates}.issuperset(self.weights)

    def quantile(self, encoder: str, level: float, other: bool = False) -> float:
        """How many typical errors cover ``level`` of an encoder's errors; between LEVELS interpolated.

        Args:
            encoder: its name, FROM_ANOTHER after it or not.
            level: nominal coverage, 0.5..0.98.
            other: the same as FROM_ANOTHER after the name.
        """
        names = (encoder + FROM_ANOTHER * other, encoder.removesuffix(FROM_ANOTHER), ALL)
        values = next(self.quantiles[name] for name in names if name in self.quantiles)
        return float(np.interp(level, LEVELS, values))

    def half_width(self, covariates: Mapping[str, Vector], encoders: Sequence[str], level: float) -> Vector:
        """[N] half-widths at a nominal coverage in 0.5..0.98."""
        factor = {encoder: self.quantile(encoder, level) for encoder in set(encoders)}
        factors = np.asarray([factor[encoder] for encoder in encoders])
        half: Vector = np.maximum(self.typical_error(covariates) * factors, self.floor)
        return half

    def to_json(self) -> dict[str, Any]:
        """For a sidecar or manifest."""
        return {
            "method": METHOD,
            "levels": list(LEVELS),
            "weights": dict(self.weights),
            "quantiles": {name: list(values) for name, values in self.quantiles.items()},
            "floor": self.floor,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Intervals:
        """The inverse of ``to_json``.

        Raises:
            ValueError: written with other levels, something is not a number, or quantiles are negative or fall.
            KeyError: something is missing.
        """
        if tuple(document["levels"]) != LEVELS:
            raise ValueError("intervals were written with other levels")
        weights, quantiles = document["weights"], document["quantiles"]
        finite(weights.values(), "weights of intervals")
        for encoder in {ALL, *quantiles}:
            values = finite(quantiles[encoder], f"quantiles of {encoder}")
            if len(values) != len(LEVELS) or values[0] < 0.0 or list(values) != sorted(values):
                raise ValueError(f"quantiles of {encoder} must be one per level, rising from 0 or more")
        (floor,) = finite([document.get("floor", 0.0)], "floor of intervals")
        return cls(weights, quantiles, max(floor, 0.0))


def score_covariates(mean: Vector, spread: Vector) -> dict[str, Vector]:
    """How uncertain a cell is, for the regressor, from [N] means and [N] deviations of the ensemble: [N] each."""
    level = np.asarray(mean) / 100.0
    return {"log_spread": np.log(np.asarray(spread) + 0.1), "level": level, "level2": level**2}


def curve_covariates(
    mean: Vector,
    spread: Vector,
    anchor: Vector,
    other_encoder: NDArray[np.bool_],
    descriptors: NDArray[np.floating[Any]],
    bounded: bool,
) -> dict[str, Vector]:
    """The same for a curve model of VMAF, or of log bits per pixel in hundredths.

    Args:
        mean: [N] of the ensemble.
        spread: [N] deviations of the ensemble.
        anchor: [N] the probe's value.
        other_encoder: [N] whether the probe is another encoder's.
        descriptors: [N, D] the probe's, standard-scaled; the complexity of the source is used, 0 where unknown.
        bounded: whether 0 and 100 are the ends of what is predicted, near which errors are small.
    """
    moved, level = np.abs(np.asarray(mean) - np.asarray(anchor)), np.asarray(mean) / 100.0
    complexity = np.asarray(descriptors, dtype=np.float64)[:, block_of(COMPLEXITY_BLOCK)]
    other = np.asarray(other_encoder, dtype=np.float64)
    log_spread, log_moved = np.log(np.asarray(spread) + 0.002), np.log(moved + 0.3)
    return {
        "log_spread": log_spread,
        "log_moved": log_moved,
        "other_encoder": other,
        "other_log_spread": other * log_spread,
        "other_log_moved": other * log_moved,
        **(dict(zip(BOUNDED_COVARIATES, (level, level**2, level**3), strict=True)) if bounded else {}),
        **dict(zip(OF_SOURCE, complexity.T, strict=True)),
    }
