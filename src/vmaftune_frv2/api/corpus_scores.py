"""What a regressor predicts of the rows of corpora."""

from __future__ import annotations

import contextlib

from vmaftune_frv2.api.regressors import open_regressor
from vmaftune_frv2.contract.cells import FROM_PROBE
from vmaftune_frv2.contract.kinds import PER_FRAME
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.corpus.codec_of_rows import told_of
from vmaftune_frv2.errors import ModelError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.predict.row_scores import RowPredictions
from vmaftune_frv2.predict.session import Model, find_model

log = get_logger(__name__)


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
    return RowPredictions(
        model, tuple(request.corpora), whole, other, told_of(request.corpora, request, request.ffmpeg_bin)
    )


def _of_own_features() -> Model | None:
    """The production model that scores an encode from its own features; None where there is none."""
    with contextlib.suppress(ModelError):
        return Model(find_model(PER_FRAME.model_id, production=True))
    return None
