"""Where upstream's package can be held: its functions, by name and signature, never by version.

Nothing here imports upstream before it is asked to.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from vmaftune_frv2.errors import ToolError

PACKAGE = "vmaftune"
_JOB = ("source", "width", "height", "pix_fmt", "framerate", "duration_s", "cells")
_OPTIONS = ("encoder", "output", "ffmpeg_bin", "vmaf_bin")
_HANDLED = {
    "corpus.iter_rows": ("job", "opts"),  # and runners, all of which may be left out
    "corpus.write_jsonl": ("rows", "path"),
    "score.parse_feature_aggregates": ("payload", "feature_names"),
}
"""{function: its positional parameters}; what else it takes must be by keyword, and may be left out."""


@dataclass(frozen=True)
class Seams:
    """Upstream's functions as they are, found and checked.

    Args:
        iter_rows: (job, opts, **runners) to rows, one per cell.
        write_jsonl: (rows, path) to the number of rows.
        parse_feature_aggregates: (libvmaf's log, names) to ({name: mean}, {name: deviation}).
        reads_containers: whether a source that is no raw YUV is decoded, as the successor does.
    """

    iter_rows: Callable[..., Any]
    write_jsonl: Callable[..., Any]
    parse_feature_aggregates: Callable[..., Any]
    reads_containers: bool


def location() -> Path | None:
    """The folder of the installed package, None where there is none. Imports nothing."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    # Without an origin it is some folder of that name.
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def part(name: str) -> ModuleType:
    """A module of upstream's.

    Raises:
        ToolError: upstream is not installed, or cannot be imported.
    """
    if location() is None:
        raise ToolError(
            f"upstream's package {PACKAGE} is not installed here (lusoris/vmaf, tools/vmaf-tune);"
            " docs/upstream.md says how to install it beside this one"
        )
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except Exception as error:
        raise ToolError(f"{_where()} cannot be imported: {type(error).__name__}: {error}") from error


def find() -> Seams:
    """Imports upstream and checks that its functions are those that we know.

    Raises:
        ToolError: it is not installed, cannot be imported, or is another than we know.
    """
    found = {name: _function(name, parameters) for name, parameters in _HANDLED.items()}
    corpus = part("corpus")
    _check_fields(corpus, "CorpusJob", _JOB)
    _check_fields(corpus, "CorpusOptions", _OPTIONS)
    return Seams(
        found["corpus.iter_rows"],
        found["corpus.write_jsonl"],
        found["score.parse_feature_aggregates"],
        reads_containers=hasattr(part("score"), "maybe_decode_distorted"),
    )


def main() -> Callable[[list[str]], Any]:
    """Upstream's command line, ``main(argv)``.

    Raises:
        ToolError: as ``find``.
    """
    return _function("cli.main", ("argv",))


def holders(function: object) -> Iterator[tuple[ModuleType, str]]:
    """Every module of upstream's that is loaded and has this very function, and under which name."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == PACKAGE and isinstance(module, ModuleType):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    yield module, attribute


def _where() -> str:
    return f"upstream's package in {location()}"


def _function(name: str, parameters: tuple[str, ...]) -> Callable[..., Any]:
    """A function of ours to hold, if it takes what we know it to take."""
    module, _, attribute = name.partition(".")
    function: Callable[..., Any] | None = getattr(part(module), attribute, None)
    if function is None or not callable(function):
        raise _unknown(f"it has no {name}")
    try:
        taken = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise _unknown(f"{name} has no signature") from None
    first, further = taken[: len(parameters)], taken[len(parameters) :]
    named = tuple(each.name for each in first if each.kind is each.POSITIONAL_OR_KEYWORD)
    needed = [each for each in further if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    if named != parameters or needed:
        shown = f"{attribute}{inspect.signature(function)}"
        raise _unknown(f"{name} is {shown}, not {attribute}({', '.join(parameters)}, ...)")
    return function


def _check_fields(module: ModuleType, name: str, fields: tuple[str, ...]) -> None:
    kind = getattr(module, name, None)
    known = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    missing = [field for field in fields if field not in known]
    if missing:
        raise _unknown(f"corpus.{name} has no {', '.join(missing)}")


def _unknown(what: str) -> ToolError:
    return ToolError(
        f"{_where()} is not one that we know: {what}. Nothing was changed and nothing run;"
        f" `vmaf-tune-frv2 corpus` sweeps without it"
    )
