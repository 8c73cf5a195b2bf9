"""The live line: the last line of a terminal says what is at work, and everything else is printed above it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

TICK_S = 0.2
"""Seconds from one picture of the line to the next."""
_ERASE = "\r\x1b[K"
_COLUMNS = 80
_TOLD = "told"
_WITHIN = ("frames", "bytes", None)
"""Units of steps; any other counts pieces of work that have steps of their own."""
_UNEQUAL = ("sources", "shots")
"""Of these a few are done one after the other or at once; how long some took says little of the others."""
_WORDS = {
    "models": "loading models",
    "trying": "trying",
    "complexity": "measuring complexity",
    "pace": "weighing windows against the whole",
    "shots": "finding shots",
    "crop": "looking for black bars",
    "counting": "counting bytes of streams",
}
_NOUNS = {"encoding": "", "scoring": "scoring "}
"""Steps of a cell."""


class LiveLine:
    """Shows the line while it is entered; stdout and stderr of this process are printed above it.

    Args:
        what: what the line says before the first step.
    """

    def __init__(self, what: str) -> None:
        self._what, self._stream, self._begun = what, sys.stderr, time.monotonic()
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._steps: dict[int, Mapping[str, Any]] = {}
        self._shown, self._drawn_at, self._midline = "", 0.0, False
        self._replaced: dict[str, tuple[TextIO, TextIO]] = {}
        self._ticker = threading.Thread(target=self._tick, name="live-line", daemon=True)

    def __enter__(self) -> LiveLine:
        self._draw()
        for name in ("stdout", "stderr"):
            stream: TextIO = getattr(sys, name)
            if stream.isatty():
                above: Any = _Above(self, stream)
                self._replaced[name] = stream, above
                setattr(sys, name, above)
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, (stream, above) in self._replaced.items():
            if getattr(sys, name) is above:
                setattr(sys, name, stream)
        self._stop.set()
        with self._lock:
            self._erase()
        self._ticker.join()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Takes an event of the work."""
        with self._lock:
            if event["event"] == "finished":
                self._steps.pop(event["step"], None)
            elif "step" in event:
                self._steps[event["step"]] = {**event, _TOLD: time.monotonic()}
            if time.monotonic() - self._drawn_at >= TICK_S:
                self._draw()

    def say(self, line: str) -> None:
        """Prints a line above."""
        self.above(self._stream, f"{line}\n")

    def above(self, stream: TextIO, text: str) -> None:
        """Prints above the line; half a line keeps it away until the other half has come."""
        with self._lock:
            self._erase()
            stream.write(text)
            stream.flush()
            self._midline = not text.endswith("\n")
            if time.monotonic() - self._drawn_at >= TICK_S:
                self._draw()

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._midline or self._stop.is_set():
            return
        now = time.monotonic()
        steps = [_as_of(now, step) for step in self._steps.values()]
        text = cut(f"{clock(now - self._begun)}  {describe(steps) or self._what}", self._columns() - 1)
        self._drawn_at = now
        if text == self._shown:
            return
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(_ERASE + text)
            self._stream.flush()
        self._shown = text

    def _erase(self) -> None:
        if self._shown:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(_ERASE)
                self._stream.flush()
        self._shown = ""

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
        except (OSError, ValueError):
            return _COLUMNS


class _Above:
    """In the place of a stream of the terminal that the line is on."""

    def __init__(self, line: LiveLine, stream: TextIO) -> None:
        self._line, self._stream = line, stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a text stream")
        if text:
            self._line.above(self._stream, text)
        return len(text)

    @property
    def buffer(self) -> _AboveBytes:
        return _AboveBytes(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _AboveBytes:
    """The same for bytes."""

    def __init__(self, text: _Above) -> None:
        self._text = text

    def write(self, data: bytes) -> int:
        self._text.write(data.decode(self._text.encoding, "backslashreplace"))
        return len(data)

    def flush(self) -> None:
        """Nothing is held."""


def _as_of(now: float, step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step whose time left has gone on since it was told."""
    if step.get("eta_s") is None:
        return step
    return {**step, "eta_s": max(step["eta_s"] - (now - step[_TOLD]), 0.0)}


def describe(steps: list[Mapping[str, Any]]) -> str:
    """What is at work in one line: how much of all is done, and the step that began first.

    Args:
        steps: the latest event of each step that goes on, in the order in which they began.
    """
    counts = [step for step in steps if step.get("unit") not in _WITHIN]
    works = [step for step in steps if step.get("unit") in _WITHIN]
    parts = [_amount(step) if step["what"] != "training" else _training(step) for step in counts]
    if works:
        first, more = works[0], len(works) - 1
        source = os.path.basename(first.get("source", "")) if counts else ""
        text = ": ".join(filter(None, (source, _named(first))))
        parts.append(text + (f" (+{more} more)" if more else ""))
    return " | ".join(parts)


def _training(step: Mapping[str, Any]) -> str:
    return f"training {step.get('model', '')}: {_amount(step)}"


def _named(step: Mapping[str, Any]) -> str:
    """One step: where it belongs, what it is, and how far."""
    what = step["what"]
    cell = ""
    if "crf" in step:
        cell = f"{step['encoder']} {step['preset']} crf {step['crf']:g}"
        cell += f" at {step['height']} rows" if "height" in step else ""
    elif what == "trying":
        cell = " ".join(str(step[key]) for key in ("encoder", "preset", "model") if key in step)
    where = [f"{name} {step[name]} of {step[f'{name}s']}" for name in ("shot", "window") if name in step]
    if "encode" in step and "crf" in step:
        most = f" of at most {step['max_encodes']}" if "max_encodes" in step else ""
        where.insert(1 if "shot" in step else 0, f"encode {step['encode']}{most}")
    doing = _NOUNS[what] + cell if cell and what in _NOUNS else f"{_WORDS.get(what, what)} {cell}".rstrip()
    amount = _amount(step)
    return ", ".join([*where, doing]) + (f": {amount}" if amount else "")


def _amount(step: Mapping[str, Any]) -> str:
    """How much of a step is done, how fast, and when it will be."""
    unit, done, total = step.get("unit"), step.get("done", 0), step.get("total")
    if unit is None:
        return ""
    if total is not None and done > total:  # it was an estimate
        total = None
    if unit == "bytes":
        share = f"{done / 1e6:.0f}" + (f"/{total / 1e6:.0f}" if total else "") + " MB"
    else:
        share = f"{done}" + (f"/{total}" if total else "")
        fps = step.get("fps")
        share += f" at {fps:.{0 if fps >= 10 else 1}f} fps" if fps else f" {unit}"
    found = [share]
    if step.get("size_bytes") and step.get("predicted_bytes"):
        found.append(f"{step['size_bytes'] / 1e6:.1f} of about {step['predicted_bytes'] / 1e6:.1f} MB")
    if step.get("eta_s") is not None and total is not None and unit not in _UNEQUAL:
        found.append(f"ETA {clock(step['eta_s'])}")
    return ", ".join(found)


def clock(seconds: float) -> str:
    """A duration as clocks show it: 0:07, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def cut(text: str, columns: int) -> str:
    """A text that takes no more columns of a terminal, and prints nothing but itself."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    if text.isascii():
        return text if len(text) <= columns else f"{text[: max(columns - 3, 0)]}..."[: max(columns, 0)]
    from unicodedata import combining, east_asian_width

    widths = [0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text]
    if sum(widths) <= columns:
        return text
    kept, room = "", columns - 3
    for character, width in zip(text, widths, strict=True):
        room -= width
        if room < 0:
            break
        kept += character
    return f"{kept}..."[: max(columns, 0)]
