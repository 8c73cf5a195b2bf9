"""The ensemble beside a regressor: how far its predictions may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.ensemble import NOMINAL, SUFFIX, Ensemble, read_ensemble
from vmaftune_frv2.contract.intervals import score_covariates
from vmaftune_frv2.contract.registry import RegisteredModel, read_model
from vmaftune_frv2.contract.sidecar import read_sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.session import Model

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Committee:
    """The members of an ensemble, open.

    Args:
        ensemble: its manifest.
        members: in its order.
    """

    ensemble: Ensemble
    members: tuple[Model, ...]

    def interval(self, features: ArrayLike, cells: Sequence[Cell], predicted: Vector) -> tuple[Vector, Vector]:
        """Intervals of the VMAF of cells.

        Args:
            features: [N, F] or [F] raw means, as ``Model.score``.
            cells: N cells.
            predicted: [N] predictions that the intervals are to hold, within them or not.

        Returns:
            [N] lower and [N] upper ends at the ensemble's nominal coverage, within 0..100.
        """
        scores = np.stack([member.score(features, cells) for member in self.members])
        mean = scores.mean(axis=0)
        covariates = score_covariates(mean, scores.std(axis=0))
        half = self.ensemble.intervals.half_width(covariates, [cell.encoder for cell in cells], NOMINAL)
        low, high = np.minimum(mean - half, predicted), np.maximum(mean + half, predicted)
        return np.clip(low, 0.0, 100.0), np.clip(high, 0.0, 100.0)


def open_committee(model: Model) -> Committee | None:
    """The ensemble of a regressor: ``<id>_ensemble_v1.json`` beside it.

    Returns:
        None where there is none, or only a smoke one of a model that passed the gate.

    Raises:
        ModelError: the manifest is broken, or a member is missing or altered.
    """
    folder = model.path.parent
    path = folder / f"{model.sidecar.id}{SUFFIX}.json"
    if not path.is_file():
        return None
    ensemble = read_ensemble(path)
    if ensemble.sidecar.get("smoke", False) and not model.sidecar.smoke:
        return None
    members = []
    for name, digest in ensemble.members.items():
        file = folder / f"{name}.onnx"
        data = read_model(file, digest, str(path))
        member = Model(RegisteredModel(read_sidecar(file.with_suffix(".json")), file, data))
        for key in ("vmaf_model", "feature_order", "features_from", "probes"):
            if getattr(member.sidecar, key) != getattr(model.sidecar, key):
                raise ModelError(f"{file}: its {key} is not that of {model.path}; train both together again")
        members.append(member)
    return Committee(ensemble, tuple(members))
