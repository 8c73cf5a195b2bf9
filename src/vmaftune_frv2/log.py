"""Progress and warnings, through Python's ``logging`` below ``vmaftune_frv2``; while a command runs, as lines.

``logging`` is imported by the first room that has something to say: a one-line answer has not.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Handler, Logger, LogRecord

Say = Callable[[str], object]
PACKAGE = "vmaftune_frv2"
_say: Say | None = None
_handler: Handler | None = None


def get_logger(name: str) -> Logger:
    """The logger of a module."""
    import logging

    if _say is not None:
        _attach()
    return logging.getLogger(name)


@contextlib.contextmanager
def shown(say: Say) -> Iterator[None]:
    """Shows lines for a while: progress as it is, warnings as warnings; within another call, in its place.

    Args:
        say: given each line.
    """
    global _say
    before, _say = _say, say
    if "logging" in sys.modules:
        _attach()
    try:
        yield
    finally:
        _say = before
        if before is None:
            _detach()


def _emit(record: LogRecord) -> None:
    if _say is not None:
        warning = "Warning: " if record.levelname in ("WARNING", "ERROR", "CRITICAL") else ""
        _say(warning + record.getMessage())


def _attach() -> None:
    """Has all that is logged shown, whatever the host does with its own logs."""
    global _handler
    import logging

    if _handler is None:
        _handler = logging.Handler()
        _handler.emit = _emit  # type: ignore[method-assign]
        logger = logging.getLogger(PACKAGE)
        logger.addHandler(_handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _detach() -> None:
    global _handler
    if _handler is not None:
        import logging

        logger = logging.getLogger(PACKAGE)
        logger.removeHandler(_handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        _handler = None
