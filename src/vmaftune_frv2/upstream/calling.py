"""Upstream's subcommands, run with our hooks and programs in place."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from vmaftune_frv2.corpus.sweep import Summary
from vmaftune_frv2.errors import ExitCode, ToolError, TuneError
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.upstream import seams
from vmaftune_frv2.upstream.install import install
from vmaftune_frv2.upstream.programs import programs

_EMITS = "corpus"
"""The subcommand whose answer is the corpus; the others answer from it."""


def run(arguments: Sequence[str], plugins: Plugins | None = None) -> int:
    """Runs a subcommand of upstream's ``vmaf-tune``, with its own options and output.

    Args:
        arguments: subcommand and options.
        plugins: see, enrich and check rows; None loads those that are installed.

    Returns:
        Upstream's exit code; 1 where it says 0 and ``corpus`` has cells without a row, or every cell was refused.

    Raises:
        ToolError: upstream is not installed, not known, or failed with an exception.
    """
    main = seams.main()
    with programs(), install(plugins) as installed:
        code = _call(main, arguments)
    return code or _verdict(installed.summary, emits=list(arguments[:1]) == [_EMITS])


def _verdict(summary: Summary, emits: bool) -> int:
    """What came of the cells, as an exit code."""
    kept = summary.measured + summary.skipped
    good = summary.clean if emits else kept or not summary.planned
    return ExitCode.OK if good else ExitCode.NEGATIVE


def _call(main: Callable[[list[str]], Any], arguments: Sequence[str]) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as stop:  # how argparse ends
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        click.echo(stop.code, err=True)
        return ExitCode.NEGATIVE
    except (TuneError, click.ClickException, BrokenPipeError):
        raise
    except Exception as error:
        what = " ".join(arguments[:1])
        raise ToolError(f"upstream's {what} failed: {type(error).__name__}: {error}") from error


def subcommands() -> dict[str, str]:
    """{subcommand of upstream's: what its help says of it}; empty where upstream is not installed or not known."""
    if seams.location() is None:
        return {}
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            _call(seams.main(), ["--help"])
    except TuneError:
        return {}
    text = said.getvalue()
    listed = re.search(r"\{([a-z0-9,\s-]+)\}", text)
    names = re.sub(r"\s", "", listed[1]).split(",") if listed else []
    return {name: _help_of(name, text) for name in names if name}


def _help_of(name: str, text: str) -> str:
    found = re.search(rf"^ +{re.escape(name)}(?:\s+|\n +)(\S.*(?:\n {{10,}}\S.*)*)", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def broken(name: str) -> str | None:
    """Why a subcommand of the installed upstream cannot give a true answer; None where we know of nothing.

    Told by its functions: a later one that was repaired is not called broken.
    """
    check = _BROKEN.get(name)
    try:
        return check() if check else None
    except (TuneError, AttributeError, OSError, TypeError, ValueError):
        return None


def _predict() -> str | None:
    takes = inspect.signature(seams.part("per_shot").detect_shots).parameters
    if "source" in takes or not re.search(r"detect_shots\(\s*source=", inspect.getsource(seams.part("cli"))):
        return None
    return "it calls detect_shots(source=...), which takes no such argument"


def _fast() -> str | None:
    if hasattr(seams.part("proxy"), "normalise_features"):
        return None
    return "it gives one unscaled input to a model that takes two"


def _ladder() -> str | None:
    if hasattr(seams.part("ladder"), "make_default_sampler"):
        return None
    return "it takes every source for one second of raw video at 24 frames per second"


_BROKEN = {"predict": _predict, "fast": _fast, "ladder": _ladder}
