"""Candidate cells, their predicted scores, and the pick for a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.grid import candidate_grid
from vmaftune_frv2.predict.session import Model


@dataclass(frozen=True)
class Prediction:
    """One candidate cell and its predicted VMAF; ``extrapolated`` where training saw no such cell or features."""

    cell: Cell
    vmaf: float
    extrapolated: bool


def candidate_cells(
    model: Model, encoders: Sequence[str], presets: Sequence[str], crfs: Sequence[str]
) -> tuple[Cell, ...]:
    """The cells to predict; what is not named comes from what the model was trained on.

    Raises:
        UsageError: a cell that cannot be.
        ModelError: an encoder the model has no slot for.
    """
    block, trained = model.sidecar.block, model.sidecar.cells
    if encoders:
        model.require_slots([ENCODERS.get(name).name for name in encoders])
    slotted = {name: seen for name, seen in trained.items() if block is None or block.knows(name)}
    return candidate_grid(slotted, encoders, presets, crfs)


def predict_cells(model: Model, features: ArrayLike, cells: Sequence[Cell]) -> list[Prediction]:
    """Predicts every cell from one feature vector.

    Args:
        model: an open model.
        features: [F] raw means, as ``Model.score``.
        cells: candidates.
    """
    vector = np.asarray(features, dtype=np.float64)
    scores = model.score(vector, cells)
    strange = bool(model.sidecar.scaler.is_far(vector[None, :])[0])
    return [
        Prediction(cell, float(score), strange or is_extrapolated(model, cell))
        for cell, score in zip(cells, scores, strict=True)
    ]


def is_extrapolated(model: Model, cell: Cell) -> bool:
    """Whether training saw nothing of the cell's encoder, preset or crf range."""
    seen = model.sidecar.cells.get(cell.encoder)
    if seen is None:
        return True
    return cell.preset not in seen["presets"] or not seen["crf_min"] <= cell.crf <= seen["crf_max"]


@dataclass(frozen=True)
class Pick:
    """The answer for one (encoder, preset): the cell to use, None when the target is out of reach.

    Args:
        encoder: encoder name.
        preset: native preset.
        prediction: the highest crf that still reaches the target.
        best: the highest score there is, for when none does.
    """

    encoder: str
    preset: str
    prediction: Prediction | None
    best: Prediction


def pick_cells(predictions: Iterable[Prediction], target: float) -> list[Pick]:
    """Per (encoder, preset), the highest crf predicted to reach ``target``."""
    groups: dict[tuple[str, str], list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault((prediction.cell.encoder, prediction.cell.preset), []).append(prediction)
    picks = []
    for (encoder, preset), group in groups.items():
        reaching = [prediction for prediction in group if prediction.vmaf >= target]
        chosen = max(reaching, key=lambda prediction: prediction.cell.crf) if reaching else None
        picks.append(Pick(encoder, preset, chosen, max(group, key=lambda prediction: prediction.vmaf)))
    return picks
