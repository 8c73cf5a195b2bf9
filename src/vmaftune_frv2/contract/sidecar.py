"""The sidecar: what a model needs to be fed and whether to trust it. ``model/tiny/<id>.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.contract.anchor import CurveStart
from vmaftune_frv2.contract.cells import FEATURE_SOURCES, FROM_CELL, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CodecBlock, block_of_layout
from vmaftune_frv2.contract.crf import tidy
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.features import CANONICAL6, FeatureScaler, finite
from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.contract.full_features import FULL_FEATURES
from vmaftune_frv2.contract.intervals import BOUNDED_COVARIATES, CURVE_COVARIATES, Intervals
from vmaftune_frv2.contract.kinds import Kind, kind_of
from vmaftune_frv2.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.first_crf import FirstCrf

NOTES_LIMIT = 512
FEATURE_ORDERS = (CANONICAL6, FULL_FEATURES, DESCRIPTOR)
POOL_CLIP = "clip"
POOL_FRAME = "frame"


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
        upstream_kind: libvmaf's model kind.
        features_from: what the features describe.
        probes: the cell to probe a source with, when features come from a probe; or those of each
            encoder, of which the first serves presets without one.
        feature_order: names of the features.
        pooling: ``clip``: features are means over frames; ``frame``: the model scores frames, and their mean is
            the score.
        curve: what a curve model starts from; None for a regressor.
        intervals: how wrong predictions are.
        first_crf: where a search begins, from the source alone.
        vmaf_model: libvmaf model whose scores were learnt.
        smoke: True for a model that did not pass the ship gate: not for quality work.
        gate: the ship gate's lines.
        cells: {encoder: {"presets": [...], "crf_min": Crf, "crf_max": Crf}} seen in training.
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
    upstream_kind: str = "fr"
    features_from: str = FROM_CELL
    probes: tuple[Cell, ...] = ()
    feature_order: tuple[str, ...] = CANONICAL6
    pooling: str = POOL_CLIP
    curve: CurveStart | None = None
    intervals: Intervals | None = None
    first_crf: FirstCrf | None = None
    vmaf_model: str | None = None
    smoke: bool = False
    gate: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What kind of model it is.

        Raises:
            ModelError: none that there is.
        """
        return kind_of(self.block is not None, self.curve.quantity if self.curve else None)

    @property
    def input_widths(self) -> dict[str, int | None]:
        """{input of the graph: elements per cell, None where it is one number}."""
        return self.kind.widths(len(self.feature_order), self.block.width if self.block else 0)

    @property
    def probe(self) -> Cell | None:
        """The one probe for every encoder, if there is one."""
        return self.probes[0] if len(self.probes) == 1 else None

    def probe_for(self, encoder: str, preset: str | None = None) -> Cell | None:
        """The probe cell for predicting an encoder's cells: the preset's, where it has its own."""
        mine = [probe for probe in self.probes if probe.encoder == encoder]
        return self.probe or next((probe for probe in mine if probe.preset == preset), next(iter(mine), None))

    def to_json(self) -> dict[str, Any]:
        """The document that is written.

        libvmaf calls a model by the first quoted ``"name"`` of the file, so it stands before all that is nested.
        """
        block = self.block
        return {
            "id": self.id,
            "name": self.id,
            "kind": self.upstream_kind,
            "onnx": self.onnx,
            "opset": self.opset,
            "sha256": self.sha256,
            "input_names": list(self.input_names),
            "output_names": list(self.output_names),
            "feature_order": list(self.feature_order),
            "feature_mean": list(self.scaler.mean),
            "feature_std": list(self.scaler.std),
            "codec_aware": block is not None,
            "codec_block_layout": block.layout if block else [],
            "encoder_vocab": list(block.vocab) if block else [],
            **({"encoder_vocab_version": block.version} if block else {}),
            "features_from": self.features_from,
            "probe": dataclasses.asdict(self.probe) if self.probe else None,
            **({"probes": [dataclasses.asdict(probe) for probe in self.probes]} if len(self.probes) > 1 else {}),
            "pooling": self.pooling,
            **({"anchor": self.curve.to_json()} if self.curve else {}),
            **({"intervals": self.intervals.to_json()} if self.intervals else {}),
            **({"first_crf": self.first_crf.to_json()} if self.first_crf else {}),
            "vmaf_model": self.vmaf_model,
            "smoke": self.smoke,
            "gate": dict(self.gate),
            "cells": {name: dict(seen) for name, seen in self.cells.items()},
            "training": dict(self.training),
            "notes": self.notes[:NOTES_LIMIT],
        }


def with_name(document: Mapping[str, Any]) -> dict[str, Any]:
    """A sidecar with ``name`` right behind ``id``: its own, else the id. All else stays as it is."""
    name = document.get("name") or document["id"]
    rest = {key: value for key, value in document.items() if key not in ("id", "name")}
    return {"id": document["id"], "name": name, **rest}


def read_sidecar(path: Path) -> Sidecar:
    """Reads a sidecar, ours or upstream's.

    Raises:
        ModelError: unreadable, a key missing, something else where a number must be, or an unknown feature order.
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
    if order not in FEATURE_ORDERS:
        raise ModelError(f"feature order is {', '.join(order)}, not {', '.join(CANONICAL6)}")
    scaler = FeatureScaler.read(document, order)
    block = None
    if document.get("codec_aware"):
        vocab, version = tuple(document["encoder_vocab"]), int(document["encoder_vocab_version"])
        block = block_of_layout(vocab, version, document["codec_block_layout"])
    features_from = document.get("features_from", FROM_CELL)
    probes = _probes(document)
    curve = CurveStart.from_json(document["anchor"]) if document.get("anchor") else None
    if features_from not in FEATURE_SOURCES or (features_from == FROM_PROBE and not probes and curve is None):
        raise ModelError(f"features_from is {features_from!r}, and no probe cell is named")
    intervals = Intervals.from_json(document["intervals"]) if "intervals" in document else None
    if curve and intervals:
        known = (*CURVE_COVARIATES, *BOUNDED_COVARIATES) if curve.space.bounded else CURVE_COVARIATES
        if not intervals.weigh_only(known):
            raise ModelError("its intervals are of another version; train it again with train-v2 --curves")
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
        upstream_kind=str(document.get("kind", "fr")),
        features_from=features_from,
        probes=probes,
        feature_order=order,
        pooling=document.get("pooling", POOL_CLIP),
        curve=curve,
        intervals=intervals,
        first_crf=_first_crf(document["first_crf"]) if "first_crf" in document else None,
        vmaf_model=document.get("vmaf_model"),
        smoke=bool(document.get("smoke", document.get("training", {}).get("smoke", False))),
        gate=document.get("gate", {}),
        cells=_cells(document.get("cells", {})),
        training=document.get("training", {}),
    )


def _cells(seen: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """What training saw, as it stands.

    Raises:
        ValueError: an encoder's crf range runs backwards, or a typical curve is not made of [crf, VMAF] points.
    """
    for encoder, each in seen.items():
        low, high = finite((each["crf_min"], each["crf_max"]), f"cells.{encoder}")
        if low > high:
            raise ValueError(f"cells.{encoder} has crf_min {low:g} above crf_max {high:g}")
        for preset, points in (each.get("typical") or {}).items():
            for crf, vmaf in points:
                finite((crf, vmaf), f"cells.{encoder}.typical.{preset}")
    return seen


def _first_crf(document: Mapping[str, Any]) -> FirstCrf:
    from vmaftune_frv2.contract.first_crf import FirstCrf

    return FirstCrf.from_json(document)


def _probes(document: Mapping[str, Any]) -> tuple[Cell, ...]:
    named = document.get("probes") or ([document["probe"]] if document.get("probe") else [])
    return tuple(Cell.resolve(probe["encoder"], probe["preset"], tidy(probe["crf"])) for probe in named)
