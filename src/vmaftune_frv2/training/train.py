"""The whole of ``train-v2``: corpora in; what was learnt, and how well, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.cells import FROM_CELL, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CURVE_VOCABULARY, CodecBlock, OneHotBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.first_crf import FirstCrf
from vmaftune_frv2.contract.full_features import FULL_FEATURES
from vmaftune_frv2.contract.intervals import Intervals, score_covariates
from vmaftune_frv2.contract.sidecar import LOG_BITS_PER_PIXEL, SCORE
from vmaftune_frv2.training.calibration import Coverage, Residuals, calibrate, cross_coverage
from vmaftune_frv2.training.curve_models import FittedCurves, fit_curve_model
from vmaftune_frv2.training.curve_net import CurveConfig
from vmaftune_frv2.training.dataset import Dataset, make_dataset
from vmaftune_frv2.training.fit import FitOptions, Fitted, Progress
from vmaftune_frv2.training.fit_first_crf import fit_first_crf
from vmaftune_frv2.training.frames import FrameModel, fit_frames, judged_groups
from vmaftune_frv2.training.learnable import Corpus, load_corpus
from vmaftune_frv2.training.loso import MIN_GROUPS, Evaluation, evaluate_and_fit
from vmaftune_frv2.training.metrics import agreement
from vmaftune_frv2.training.net import FRRegressor, NetConfig
from vmaftune_frv2.training.pairs import make_pairs
from vmaftune_frv2.training.synthetic import synthetic_corpus

MODEL_ID = "fr_regressor_v2"
ONEHOT = "onehot"
FULL = "full"

FRAMES_FIT = FitOptions(epochs=20, batch_size=256, lr=1e-2, beta=1.0)
SCORE_FIT = FitOptions(epochs=12, batch_size=512, lr=1.5e-3, weight_decay=0.5, beta=0.3)
BITRATE_FIT = replace(SCORE_FIT, beta=0.1)
SCORE_NET = CurveConfig(in_features=len(DESCRIPTOR), num_codecs=8, hidden=96, knots=6, pad=5.0)
BITRATE_NET = replace(SCORE_NET, pad=None)


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
        anchored: train the curve models too.
        model_id: registry id.
    """

    corpora: tuple[Path, ...] = ()
    only_learn: tuple[Path, ...] = ()
    smoke: bool = False
    features_from: str = FROM_PROBE
    probes: tuple[Cell, ...] = ()
    vocab: int = 1
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
    anchored: bool = False
    model_id: str = MODEL_ID


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
        frames: the per-frame codec-blind model; None where the corpus has no per-frame values.
        anchored: {quantity: curve model}.
        first_crf: where a search begins; None without curve models or sources of known complexity.
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
    frames: FrameModel | None
    anchored: dict[str, FittedCurves]
    first_crf: FirstCrf | None
    warnings: list[str]

    @property
    def smoke(self) -> bool:
        """Whether the regressor may not be used for quality work."""
        return self.request.smoke or not self.evaluation.gate.met

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
        return {
            "rows": len(self.data),
            "sources": self.data.references,
            "groups": len(self.data.group_names),
            "dropped": dict(self.dropped()),
            "unknown_encoders": dict(self.data.unknown_encoders),
            "features_from": self.request.features_from,
            "probes": [str(probe) for probe in self.data.probes],
            "warnings": self.warnings,
            "loso": self.evaluation.as_json(),
            "folds": self.evaluation.folds_as_json(),
            "gate": self.evaluation.gate.as_json(),
            "coverage": asdict(self.coverage) if self.coverage else None,
            "per_frame": self.frames.as_json() if self.frames else None,
            "anchored": {quantity: model.evaluation.as_json() for quantity, model in self.anchored.items()},
            "first_crf": dict(self.first_crf.figures) if self.first_crf else None,
        }


def train(request: TrainRequest, progress: Progress | None = None) -> Trained:
    """Reads, fits and judges.

    Raises:
        InputError: the corpus cannot be learnt from.
        UsageError: a vocabulary or device that there is not.
    """
    block = (OneHotBlock if request.codec_block == ONEHOT else CodecBlock).of_version(request.vocab)
    corpus = (
        synthetic_corpus(block)
        if request.smoke
        else load_corpus(request.corpora, request.vmaf_model, request.only_learn)
    )
    names = FULL_FEATURES if request.feature_set == FULL else CANONICAL6
    features_from = FROM_CELL if request.smoke else request.features_from
    data = make_dataset(corpus.rows, block, features_from, request.probes, request.group_by, names)
    config = NetConfig(
        in_features=len(names),
        num_codecs=block.width,
        hidden=request.hidden,
        depth=request.depth,
        dropout=request.dropout,
        emit_variance=request.emit_variance,
    )
    evaluation, nets = evaluate_and_fit(config, data, block, request.fit, request.seeds, progress)
    residuals = _residuals(data, evaluation) if request.seeds > 1 else None
    frames, anchored = _others(request, corpus, progress)
    return Trained(
        request=request,
        corpus=corpus,
        data=data,
        block=block,
        evaluation=evaluation,
        nets=nets,
        intervals=calibrate(residuals) if residuals else None,
        coverage=cross_coverage(residuals) if residuals else None,
        frames=frames,
        anchored=anchored,
        first_crf=fit_first_crf(corpus.rows, request.group_by) if anchored else None,
        warnings=_warnings(data, corpus),
    )


def _residuals(data: Dataset, evaluation: Evaluation) -> Residuals:
    mean, spread = evaluation.predicted.mean(axis=0), evaluation.predicted.std(axis=0)
    every = Residuals(score_covariates(mean, spread), mean, data.targets, data.encoders, data.groups)
    return every.where(data.judged)


def _others(
    request: TrainRequest, corpus: Corpus, progress: Progress | None
) -> tuple[FrameModel | None, dict[str, FittedCurves]]:
    """The per-frame model and the curve models, as far as they are wanted and the corpus allows."""
    if request.smoke:
        return None, {}
    frames = None
    if judged_groups(corpus.rows, request.group_by) >= MIN_GROUPS:
        device = request.fit.device
        frames = fit_frames(corpus.rows, replace(FRAMES_FIT, device=device), request.group_by, 64, progress)
    if not request.anchored:
        return frames, {}
    wanted = {SCORE: ("score", SCORE_NET, SCORE_FIT), LOG_BITS_PER_PIXEL: ("log_bpp", BITRATE_NET, BITRATE_FIT)}
    block, anchored = CodecBlock.of_version(CURVE_VOCABULARY), {}
    for quantity, (key, net, options) in wanted.items():
        pairs = make_pairs(corpus.rows, block, key, request.group_by)
        options = replace(options, seed=request.fit.seed, device=request.fit.device)
        anchored[quantity] = fit_curve_model(net, pairs, options, request.seeds, progress)
    return frames, anchored


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
