"""Fitting and judging a curve model: of VMAF, or of bits per pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import SCORE_MAX, AnchorSpace, CurveStart
from vmaftune_frv2.contract.cells import FROM_PROBE, UNIVERSAL_ENCODER
from vmaftune_frv2.contract.codec import CURVE_VOCABULARY, CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.contract.first_crf import FirstCrf
from vmaftune_frv2.contract.intervals import FROM_ANOTHER, OF_SOURCE, Intervals, curve_covariates
from vmaftune_frv2.contract.kinds import BITRATE_CURVE, VMAF_CURVE, Kind
from vmaftune_frv2.contract.scenarios import OF_ENCODER
from vmaftune_frv2.contract.train_request import TrainRequest
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.calibration import Residuals, calibrate
from vmaftune_frv2.training.curve_figures import CurveEvaluation, calibrated_pairs, evaluate_curves
from vmaftune_frv2.training.curve_net import CurveConfig, CurveNet, joined
from vmaftune_frv2.training.dataset import cells_seen
from vmaftune_frv2.training.export import curves_to_onnx
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, Progress, fit
from vmaftune_frv2.training.fit_first_crf import fit_first_crf
from vmaftune_frv2.training.gate import judge
from vmaftune_frv2.training.learnable import Corpus, Measured
from vmaftune_frv2.training.learnt import Described
from vmaftune_frv2.training.loso import MIN_GROUPS
from vmaftune_frv2.training.pairs import USUAL, Pairs, make_pairs
from vmaftune_frv2.training.typical import typical_curves

FOLDS = 10
"""Groups are left out a tenth at a time: pairs are many, and a tenth fewer sources teach about as much."""
NONE = -2
"""Left out by the nets that learn from everything: no fold."""
SCORE_FIT = FitOptions(epochs=12, batch_size=512, lr=1.5e-3, weight_decay=0.5, beta=0.3)
SCORE_NET = CurveConfig(
    in_features=len(DESCRIPTOR),
    num_codecs=CodecBlock.of_version(CURVE_VOCABULARY).width,
    hidden=96,
    knots=6,
    pad=5.0,
)
HOW: Mapping[Kind, tuple[str, CurveConfig, FitOptions]] = {
    VMAF_CURVE: ("score", SCORE_NET, SCORE_FIT),
    BITRATE_CURVE: ("log_bpp", replace(SCORE_NET, pad=None), replace(SCORE_FIT, beta=0.1)),
}
"""{kind: what of a ``Measured`` row is learnt, with which net, fitted how}."""


@dataclass(frozen=True)
class FittedCurves:
    """A judged curve model.

    Args:
        kind: its entry in the table.
        config: shape of the nets.
        pairs: what was learnt.
        nets: fitted on everything, one per seed.
        intervals: calibrated on left-out groups.
        evaluation: figures.
        folded: {group: nets that never saw it}.
        cells: {encoder: what was seen of it, and the typical curve of each preset, where a search begins}.
        first_crf: where a search begins for a source of known complexity; None where too few have one.
    """

    kind: Kind
    config: CurveConfig
    pairs: Pairs
    nets: list[Fitted[CurveNet]]
    intervals: Intervals
    evaluation: CurveEvaluation
    folded: dict[str, list[Fitted[CurveNet]]]
    cells: dict[str, dict[str, Any]]
    first_crf: FirstCrf | None = None

    def as_json(self) -> dict[str, Any]:
        """Figures, for the sidecar and ``--metrics-out``."""
        return self.evaluation.as_json()

    def to_onnx(self, name: str) -> bytes:
        """The graph of all nets, checked against them."""
        return curves_to_onnx([fitted.net for fitted in self.nets], name, self.kind)

    def described(self) -> Described:
        """What the sidecar says."""
        found, pairs = self.evaluation, self.pairs
        figures = "; ".join(f"{name}: MAE {each.mae:.3g}" for name, each in found.scenarios.items())
        plccs = [each.plcc for each in found.by_group.values()]
        return Described(
            kind=self.kind,
            scaler=self.nets[0].scaler,
            gate=judge(plccs, None, found.references, len(found.by_encoder)),
            notes=f"{found.folds} folds of {found.groups} groups. {figures}.",
            rows=len(pairs),
            references=found.references,
            training={
                "net": dataclasses.asdict(self.config),
                "loso": self.as_json(),
                "dropped": dict(pairs.dropped),
            },
            sidecar={
                "block": pairs.block,
                "features_from": FROM_PROBE,
                "probes": tuple(probe for presets in pairs.standard.values() for probe in presets.values()),
                "feature_order": DESCRIPTOR,
                "curve": CurveStart(self.kind.quantity, self.config.pad, pairs.learnt_from),
                "intervals": self.intervals,
                "first_crf": self.first_crf,
                "cells": self.cells,
            },
        )


def block_for(rows: Sequence[Measured]) -> CodecBlock:
    """The codec block of curve models of these rows: every usual encoder has a slot, any other if it has rows."""
    found, usual = {row.cell.encoder for row in rows}, ENCODERS.usual()
    names = tuple(each.name for each in ENCODERS if each.name in usual or (each.name in found and not each.rising))
    return CodecBlock(names, CURVE_VOCABULARY)


def learn(kind: Kind, request: TrainRequest, corpus: Corpus, progress: Progress | None) -> FittedCurves:
    """Fits and judges a curve model of the kind's quantity.

    Raises:
        InputError: the corpus has too few sources, or no pairs of cells.
    """
    learnt, config, options = HOW[kind]
    block = block_for(corpus.rows)
    config = replace(config, num_codecs=block.width)
    pairs = make_pairs(corpus.rows, block, learnt, request.group_by)
    options = replace(options, seed=request.seed, device=request.device)
    fitted = fit_curve_model(kind, config, pairs, options, request.seeds, progress)
    judged = [row for row in corpus.rows if row.judged]
    for encoder, curves in typical_curves(judged or corpus.rows).items():
        if encoder in fitted.cells:
            fitted.cells[encoder]["typical"] = curves
    if kind is not VMAF_CURVE:
        return fitted
    return replace(fitted, first_crf=fit_first_crf(corpus.rows, request.group_by))


def fit_curve_model(
    kind: Kind,
    config: CurveConfig,
    pairs: Pairs,
    options: FitOptions,
    seeds: int,
    progress: Progress | None = None,
) -> FittedCurves:
    """Fits nets for every (fold, seed) and on everything, judges the former, calibrates intervals on them.

    Args:
        kind: whose quantity the pairs have.
        config: shape of the nets.
        pairs: what to learn.
        options: how; ``beta`` in units of the quantity.
        seeds: nets of the ensemble.
        progress: advanced by every epoch.

    Raises:
        InputError: fewer than two groups of sources to judge on.
    """
    fold = _folds(pairs)
    left_out = [
        (number, options.seed + seed) for number in (*range(int(fold.max()) + 1), NONE) for seed in range(seeds)
    ]
    space = AnchorSpace(config.pad)
    nets = _fit(config, pairs, fold, left_out, options, progress)
    predicted = _left_out(pairs, space, fold, nets, pairs.descriptors, pairs.judged)
    wanted = pairs.scenarios[OF_ENCODER]
    no_complexity = _left_out(pairs, space, fold, nets, pairs.without_complexity, wanted).mean(axis=0)
    scaled = nets[-1].scaler.transform(pairs.descriptors)[pairs.probe_rows]
    calibrated = _residuals(kind, space, pairs, predicted, scaled).where(calibrated_pairs(pairs))
    by_group = {name: int(fold[pairs.groups == index][0]) for index, name in enumerate(pairs.group_names)}
    return FittedCurves(
        kind=kind,
        config=nets[-1].net.config,
        pairs=pairs,
        nets=nets[-seeds:],
        intervals=calibrate(calibrated),
        evaluation=evaluate_curves(pairs, fold, predicted, no_complexity, calibrated),
        folded={name: nets[number * seeds : (number + 1) * seeds] for name, number in by_group.items()},
        cells=cells_seen(pairs.cells),
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
    slot = pairs.block.vocab.index(UNIVERSAL_ENCODER)
    return [Fitted(joined(one.net, other.net, slot), one.scaler) for one, other in zip(first, second, strict=True)]


def _left_out(
    pairs: Pairs,
    space: AnchorSpace,
    fold: NDArray[np.int64],
    nets: Sequence[Fitted[CurveNet]],
    descriptors: NDArray[np.float64],
    wanted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """[S, P] predictions of each seed's nets for the wanted pairs of groups they never saw; NaN for the others.

    Args:
        pairs: P pairs.
        space: of the anchors.
        fold: [P].
        nets: S of every fold, then others.
        descriptors: [R, D] of the probes.
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
                known = descriptors[pairs.probe_rows[mine]]
                predicted[seed, mine] = net.predict(known, *(array[mine] for array in inputs))
    return predicted


def _folds(pairs: Pairs) -> NDArray[np.int64]:
    """[P] folds; -1 for groups that are only learnt from, in every fold."""
    usual = len(set(pairs.groups[calibrated_pairs(pairs)].tolist()))
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


def _residuals(
    kind: Kind, space: AnchorSpace, pairs: Pairs, predicted: NDArray[np.float64], scaled: NDArray[np.float32]
) -> Residuals:
    mean, spread, scale = predicted.mean(axis=0), predicted.std(axis=0), kind.error_scale
    return Residuals(
        covariates=curve_covariates(
            mean * scale, spread * scale, pairs.anchor * scale, ~pairs.same_encoder, scaled, space.bounded
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
        low=0.0 if space.bounded else -np.inf,
        high=SCORE_MAX if space.bounded else np.inf,
        held=OF_SOURCE,
    )
