"""Where a search begins: the crf at which a source is expected to meet a target, before anything of it is encoded.

Linear in the source's complexity, for each encoder and each of some VMAF levels; interpolated between levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import FAR, FeatureScaler
from vmaftune_frv2.contract.source_complexity import COMPLEXITY
from vmaftune_frv2.errors import ModelError

LEVELS = (50.0, 60.0, 70.0, 80.0, 85.0, 90.0, 93.0, 95.0, 97.0)
"""VMAF levels that are learnt."""
WEIGHTS = (*COMPLEXITY, "preset_ordinal", "bias")
"""What each weight belongs to, in order."""
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class FirstCrf:
    """Expected crf of a source, per encoder and VMAF level.

    Args:
        scaler: of complexity vectors.
        weights: {encoder: [L, W]}, a row per one of LEVELS, a column per one of WEIGHTS; complexity is scaled.
        figures: how far off, on sources that were left out.
    """

    scaler: FeatureScaler
    weights: Mapping[str, Vector]
    figures: Mapping[str, Any] = field(default_factory=dict)

    def crf(self, encoder: str, preset: str, target: float, complexity: Vector) -> float | None:
        """The crf at which a source should meet a target; None of an encoder that was not learnt.

        Args:
            encoder: canonical name.
            preset: native preset.
            target: VMAF.
            complexity: [K] of the source, in the order of COMPLEXITY, unscaled.
        """
        weights = self.weights.get(encoder)
        if weights is None:
            return None
        # A source beyond is taken for one at that distance.
        scaled = np.clip(self.scaler.transform(complexity), -FAR, FAR)
        ordinal = ENCODERS.get(encoder).preset_ordinal(preset)
        levels = np.minimum.accumulate(weights @ np.concatenate([scaled, [ordinal, 1.0]]))
        return float(np.interp(target, LEVELS, levels))

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        return {
            "feature_order": list(COMPLEXITY),
            "feature_mean": list(self.scaler.mean),
            "feature_std": list(self.scaler.std),
            "levels": list(LEVELS),
            "weights": {
                name: [[float(f"{v:.6g}") for v in row] for row in rows] for name, rows in self.weights.items()
            },
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FirstCrf:
        """Reads what ``to_json`` wrote.

        Raises:
            KeyError: something is missing.
            ValueError: something that must be a number is not.
            ModelError: the features or levels are not those of this version.
        """
        if tuple(document["feature_order"]) != COMPLEXITY or tuple(document["levels"]) != LEVELS:
            raise ModelError("first_crf is of other features or levels than this version's; train again")
        scaler = FeatureScaler.read(document, COMPLEXITY)
        shape = (len(LEVELS), len(WEIGHTS))
        weights = {name: np.asarray(rows, dtype=np.float64) for name, rows in document["weights"].items()}
        if any(rows.shape != shape for rows in weights.values()):
            raise ModelError(f"first_crf: every encoder takes weights of {shape[0]} by {shape[1]}")
        if not all(np.isfinite(rows).all() for rows in weights.values()):
            raise ModelError("first_crf: a weight is not a finite number")
        return cls(scaler, weights, document.get("figures", {}))
