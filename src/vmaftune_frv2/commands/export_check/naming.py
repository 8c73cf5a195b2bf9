"""Names for sidecars that libvmaf's reader finds none in, put in as text."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import read_json, write_atomic
from vmaftune_frv2.contract.registry import FILE_NAME
from vmaftune_frv2.contract.sidecar import with_name
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.export_check import LARGEST_JSON, Finding, as_read, beside_of, entries_of, fault_of


def add_names(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Puts the name of each registered model where libvmaf looks for it, into sidecars where it does not stand.

    Returns:
        The sidecars that were written, all else in them as it was to the byte; why others could not be.

    Raises:
        ModelError: no registry that can be read.
        OutputError: a sidecar cannot be written.
    """
    written: list[Path] = []
    refused: list[Finding] = []
    registry = folder / FILE_NAME
    if fault_of(registry, "registry", LARGEST_JSON) and registry.exists():
        return written, refused  # the check says why
    for entry in entries_of(read_json(registry)):
        path = beside_of(folder / entry["onnx"], ".json")
        if not os.path.exists(path) or folder.resolve() not in path.resolve().parents:
            continue
        if fault := fault_of(path, "sidecar", LARGEST_JSON):
            refused.append(fault)
            continue
        try:
            new = _named(path, read_json(path))
        except (ModelError, ValueError) as error:
            refused.append(Finding(path, "sidecar", str(error).removeprefix(f"{path}: ")))
            continue
        if new is not None:
            write_atomic(path.resolve(), new)
            written.append(path)
    return written, refused


def _named(path: Path, document: dict[str, Any]) -> bytes | None:
    """The bytes of a sidecar with its name right behind its id; None where it has no id, or its name is read.

    Raises:
        ValueError: its text cannot be edited so that nothing else changes.
    """
    data = path.read_bytes()
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    text = data.removeprefix(mark).decode("utf-8")
    if "id" not in document or (document.get("name") and as_read(text, "name") == {document["name"]}):
        return None
    pairs = _pairs(text)
    keys = [pair.key for pair in pairs]
    if max(keys.count("id"), keys.count("name")) > 1:
        raise ValueError("its id or its name stands in it twice")
    if not isinstance(document["id"], str):
        raise ValueError("its id is no text")
    at = keys.index("id")
    own, after = pairs[at], pairs[at + 1] if at + 1 < len(pairs) else pairs[at]
    named = next((pair for pair in pairs if pair.key == "name"), None)
    value = text[own.value : own.end] if named is None or not document["name"] else text[named.value : named.end]
    edits = [(own.end, own.end, f',{text[after.lead : after.start]}"name"{text[own.colon : own.value]}{value}')]
    if named is not None:  # with the comma before it, or behind it where it is the first
        first = named is pairs[0]
        edits.append((named.start, pairs[1].start, "") if first else (named.comma, named.end, ""))
    new = text
    for start, end, put in sorted(edits, reverse=True):
        new = new[:start] + put + new[end:]
    wanted = with_name(document)
    if json.loads(new) != wanted or as_read(new, "name") != {wanted["name"]}:
        raise ValueError(
            "libvmaf would not read a name behind its id as it is: it reads no escapes, and another name first"
        )
    return mark + new.encode("utf-8")


@dataclass(frozen=True)
class _Pair:
    """Where a key and its value stand: comma or brace before it, space, key, colon, value, end."""

    key: str
    comma: int
    lead: int
    start: int
    colon: int
    value: int
    end: int


def _pairs(text: str) -> list[_Pair]:
    """The pairs of the outermost object of a JSON text, which is a valid one."""
    decoder, found = json.JSONDecoder(), []
    comma = _past_space(text, 0)
    while text[comma] != "}" and text[start := _past_space(text, comma + 1)] != "}":
        key, colon = decoder.raw_decode(text, start)
        value = _past_space(text, _past_space(text, colon) + 1)
        end = decoder.raw_decode(text, value)[1]
        found.append(_Pair(key, comma, comma + 1, start, colon, value, end))
        comma = _past_space(text, end)
    return found


def _past_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
