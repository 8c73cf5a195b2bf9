"""Writing what was learnt: ONNX files, sidecars, the ensemble's manifest, registry entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from vmaftune_frv2 import __version__
from vmaftune_frv2.contract.cells import FROM_CELL, FROM_PROBE
from vmaftune_frv2.contract.codec import CURVE_VOCABULARY, CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.ensemble import SUFFIX as ENSEMBLE_SUFFIX
from vmaftune_frv2.contract.ensemble import Ensemble
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.files import dump_json, sha256_bytes, write_atomic
from vmaftune_frv2.contract.registry import Registry
from vmaftune_frv2.contract.sidecar import LOG_BITS_PER_PIXEL, POOL_FRAME, SCORE, Sidecar
from vmaftune_frv2.training.curve_models import FittedCurves
from vmaftune_frv2.training.dataset import cells_seen
from vmaftune_frv2.training.export import OPSET, curves_to_onnx, input_names, output_name, to_onnx
from vmaftune_frv2.training.frames import FrameModel
from vmaftune_frv2.training.gate import Gate, judge
from vmaftune_frv2.training.train import MODEL_ID, Trained
from vmaftune_frv2.training.typical import typical_curves

CANDIDATE_SUFFIX = "_candidate"
SEED_SUFFIX = "_seed"
BLIND_ID = "fr_regressor_v1"
CURVE_IDS = {SCORE: "vmaf_curve_v2", LOG_BITS_PER_PIXEL: "bitrate_curve_v2"}
DESCRIPTIONS = {
    MODEL_ID: "Codec-aware VMAF regressor: canonical-6 features and a codec block to a score",
    BLIND_ID: "Codec-blind VMAF regressor: canonical-6 features of a frame to its score",
    CURVE_IDS[SCORE]: "Anchored VMAF predictor: one measured cell of a source to any other",
    CURVE_IDS[LOG_BITS_PER_PIXEL]: "Anchored bitrate predictor: log bits per pixel of any other cell",
}


def release(trained: Trained, folder: Path) -> list[Path]:
    """Writes every model, its sidecar and its registry entry.

    A model or an ensemble that does not pass the gate never takes the place of one that did: it is written under
    ``<id>_candidate``.

    Returns:
        Paths of the ONNX files and of the manifest.

    Raises:
        ModelError: an export does not agree with its net.
        OutputError: the folder cannot be written.
    """
    written = [_release_regressor(trained, folder)]
    if trained.intervals is not None:
        written += _release_ensemble(trained, folder)
    if trained.frames is not None and trained.request.model_id == MODEL_ID:
        written.append(_release_frames(trained, trained.frames, folder))
    written += [_release_anchored(trained, q, model, folder) for q, model in trained.anchored.items()]
    return written


def _put(folder: Path, sidecar: Sidecar, data: bytes) -> Path:
    registry = Registry(folder)
    description = DESCRIPTIONS.get(sidecar.id, DESCRIPTIONS[MODEL_ID])
    if sidecar.smoke and _stands(registry, sidecar.id):
        name = sidecar.id + CANDIDATE_SUFFIX
        sidecar = replace(sidecar, id=name, onnx=f"{name}.onnx")
    return registry.put(sidecar, data, description)


def _stands(registry: Registry, prefix: str) -> bool:
    """Whether a production model has this id, or one that begins with it and a seed."""
    ids = [entry["id"] for entry in registry.entries if not entry.get("smoke", False)]
    return any(name == prefix or name.startswith(f"{prefix}{SEED_SUFFIX}") for name in ids)


def _training(trained: Trained, rows: int, sources: int, **figures: Any) -> dict[str, Any]:
    request = trained.request
    return {
        "dataset": "synthetic" if request.smoke else "vmaf-tune corpus",
        "corpus_sha256": trained.corpus.sha256 or None,
        "rows": rows,
        "sources": sources,
        "group_by": request.group_by,
        **figures,
        "versions": {"vmaftune-frv2": __version__, "torch": torch.__version__},
    }


def _regressor_sidecar(trained: Trained, model_id: str, index: int, data: bytes) -> Sidecar:
    request, fitted, loso = trained.request, trained.nets[index], trained.loso(index)
    return Sidecar(
        id=model_id,
        onnx=f"{model_id}.onnx",
        sha256=sha256_bytes(data),
        opset=OPSET,
        input_names=input_names(fitted.net),
        output_names=(output_name(fitted.net),),
        scaler=fitted.scaler,
        block=trained.block,
        notes=_notes(trained, loso["pooled"]),
        features_from=FROM_PROBE if trained.data.probes else FROM_CELL,
        probes=trained.data.probes,
        feature_order=trained.data.feature_names,
        vmaf_model=trained.corpus.rows[0].vmaf_model,
        smoke=trained.smoke,
        gate=trained.evaluation.gate.as_json(),
        cells=trained.data.cells_seen(),
        training=_training(
            trained,
            len(trained.data),
            trained.data.references,
            smoke=trained.smoke,
            dropped=dict(trained.dropped()),
            unknown_encoders=dict(trained.data.unknown_encoders),
            warnings=trained.warnings,
            net=asdict(fitted.net.config),
            fit=asdict(request.fit),
            loso=loso,
        ),
    )


def _release_regressor(trained: Trained, folder: Path) -> Path:
    model_id = trained.request.model_id
    data = to_onnx(trained.nets[0].net, model_id)
    return _put(folder, _regressor_sidecar(trained, model_id, 0, data), data)


def _release_ensemble(trained: Trained, folder: Path) -> list[Path]:
    manifest_id = f"{trained.request.model_id}{ENSEMBLE_SUFFIX}"
    if trained.smoke and _stands(Registry(folder), manifest_id):
        manifest_id += CANDIDATE_SUFFIX
    members, written = {}, []
    for index, fitted in enumerate(trained.nets):
        name = f"{manifest_id}{SEED_SUFFIX}{trained.request.fit.seed + index}"
        data = to_onnx(fitted.net, name)
        sidecar = _regressor_sidecar(trained, name, index, data)
        written.append(_put(folder, sidecar, data))
        members[name] = sidecar.sha256
    assert trained.intervals is not None
    assert trained.coverage is not None
    document = sidecar.to_json()
    shared: dict[str, Any] = {
        key: document[key]
        for key in (
            "feature_order", "feature_mean", "feature_std", "codec_aware", "codec_block_layout", "encoder_vocab",
            "encoder_vocab_version", "features_from", "probe", "probes", "vmaf_model", "smoke", "cells",
        )
        if key in document
    }  # fmt: skip
    manifest = Ensemble(manifest_id, members, trained.intervals, shared, asdict(trained.coverage))
    path = folder / f"{manifest_id}.json"
    write_atomic(path, dump_json(manifest.to_json()))
    return [*written, path]


def _release_frames(trained: Trained, model: FrameModel, folder: Path) -> Path:
    data = to_onnx(model.net.net, BLIND_ID)
    gate = judge([fold.plcc for fold in model.by_fold], None, model.references, model.encoders)
    clips = model.clips
    sidecar = Sidecar(
        id=BLIND_ID,
        onnx=f"{BLIND_ID}.onnx",
        sha256=sha256_bytes(data),
        opset=OPSET,
        input_names=input_names(model.net.net),
        output_names=(output_name(model.net.net),),
        scaler=model.net.scaler,
        block=None,
        notes=f"Features of the encode itself, frame by frame. {model.folds} folds by group, clip means: PLCC"
        f" {clips.plcc:.5f}, RMSE {clips.rmse:.3f}, MAE {clips.mae:.3f} VMAF. {_verdict(gate)}",
        features_from=FROM_CELL,
        feature_order=CANONICAL6,
        pooling=POOL_FRAME,
        vmaf_model=trained.corpus.rows[0].vmaf_model,
        smoke=not gate.met,
        gate=gate.as_json(),
        training=_training(trained, model.rows, model.references, loso=model.as_json()),
    )
    return _put(folder, sidecar, data)


def _release_anchored(trained: Trained, quantity: str, model: FittedCurves, folder: Path) -> Path:
    model_id = CURVE_IDS[quantity]
    data = curves_to_onnx([fitted.net for fitted in model.nets], model_id, quantity)
    evaluation = model.evaluation
    gate = judge(
        [figures.plcc for figures in evaluation.by_group.values()],
        None,
        evaluation.references,
        len(evaluation.by_encoder),
    )
    figures = [f"{name}: MAE {found.mae:.3g}" for name, found in evaluation.scenarios.items()]
    sidecar = Sidecar(
        id=model_id,
        onnx=f"{model_id}.onnx",
        sha256=sha256_bytes(data),
        opset=OPSET,
        input_names=("features", "probe_codec", "codec", "anchor"),
        output_names=(quantity, "members"),
        scaler=model.nets[0].scaler,
        block=CodecBlock.of_version(CURVE_VOCABULARY),
        notes=f"{evaluation.folds} folds of {evaluation.groups} groups. {'; '.join(figures)}. {_verdict(gate)}",
        features_from=FROM_PROBE,
        probes=tuple(probe for presets in model.pairs.pinned.values() for probe in presets.values()),
        feature_order=DESCRIPTOR,
        quantity=quantity,
        anchor_pad=model.config.pad,
        learnt_from=model.pairs.learnt_from,
        intervals=model.intervals,
        first_crf=trained.first_crf if quantity == SCORE else None,
        vmaf_model=trained.corpus.rows[0].vmaf_model,
        smoke=not gate.met,
        gate=gate.as_json(),
        cells=_cells_with_typical(trained, model),
        training=_training(
            trained,
            len(model.pairs),
            evaluation.references,
            net=asdict(model.config),
            loso=evaluation.as_json(),
            dropped=dict(model.pairs.dropped),
        ),
    )
    return _put(folder, sidecar, data)


def _cells_with_typical(trained: Trained, model: FittedCurves) -> dict[str, dict[str, Any]]:
    """What training saw, and the typical curve of each (encoder, preset): where a search begins."""
    seen = cells_seen(model.pairs.cells)
    judged = [row for row in trained.corpus.rows if row.judged]
    for encoder, curves in typical_curves(judged or trained.corpus.rows).items():
        if encoder in seen:
            seen[encoder]["typical"] = curves
    return seen


def _notes(trained: Trained, pooled: Mapping[str, float]) -> str:
    probes = trained.data.probes
    where = f"features of the probe {', '.join(map(str, probes))}" if probes else "features of the cell"
    return (
        f"{len(trained.data)} rows of {trained.data.references} sources, {where}."
        f" Leave-one-source-out: RMSE {pooled['rmse']:.2f}, MAE {pooled['mae']:.2f} VMAF."
        f" {_verdict(trained.evaluation.gate)}"
    )


def _verdict(gate: Gate) -> str:
    failed = [str(line) for line in gate.lines if not line.met]
    return "Passes the ship gate." if gate.met else f"Ship gate not met: {'; '.join(failed)}."
