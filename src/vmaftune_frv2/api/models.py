"""Opening the models that a request names, with a word on those that did not pass the ship gate."""

from __future__ import annotations

import contextlib
import logging

from vmaftune_frv2.contract.option_groups import CurveModelOptions
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.session import Model, find_model, open_model

log = logging.getLogger(__name__)


def open_predictor(request: CurveModelOptions) -> Predictor:
    """Both curve models.

    Raises:
        ModelError: one is missing, altered, or no curve model.
    """
    predictor = Predictor.open(request.model, request.bitrate_model)
    for model in (predictor.vmaf, predictor.bitrate):
        if model.sidecar.smoke:
            log.warning("%s is a smoke model: it did not pass the ship gate", model.sidecar.id)
    return predictor


def open_regressor(reference: str | None) -> Model:
    """A regressor; None takes the production ``fr_regressor_v2``.

    Raises:
        ModelError: it is missing, altered, or no regressor.
    """
    model = open_model(reference)
    if model.sidecar.smoke:
        log.warning("%s is a smoke model: %s", model.path, model.sidecar.notes)
    return model


def names_regressor(reference: str | None) -> bool:
    """Whether a reference is to a regressor; the default, and one to no model at all, is not."""
    with contextlib.suppress(ModelError):
        return reference is not None and not find_model(reference).sidecar.kind.is_curve
    return False
