"""What a model of any kind gives back once it was fitted and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.kinds import Kind
from vmaftune_frv2.contract.train_request import TrainRequest
from vmaftune_frv2.training.fit import FitOptions, Progress
from vmaftune_frv2.training.gate import Gate
from vmaftune_frv2.training.learnable import Corpus

SMOKE_EPOCHS = 1


def fit_options(request: TrainRequest) -> FitOptions:
    """How the regressor is fitted."""
    return FitOptions(
        epochs=SMOKE_EPOCHS if request.smoke else request.epochs,
        batch_size=request.batch_size,
        lr=request.lr,
        weight_decay=request.weight_decay,
        seed=request.seed,
        device=request.device,
    )


@dataclass(frozen=True)
class Described:
    """What a model brings to its sidecar, whatever its kind.

    Args:
        kind: its entry in the table.
        scaler: of its features.
        gate: judged.
        notes: one or two sentences; the gate's verdict is added.
        rows: learnt from.
        references: judged sources.
        training: further keys of the sidecar's ``training``.
        sidecar: further fields of ``Sidecar``.
    """

    kind: Kind
    scaler: FeatureScaler
    gate: Gate
    notes: str
    rows: int
    references: int
    training: Mapping[str, Any]
    sidecar: Mapping[str, Any]


class Learnt(Protocol):
    """A fitted, judged model of any kind but the regressor's."""

    def to_onnx(self, name: str) -> bytes:
        """Its graph, checked against its nets."""

    def described(self) -> Described:
        """What its sidecar says."""

    def as_json(self) -> dict[str, Any]:
        """Its figures, for ``--metrics-out``."""


Learn = Callable[[Kind, TrainRequest, Corpus, "Progress | None"], "Learnt | None"]
"""``learn`` of the file that a kind is trained in; None where the corpus does not allow such a model."""
