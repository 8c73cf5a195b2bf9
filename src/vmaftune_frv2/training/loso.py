"""Leave-one-source-out: every group of sources is scored by nets that never saw it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.codec import UNKNOWN, CodecBlock
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.baselines import BASELINES
from vmaftune_frv2.training.calibration import REPORTED
from vmaftune_frv2.training.dataset import Dataset, blind_codec
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, Progress, Table, fit
from vmaftune_frv2.training.gate import Gate, judge
from vmaftune_frv2.training.metrics import Agreement, agreement, by_band
from vmaftune_frv2.training.net import FRRegressor, NetConfig

MIN_GROUPS = 2


@dataclass(frozen=True)
class Fold:
    """One left-out group."""

    source: str
    aware: Agreement
    blind: Agreement


@dataclass(frozen=True)
class Evaluation:
    """Leave-one-source-out figures.

    Args:
        folds: per group.
        models: {model: agreement of all left-out rows of all folds}: the net, its ensemble, and the baselines.
        by_encoder: {encoder: agreement of the net's left-out rows}.
        by_band: {band of true VMAF: the same}.
        left_out_encoder: {encoder: agreement of a net that never saw the encoder and takes it as unknown}.
        as_unknown: agreement of left-out rows scored as an unknown encoder's; None without an unknown slot.
        gate: the ship gate on these figures.
        variance_coverage: {nominal: share of left-out rows inside the Gaussian interval}, in variance mode.
        predicted: [S, N] of each seed's nets, of left-out rows; NaN for rows that are only learnt from.
    """

    folds: tuple[Fold, ...]
    models: dict[str, Agreement]
    by_encoder: dict[str, Agreement]
    by_band: dict[str, Agreement]
    left_out_encoder: dict[str, Agreement]
    as_unknown: Agreement | None
    gate: Gate
    variance_coverage: dict[str, float]
    predicted: NDArray[np.float64]

    @property
    def aware(self) -> Agreement:
        """The net itself."""
        return next(iter(self.models.values()))

    def folds_as_json(self) -> list[dict[str, Any]]:
        """Figures per left-out group, for ``--metrics-out``."""
        return [
            {"source": f.source, "aware": dataclasses.asdict(f.aware), "blind": dataclasses.asdict(f.blind)}
            for f in self.folds
        ]

    def as_json(self) -> dict[str, Any]:
        """Figures over all folds, for the sidecar and ``--metrics-out``."""
        return {
            "folds": len(self.folds),
            "pooled": dataclasses.asdict(self.aware),
            "models": _as_json(self.models),
            "by_encoder": _as_json(self.by_encoder),
            "by_band": _as_json(self.by_band),
            "left_out_encoder": _as_json(self.left_out_encoder),
            "variance_coverage": self.variance_coverage,
            "as_unknown": dataclasses.asdict(self.as_unknown) if self.as_unknown else None,
        }


def _as_json(figures: dict[str, Agreement]) -> dict[str, Any]:
    return {name: dataclasses.asdict(each) for name, each in figures.items()}


def held_out_rows(data: Dataset) -> list[NDArray[np.bool_]]:
    """[N] masks, one per group that has judged rows.

    Raises:
        InputError: fewer than two groups.
    """
    masks = [data.groups == index for index in range(len(data.group_names))]
    masks = [mask for mask in masks if (mask & data.judged).any()]
    if len(masks) < MIN_GROUPS:
        raise InputError(
            f"leave-one-source-out needs at least {MIN_GROUPS} sources (groups of sources); there are {len(masks)}"
        )
    return masks


def evaluate_and_fit(
    config: NetConfig,
    data: Dataset,
    block: CodecBlock,
    options: FitOptions,
    seeds: int,
    progress: Progress | None = None,
) -> tuple[Evaluation, list[Fitted[FRRegressor]]]:
    """Fits nets for every (left-out group, seed), every left-out encoder and on everything, all in stacks; judges.

    Args:
        config: the codec-aware net.
        data: rows.
        block: codec block of the rows.
        options: how to fit; its seed is the first one's.
        seeds: nets per fold.
        progress: advanced by every epoch.

    Returns:
        The evaluation, and the nets fitted on every row, one per seed.

    Raises:
        InputError: fewer than two groups of sources.
    """
    held_out = held_out_rows(data)
    again = data.shown_blind(block)
    numbers = [options.seed + seed for seed in range(seeds)]

    def member(left_out: NDArray[np.bool_], seed: int) -> Member:
        return Member(~np.concatenate([left_out, left_out[again]]), seed)

    nothing = np.zeros(len(data), dtype=bool)
    encoders = [name for name in data.unique_encoders() if UNKNOWN in block.vocab]
    encoders = encoders if len(encoders) > 1 else []
    members = [member(mask, seed) for mask in held_out for seed in numbers]
    members += [member(nothing, seed) for seed in numbers]
    members += [member(data.encoders == name, options.seed) for name in encoders]
    table = data.table(block)
    nets = fit(lambda: FRRegressor(config), table, members, options, progress)
    blind_config = dataclasses.replace(config, num_codecs=0)
    blind_table = Table(data.features, (), data.targets)
    blind_members = [Member(~mask, options.seed) for mask in held_out]
    blind = fit(lambda: FRRegressor(blind_config), blind_table, blind_members, options, progress)
    folded, final, without = (
        nets[: len(held_out) * seeds],
        nets[len(held_out) * seeds :][:seeds],
        nets[len(nets) - len(encoders) :],
    )
    predicted = _predict(data, block, held_out, folded, blind, seeds)
    return _judge(data, block, held_out, predicted, dict(zip(encoders, without, strict=True))), final


@dataclass(frozen=True)
class _Predicted:
    """Of rows that the nets never saw: [S, N], [N], [N] with the encoder withheld, [N] deviations."""

    aware: NDArray[np.float64]
    blind: NDArray[np.float64]
    unknown: NDArray[np.float64]
    deviation: NDArray[np.float64]


def _predict(
    data: Dataset,
    block: CodecBlock,
    held_out: Sequence[NDArray[np.bool_]],
    folded: Sequence[Fitted[FRRegressor]],
    blind: Sequence[Fitted[FRRegressor]],
    seeds: int,
) -> _Predicted:
    aware = np.full((seeds, len(data)), np.nan)
    unaware, unknown, deviation = (np.full(len(data), np.nan) for _ in range(3))
    for fold, mask in enumerate(held_out):
        rows = mask & data.judged
        nets = folded[fold * seeds : (fold + 1) * seeds]
        for seed, net in enumerate(nets):
            aware[seed, rows] = net.predict(data.features[rows], data.codec[rows])
        if nets[0].net.config.emit_variance:
            deviation[rows] = nets[0].deviation(data.features[rows], data.codec[rows])
        unaware[rows] = blind[fold].predict(data.features[rows])
        if UNKNOWN in block.vocab:
            unknown[rows] = nets[0].predict(data.features[rows], blind_codec(block, int(rows.sum())))
    return _Predicted(aware, unaware, unknown, deviation)


def _judge(
    data: Dataset,
    block: CodecBlock,
    held_out: Sequence[NDArray[np.bool_]],
    found: _Predicted,
    without: dict[str, Fitted[FRRegressor]],
) -> Evaluation:
    first, true, judged = found.aware[0], data.targets, data.judged
    folds = []
    for mask in held_out:
        rows = mask & judged
        name = data.group_names[data.groups[rows][0]]
        folds.append(Fold(name, agreement(first[rows], true[rows]), agreement(found.blind[rows], true[rows])))
    models = {"net": agreement(first[judged], true[judged])}
    if len(found.aware) > 1:
        models[f"ensemble of {len(found.aware)}"] = agreement(found.aware.mean(axis=0)[judged], true[judged])
    models["codec-blind"] = agreement(found.blind[judged], true[judged])
    for name, baseline in BASELINES.items():
        predicted = np.full(len(data), np.nan)
        for mask in held_out:
            predicted[mask & judged] = baseline(data, ~mask, mask & judged)
        models[name] = agreement(predicted[judged], true[judged])
    masks = {name: (data.encoders == name) & judged for name in data.unique_encoders()}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    gate = judge(
        [fold.aware.plcc for fold in folds],
        [fold.blind.plcc for fold in folds],
        references=data.references,
        encoders=len(set(masks) - set(data.unknown_encoders)),
    )
    return Evaluation(
        folds=tuple(folds),
        models=models,
        by_encoder={name: agreement(first[mask], true[mask]) for name, mask in masks.items()},
        by_band=by_band(first[judged], true[judged]),
        left_out_encoder={
            name: agreement(
                net.predict(data.features[masks[name]], blind_codec(block, int(masks[name].sum()))),
                true[masks[name]],
            )
            for name, net in without.items()
            if name in masks
        },
        as_unknown=agreement(found.unknown[judged], true[judged]) if UNKNOWN in block.vocab else None,
        gate=gate,
        variance_coverage=_gaussian_coverage(first[judged] - true[judged], found.deviation[judged]),
        predicted=found.aware,
    )


def _gaussian_coverage(errors: NDArray[np.float64], deviations: NDArray[np.float64]) -> dict[str, float]:
    """{nominal: share of errors inside}; nothing without deviations."""
    if np.isnan(deviations).any():
        return {}
    z = np.abs(errors) / deviations
    return {f"{level:g}": float(np.mean(z <= NormalDist().inv_cdf((1 + level) / 2))) for level in REPORTED}
