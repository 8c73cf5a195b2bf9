"""Whether registered models are what registry, sidecars and manifests say they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.ensemble import KIND, read_ensemble
from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.contract.registry import FILE_NAME, RegisteredModel, Registry, read_model
from vmaftune_frv2.contract.schema import breaches as schema_breaches
from vmaftune_frv2.contract.sidecar import Sidecar, read_sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.session import open_session


@dataclass(kw_only=True)
class _Checked:
    size: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class ListedModel(_Checked):
    """A registry entry, as far as it can be read.

    Attributes:
        entry: of the registry.
        sidecar: None where it cannot be read.
        size: bytes of the ONNX file; 0 where there is none.
        faults: one line each.
    """

    entry: Mapping[str, Any]
    sidecar: Sidecar | None = None


@dataclass
class ListedEnsemble(_Checked):
    """A manifest beside the models.

    Attributes:
        document: the manifest.
        size: bytes of the members' ONNX files.
        faults: one line each.
    """

    document: Mapping[str, Any]


@dataclass
class Listed:
    """Everything in one folder.

    Attributes:
        models: in registry order.
        ensembles: by name.
        others: faults of the folder itself.
    """

    models: list[ListedModel] = field(default_factory=list)
    ensembles: list[ListedEnsemble] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """All of them."""
        return self.others + [fault for each in self._all() for fault in each.faults]

    def _all(self) -> list[_Checked]:
        return [*self.models, *self.ensembles]


def check_folder(folder: Path) -> Listed:
    """Lists and verifies the models of a folder.

    Raises:
        ModelError: it has no registry that can be read.
    """
    path = folder / FILE_NAME
    document = read_json(path)
    listed = Listed(others=breaches(document, "model_registry", path))
    if listed.others:  # entries may be anything
        return listed
    registry = Registry(folder)
    listed.models = [_check_model(folder, entry) for entry in registry.entries]
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_json(path)
        except ModelError as error:
            if not any((folder / model.entry["onnx"]).with_suffix(".json") == path for model in listed.models):
                listed.others.append(str(error))
            continue
        if document.get("kind") == KIND:
            listed.ensembles.append(_check_ensemble(folder, path, document, registry))
    return listed


def breaches(document: Mapping[str, Any], schema: str, path: Path) -> list[str]:
    """One line per place where a document breaks ``schemas/<schema>.json``."""
    return [f"{path}: {violation}" for violation in schema_breaches(document, schema)]


def _check_model(folder: Path, entry: Mapping[str, Any]) -> ListedModel:
    path = folder / entry["onnx"]
    model = ListedModel(entry, size=path.stat().st_size if path.is_file() else 0)
    beside = path.with_suffix(".json")
    try:
        document = read_json(beside)
        model.faults += breaches(document, "model_sidecar", beside)
        model.sidecar = read_sidecar(beside)
    except ModelError as error:
        model.faults.append(str(error))
    if model.sidecar is not None:
        model.faults += _disagreements(beside, model.sidecar, entry)
    try:
        data = read_model(path, entry["sha256"], str(folder / FILE_NAME))
    except ModelError as error:
        model.faults.append(str(error))
        return model
    if model.sidecar is not None:
        model.faults += _check_graph(RegisteredModel(model.sidecar, path, data))
    return model


def _disagreements(beside: Path, sidecar: Sidecar, entry: Mapping[str, Any]) -> list[str]:
    stated = {"id": sidecar.id, "onnx": sidecar.onnx, "sha256": sidecar.sha256, "smoke": sidecar.smoke}
    return [
        f"{beside}: {key} is {_short(value)}, {FILE_NAME} says {_short(entry.get(key, False))}"
        for key, value in stated.items()
        if value != entry.get(key, False)
    ]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _check_graph(model: RegisteredModel) -> list[str]:
    try:
        session = open_session(model)
    except ModelError as error:
        return [" ".join(str(error).split())]
    inputs = {node.name: list(node.shape) for node in session.get_inputs()}
    outputs = [node.name for node in session.get_outputs()]
    wanted = {name: [] if width is None else [width] for name, width in model.sidecar.input_widths.items()}
    faults = []
    if {name: shape[1:] for name, shape in inputs.items()} != wanted:
        faults.append(f"{model.path}: takes {_shown(inputs)}; by its sidecar {_shown(wanted, batch='N')}")
    if list(inputs) != list(model.sidecar.input_names):
        faults.append(f"{model.path}: inputs are {', '.join(inputs)}; {_by_sidecar(model.sidecar.input_names)}")
    if any(not shape or isinstance(shape[0], int) for shape in inputs.values()):
        faults.append(f"{model.path}: the batch axis is fixed: {_shown(inputs)}")
    if outputs != list(model.sidecar.output_names):
        faults.append(f"{model.path}: outputs are {', '.join(outputs)}; {_by_sidecar(model.sidecar.output_names)}")
    return faults


def _shown(shapes: Mapping[str, list[Any]], batch: str | None = None) -> str:
    first = [batch] if batch else []
    return ", ".join(f"{name} [{', '.join(map(str, [*first, *shape]))}]" for name, shape in shapes.items())


def _by_sidecar(names: tuple[str, ...]) -> str:
    return f"the sidecar says {', '.join(names)}"


def _check_ensemble(folder: Path, path: Path, document: Mapping[str, Any], registry: Registry) -> ListedEnsemble:
    ensemble = ListedEnsemble(document, faults=breaches(document, "model_ensemble", path))
    if ensemble.faults:
        return ensemble
    try:
        read_ensemble(path)
    except ModelError as error:
        ensemble.faults.append(str(error))
    for member in document["members"]:
        name, file = member["id"], folder / member["onnx"]
        try:
            ensemble.size += len(read_model(file, member["sha256"], str(path)))
        except ModelError as error:
            ensemble.faults.append(f"member {name}: {error}")
            continue
        entry = registry.find(name)
        if entry is None:
            ensemble.faults.append(f"{path}: member {name} is not registered")
        elif entry.get("smoke", False) != document["smoke"]:
            ensemble.faults.append(f"{path}: smoke is {_short(document['smoke'])}, member {name}'s is not")
    return ensemble
