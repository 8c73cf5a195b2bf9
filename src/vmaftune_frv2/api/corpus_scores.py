"""What a regressor predicts of the rows of corpora."""

from __future__ import annotations

import logging

from vmaftune_frv2.api.regressors import open_regressor
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.predict.row_scores import RowPredictions

log = logging.getLogger(__name__)


def score_rows(request: PredictRequest, whole: bool = False) -> RowPredictions:
    """Predictions for the rows of ``corpora``, one by one as they are iterated.

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
    if model.sidecar.vmaf_model is None:
        log.warning(
            "%s does not name the VMAF model that it learnt; the scores of the rows may be another's",
            model.sidecar.id,
        )
    return RowPredictions(model, tuple(request.corpora), whole)
