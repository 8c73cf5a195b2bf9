"""Opening the curve models that a request names, with a word on those that did not pass the ship gate."""

from __future__ import annotations

from vmaftune_frv2.contract.option_groups import CurveModelOptions
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.vmaf_scales import SAME, UNMEASURED, scale_of
from vmaftune_frv2.progress import step

log = get_logger(__name__)


def open_predictor(request: CurveModelOptions) -> Predictor:
    """Both curve models.

    Raises:
        ModelError: one is missing, altered, or no curve model.
    """
    with step("models", unit=None):
        predictor = Predictor.open(request.model, request.bitrate_model)
    for model in (predictor.vmaf, predictor.bitrate):
        if model.sidecar.smoke:
            log.warning("%s is a smoke model: it did not pass the ship gate", model.sidecar.id)
    asked, learnt = request.scored_with(), predictor.vmaf_model
    if asked is not None and (scale := scale_of(asked, learnt)) is not SAME:
        how = f"{predictor.vmaf.sidecar.id} learnt {learnt}; {asked} is predicted from that"
        worth = "how well is not measured" if scale is UNMEASURED else "measured on titles that it never saw"
        log.info("%s, with intervals %g times as wide (%s)", how, scale.wider, worth)
    return predictor
