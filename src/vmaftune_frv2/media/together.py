"""Doing several things at once, each of which waits for a program."""

from __future__ import annotations

import concurrent.futures as cf
import contextvars
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vmaftune_frv2.media import process

T = TypeVar("T")
R = TypeVar("R")


def usable_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def together(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """What ``work`` makes of each item, in order, up to ``jobs`` at a time.

    An item that raises ends the iteration with what it raised, once those at work are done; the rest never starts.
    Ctrl-C ends the programs that are running; whoever stops iterating waits for them. Calls may be nested: an
    inner one never stops what others do.

    Args:
        work: called in threads.
        items: what to do.
        jobs: threads; with 1, or a single item, everything happens in the caller's.
    """
    if jobs <= 1 or len(items) <= 1:
        yield from map(work, items)
        return
    outermost, stopped = threading.current_thread() is threading.main_thread(), False
    try:
        with cf.ThreadPoolExecutor(max_workers=min(jobs, len(items)), thread_name_prefix="together") as pool:
            # Each thread knows what the caller's does: who watches, and what of.
            futures = [pool.submit(contextvars.copy_context().run, work, item) for item in items]
            try:
                for future in futures:
                    yield future.result()
            except (KeyboardInterrupt, SystemExit):
                if outermost:
                    stopped = True
                    process.stop_all()
                raise
            finally:
                for future in futures:
                    future.cancel()
    finally:
        if stopped:
            process.allow_again()
