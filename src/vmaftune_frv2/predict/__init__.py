"""Predicting VMAF without encoding: onnxruntime and numpy, never torch.

    from vmaftune_frv2.predict import predict_source

    said = predict_source("film.mkv", encoders=["libx264"], target=93.0, verify=True)
    for pick in said.picks:
        print(pick.encoder, pick.preset, pick.prediction)

What is named here is imported when it is asked for, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmaftune_frv2.predict.answer import Answer, Pick
    from vmaftune_frv2.predict.api import predict_source
    from vmaftune_frv2.predict.predictor import Prediction
    from vmaftune_frv2.predict.search import Step

__all__ = ["Answer", "Pick", "Prediction", "Step", "predict_source"]

_WHERE = {
    "Answer": "answer",
    "Pick": "answer",
    "Prediction": "predictor",
    "Step": "search",
    "predict_source": "api",
}


def __getattr__(name: str) -> Any:
    """Imports a name of ``__all__`` on first use."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
