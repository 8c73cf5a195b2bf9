"""What rooms log, as lines on stderr while a command runs: progress as it is, warnings as warnings."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import click

PACKAGE = "vmaftune_frv2"


class _Lines(logging.Handler):
    say: Callable[[str], object] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        line = f"Warning: {message}" if record.levelno >= logging.WARNING else message
        if self.say is None:
            click.echo(line, err=True)
        else:
            self.say(line)


_LINES = _Lines()


@contextlib.contextmanager
def messages() -> Iterator[None]:
    """Shows what is logged, whatever the host does with its own logs."""
    logger = logging.getLogger(PACKAGE)
    if _LINES in logger.handlers:
        yield
        return
    level, propagate = logger.level, logger.propagate
    logger.addHandler(_LINES)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(_LINES)
        logger.setLevel(level)
        logger.propagate = propagate


@contextlib.contextmanager
def said_with(say: Callable[[str], object]) -> Iterator[None]:
    """Shows lines some other way for a while: above a progress bar."""
    _LINES.say = say
    try:
        yield
    finally:
        _LINES.say = None
