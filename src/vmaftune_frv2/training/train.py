"""The whole of ``train-v2``: corpora in; what was learnt, and how well, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from vmaftune_frv2.contract.cells import FROM_CELL, FROM_PROBE
from vmaftune_frv2.contract.codec import CodecBlock, OneHotBlock
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.full_features import FULL_FEATURES
from vmaftune_frv2.contract.intervals import Intervals, score_covariates
from vmaftune_frv2.contract.kinds import PER_FRAME, VMAF_CURVE, Kind
from vmaftune_frv2.contract.train_request import FULL, ONEHOT, TrainRequest
from vmaftune_frv2.corpus.codec_of_rows import told_of
from vmaftune_frv2.progress import about, step
from vmaftune_frv2.training.calibration import Coverage, Residuals, calibrate, cross_coverage
from vmaftune_frv2.training.dataset import Dataset, make_dataset
from vmaftune_frv2.training.fit import Fitted, Progress
from vmaftune_frv2.training.learnable import Corpus, load_corpus
from vmaftune_frv2.training.learnt import Described, Learn, Learnt, fit_options
from vmaftune_frv2.training.loso import Evaluation, evaluate_and_fit
from vmaftune_frv2.training.metrics import agreement
from vmaftune_frv2.training.net import FRRegressor, NetConfig
from vmaftune_frv2.training.synthetic import synthetic_corpus


@dataclass(frozen=True)
class Trained:
    """What was learnt.

    Args:
        request: what was asked for.
        corpus: what it was learnt from.
        data: its rows as arrays.
        block: codec block.
        evaluation: figures of the regressor.
        nets: the regressor fitted on everything, one per seed.
        intervals: of the ensemble; None where it has one net.
        coverage: of the intervals.
        others: {kind: model} of the other kinds, as far as they were wanted and the corpus allows.
        warnings: what the corpus lacks.
    """

    request: TrainRequest
    corpus: Corpus
    data: Dataset
    block: CodecBlock
    evaluation: Evaluation
    nets: list[Fitted[FRRegressor]]
    intervals: Intervals | None
    coverage: Coverage | None
    others: dict[Kind, Learnt]
    warnings: list[str]

    @property
    def smoke(self) -> bool:
        """Whether the regressor may not be used for quality work."""
        return self.request.smoke or not self.evaluation.gate.met

    @property
    def curves(self) -> dict[Kind, Learnt]:
        """The curve models that were wanted."""
        return {kind: model for kind, model in self.others.items() if kind.is_curve}

    def described(self, index: int = 0) -> Described:
        """What the sidecar of one seed's net of the regressor says."""
        net, loso, data = self.nets[index], self.loso(index), self.data
        where = f"the probe {', '.join(map(str, data.probes))}" if data.probes else "the cell"
        pooled = loso["pooled"]
        return Described(
            kind=net.net.config.kind,
            scaler=net.scaler,
            gate=self.evaluation.gate,
            notes=f"{len(data)} rows of {data.references} sources, features of {where}."
            f" Leave-one-source-out: RMSE {pooled['rmse']:.2f}, MAE {pooled['mae']:.2f} VMAF.",
            rows=len(data),
            references=data.references,
            training={
                "smoke": self.smoke,
                "dropped": dict(self.dropped()),
                "unknown_encoders": dict(data.unknown_encoders),
                "warnings": self.warnings,
                "net": asdict(net.net.config),
                "fit": asdict(fit_options(self.request)),
                "loso": loso,
            },
            sidecar={
                "output_names": (net.net.config.output,),
                "block": self.block,
                "features_from": FROM_PROBE if data.probes else FROM_CELL,
                "probes": data.probes,
                "feature_order": data.feature_names,
                "cells": data.cells_seen(),
            },
        )

    def loso(self, index: int) -> dict[str, Any]:
        """Leave-one-source-out figures of one seed's nets: all for the first, pooled ones for the others."""
        if index == 0:
            return self.evaluation.as_json()
        judged = self.data.judged
        figures = agreement(self.evaluation.predicted[index][judged], self.data.targets[judged])
        return {"folds": len(self.evaluation.folds), "pooled": asdict(figures)}

    def dropped(self) -> Counter[str]:
        """{reason: rows}."""
        return self.corpus.dropped + self.data.dropped

    def metrics(self) -> dict[str, Any]:
        """Everything measured, for ``--metrics-out``."""
        frames, curve = self.others.get(PER_FRAME), self.others.get(VMAF_CURVE)
        first_crf = curve.described().sidecar["first_crf"] if curve else None
        return {
            "rows": len(self.data),
            "sources": self.data.references,
            "groups": len(self.data.group_names),
            "dropped": dict(self.dropped()),
            "shapes": dict(self.corpus.shapes),
            "unknown_encoders": dict(self.data.unknown_encoders),
            "features_from": self.request.features_from,
            "probes": [str(probe) for probe in self.data.probes],
            "warnings": self.warnings,
            "loso": self.evaluation.as_json(),
            "folds": self.evaluation.folds_as_json(),
            "gate": self.evaluation.gate.as_json(),
            "coverage": asdict(self.coverage) if self.coverage else None,
            "per_frame": frames.as_json() if frames else None,
            "curves": {kind.quantity: model.as_json() for kind, model in self.curves.items()},
            "first_crf": dict(first_crf.figures) if first_crf else None,
        }


def train(request: TrainRequest, progress: Progress | None = None) -> Trained:
    """Reads, fits and judges.

    Raises:
        InputError: the corpus cannot be learnt from.
        UsageError: a vocabulary or device that there is not.
    """
    block = (OneHotBlock if request.codec_block == ONEHOT else CodecBlock).of_version(request.vocab)
    corpus = synthetic_corpus(block) if request.smoke else _read(request)
    names = FULL_FEATURES if request.feature_set == FULL else CANONICAL6
    features_from = FROM_CELL if request.smoke else request.features_from
    data = make_dataset(corpus.rows, block, features_from, request.probe_cells(), request.group_by, names)
    config = NetConfig(
        in_features=len(names),
        num_codecs=block.width,
        hidden=request.hidden,
        depth=request.depth,
        dropout=request.dropout,
        emit_variance=request.emit_variance,
    )
    seeds = 1 if request.smoke else request.seeds
    with about(model=request.model_id):
        evaluation, nets = evaluate_and_fit(config, data, block, fit_options(request), seeds, progress)
    residuals = _residuals(data, evaluation) if seeds > 1 else None
    return Trained(
        request=request,
        corpus=corpus,
        data=data,
        block=block,
        evaluation=evaluation,
        nets=nets,
        intervals=calibrate(residuals) if residuals else None,
        coverage=cross_coverage(residuals) if residuals else None,
        others=_others(request, corpus, progress),
        warnings=_warnings(data, corpus),
    )


def _read(request: TrainRequest) -> Corpus:
    told = told_of([*request.corpora, *request.only_learn], request)
    with step("reading", unit=None):
        return load_corpus(request.corpora, request.vmaf_model, request.only_learn, told)


def _residuals(data: Dataset, evaluation: Evaluation) -> Residuals:
    mean, spread = evaluation.predicted.mean(axis=0), evaluation.predicted.std(axis=0)
    every = Residuals(score_covariates(mean, spread), mean, data.targets, data.encoders, data.groups)
    return every.where(data.judged)


def _others(request: TrainRequest, corpus: Corpus, progress: Progress | None) -> dict[Kind, Learnt]:
    """The other kinds' models, each fitted by ``learn`` of the file that the table of kinds names."""
    found = {}
    for kind in () if request.smoke else request.kinds():
        learn: Learn = import_module(f"{__package__}.{kind.trained_in}").learn
        with about(model=kind.model_id):
            model = learn(kind, request, corpus, progress)
        if model is not None:
            found[kind] = model
    return found


def _warnings(data: Dataset, corpus: Corpus) -> list[str]:
    found = []
    missing = [name for name in data.feature_names if _lacking(name, corpus) == len(corpus.rows)]
    if missing:
        found.append(f"no row has {', '.join(missing)}: these columns are 0 and teach nothing")
    partly = {name: _lacking(name, corpus) for name in data.feature_names if name not in missing}
    lacking = [f"{name} ({count} rows)" for name, count in partly.items() if count]
    if lacking:
        found.append(f"not every row has a number, and 0 stands in for it: {', '.join(lacking)}")
    constant = [name for name in data.constant_features() if name not in missing]
    if constant:
        found.append(f"{', '.join(constant)} never varies in this corpus and teaches nothing")
    if float(data.targets[data.judged].std()) < 1e-9:
        found.append("every judged row has the same VMAF: nothing can be learnt, and nothing judged")
    encoders: Sequence[str] = data.unique_encoders()
    if len(encoders) == 1:
        found.append(f"every row is of {encoders[0]}: nothing can be learnt of other encoders")
    return found


def _lacking(name: str, corpus: Corpus) -> int:
    """Rows without a feature; all have the canonical-6."""
    return 0 if name in CANONICAL6 else sum(row.full.get(name) is None for row in corpus.rows)
