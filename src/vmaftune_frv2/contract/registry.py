"""The registry: which models may be loaded, by digest. ``model/tiny/registry.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import dump_json, read_json, sha256_bytes, write_atomic
from vmaftune_frv2.contract.sidecar import NOTES_LIMIT, Sidecar, read_sidecar
from vmaftune_frv2.errors import ModelError

FILE_NAME = "registry.json"
SCHEMA_VERSION = 1
LICENSE = "BSD-2-Clause-Patent"


@dataclass(frozen=True)
class RegisteredModel:
    """A model whose bytes are those that its registry entry names."""

    sidecar: Sidecar
    path: Path
    data: bytes


class Registry:
    """The registry of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / FILE_NAME
        self._document: dict[str, Any] = (
            read_json(path) if path.exists() else {"schema_version": SCHEMA_VERSION, "models": []}
        )
        if self._document.get("schema_version") not in (0, SCHEMA_VERSION):
            raise ModelError(f"{path}: unknown schema_version {self._document.get('schema_version')!r}")

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Entries in file order."""
        return list(self._document["models"])

    def find(self, model_id: str) -> dict[str, Any] | None:
        """The entry of an id, or None."""
        return next((entry for entry in self.entries if entry.get("id") == model_id), None)

    def load(self, model_id: str) -> RegisteredModel:
        """The bytes and the sidecar of a registered model, digest checked.

        Raises:
            ModelError: not registered, a file missing, or other bytes than the registry names.
        """
        entry = self.find(model_id)
        if entry is None:
            known = ", ".join(e["id"] for e in self.entries) or "none"
            raise ModelError(f"{self.folder / FILE_NAME} has no model {model_id!r}; it has: {known}")
        path = self.folder / entry["onnx"]
        data = read_model(path, entry["sha256"], f"{self.folder / FILE_NAME}")
        return RegisteredModel(read_sidecar(path.with_suffix(".json")), path, data)

    def put(self, sidecar: Sidecar, data: bytes, description: str) -> Path:
        """Writes model, sidecar and registry entry, each atomically, the entry last.

        Returns:
            Path of the model.
        """
        path = self.folder / sidecar.onnx
        entry = {
            "id": sidecar.id,
            "kind": sidecar.upstream_kind,
            "onnx": sidecar.onnx,
            "sha256": sidecar.sha256,
            "opset": sidecar.opset,
            "smoke": sidecar.smoke,
            "license": LICENSE,
            "notes": sidecar.notes[:NOTES_LIMIT],
            "description": description,
        }
        write_atomic(path, data)
        write_atomic(path.with_suffix(".json"), dump_json(sidecar.to_json()))
        others = [e for e in self.entries if e.get("id") != sidecar.id]
        self._document["models"] = sorted([*others, entry], key=lambda e: str(e["id"]))
        write_atomic(self.folder / FILE_NAME, dump_json(self._document))
        return path


def read_model(path: Path, sha256: str, who: str) -> bytes:
    """The bytes of a model, if they are the ones that ``who`` names.

    Raises:
        ModelError: missing, or other bytes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    actual = sha256_bytes(data)
    if actual != sha256:
        raise ModelError(
            f"{path}: sha256 is {actual[:12]}..., {who} says {str(sha256)[:12]}...; not loading an altered model."
            " Restore the file or train again."
        )
    return data
