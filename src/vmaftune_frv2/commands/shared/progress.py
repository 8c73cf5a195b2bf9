"""How a command shows what is at work: a live line on a terminal, events for programs, or log lines alone."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator

import click

from vmaftune_frv2.contract.options import option
from vmaftune_frv2.log import shown
from vmaftune_frv2.progress import watch_progress

MODES = ("auto", "plain", "json", "none")
_NO_CURSOR = ("", "dumb", "unknown")
"""Values of TERM of terminals on which a line cannot be rewritten."""


def progress_option() -> str:
    """The field of ``--progress``."""
    return option(  # type: ignore[no-any-return]
        "auto",
        "What stderr shows of the work: a live line on a terminal and else a line per encode (auto), a line per"
        " encode (plain), an event per line (json), warnings and notes only (none).",
        choices=MODES,
    )


@contextlib.contextmanager
def shown_progress(mode: str, what: str) -> Iterator[None]:
    """Shows the progress of what is done meanwhile, on stderr.

    Args:
        mode: one of ``MODES``.
        what: what the live line says first.
    """
    if mode == "json":
        from vmaftune_frv2.commands.shared.event_lines import EventLines

        with EventLines() as lines, shown(lines.say, steps=False), watch_progress(lines.tell):
            yield
    elif mode == "auto" and is_live():
        from vmaftune_frv2.commands.shared.live_line import LiveLine

        with LiveLine(what) as line, shown(line.say), watch_progress(line.tell):
            yield
    elif mode == "none":
        with shown(functools.partial(click.echo, err=True), steps=False):
            yield
    else:
        yield


def say(line: str) -> None:
    """Writes a line to stderr, if anybody still reads it: the work is worth more than what is said of it."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(line, err=True)


def say_failure(line: str, message: str, code: int) -> None:
    """Says that one of several sources failed: as a line, or where stderr is events as an ``error``.

    Args:
        line: for people.
        message: of the event.
        code: exit code that it leads to.
    """
    fail = getattr(sys.stderr, "tell_error", None)
    if fail is None:
        say(line)
    else:
        fail(message, int(code))


def is_live() -> bool:
    """Whether stderr is a terminal on which a line can be rewritten."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "") not in _NO_CURSOR
