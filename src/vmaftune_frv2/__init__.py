"""Codec-aware VMAF regression for ``vmaf-tune``: sweep, train, predict.

All of the public API is named here; docs/python.md shows it at work.

    import vmaftune_frv2 as vt

    request = vt.PredictRequest(sources="film.mkv", encoders="libx264", target_vmaf=93, verify=True)
    for pick in vt.predict_source(request).answer.picks:
        print(pick.encoder, pick.preset, pick.prediction)

A name is imported when it is asked for, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmaftune_frv2.version import __version__ as __version__

if TYPE_CHECKING:
    from vmaftune_frv2.api.ladders import Ladders as Ladders
    from vmaftune_frv2.api.ladders import ladder as ladder
    from vmaftune_frv2.api.questions import SourceAnswer as SourceAnswer
    from vmaftune_frv2.api.questions import SourceFailure as SourceFailure
    from vmaftune_frv2.api.questions import predict_source as predict_source
    from vmaftune_frv2.api.questions import predict_sources as predict_sources
    from vmaftune_frv2.api.scores import CellScores as CellScores
    from vmaftune_frv2.api.scores import score_cells as score_cells
    from vmaftune_frv2.api.scores import score_rows as score_rows
    from vmaftune_frv2.api.shell import pick_commands as pick_commands
    from vmaftune_frv2.api.shell import rung_commands as rung_commands
    from vmaftune_frv2.api.shot_answers import ShotAnswers as ShotAnswers
    from vmaftune_frv2.api.shot_answers import per_shot as per_shot
    from vmaftune_frv2.api.shot_commands import shot_commands as shot_commands
    from vmaftune_frv2.api.sweeping import Swept as Swept
    from vmaftune_frv2.api.sweeping import plan_sweep as plan_sweep
    from vmaftune_frv2.api.sweeping import sweep as sweep
    from vmaftune_frv2.api.training import release as release
    from vmaftune_frv2.api.training import train as train
    from vmaftune_frv2.contract.requests import LadderRequest as LadderRequest
    from vmaftune_frv2.contract.requests import PerShotRequest as PerShotRequest
    from vmaftune_frv2.contract.requests import PredictRequest as PredictRequest
    from vmaftune_frv2.contract.requests import SweepRequest as SweepRequest
    from vmaftune_frv2.contract.train_request import TrainRequest as TrainRequest
    from vmaftune_frv2.corpus.validation import Report as Report
    from vmaftune_frv2.corpus.validation import validate_files as validate_files
    from vmaftune_frv2.drawing.curve_plot import write_plot as write_plot
    from vmaftune_frv2.errors import ExitCode as ExitCode
    from vmaftune_frv2.errors import TuneError as TuneError
    from vmaftune_frv2.predict.results import Answer as Answer
    from vmaftune_frv2.predict.results import Pick as Pick
    from vmaftune_frv2.predict.results import Prediction as Prediction
    from vmaftune_frv2.predict.results import Step as Step

_WHERE = {
    "api.ladders": ("Ladders", "ladder"),
    "api.questions": ("SourceAnswer", "SourceFailure", "predict_source", "predict_sources"),
    "api.scores": ("CellScores", "score_cells", "score_rows"),
    "api.shell": ("pick_commands", "rung_commands"),
    "api.shot_answers": ("ShotAnswers", "per_shot"),
    "api.shot_commands": ("shot_commands",),
    "api.sweeping": ("Swept", "plan_sweep", "sweep"),
    "api.training": ("release", "train"),
    "contract.requests": ("LadderRequest", "PerShotRequest", "PredictRequest", "SweepRequest"),
    "contract.train_request": ("TrainRequest",),
    "corpus.validation": ("Report", "validate_files"),
    "drawing.curve_plot": ("write_plot",),
    "errors": ("ExitCode", "TuneError"),
    "predict.results": ("Answer", "Pick", "Prediction", "Step"),
}
_HOME = {name: module for module, names in _WHERE.items() for name in names}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use.

    Raises:
        AttributeError: there is none of that name.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
