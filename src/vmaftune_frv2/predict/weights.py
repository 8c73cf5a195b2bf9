"""The weights and operators of an ONNX file, read without the onnx package, which takes longer to import than all
of a prediction.

Only what holds them is read of the protobuf messages (onnx.proto, IR version 8): initializers, constants, nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _TENSOR = 7, 1, 5, 5, 5
_OP_TYPE, _SUBGRAPHS, _OPSETS, _OPSET_DOMAIN, _OPSET_VERSION = 4, (6, 11), 8, 1, 2
_DATA_TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _EXTERNAL = 2, 4, 8, 9, 10, 13
_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8"}


def float_tensors(data: bytes) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """(name, values) of every tensor of floats; None instead of values that lie outside of the file.

    Raises:
        ValueError: not a protobuf message.
    """
    for graph in _messages(memoryview(data), _GRAPH):
        for tensor in _messages(graph, _INITIALIZER):
            yield from _floats(tensor)
        for node in _messages(graph, _NODE):
            for attribute in _messages(node, _ATTRIBUTE):
                for tensor in _messages(attribute, _TENSOR):
                    yield from _floats(tensor)


def operators(data: bytes, deepest: int) -> list[str]:
    """The operator of every node in order, those of subgraphs (Loop, If) behind the node that holds them.

    Args:
        data: the file.
        deepest: how many subgraphs may lie within each other.

    Raises:
        ValueError: not a protobuf message, no graph in it, or subgraphs that nest deeper.
    """
    graphs = list(_messages(memoryview(data), _GRAPH))
    if not graphs:
        raise ValueError("no graph in it")
    return [op for graph in graphs for op in _operators(graph, deepest)]


def _operators(graph: memoryview, deepest: int) -> Iterator[str]:
    if deepest < 0:
        raise ValueError("its subgraphs nest too deeply")
    for node in _messages(graph, _NODE):
        for name in _messages(node, _OP_TYPE):
            yield bytes(name).decode("utf-8", "replace")
        for attribute in _messages(node, _ATTRIBUTE):
            for field in _SUBGRAPHS:
                for inner in _messages(attribute, field):
                    yield from _operators(inner, deepest - 1)


def opset(data: bytes) -> int | None:
    """The version of ONNX's own operators that a file asks for; None where it does not say.

    Raises:
        ValueError: not a protobuf message.
    """
    for imported in _messages(memoryview(data), _OPSETS):
        found = dict(_fields(imported))
        version = found.get(_OPSET_VERSION)
        if not found.get(_OPSET_DOMAIN) and isinstance(version, int):
            return version
    return None


def _floats(tensor: memoryview) -> Iterator[tuple[str, NDArray[Any] | None]]:
    name, kind, found, outside = "", 0, [], False
    for field, value in _fields(tensor):
        if field == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif isinstance(value, memoryview):
            if field == _NAME:
                name = bytes(value).decode("utf-8", "replace")
            elif field in (_RAW, _FLOATS, _DOUBLES):
                found.append(value)
            outside = outside or field == _EXTERNAL
    if kind in _DTYPES:
        dtype = np.dtype(_DTYPES[kind])
        whole = [part[: len(part) - len(part) % dtype.itemsize] for part in found]
        values = np.concatenate([np.frombuffer(part, dtype) for part in whole]) if whole else np.empty(0, dtype)
        yield name, None if outside else values


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, value in _fields(message):
        if field == wanted and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a protobuf message: numbers, or what is delimited by a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield tag >> 3, number
            continue
        length, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if length < 0 or at + length > len(message):
            raise ValueError("not a protobuf message")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("not a protobuf message")
