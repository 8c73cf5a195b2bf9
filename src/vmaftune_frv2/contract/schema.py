"""Documents against JSON Schema 2020-12 (``schemas/``): everything that is wrong, in words for whoever wrote them.

One library does it, ``jsonschema_rs``: it is what makes checking a corpus quick.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from vmaftune_frv2.resources import schema_path

CANNOT_BE_CHECKED = (ValueError, OverflowError, RecursionError, SystemError)
"""What the library raises for what JSON has no word for, as bytes, and for what nests too deeply."""


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong with a document: where, what stands there, why it cannot be.

    Without a ``key`` it is about all of the document.
    """

    key: str
    value: Any
    message: str

    def __str__(self) -> str:
        if not self.key:
            return self.message
        shown = json.dumps(self.value, default=str)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        return f"{self.key} = {shown}: {self.message}"


@cache
def schema_of(name: str) -> Any:
    """The document ``schemas/<name>.json``."""
    return json.loads(schema_path(name).read_text(encoding="utf-8"))


@cache
def validator_of(name: str) -> Any:
    """The library's validator of a schema; made once."""
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(schema_of(name))


def breaches(document: Any, name: str) -> Iterator[Violation]:
    """Everything that breaks a schema; the missing keys of one object are one violation.

    Raises:
        CANNOT_BE_CHECKED: the document is more than JSON, or too deep.
    """
    incomplete = set()
    for error in validator_of(name).iter_errors(document):
        path, keyword = list(error.instance_path), error.schema_path[-1]
        wanted = _at(schema_of(name), error.schema_path)
        value = _at(document, path)  # not the error's copy of it, in which NaN has become null
        if keyword == "required":
            if tuple(path) not in incomplete:
                incomplete.add(tuple(path))
                missing = ", ".join(_text([*path, key]) for key in wanted if key not in value)
                yield Violation(missing, None, "required key is missing")
        elif keyword == "additionalProperties":
            for key in error.kind.unexpected:
                yield Violation(_text([*path, key]), value[key], "unknown key")
        else:
            say = _WORDS.get(keyword)
            yield Violation(_text(path), value, str(error.message) if say is None else say(wanted))


def _at(document: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def _text(path: Iterable[str | int]) -> str:
    """``frames[2].score`` for the steps to a value."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


_WORDS: dict[str, Callable[[Any], str]] = {
    "type": lambda wanted: f"must be {wanted if isinstance(wanted, str) else ' or '.join(wanted)}",
    "const": lambda wanted: f"must be {json.dumps(wanted)}",
    "enum": lambda wanted: f"must be one of {', '.join(map(json.dumps, wanted))}",
    "minimum": lambda wanted: f"must be >= {wanted}",
    "exclusiveMinimum": lambda wanted: f"must be > {wanted}",
    "maximum": lambda wanted: f"must be <= {wanted}",
    "exclusiveMaximum": lambda wanted: f"must be < {wanted}",
    "pattern": lambda wanted: f"must match {wanted}",
    "minLength": lambda wanted: f"must have at least {wanted} characters" if wanted > 1 else "must not be empty",
    "maxLength": lambda wanted: f"must have at most {wanted} characters",
    "minItems": lambda wanted: f"must have at least {wanted} items" if wanted > 1 else "must not be empty",
    "maxItems": lambda wanted: f"must have at most {wanted} items",
    "oneOf": lambda _: "must be an array of numbers, one per frame, or one number",
}
"""Keyword of JSON Schema to the message about a value that breaks it; other messages are the library's."""
