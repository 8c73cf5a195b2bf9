"""The whole of ``train-v2``: corpus in; evaluation, gate, ONNX, sidecar and registry entry out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from vmaftune_frv2 import __version__
from vmaftune_frv2.contract.cells import FROM_CELL, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.contract.registry import Registry
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.training.dataset import Corpus, Dataset, load_corpus, make_dataset
from vmaftune_frv2.training.export import OPSET, input_names, output_name, to_onnx
from vmaftune_frv2.training.fit import FitOptions, Fitted
from vmaftune_frv2.training.loso import Evaluation, evaluate_and_fit
from vmaftune_frv2.training.net import NetConfig
from vmaftune_frv2.training.synthetic import synthetic_corpus

MODEL_ID = "fr_regressor_v2"
CANDIDATE_SUFFIX = "_candidate"
DESCRIPTION = "Codec-aware VMAF regressor: canonical-6 features and a codec block to a score"


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Args:
        corpora: files and folders; ignored for a smoke run.
        smoke: train one epoch on synthetic rows.
        features_from: ``probe`` or ``cell``.
        probe: the probe cell, None to choose it.
        vocab: encoder vocabulary version.
        vmaf_model: keep only rows scored with this model.
        hidden: units of a hidden layer.
        depth: hidden layers.
        dropout: share of hidden units dropped.
        fit: how to fit.
        model_id: registry id.
    """

    corpora: tuple[Path, ...] = ()
    smoke: bool = False
    features_from: str = FROM_PROBE
    probe: Cell | None = None
    vocab: int = 1
    vmaf_model: str | None = None
    hidden: int = 64
    depth: int = 2
    dropout: float = 0.0
    fit: FitOptions = field(default_factory=FitOptions)
    model_id: str = MODEL_ID


@dataclass(frozen=True)
class Trained:
    """A trained and judged model."""

    request: TrainRequest
    corpus: Corpus
    dataset: Dataset
    block: CodecBlock
    evaluation: Evaluation
    fitted: Fitted

    @property
    def smoke(self) -> bool:
        """Whether the model may not be used for quality work."""
        return self.request.smoke or not self.evaluation.gate.met

    def metrics(self) -> dict[str, Any]:
        """Everything measured, for ``--metrics-out``."""
        return {
            "rows": len(self.dataset),
            "sources": len(self.dataset.source_names),
            "dropped": self.dropped(),
            "unknown_encoders": dict(self.corpus.unknown_encoders),
            "features_from": self.request.features_from,
            "probe": str(self.dataset.probe) if self.dataset.probe else None,
            "loso": self.evaluation.as_json(),
            "folds": self.evaluation.folds_as_json(),
            "gate": self.evaluation.gate.as_json(),
        }

    def dropped(self) -> dict[str, int]:
        """{reason: rows}."""
        dropped = dict(self.corpus.dropped)
        if self.dataset.dropped:
            dropped[f"the source has no probe cell {self.dataset.probe}"] = self.dataset.dropped
        return dropped


def train(request: TrainRequest, on_epoch: Callable[[], None] = lambda: None) -> Trained:
    """Reads, fits and judges.

    Raises:
        InputError: the corpus cannot be learnt from.
        UsageError: a vocabulary or device that there is not.
    """
    block = CodecBlock.of_version(request.vocab)
    corpus = synthetic_corpus(block) if request.smoke else load_corpus(request.corpora, block, request.vmaf_model)
    features_from = FROM_CELL if request.smoke else request.features_from
    dataset = make_dataset(corpus.rows, block, features_from, request.probe)
    config = NetConfig(
        in_features=len(CANONICAL6),
        num_codecs=block.width,
        hidden=request.hidden,
        depth=request.depth,
        dropout=request.dropout,
    )
    evaluation, fitted = evaluate_and_fit(config, dataset, request.fit, corpus.unknown_encoders, on_epoch)
    return Trained(request, corpus, dataset, block, evaluation, fitted)


def export(trained: Trained, folder: Path) -> Path:
    """Writes the model, its sidecar and its registry entry.

    A model that does not pass the gate never takes the place of one that did: it is written under
    ``<id>_candidate``.

    Returns:
        Path of the ONNX file.

    Raises:
        ModelError: the export does not agree with the net.
        OutputError: the folder cannot be written.
    """
    registry = Registry(folder)
    model_id = trained.request.model_id
    standing = registry.find(model_id)
    if trained.smoke and standing is not None and not standing.get("smoke", False):
        model_id += CANDIDATE_SUFFIX
    data = to_onnx(trained.fitted.net, model_id)
    return registry.put(_sidecar(trained, model_id, data), data, DESCRIPTION)


def _sidecar(trained: Trained, model_id: str, data: bytes) -> Sidecar:
    request, net = trained.request, trained.fitted.net
    features_from = FROM_PROBE if trained.dataset.probe else FROM_CELL
    return Sidecar(
        id=model_id,
        onnx=f"{model_id}.onnx",
        sha256=sha256_bytes(data),
        opset=OPSET,
        input_names=input_names(net),
        output_names=(output_name(net),),
        scaler=trained.fitted.scaler,
        block=trained.block,
        notes=_notes(trained),
        features_from=features_from,
        probe=trained.dataset.probe,
        vmaf_model=trained.corpus.rows[0].vmaf_model,
        smoke=trained.smoke,
        gate=trained.evaluation.gate.as_json(),
        cells=trained.dataset.cells_seen(),
        training={
            "dataset": "synthetic" if request.smoke else "vmaf-tune corpus",
            "corpus_sha256": trained.corpus.sha256 or None,
            "smoke": trained.smoke,
            "rows": len(trained.dataset),
            "sources": len(trained.dataset.source_names),
            "dropped": trained.dropped(),
            "unknown_encoders": dict(trained.corpus.unknown_encoders),
            "net": asdict(net.config),
            "fit": asdict(request.fit),
            "loso": trained.evaluation.as_json(),
            "versions": {"vmaftune-frv2": __version__, "torch": torch.__version__},
        },
    )


def _notes(trained: Trained) -> str:
    evaluation = trained.evaluation
    where = f"features of the probe {trained.dataset.probe}" if trained.dataset.probe else "features of the cell"
    failed: Sequence[str] = [str(line) for line in evaluation.gate.lines if not line.met]
    verdict = "passes the ship gate" if evaluation.gate.met else f"ship gate not met: {'; '.join(failed)}"
    return (
        f"{len(trained.dataset)} rows of {len(trained.dataset.source_names)} sources, {where}."
        f" Leave-one-source-out: RMSE {evaluation.aware.rmse:.2f}, MAE {evaluation.aware.mae:.2f} VMAF; {verdict}."
    )
