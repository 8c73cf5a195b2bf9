"""What is at work and how far it is, as events for whoever watches.

The watcher is found through a context variable, so that nothing between a question and the program that works for
it has to pass it on; ``media.together`` and the executors take it along into their threads. Where nobody watches,
nothing happens.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

Event = dict[str, Any]
"""As ``schemas/progress_event.json``: plain JSON values."""
Watcher = Callable[[Event], object]

PERIOD_S = 0.25
"""A step tells no more often how far it is."""
RECENT = 60
"""Speed is that since so many events ago."""
FRAMES = "frames"


class _Watch:
    """One watcher, told one event at a time."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher, self._started, self._numbers = watcher, time.monotonic(), itertools.count(1)
        self.lock = threading.RLock()

    def number(self) -> int:
        """Of a new step."""
        return next(self._numbers)

    def tell(self, event: str, values: Mapping[str, Any]) -> None:
        """Passes an event on."""
        with self.lock:
            self._watcher({"event": event, "at_s": round(time.monotonic() - self._started, 3), **values})


class Step:
    """One piece of work, and how much of it is done. May be told so from several threads.

    Args:
        watch: told of it; None for nobody.
        facts: what its events say besides: source, encoder, crf.
        unit: what is counted; None where nothing is.
        total: how many there will be, as far as it is known or can be estimated.
    """

    def __init__(
        self, watch: _Watch | None, facts: Mapping[str, Any], unit: str | None, total: int | None
    ) -> None:
        self._watch, self._facts, self._unit, self._total = watch, dict(facts), unit, total
        self._done, self._begun, self._number = 0, time.monotonic(), 0
        self._told, self._recent = 0.0, deque([(self._begun, 0)], maxlen=RECENT)
        if watch is not None:
            self._number = watch.number()
            self._tell("started")

    def says(self, fact: str) -> bool:
        """Whether its events say something."""
        return fact in self._facts

    def at(self, done: int, **facts: Any) -> None:
        """So much is done in all.

        Args:
            done: units.
            facts: that have changed: ``size_bytes`` of a step that was begun with it.
        """
        self.add(done - self._done, **facts)

    def add(self, more: int = 1, **facts: Any) -> None:
        """So much more is done; arguments as ``at``."""
        if self._watch is None:
            return
        with self._watch.lock:
            self._done += more
            self._facts.update(facts)
            now = time.monotonic()
            if now - self._told >= PERIOD_S:
                self._told = now
                self._recent.append((now, self._done))
                self._tell("progress")

    def __enter__(self) -> Step:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self.end(kind is not None)

    def end(self, failed: bool = False) -> None:
        """It is over."""
        if self._watch is not None:
            self._facts["failed"] = failed
            self._tell("finished")

    def _tell(self, event: str) -> None:
        assert self._watch is not None
        elapsed = time.monotonic() - self._begun
        values: Event = {"step": self._number, **self._facts, "elapsed_s": round(elapsed, 3)}
        if self._unit is not None:
            values |= {"unit": self._unit, "done": self._done, "total": self._total}
            values |= self._pace(elapsed if event == "finished" else None)
        self._watch.tell(event, values)

    def _pace(self, whole_s: float | None) -> Event:
        """Speed and what is left; of a finished step, over all of it."""
        (since, before), (now, done) = self._recent[0], self._recent[-1]
        spent, count = (now - since, done - before) if whole_s is None else (whole_s, self._done)
        speed = count / spent if spent > 0 else 0.0
        left = None if self._total is None else self._total - self._done
        eta = None
        if whole_s is None and speed > 0 and left is not None and left >= 0:
            eta = round(left / speed, 1)
        fps = {"fps": round(speed, 2) if speed > 0 else None} if self._unit == FRAMES else {}
        return {**fps, "eta_s": eta}


class _Scope:
    """What is known where the work goes on: who watches, what of, and the step that frames count for."""

    def __init__(self, watch: _Watch | None, facts: Mapping[str, Any], step: Step | None) -> None:
        self.watch, self.facts, self.step = watch, facts, step


_NOBODY = _Scope(None, {}, None)
_scope: ContextVar[_Scope] = ContextVar("progress", default=_NOBODY)


@contextlib.contextmanager
def watch_progress(watcher: Watcher) -> Iterator[None]:
    """Has a function called with every event of the work that is begun meanwhile in this thread.

    Args:
        watcher: given each event, a dictionary as ``schemas/progress_event.json`` describes it; called from the
            threads that work, one call at a time. What it raises ends the work.
    """
    with _within(_Scope(_Watch(watcher), {}, None)):
        yield


@contextlib.contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Has the events of all steps within say so; None says nothing.

    Args:
        facts: ``source``, ``encoder``, ``preset``, ``crf``, ``height``, ``encode``, ``max_encodes``, ``window``,
            ``windows``, ``shot``, ``model``: as the schema has them.
    """
    before = _scope.get()
    if before.watch is None:
        yield
        return
    with _within(_Scope(before.watch, _joined(before.facts, facts), before.step)):
        yield


@contextlib.contextmanager
def step(what: str, total: int | None = None, unit: str | None = FRAMES, **facts: Any) -> Iterator[Step]:
    """A step that is told of while it lasts; programs that run in it and count frames count for it.

    Args:
        what: ``reading``, ``complexity``, ``encoding``, ``scoring``: see the schema.
        total: how many units it has, None where nobody knows.
        unit: what is counted.
        facts: what its events say besides, as ``about``.
    """
    before = _scope.get()
    if before.watch is None:
        yield Step(None, {}, unit, total)
        return
    joined = _joined(before.facts, facts)
    begun = Step(before.watch, {"what": what, **joined}, unit, total)
    with begun, _within(_Scope(before.watch, joined, begun)):
        yield begun


def count(what: str, unit: str, total: int, **facts: Any) -> Step:
    """A step that counts pieces of work which have steps of their own: cells, sources; ``with`` ends it."""
    scope = _scope.get()
    return Step(scope.watch, {"what": what, **_joined(scope.facts, facts)}, unit, total)


def tell(event: str, **values: Any) -> None:
    """An event of its own, with what is known of where the work goes on."""
    scope = _scope.get()
    if scope.watch is not None:
        scope.watch.tell(event, _joined(scope.facts, values))


def current_step() -> Step | None:
    """The step that programs count frames for; None where nobody watches."""
    return _scope.get().step


@contextlib.contextmanager
def _within(scope: _Scope) -> Iterator[None]:
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def _joined(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**known, **more}.items() if value is not None}
