"""What is asked of ``train-v2``, and what a model of any kind gives back once it was fitted and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import DEFAULT_VOCABULARY
from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.kinds import KINDS, REGRESSOR, Kind
from vmaftune_frv2.training.fit import FitOptions, Progress
from vmaftune_frv2.training.gate import Gate
from vmaftune_frv2.training.learnable import Corpus

FULL = "full"


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Args:
        corpora: files and folders; ignored for a smoke run.
        only_learn: files and folders that are learnt from and never judged.
        smoke: train one epoch on synthetic rows.
        features_from: ``probe`` or ``cell``.
        probes: one probe cell, one of each encoder, or none to choose one.
        vocab: encoder vocabulary version.
        vmaf_model: keep only rows scored with this model.
        group_by: what is left out together: ``src``, ``stem-prefix`` or a CSV file.
        feature_set: ``canonical6`` or ``full``.
        codec_block: ``full`` (one-hot, preset, crf) or ``onehot``.
        seeds: nets of the ensemble.
        hidden: units of a hidden layer.
        depth: hidden layers.
        dropout: share of hidden units dropped.
        emit_variance: predict a variance too.
        fit: how to fit.
        kinds: what to train beside the regressor, as far as the corpus allows.
        model_id: registry id.
    """

    corpora: tuple[Path, ...] = ()
    only_learn: tuple[Path, ...] = ()
    smoke: bool = False
    features_from: str = FROM_PROBE
    probes: tuple[Cell, ...] = ()
    vocab: int = DEFAULT_VOCABULARY
    vmaf_model: str | None = None
    group_by: str = "stem-prefix"
    feature_set: str = "canonical6"
    codec_block: str = FULL
    seeds: int = 5
    hidden: int = 32
    depth: int = 2
    dropout: float = 0.0
    emit_variance: bool = False
    fit: FitOptions = field(default_factory=FitOptions)
    kinds: tuple[Kind, ...] = tuple(kind for kind in KINDS[1:] if kind.option is None)
    model_id: str = REGRESSOR.model_id


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
