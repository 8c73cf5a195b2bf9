"""Whether a folder of models is what upstream's readers ask for: the validator of its registry, libvmaf's loader.

``folder_check`` asks whether the files agree with each other; this asks whether others can read them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import read_json, sha256_bytes
from vmaftune_frv2.contract.registry import FILE_NAME
from vmaftune_frv2.contract.schema import CANNOT_BE_CHECKED, breaches
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.weights import operators, opset

LARGEST_MODEL = 50 << 20
LARGEST_JSON = 1 << 20
"""Bytes that libvmaf reads of an ONNX file; of a sidecar, and of the registry."""
DEEPEST_SUBGRAPH = 8
MOST_LOOPS = 16
MOST_NAMES = {"output_names": 8, "feature_order": 32, "encoder_vocab": 32}
"""What VMAFx's loader has room for; it drops a longer list."""
READ_FIRST = (*MOST_NAMES, "feature_mean", "feature_std")
UNSAID = {"name": "vmaf_tiny_model", "kind": "fr", "quant_mode": "fp32"}
"""What libvmaf's reader takes from each sidecar, and what it assumes where a sidecar does not say."""

OPERATORS = frozenset({
    "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Slice", "Gather", "Cast",
    "Shape", "Expand", "Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Pow", "Exp", "Log", "Clip", "Min",
    "Max", "Sum", "Mean", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd",
    "GlobalAveragePool", "GlobalMaxPool", "Gemm", "MatMul", "Conv", "ConvTranspose", "MaxPool", "AveragePool",
    "Resize", "BatchNormalization", "LayerNormalization", "InstanceNormalization", "Relu", "LeakyRelu",
    "Sigmoid", "Tanh", "Softmax", "Elu", "Selu", "Softplus", "Softsign", "Gelu", "Erf", "HardSigmoid",
    "HardSwish", "PRelu", "Dropout", "QuantizeLinear", "DequantizeLinear", "Constant", "ConstantOfShape", "Pad",
    "Reciprocal", "GatherND", "ScatterND", "BitShift", "Loop", "If",
})  # fmt: skip
"""What libvmaf's loader lets a graph use."""


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold.

    Args:
        file: that breaks it.
        rule: ``registry``, ``digest``, ``size``, ``operators``, ``opset`` or ``sidecar``.
        message: what is wrong.
    """

    file: Path
    rule: str
    message: str

    def __str__(self) -> str:
        text = f"{self.file}: {self.message}"
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@dataclass
class ExportReport:
    """What was found in a folder.

    Attributes:
        folder: that was looked at.
        models: registry entries.
        findings: the rules that do not hold, in registry order.
    """

    folder: Path
    models: int = 0
    findings: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as the object that ``export-check --json`` prints."""
        found = [{"file": str(f.file), "rule": f.rule, "message": f.message} for f in self.findings]
        return {"folder": str(self.folder), "models": self.models, "holds": not found, "findings": found}


def check_export(folder: Path) -> ExportReport:
    """Holds the registry of a folder, its models and their sidecars against what upstream's readers ask.

    Raises:
        ModelError: no registry that can be read.
    """
    path = folder / FILE_NAME
    report = ExportReport(folder)
    if (fault := fault_of(path, "registry", LARGEST_JSON)) and path.exists():
        report.findings.append(fault)
        return report
    document = read_json(path)
    try:
        broken = [str(each) for each in breaches(document, "upstream_registry")]
    except CANNOT_BE_CHECKED as error:
        broken = [f"it holds what is no JSON: {error}"]
    report.findings = [Finding(path, "registry", each) for each in broken]
    entries = entries_of(document)
    report.models = len(entries)
    names = [str(entry.get("id")) for entry in entries]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    report.findings += [Finding(path, "registry", f"{name} is registered twice") for name in twice]
    for entry in entries:
        report.findings += _entry(path, entry, document.get("schema_version"))
    return report


def beside_of(path: Path, suffix: str) -> Path:
    """As ``with_suffix``, for names that have none, too."""
    return path.parent / f"{path.stem}{suffix}"


def fault_of(path: Path, rule: str, limit: int) -> Finding | None:
    """Why a file is not to be read; anything but a regular one might never end."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a NUL or half a surrogate pair in the name is the latter
        return Finding(path, rule, getattr(error, "strerror", None) or str(error))
    if not stat.S_ISREG(found.st_mode):
        return Finding(path, rule, "not a regular file")
    if found.st_size > limit:
        return Finding(path, "size", f"{found.st_size} bytes; libvmaf reads files up to {limit}")
    return None


def entries_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a registry that name a file, whatever else they are."""
    found = document.get("models")
    entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry.get("onnx"), str)]


def _entry(registry: Path, entry: Mapping[str, Any], version: Any) -> Iterator[Finding]:
    name, smoke = entry.get("id"), entry.get("smoke", False)
    if version == 1 and "license" not in entry:
        yield Finding(registry, "registry", f"{name} has no license, which schema_version 1 asks for")
    if not smoke and "opset" not in entry:
        yield Finding(registry, "registry", f"{name} has no opset, which models that are not smoke need")
    quantised = entry.get("quant_mode", "fp32") != "fp32"
    if quantised and "int8_sha256" not in entry:
        yield Finding(registry, "registry", f"{name} is quantised and has no int8_sha256")
    path = registry.parent / entry["onnx"]
    yield from _model(path, entry, entry.get("sha256"))
    if quantised and os.path.exists(int8 := beside_of(path, ".int8.onnx")):
        yield from _model(int8, {}, entry.get("int8_sha256"))
    beside = beside_of(path, ".json")
    if os.path.exists(beside):
        yield from _sidecar(beside, entry)
    elif not smoke and os.path.isfile(path):
        yield Finding(beside, "sidecar", "there is no sidecar; models that are not smoke need one")


def _model(path: Path, entry: Mapping[str, Any], sha256: Any) -> Iterator[Finding]:
    if fault := fault_of(path, "registry", LARGEST_MODEL):
        yield fault
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        yield Finding(path, "registry", error.strerror or str(error))
        return
    if sha256 is not None and (actual := sha256_bytes(data)) != sha256:
        yield Finding(path, "digest", f"sha256 is {actual[:12]}..., {FILE_NAME} says {str(sha256)[:12]}...")
    try:
        used, version = operators(data, DEEPEST_SUBGRAPH), opset(data)
    except ValueError as error:
        yield Finding(path, "operators", f"not an ONNX file that libvmaf reads: {error}")
        return
    for foreign in sorted(set(used) - OPERATORS):
        yield Finding(path, "operators", f"libvmaf does not let a graph use {foreign!r}")
    if used.count("Loop") > MOST_LOOPS:
        yield Finding(path, "operators", f"{used.count('Loop')} Loops; libvmaf takes {MOST_LOOPS}")
    if "opset" in entry and version != entry["opset"]:
        yield Finding(path, "opset", f"the graph is of opset {version}, {FILE_NAME} says {entry['opset']}")


def _sidecar(path: Path, entry: Mapping[str, Any]) -> Iterator[Finding]:
    if fault := fault_of(path, "sidecar", LARGEST_JSON):
        yield fault
        return
    try:
        document = read_json(path, finite=False)
        text = path.read_text(encoding="utf-8")
    except (ModelError, UnicodeDecodeError) as error:
        yield Finding(path, "sidecar", str(error).removeprefix(f"{path}: "))
        return
    registered = {key: entry[key] for key in ("kind", "quant_mode") if key in entry}
    wanted = {**UNSAID, **registered, "name": document.get("name")}
    for key, value in wanted.items():
        for told in sorted({each or UNSAID[key] for each in as_read(text, key)}):
            if told == value:
                continue
            if value is None:
                yield Finding(path, "sidecar", f"no name; libvmaf calls the model {told!r} (--add-names names it)")
            else:
                yield Finding(path, "sidecar", f"libvmaf reads {key} as {told!r}; it is {value!r}")
    for key in _shadowed(document):
        yield Finding(path, "sidecar", f"VMAFx's libvmaf reads a nested {key} that stands before the model's own")
    if "anchor" in document:  # no reader of theirs feeds a curve model
        return
    for key, most in MOST_NAMES.items():
        if isinstance(names := document.get(key), list) and len(names) > most:
            yield Finding(path, "sidecar", f"{len(names)} {key}; VMAFx's libvmaf has room for {most}")


def _shadowed(document: Mapping[str, Any]) -> Iterator[str]:
    """Keys of the model that stand behind others of the same name; the reader takes the first, however nested."""
    nested: set[str] = set()
    for key, value in document.items():
        if key in READ_FIRST and key in nested:
            yield key
        nested.update(_keys_within(value))


def _keys_within(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()


def as_read(text: str, key: str) -> set[str | None]:
    """What libvmaf's reader, and VMAFx's, take for a key; None where they find none.

    The one looks for the first place where the quoted key stands, be it as a value, and takes the string behind
    the next colon; the other passes over places without a colon right behind.
    """
    quoted = re.escape(f'"{key}"')
    found = (re.search(rf"{quoted}[^:]*:\s*(.)", text, re.DOTALL), re.search(rf"{quoted}\s*:\s*(.)", text))
    return {_string_at(text, place.start(1)) if place else None for place in found}


def _string_at(text: str, at: int) -> str | None:
    end = text.find('"', at + 1)
    return text[at + 1 : end] if text[at] == '"' and end > 0 else None
