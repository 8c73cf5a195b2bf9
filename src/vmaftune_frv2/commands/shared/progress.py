"""A progress bar on a terminal, nothing but messages elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from vmaftune_frv2.log import shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Counts what is done, where there is a terminal to show it."""

    def __init__(self, progress: Progress | None, what: str) -> None:
        self._progress = progress
        self._what = what
        self._task: TaskID | None = None

    def start(self, total: int) -> None:
        """Sets how much there is to do."""
        if self._progress is not None:
            self._task = self._progress.add_task(self._what, total=total)

    def advance(self) -> None:
        """One more is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)


@contextmanager
def progress_bar(what: str) -> Iterator[Bar]:
    """A bar with count, rate and time left on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Bar(None, what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed * 60:.1f}/min" if speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, shown(_above(progress)):
        yield Bar(progress, what)


def _above(progress: Progress) -> Callable[[str], object]:
    return partial(progress.console.print, markup=False, highlight=False)
