"""The sidecar: what a model needs to be fed and whether to trust it. ``model/tiny/<id>.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.cells import FEATURE_SOURCES, FROM_CELL, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6, FeatureScaler
from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.errors import ModelError, UsageError

NOTES_LIMIT = 512


@dataclass(frozen=True)
class Sidecar:
    """Metadata of one ONNX model.

    The keys up to ``training`` and ``notes`` are upstream's; the rest is added beside them. A sidecar
    written by upstream reads with the defaults.

    Args:
        id: registry id.
        onnx: file name of the model, beside the sidecar.
        sha256: digest of the model.
        opset: ONNX opset.
        input_names: ``features`` and, for a codec-aware model, ``codec``.
        output_names: ``score``, or ``score_logvar`` in variance mode.
        scaler: scales raw features before they enter the model.
        block: codec block, None for a codec-blind model.
        notes: at most 512 characters.
        kind: libvmaf's model kind.
        features_from: what the features describe.
        probe: the cell to probe a source with, when features come from a probe.
        vmaf_model: libvmaf model whose scores were learnt.
        smoke: True for a load-path probe that is not for quality work.
        gate: the ship gate's lines.
        cells: {encoder: {"presets": [...], "crf_min": int, "crf_max": int}} seen in training.
        training: corpus, options and figures.
    """

    id: str
    onnx: str
    sha256: str
    opset: int
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    scaler: FeatureScaler
    block: CodecBlock | None
    notes: str
    kind: str = "fr"
    features_from: str = FROM_CELL
    probe: Cell | None = None
    vmaf_model: str | None = None
    smoke: bool = False
    gate: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document that is written."""
        block = self.block
        return {
            "id": self.id,
            "kind": self.kind,
            "onnx": self.onnx,
            "opset": self.opset,
            "sha256": self.sha256,
            "input_names": list(self.input_names),
            "output_names": list(self.output_names),
            "feature_order": list(CANONICAL6),
            "feature_mean": list(self.scaler.mean),
            "feature_std": list(self.scaler.std),
            "codec_aware": block is not None,
            "codec_block_layout": block.layout if block else [],
            "encoder_vocab": list(block.vocab) if block else [],
            **({"encoder_vocab_version": block.version} if block else {}),
            "features_from": self.features_from,
            "probe": dataclasses.asdict(self.probe) if self.probe else None,
            "vmaf_model": self.vmaf_model,
            "smoke": self.smoke,
            "gate": dict(self.gate),
            "cells": {name: dict(seen) for name, seen in self.cells.items()},
            "training": dict(self.training),
            "notes": self.notes[:NOTES_LIMIT],
        }


def read_sidecar(path: Path) -> Sidecar:
    """Reads a sidecar, ours or upstream's.

    Raises:
        ModelError: unreadable, a key missing, or a feature order that is not the canonical-6.
    """
    document = read_json(path)
    try:
        return _from_json(document)
    except KeyError as error:
        raise ModelError(f"{path}: the sidecar has no {error.args[0]!r}") from error
    except (TypeError, ValueError, UsageError, ModelError) as error:
        raise ModelError(f"{path}: {error}") from error


def _from_json(document: Mapping[str, Any]) -> Sidecar:
    order = tuple(document["feature_order"])
    if order != CANONICAL6:
        raise ModelError(f"feature order is {', '.join(order)}, not {', '.join(CANONICAL6)}")
    scaler = FeatureScaler(
        tuple(float(v) for v in document["feature_mean"]), tuple(float(v) for v in document["feature_std"])
    )
    if len(scaler.mean) != len(order) or len(scaler.std) != len(order) or not all(s > 0 for s in scaler.std):
        raise ModelError("feature_mean and feature_std must hold one number per feature, std above 0")
    block = None
    if document.get("codec_aware"):
        block = CodecBlock(tuple(document["encoder_vocab"]), int(document["encoder_vocab_version"]))
        if document["codec_block_layout"] != block.layout:
            raise ModelError("codec_block_layout does not follow from encoder_vocab")
    features_from = document.get("features_from", FROM_CELL)
    probe = document.get("probe")
    if features_from not in FEATURE_SOURCES or (features_from == FROM_PROBE and probe is None):
        raise ModelError(f"features_from {features_from!r} with probe {probe!r} is no feature source")
    return Sidecar(
        id=str(document["id"]),
        onnx=str(document["onnx"]),
        sha256=str(document["sha256"]),
        opset=int(document["opset"]),
        input_names=tuple(document["input_names"]),
        output_names=tuple(document["output_names"]),
        scaler=scaler,
        block=block,
        notes=str(document.get("notes", "")),
        kind=str(document.get("kind", "fr")),
        features_from=features_from,
        probe=Cell.resolve(probe["encoder"], probe["preset"], int(probe["crf"])) if probe else None,
        vmaf_model=document.get("vmaf_model"),
        smoke=bool(document.get("smoke", document.get("training", {}).get("smoke", False))),
        gate=document.get("gate", {}),
        cells=document.get("cells", {}),
        training=document.get("training", {}),
    )
