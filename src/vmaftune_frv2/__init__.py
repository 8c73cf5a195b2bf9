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

from vmaftune_frv2.version import __version__

if TYPE_CHECKING:
    from vmaftune_frv2.api.attaching import Attached, attach
    from vmaftune_frv2.api.comparison import Comparison, compare
    from vmaftune_frv2.api.comparison_plot import write_comparison_plot
    from vmaftune_frv2.api.corpus_scores import score_rows
    from vmaftune_frv2.api.encoding import encode, encode_sources
    from vmaftune_frv2.api.ladders import Ladders, ladder
    from vmaftune_frv2.api.questions import SourceAnswer, SourceFailure, predict_source, predict_sources
    from vmaftune_frv2.api.scores import CellScores, score_cells
    from vmaftune_frv2.api.scoring import PairScore, score_pair
    from vmaftune_frv2.api.shell import pick_commands, rung_commands
    from vmaftune_frv2.api.shot_answers import ShotAnswers, per_shot
    from vmaftune_frv2.api.shot_commands import shot_commands
    from vmaftune_frv2.api.sweeping import Swept, plan_sweep, sweep
    from vmaftune_frv2.api.training import release, train
    from vmaftune_frv2.api.upgrading import Upgraded, upgrade
    from vmaftune_frv2.contract.attach_request import AttachRequest
    from vmaftune_frv2.contract.certificate import Certificate
    from vmaftune_frv2.contract.compare_request import CompareRequest
    from vmaftune_frv2.contract.encode_request import EncodeRequest
    from vmaftune_frv2.contract.ladder_request import LadderRequest
    from vmaftune_frv2.contract.per_shot_request import PerShotRequest
    from vmaftune_frv2.contract.predict_request import PredictRequest
    from vmaftune_frv2.contract.score_request import ScoreRequest
    from vmaftune_frv2.contract.sweep_request import SweepRequest
    from vmaftune_frv2.contract.train_request import TrainRequest
    from vmaftune_frv2.contract.upgrade_request import UpgradeRequest
    from vmaftune_frv2.corpus.validation import Report, validate_files
    from vmaftune_frv2.drawing.curve_plot import write_plot
    from vmaftune_frv2.drawing.ladder_plot import write_ladder_plot
    from vmaftune_frv2.errors import ExitCode, TuneError
    from vmaftune_frv2.host.plugins import Plugins, load_plugins
    from vmaftune_frv2.predict.picks import Pick
    from vmaftune_frv2.predict.results import Answer, Prediction, Step
    from vmaftune_frv2.progress import watch_progress

__all__ = [
    "Answer", "AttachRequest", "Attached", "CellScores", "Certificate", "CompareRequest", "Comparison",
    "EncodeRequest", "ExitCode", "LadderRequest", "Ladders", "PairScore", "PerShotRequest", "Pick",
    "Plugins", "PredictRequest", "Prediction", "Report", "ScoreRequest", "ShotAnswers", "SourceAnswer",
    "SourceFailure", "Step", "SweepRequest", "Swept", "TrainRequest", "TuneError", "UpgradeRequest",
    "Upgraded", "__version__", "attach", "compare", "encode", "encode_sources", "ladder", "load_plugins",
    "per_shot", "pick_commands", "plan_sweep", "predict_source", "predict_sources", "release",
    "rung_commands", "score_cells", "score_pair", "score_rows", "shot_commands", "sweep", "train",
    "upgrade", "validate_files", "watch_progress", "write_comparison_plot", "write_ladder_plot",
    "write_plot",
]  # fmt: skip
_WHERE = {
    "api.attaching": ("Attached", "attach"),
    "api.encoding": ("encode", "encode_sources"),
    "api.ladders": ("Ladders", "ladder"),
    "api.questions": ("SourceAnswer", "SourceFailure", "predict_source", "predict_sources"),
    "api.comparison": ("Comparison", "compare"),
    "api.comparison_plot": ("write_comparison_plot",),
    "api.corpus_scores": ("score_rows",),
    "api.scores": ("CellScores", "score_cells"),
    "api.scoring": ("PairScore", "score_pair"),
    "api.shell": ("pick_commands", "rung_commands"),
    "api.shot_answers": ("ShotAnswers", "per_shot"),
    "api.shot_commands": ("shot_commands",),
    "api.sweeping": ("Swept", "plan_sweep", "sweep"),
    "api.training": ("release", "train"),
    "api.upgrading": ("Upgraded", "upgrade"),
    "contract.certificate": ("Certificate",),
    "contract.compare_request": ("CompareRequest",),
    "contract.encode_request": ("EncodeRequest",),
    "contract.ladder_request": ("LadderRequest",),
    "contract.per_shot_request": ("PerShotRequest",),
    "contract.predict_request": ("PredictRequest",),
    "contract.attach_request": ("AttachRequest",),
    "contract.upgrade_request": ("UpgradeRequest",),
    "contract.score_request": ("ScoreRequest",),
    "contract.sweep_request": ("SweepRequest",),
    "contract.train_request": ("TrainRequest",),
    "corpus.validation": ("Report", "validate_files"),
    "drawing.curve_plot": ("write_plot",),
    "drawing.ladder_plot": ("write_ladder_plot",),
    "errors": ("ExitCode", "TuneError"),
    "host.plugins": ("Plugins", "load_plugins"),
    "predict.picks": ("Pick",),
    "predict.results": ("Answer", "Prediction", "Step"),
    "progress": ("watch_progress",),
}
_HOME = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use.

    Raises:
        AttributeError: there is none of that name.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
