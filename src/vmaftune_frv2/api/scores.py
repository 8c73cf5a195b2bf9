"""What a regressor predicts: candidate cells from the features of a probe or a file, and the rows of corpora."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field

from vmaftune_frv2.api.models import open_regressor
from vmaftune_frv2.api.sources import open_for, warn_of_hdr
from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.kinds import PER_FRAME
from vmaftune_frv2.contract.requests import PredictRequest
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.measurer import measure_now
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ModelError, UsageError
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
from vmaftune_frv2.predict.candidates import candidate_cells, pick_cells, predict_cells
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.feature_files import read_features
from vmaftune_frv2.predict.results import Pick, ScoredCell
from vmaftune_frv2.predict.row_scores import RowPredictions
from vmaftune_frv2.predict.session import Model, find_model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellScores:
    """The cells of one set of features.

    Args:
        predictions: every candidate.
        picks: per (encoder, preset); empty without a target.
        measured: {picked cell: its row}, with ``verify``.
    """

    predictions: list[ScoredCell]
    picks: list[Pick[ScoredCell]]
    measured: dict[Cell, Row] = field(default_factory=dict)


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
    model = open_regressor(request.model)
    cells = candidate_cells(model, request)
    if request.features is not None:
        return _picked(
            predict_cells(model, read_features(request.features, Columns.of(model.sidecar)), cells), request
        )
    probe, columns = _probe_of(model), Columns.of(model.sidecar)
    setup, source = _opened(model, request, columns)
    log.info("probing %s with %s", source.label, probe)
    features = columns.read(measure_now(setup, source, probe).row, f"probe of {source.label}")
    found = _picked(predict_cells(model, features, cells), request)
    if request.verify:
        for pick in found.picks:
            if pick.prediction is not None:
                cell = pick.prediction.cell
                log.info("encoding %s with %s", source.label, cell)
                found.measured[cell] = measure_now(setup, source, cell).row
    return found


def _picked(predictions: list[ScoredCell], request: PredictRequest) -> CellScores:
    target = request.target_vmaf
    return CellScores(predictions, [] if target is None else pick_cells(predictions, target))


def _opened(model: Model, request: PredictRequest, columns: Columns) -> tuple[Setup, Source]:
    setup = Setup(
        locate(request.ffmpeg_bin), model.sidecar.vmaf_model or DEFAULT_MODEL, full_features=columns.full
    )
    source = open_for(setup.ffmpeg, request.sources[0], request, seconds=request.sample_clip_seconds)
    warn_of_hdr(source, setup.model_for(source))
    return setup, source


def _probe_of(model: Model) -> Cell:
    sidecar = model.sidecar
    if sidecar.probe is not None:
        return sidecar.probe
    several = ", ".join(map(str, sidecar.probes))
    why = f"has a probe per encoder ({several})" if several else "scores an encode from its own features"
    raise ModelError(f"{sidecar.id} {why}, so that no one probe serves; use it with --features or --corpus")


def score_rows(request: PredictRequest, whole: bool = False) -> RowPredictions:
    """Predictions for the rows of ``corpora``, one by one as they are iterated.

    Where no model is named and the default one lacks a row's probe, the codec-blind model scores it from the row's
    own features, if it has any.

    Args:
        request: names the corpora, and perhaps the model.
        whole: whether each keeps its row as it was read.

    Raises:
        UsageError: no corpora were named.
        ModelError: the model is missing or altered.
    """
    if not request.corpora:
        raise UsageError("give --corpus")
    model = open_regressor(request.model)
    other = _of_own_features() if request.model is None and model.sidecar.features_from == FROM_PROBE else None
    if model.sidecar.vmaf_model is None:
        log.warning(
            "%s does not name the VMAF model that it learnt; the scores of the rows may be another's",
            model.sidecar.id,
        )
    return RowPredictions(model, tuple(request.corpora), whole, other)


def _of_own_features() -> Model | None:
    """The production model that scores an encode from its own features; None where there is none."""
    with contextlib.suppress(ModelError):
        return Model(find_model(PER_FRAME.model_id, production=True))
    return None
