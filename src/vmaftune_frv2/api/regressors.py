"""Opening the regressor that a request names, with a word if it did not pass the ship gate."""

from __future__ import annotations

import contextlib
import logging

from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.session import Model, find_model, open_model

log = logging.getLogger(__name__)


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
