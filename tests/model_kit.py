"""Models on disk, spoilt on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from training_kit import document
from vmaftune_frv2.contract.files import sha256_bytes


def write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = document(path)
    change(value)
    write(path, value)


def reregister(folder: Path, name: str, data: bytes) -> None:
    """Other bytes that every digest agrees with."""
    (folder / f"{name}.onnx").write_bytes(data)
    digest = {"sha256": sha256_bytes(data)}
    edit(folder / f"{name}.json", lambda found: found.update(digest))
    edit(
        folder / "registry.json",
        lambda found: next(e for e in found["models"] if e["id"] == name).update(digest),
    )


def set_weight(folder: Path, name: str, weight: str, value: float, at: int = 0) -> None:
    """Puts a number in the place of one of a weight; every digest agrees."""
    model = onnx.load(str(folder / f"{name}.onnx"))
    (tensor,) = (each for each in model.graph.initializer if each.name == weight)
    array = np.array(numpy_helper.to_array(tensor))
    array.flat[at] = value
    tensor.CopyFrom(numpy_helper.from_array(array, weight))
    reregister(folder, name, model.SerializeToString())
