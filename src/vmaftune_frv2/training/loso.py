"""Leave-one-source-out: every source scored by nets that never saw it, codec-aware and codec-blind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.dataset import Dataset
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, fit
from vmaftune_frv2.training.gate import Gate, judge
from vmaftune_frv2.training.metrics import Agreement, agreement
from vmaftune_frv2.training.net import NetConfig

MIN_SOURCES = 2


@dataclass(frozen=True)
class Fold:
    """One left-out source."""

    source: str
    aware: Agreement
    blind: Agreement


@dataclass(frozen=True)
class Evaluation:
    """Leave-one-source-out figures.

    Args:
        folds: per source.
        aware: all left-out rows of all folds together, codec-aware.
        blind: the same, codec-blind.
        by_encoder: {encoder: codec-aware agreement of its left-out rows}.
        gate: the ship gate on these figures.
    """

    folds: tuple[Fold, ...]
    aware: Agreement
    blind: Agreement
    by_encoder: dict[str, Agreement]
    gate: Gate

    def folds_as_json(self) -> list[dict[str, Any]]:
        """Figures per left-out source, for ``--metrics-out``."""
        return [
            {"source": f.source, "aware": dataclasses.asdict(f.aware), "blind": dataclasses.asdict(f.blind)}
            for f in self.folds
        ]

    def as_json(self) -> dict[str, Any]:
        """Figures over all folds, for the sidecar and ``--metrics-out``."""
        return {
            "folds": len(self.folds),
            "pooled": dataclasses.asdict(self.aware),
            "pooled_codec_blind": dataclasses.asdict(self.blind),
            "by_encoder": {name: dataclasses.asdict(a) for name, a in self.by_encoder.items()},
        }


def evaluate_and_fit(
    config: NetConfig,
    dataset: Dataset,
    options: FitOptions,
    unknown: Collection[str] = (),
    on_epoch: Callable[[], None] = lambda: None,
) -> tuple[Evaluation, Fitted]:
    """Fits one net per left-out source and one on everything, all in one stack, then judges the former.

    Args:
        config: the codec-aware net.
        dataset: rows.
        options: how to fit.
        unknown: encoders without a slot of their own; the gate does not count them.
        on_epoch: called after each epoch, codec-aware and codec-blind.

    Returns:
        The evaluation, and the net fitted on every row.

    Raises:
        InputError: fewer than two sources.
    """
    count = len(dataset.source_names)
    if count < MIN_SOURCES:
        raise InputError(f"leave-one-source-out needs at least {MIN_SOURCES} sources; the corpus has {count}")
    held_out = [dataset.sources == index for index in range(count)]
    members = [Member(~rows, options.seed) for rows in held_out]
    everything = Member(np.ones(len(dataset), dtype=bool), options.seed)
    X, y = dataset.features, dataset.targets
    aware = fit(config, X, dataset.codec, y, [*members, everything], options, on_epoch)
    blind_config = dataclasses.replace(config, num_codecs=0)
    blind = fit(blind_config, X, None, y, members, options, on_epoch)
    return _judge(dataset, held_out, aware[:-1], blind, unknown), aware[-1]


def _judge(
    dataset: Dataset,
    held_out: list[NDArray[np.bool_]],
    aware: list[Fitted],
    blind: list[Fitted],
    unknown: Collection[str],
) -> Evaluation:
    predicted = np.empty(len(dataset))
    predicted_blind = np.empty(len(dataset))
    folds = []
    for name, rows, net, blind_net in zip(dataset.source_names, held_out, aware, blind, strict=True):
        predicted[rows] = net.predict(dataset.features[rows], dataset.codec[rows])
        predicted_blind[rows] = blind_net.predict(dataset.features[rows], None)
        true = dataset.targets[rows]
        folds.append(Fold(name, agreement(predicted[rows], true), agreement(predicted_blind[rows], true)))
    encoders = np.asarray([cell.encoder for cell in dataset.cells])
    by_encoder = {
        name: agreement(predicted[encoders == name], dataset.targets[encoders == name])
        for name in dict.fromkeys(encoders.tolist())
    }
    gate = judge(
        [fold.aware.plcc for fold in folds],
        [fold.blind.plcc for fold in folds],
        references=len(dataset.source_names),
        encoders=len(set(by_encoder) - set(unknown)),
    )
    return Evaluation(
        folds=tuple(folds),
        aware=agreement(predicted, dataset.targets),
        blind=agreement(predicted_blind, dataset.targets),
        by_encoder=by_encoder,
        gate=gate,
    )
