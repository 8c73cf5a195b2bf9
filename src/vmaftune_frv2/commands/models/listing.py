"""What ``vmaf-tune models`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmaftune_frv2.commands.shared.table import format_table
from vmaftune_frv2.contract.registry import FILE_NAME
from vmaftune_frv2.predict.folder_check import Listed, ListedEnsemble, ListedModel
from vmaftune_frv2.predict.session import LOCAL_DIR
from vmaftune_frv2.resources import shipped_models_dir

HEADERS = ("model", "for", "inputs", "features from", "VMAF model", "left-out sources", "KiB", "verified")


def folders(model_dir: Path | None) -> list[Path]:
    """The folder that was named; else the local one if it has a registry, and the shipped one."""
    if model_dir is not None:
        return [model_dir]
    shipped = shipped_models_dir()
    local = (LOCAL_DIR / FILE_NAME).is_file() and LOCAL_DIR.resolve() != shipped.resolve()
    return [LOCAL_DIR, shipped] if local else [shipped]


def format_folder(folder: Path, listed: Listed) -> str:
    """The folder's name and a table."""
    rows = [*map(_model_row, listed.models), *map(_ensemble_row, listed.ensembles)]
    if not rows:
        return f"{folder}: no models"
    return f"{folder}\n{format_table(HEADERS, rows, left=6)}"


def _model_row(model: ListedModel) -> tuple[str, ...]:
    sidecar = model.sidecar
    use = "smoke" if model.entry.get("smoke", False) else "production"
    verified = "no" if model.faults else "yes"
    size = f"{model.size / 1024:.0f}"
    if sidecar is None:
        return (model.entry["id"], use, "-", "-", "-", "-", size, verified)
    where = sidecar.features_from
    encoders = {probe.encoder for probe in sidecar.probes}
    if len(encoders) == 1:
        where = f"{where} {sidecar.probes[0]}"
    elif encoders:
        where = f"{where}, one of {len(encoders)} encoders"
    return (
        sidecar.id, use, ", ".join(sidecar.input_names), where, sidecar.vmaf_model or "-",
        short_figures(sidecar.training.get("loso"), sidecar.kind.unit), size, verified,
    )  # fmt: skip


def _ensemble_row(ensemble: ListedEnsemble) -> tuple[str, ...]:
    document, verified = ensemble.document, "no" if ensemble.faults else "yes"
    name, size = str(document.get("id", "-")), f"{ensemble.size / 1024:.0f}"
    if ensemble.faults and not ensemble.size:
        return (name, "-", "-", "-", "-", "-", size, verified)
    measured = document["confidence"].get("measured", {})
    share = measured.get("measured", {}).get("0.9")
    figures = "-" if share is None else f"MAE {measured['mae']:.3g}, 90% intervals cover {share:.1%}"
    return (
        name, "smoke" if document["smoke"] else "production", f"{len(document['members'])} members",
        document.get("features_from", "-"), document.get("vmaf_model") or "-", figures, size, verified,
    )  # fmt: skip


def short_figures(loso: Any, unit: str) -> str:
    """The main figures of a sidecar's ``training.loso``, errors with their unit, or a dash."""
    if not isinstance(loso, Mapping):
        return "-"
    scenarios = loso.get("scenarios") or {}
    figures = loso.get("pooled") or loso.get("clips") or next(iter(scenarios.values()), None)
    if not isinstance(figures, Mapping) or figures.get("plcc") is None:
        return "-"
    return f"PLCC {figures['plcc']:.4f}, RMSE {figures['rmse']:.3g}, MAE {figures['mae']:.3g}{unit}"


def as_json(found: Mapping[Path, Listed]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "folders": [
            {
                "folder": str(folder),
                "models": [_model_json(model) for model in listed.models],
                "ensembles": [_ensemble_json(ensemble) for ensemble in listed.ensembles],
                "faults": listed.others,
            }
            for folder, listed in found.items()
        ],
        "verified": not any(listed.faults() for listed in found.values()),
    }


def _model_json(model: ListedModel) -> dict[str, Any]:
    stated: dict[str, Any] = {}
    if model.sidecar is not None:
        document = model.sidecar.to_json()
        keys = ("input_names", "output_names", "features_from", "probe", "vmaf_model", "encoder_vocab")
        stated = {key: document[key] for key in keys}
        stated["probes"] = document.get("probes", [])
        stated["loso"] = model.sidecar.training.get("loso")
    return {
        "id": model.entry["id"], "smoke": model.entry.get("smoke", False), "sha256": model.entry["sha256"],
        "bytes": model.size, **stated, "faults": model.faults,
    }  # fmt: skip


def _ensemble_json(ensemble: ListedEnsemble) -> dict[str, Any]:
    keys = ("id", "smoke", "members", "features_from", "probe", "vmaf_model", "confidence")
    stated = {key: ensemble.document.get(key) for key in keys}
    return {**stated, "bytes": ensemble.size, "faults": ensemble.faults}
