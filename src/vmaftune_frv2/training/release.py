"""Writing what was learnt: ONNX files, sidecars, the ensemble's manifest, registry entries."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from vmaftune_frv2.contract.ensemble import SUFFIX as ENSEMBLE_SUFFIX
from vmaftune_frv2.contract.ensemble import Ensemble
from vmaftune_frv2.contract.files import dump_json, sha256_bytes, write_atomic
from vmaftune_frv2.contract.kinds import REGRESSOR
from vmaftune_frv2.contract.registry import Registry
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.training.export import to_onnx
from vmaftune_frv2.training.gate import Gate
from vmaftune_frv2.training.graphs import OPSET
from vmaftune_frv2.training.learnt import Described
from vmaftune_frv2.training.train import Trained
from vmaftune_frv2.version import __version__

CANDIDATE_SUFFIX = "_candidate"
SEED_SUFFIX = "_seed"


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
    model_id = trained.request.model_id
    data = to_onnx(trained.nets[0].net, model_id)
    written = [_put(folder, _sidecar(trained, trained.described(), model_id, data), data)]
    if trained.intervals is not None:
        written += _release_ensemble(trained, folder)
    for kind, model in trained.others.items():
        if kind.option is None and model_id != REGRESSOR.model_id:
            continue  # nobody asked for it, and it would not belong to this regressor
        data = model.to_onnx(kind.model_id)
        written.append(_put(folder, _sidecar(trained, model.described(), kind.model_id, data), data))
    return written


def _put(folder: Path, sidecar: Sidecar, data: bytes) -> Path:
    registry = Registry(folder)
    if sidecar.smoke and _stands(registry, sidecar.id):
        name = sidecar.id + CANDIDATE_SUFFIX
        sidecar = replace(sidecar, id=name, onnx=f"{name}.onnx")
    return registry.put(sidecar, data, sidecar.kind.description)


def _stands(registry: Registry, prefix: str) -> bool:
    """Whether a production model has this id, or one that begins with it and a seed."""
    ids = [entry["id"] for entry in registry.entries if not entry.get("smoke", False)]
    return any(name == prefix or name.startswith(f"{prefix}{SEED_SUFFIX}") for name in ids)


def _sidecar(trained: Trained, model: Described, model_id: str, data: bytes) -> Sidecar:
    """The sidecar of a model of any kind."""
    request, kind = trained.request, model.kind
    fields: dict[str, Any] = {"block": None, "output_names": kind.outputs, **model.sidecar}
    return Sidecar(
        id=model_id,
        onnx=f"{model_id}.onnx",
        sha256=sha256_bytes(data),
        opset=OPSET,
        input_names=tuple(kind.inputs),
        scaler=model.scaler,
        notes=f"{model.notes} {_verdict(model.gate)}",
        vmaf_model=trained.corpus.rows[0].vmaf_model,
        smoke=request.smoke or not model.gate.met,
        gate=model.gate.as_json(),
        training={
            "dataset": "synthetic" if request.smoke else "vmaf-tune corpus",
            "corpus_sha256": trained.corpus.sha256 or None,
            "rows": model.rows,
            "sources": model.references,
            "group_by": request.group_by,
            **model.training,
            "versions": {"vmaftune-frv2": __version__, "torch": torch.__version__},
        },
        **fields,
    )


def _release_ensemble(trained: Trained, folder: Path) -> list[Path]:
    manifest_id = f"{trained.request.model_id}{ENSEMBLE_SUFFIX}"
    if trained.smoke and _stands(Registry(folder), manifest_id):
        manifest_id += CANDIDATE_SUFFIX
    members, written = {}, []
    for index, fitted in enumerate(trained.nets):
        name = f"{manifest_id}{SEED_SUFFIX}{trained.request.seed + index}"
        data = to_onnx(fitted.net, name)
        sidecar = _sidecar(trained, trained.described(index), name, data)
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


def _verdict(gate: Gate) -> str:
    failed = [str(line) for line in gate.lines if not line.met]
    return "Passes the ship gate." if gate.met else f"Ship gate not met: {'; '.join(failed)}."
