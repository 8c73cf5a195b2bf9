"""What a regressor predicts: candidate cells from the features of a probe or a file, and the rows of corpora."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vmaftune_frv2.api.regressors import open_regressor
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.predict.candidates import candidate_cells, pick_cells, predict_cells
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.feature_files import read_features
from vmaftune_frv2.predict.picks import Pick, ScoredCell
from vmaftune_frv2.predict.results import Sample


@dataclass(frozen=True)
class CellScores:
    """The cells of one set of features.

    Args:
        predictions: every candidate.
        picks: per (encoder, preset); empty without a target.
        measured: {picked cell: its row}, with ``verify``.
        sample: what of the source was encoded, None for all of it.
    """

    predictions: list[ScoredCell]
    picks: list[Pick[ScoredCell]]
    measured: dict[Cell, Row] = field(default_factory=dict)
    sample: Sample | None = None


def score_cells(request: PredictRequest) -> CellScores:
    """Predicts candidate cells with a regressor, from ``features`` or from its probe of the one source.

    With ``verify`` every pick is encoded, to show how far off it is; no other is tried.

    Raises:
        UsageError: a cell that cannot be, or something that only curve models answer.
        InputError: features or source cannot be used.
        ModelError: the model is missing or altered, has no slot for an encoder, or needs no probe or several.
        ToolError: the probe failed.
    """
    request.check_regressor()
    if not request.sources and request.features is None:
        raise UsageError("give SOURCE or --features")
    model = open_regressor(request.model)
    cells = candidate_cells(model, request)
    if request.features is not None:
        return _picked(
            predict_cells(model, read_features(request.features, Columns.of(model.sidecar)), cells), request
        )
    from vmaftune_frv2.api.probed_scores import Probed

    probed = Probed(model, request)
    found = replace(_picked(predict_cells(model, probed.features(), cells), request), sample=probed.sample)
    if request.verify:
        found.measured.update(probed.measure(pick.prediction.cell for pick in found.picks if pick.prediction))
    return found


def _picked(predictions: list[ScoredCell], request: PredictRequest) -> CellScores:
    target = request.target_vmaf
    return CellScores(predictions, [] if target is None else pick_cells(predictions, target))
