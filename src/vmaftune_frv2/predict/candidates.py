"""What a regressor predicts of candidate cells from one set of features, and the pick for a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.grid import candidate_grid, was_seen
from vmaftune_frv2.contract.option_groups import GridOptions
from vmaftune_frv2.predict.picks import Pick, ScoredCell, by_cell_line, highest_reaching
from vmaftune_frv2.predict.session import Model


def candidate_cells(model: Model, grid: GridOptions) -> tuple[Cell, ...]:
    """The cells to predict; what is not named comes from what the model was trained on.

    Raises:
        UsageError: a cell that cannot be.
        ModelError: an encoder the model has no slot for.
    """
    block, trained = model.sidecar.block, model.sidecar.cells
    if grid.encoders:
        model.require_slots([ENCODERS.get(name).name for name in grid.encoders])
    slotted = {name: seen for name, seen in trained.items() if block is None or block.knows(name)}
    return candidate_grid(slotted, grid.encoders, grid.presets, grid.crfs)


def predict_cells(model: Model, features: ArrayLike, cells: Sequence[Cell]) -> list[ScoredCell]:
    """Predicts every cell from one feature vector.

    Args:
        model: an open model.
        features: [F] raw means, as ``Model.score``.
        cells: candidates.
    """
    vector = np.asarray(features, dtype=np.float64)
    scores = model.score(vector, cells)
    strange = bool(model.sidecar.scaler.is_far(vector[None, :])[0])
    seen = model.sidecar.cells
    return [
        ScoredCell(cell=cell, vmaf=float(score), extrapolated=strange or not was_seen(seen, cell))
        for cell, score in zip(cells, scores, strict=True)
    ]


def pick_cells(predictions: Sequence[ScoredCell], target: float) -> list[Pick[ScoredCell]]:
    """Per (encoder, preset), the highest crf predicted to reach ``target``."""
    return [
        Pick(line, highest_reaching(group, target, lambda p: p.vmaf), max(group, key=lambda p: p.vmaf))
        for line, group in by_cell_line(predictions).items()
    ]
