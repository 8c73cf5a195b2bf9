"""Progress for programs: everything on stderr is one JSON event per line, as ``schemas/progress_event.json``."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from types import TracebackType
from typing import Any

import click

from vmaftune_frv2.host.sink import mark_told

_WARNING = "Warning: "


class EventLines:
    """Writes events, and what others write to stderr meanwhile as events; the command's own error is the last."""

    def __init__(self) -> None:
        self._stream, self._lock, self._rest = sys.stderr, threading.RLock(), ""
        self._begun = time.monotonic()

    def __enter__(self) -> EventLines:
        sys.stderr = _Caught(self, self._stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr = self._stream
        if self._rest:
            self.say(self._rest)
        ours = isinstance(error, (Exception, KeyboardInterrupt))
        if error is None or not ours or isinstance(error, (click.ClickException, click.exceptions.Exit)):
            return
        if not isinstance(error, BrokenPipeError):
            code = mark_told(error)
            internal = f"internal error: {type(error).__name__}: {error}"
            words = str(error) if hasattr(error, "exit_code") else internal
            words = "interrupted" if isinstance(error, KeyboardInterrupt) else words
            self.error(words, int(code))

    def tell(self, event: dict[str, Any]) -> None:
        """Writes an event of the work."""
        self._write(event)

    def say(self, line: str) -> None:
        """Writes a line of the log as an event."""
        level = "warning" if line.startswith(_WARNING) else "info"
        message = line.removeprefix(_WARNING)
        self._write({"event": "log", "at_s": self._now(), "level": level, "message": message})

    def error(self, message: str, code: int) -> None:
        """Writes that the command, or one of its sources, failed, and the exit code that this leads to."""
        self._write({"event": "error", "at_s": self._now(), "message": message, "exit_code": code})

    def caught(self, text: str) -> None:
        """Takes what somebody else writes to stderr."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in filter(None, lines):
                self.say(line)

    def _now(self) -> float:
        return round(time.monotonic() - self._begun, 3)

    def _write(self, event: dict[str, Any]) -> None:
        text = json.dumps(event, allow_nan=False)
        # Whoever reads may have gone, or never been there; the work is worth more than its progress.
        with self._lock, contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.write(f"{text}\n")
            self._stream.flush()


class _Caught:
    """In the place of stderr."""

    def __init__(self, lines: EventLines, stream: Any) -> None:
        self._lines, self._stream = lines, stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a text stream")
        self._lines.caught(text)
        return len(text)

    def tell_error(self, message: str, code: int) -> None:
        self._lines.error(message, code)

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
