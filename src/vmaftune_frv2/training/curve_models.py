"""Fitting and judging a curve model: of VMAF, or of bits per pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER
from vmaftune_frv2.contract.codec import CURVE_VOCABULARY, CodecBlock
from vmaftune_frv2.contract.descriptor import OF_SOURCE
from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.intervals import FROM_ANOTHER, Intervals, curve_covariates
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.calibration import Coverage, Residuals, calibrate, cross_coverage
from vmaftune_frv2.training.curve_net import CurveConfig, CurveNet, joined
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, Progress, fit
from vmaftune_frv2.training.loso import MIN_GROUPS
from vmaftune_frv2.training.metrics import Agreement, agreement
from vmaftune_frv2.training.pairs import ANY_OTHER, ANY_OWN, USUAL, Pairs

FOLDS = 10
"""Groups are left out a tenth at a time: pairs are many, and a tenth fewer sources teach about as much."""
NONE = -2
"""Left out by the nets that learn from everything: no fold."""
UNTOLD = "pinned, complexity not known"
PROBE_BANDS = (0.0, 30.0, 50.0, 65.0, 75.0, 82.0, 88.0, 92.0, 95.0, 97.0, 99.0, 101.0)


@dataclass(frozen=True)
class CurveEvaluation:
    """Figures on left-out groups.

    Args:
        folds: how many.
        groups: left-out groups in all.
        references: sources in them.
        scenarios: {how the probe is used: agreement of the ensemble}.
        by_encoder: {encoder: agreement with a pinned probe in it}.
        by_group: {group: the same}.
        by_probe: {band of the probe's VMAF: agreement with any cell of the encoder as the probe}.
        by_pair: {encoder of the probe: {encoder: agreement with any cell as the probe}}.
        coverage: of the intervals, any cell of the encoder as the probe.
        coverage_across: the same, any cell of another encoder; None where there is one encoder only.
    """

    folds: int
    groups: int
    references: int
    scenarios: dict[str, Agreement]
    by_encoder: dict[str, Agreement]
    by_group: dict[str, Agreement]
    by_probe: dict[str, Agreement]
    by_pair: dict[str, dict[str, Agreement]]
    coverage: Coverage
    coverage_across: Coverage | None

    def as_json(self) -> dict[str, Any]:
        """For the sidecar and ``--metrics-out``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class FittedCurves:
    """A judged predictor.

    Args:
        config: shape of the nets.
        pairs: what was learnt.
        nets: fitted on everything, one per seed.
        intervals: calibrated on left-out groups.
        evaluation: figures.
        folded: {group: nets that never saw it}.
    """

    config: CurveConfig
    pairs: Pairs
    nets: list[Fitted[CurveNet]]
    intervals: Intervals
    evaluation: CurveEvaluation
    folded: dict[str, list[Fitted[CurveNet]]]


def fit_curve_model(
    config: CurveConfig,
    pairs: Pairs,
    options: FitOptions,
    seeds: int,
    progress: Progress | None = None,
) -> FittedCurves:
    """Fits nets for every (fold, seed) and on everything, judges the former, calibrates intervals on them.

    Args:
        config: shape of the nets.
        pairs: what to learn.
        options: how; ``beta`` in units of the quantity.
        seeds: nets of the ensemble.
        progress: told of every epoch.

    Raises:
        InputError: fewer than two groups of sources to judge on.
    """
    fold = _folds(pairs)
    left_out = [
        (number, options.seed + seed) for number in (*range(int(fold.max()) + 1), NONE) for seed in range(seeds)
    ]
    space = AnchorSpace(config.pad)
    nets = _fit(config, pairs, fold, left_out, options, progress)
    predicted = _left_out(pairs, space, fold, nets, pairs.told, pairs.judged)
    pinned = next(iter(pairs.scenarios.values()))
    untold = _left_out(pairs, space, fold, nets, pairs.untold, pinned).mean(axis=0)
    told = nets[-1].scaler.transform(pairs.told)[pairs.probe_rows]
    calibrated = _residuals(config, pairs, predicted, told).where(_calibrated(pairs))
    by_group = {name: int(fold[pairs.groups == index][0]) for index, name in enumerate(pairs.group_names)}
    return FittedCurves(
        config=nets[-1].net.config,
        pairs=pairs,
        nets=nets[-seeds:],
        intervals=calibrate(calibrated),
        evaluation=_evaluate(pairs, fold, predicted, untold, calibrated),
        folded={name: nets[number * seeds : (number + 1) * seeds] for name, number in by_group.items()},
    )


def _fit(
    config: CurveConfig,
    pairs: Pairs,
    fold: NDArray[np.int64],
    left_out: Sequence[tuple[int, int]],
    options: FitOptions,
    progress: Progress | None,
) -> list[Fitted[CurveNet]]:
    """A net for every (fold left out, seed), of two perceptrons where there are pairs of both kinds."""
    space = AnchorSpace(config.pad)

    def fit_some(of: NDArray[np.bool_], scalers: Sequence[FeatureScaler | None]) -> list[Fitted[CurveNet]]:
        shown = fold[pairs.shown(of)]
        members = [Member(shown != number, seed, s) for (number, seed), s in zip(left_out, scalers, strict=True)]
        return fit(lambda: CurveNet(config), pairs.table(space, of), members, options, progress)

    first = fit_some(~pairs.across, [None] * len(left_out))
    if not pairs.across.any():
        return first
    second = fit_some(pairs.across, [fitted.scaler for fitted in first])
    slot = CodecBlock.of_version(CURVE_VOCABULARY).vocab.index(UNIVERSAL_ENCODER)
    return [Fitted(joined(one.net, other.net, slot), one.scaler) for one, other in zip(first, second, strict=True)]


def _left_out(
    pairs: Pairs,
    space: AnchorSpace,
    fold: NDArray[np.int64],
    nets: Sequence[Fitted[CurveNet]],
    told: NDArray[np.float64],
    wanted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """[S, P] what each seed's nets say of the wanted pairs of groups they never saw; NaN for the others.

    Args:
        pairs: P pairs.
        space: of the anchors.
        fold: [P].
        nets: S of every fold, then others.
        told: [R, D] descriptors of the probes.
        wanted: [P].
    """
    inputs, folds = pairs.inputs(space), int(fold.max()) + 1
    seeds = len(nets) // (folds + 1)
    predicted = np.full((seeds, len(pairs)), np.nan)
    for number in range(folds):
        mine = (fold == number) & wanted
        if mine.any():
            for seed in range(seeds):
                net = nets[number * seeds + seed]
                known = told[pairs.probe_rows[mine]]
                predicted[seed, mine] = net.predict(known, *(array[mine] for array in inputs))
    return predicted


def _folds(pairs: Pairs) -> NDArray[np.int64]:
    """[P] folds; -1 for groups that are only learnt from, in every fold."""
    usual = len(set(pairs.groups[_calibrated(pairs)].tolist()))
    if usual < MIN_GROUPS:
        low, high = USUAL
        raise InputError(
            f"the curve models need cells with a VMAF of {low:g} to {high:g} of at least {MIN_GROUPS}"
            f" sources (groups of sources); there are {usual}"
        )
    judged = np.unique(pairs.groups[pairs.judged])
    fold_of = np.full(len(pairs.group_names), -1)
    fold_of[judged] = np.random.default_rng(0).permutation(len(judged)) % min(FOLDS, len(judged))
    return fold_of[pairs.groups]


def _calibrated(pairs: Pairs) -> NDArray[np.bool_]:
    """Pairs as ``predict`` uses them: any probe, in the encoder or in another one."""
    return pairs.scenarios[ANY_OWN] | pairs.scenarios[ANY_OTHER]


def _residuals(
    config: CurveConfig, pairs: Pairs, predicted: NDArray[np.float64], told: NDArray[np.float32]
) -> Residuals:
    mean, spread = predicted.mean(axis=0), predicted.std(axis=0)
    bounded = config.pad is not None
    scale = 1.0 if bounded else 100.0
    return Residuals(
        covariates=curve_covariates(
            mean * scale, spread * scale, pairs.anchor * scale, ~pairs.same_encoder, told, bounded
        ),
        predicted=mean,
        true=pairs.targets,
        encoders=np.asarray(
            [
                c.encoder if p.encoder == c.encoder else c.encoder + FROM_ANOTHER
                for p, c in zip(pairs.probes, pairs.cells, strict=True)
            ]
        ),
        groups=pairs.groups,
        low=0.0 if bounded else -np.inf,
        high=100.0 if bounded else np.inf,
        held=OF_SOURCE,
    )


def _evaluate(
    pairs: Pairs,
    fold: NDArray[np.int64],
    predicted: NDArray[np.float64],
    untold: NDArray[np.float64],
    calibrated: Residuals,
) -> CurveEvaluation:
    mean = predicted.mean(axis=0)
    scenarios = {name: mask for name, mask in pairs.scenarios.items() if mask.any()}

    def agree(mask: NDArray[np.bool_]) -> Agreement:
        return agreement(mean[mask], pairs.targets[mask])

    across = calibrated.covariates["other_encoder"] > 0
    pinned, told = next(iter(scenarios.values())), np.isfinite(untold)
    encoders = np.asarray([cell.encoder for cell in pairs.cells])
    groups = [
        (index, name) for index, name in enumerate(pairs.group_names) if (pinned & (pairs.groups == index)).any()
    ]
    return CurveEvaluation(
        folds=int(fold.max()) + 1,
        groups=len(set(pairs.groups[pairs.judged].tolist())),
        references=pairs.references,
        scenarios={name: agree(mask) for name, mask in scenarios.items()}
        | ({UNTOLD: agreement(untold[told], pairs.targets[told])} if told.any() else {}),
        by_encoder={
            str(name): agree(pinned & (encoders == name)) for name in dict.fromkeys(encoders[pinned].tolist())
        },
        by_group={name: agree(pinned & (pairs.groups == index)) for index, name in groups},
        by_probe=_by_probe(pairs, mean),
        by_pair=_by_pair(pairs, mean),
        coverage=cross_coverage(calibrated, ~across),
        coverage_across=_across(cross_coverage(calibrated, across)) if across.any() else None,
    )


def _across(coverage: Coverage) -> Coverage:
    """The same, encoders by their names alone."""
    by_encoder = {name.removesuffix(FROM_ANOTHER): shares for name, shares in coverage.by_encoder.items()}
    return dataclasses.replace(coverage, by_encoder=by_encoder)


def _by_probe(pairs: Pairs, predicted: NDArray[np.float64]) -> dict[str, Agreement]:
    """{band of the probe's VMAF: agreement}, any cell of the encoder as the probe."""
    usual = pairs.scenarios[ANY_OWN]
    vmaf = pairs.probe_scores
    found = {}
    for low, high in pairwise(PROBE_BANDS):
        mine = usual & (vmaf >= low) & (vmaf < high)
        if mine.any():
            found[f"{low:g}-{min(high, 100):g}"] = agreement(predicted[mine], pairs.targets[mine])
    return found


def _by_pair(pairs: Pairs, predicted: NDArray[np.float64]) -> dict[str, dict[str, Agreement]]:
    """{encoder of the probe: {encoder: agreement}}, any cell as the probe."""
    usual = np.flatnonzero(_calibrated(pairs))
    probes, cells = (
        np.asarray([row[index].encoder for index in usual.tolist()]) for row in (pairs.probes, pairs.cells)
    )
    found: dict[str, dict[str, Agreement]] = {}
    for probe in sorted(set(probes.tolist())):
        for cell in sorted(set(cells[probes == probe].tolist())):
            mine = usual[(probes == probe) & (cells == cell)]
            found.setdefault(probe, {})[cell] = agreement(predicted[mine], pairs.targets[mine])
    return found
