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
STEP = {"is_step": True}
"""``extra`` of a line that says that a step is done; progress shows more of it where there is more to see."""
_say: Say | None = None
_steps = True
_handler: Handler | None = None


def get_logger(name: str) -> Logger:
    """The logger of a module."""
    import logging

    if _say is not None:
        _attach()
    return logging.getLogger(name)


@contextlib.contextmanager
def shown(say: Say, steps: bool = True) -> Iterator[None]:
    """Shows lines for a while: progress as it is, warnings as warnings; within another call, in its place.

    Args:
        say: given each line.
        steps: whether those of finished steps are among them.
    """
    global _say, _steps
    before = _say, _steps
    _say, _steps = say, steps
    if "logging" in sys.modules:
        _attach()
    try:
        yield
    finally:
        _say, _steps = before
        if _say is None:
            _detach()


def _emit(record: LogRecord) -> None:
    if _say is not None and (_steps or not getattr(record, "is_step", False)):
        warning = "Warning: " if record.levelname in ("WARNING", "ERROR", "CRITICAL") else ""
        # Whoever reads may have gone; the work is worth more than what is said of it.
        with contextlib.suppress(OSError, ValueError):
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
