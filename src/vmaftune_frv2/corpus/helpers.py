"""Checking the blocks of a large corpus on every CPU: this process and helper processes, results in order."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.together import usable_cpus

B = TypeVar("B")
R = TypeVar("R")

WAITING = 4
"""Finished blocks per process that may wait for an earlier one."""


def spare_cpus() -> int:
    """CPUs that this process may use besides the one it is on."""
    return usable_cpus() - 1


def map_with_helpers(check: Callable[[B], R], blocks: Iterator[B], helpers: int) -> Iterator[R]:
    """``check`` of every block, in order, by this process and ``helpers`` others.

    A helper takes a while to start, and may die: what no helper checks is checked here.

    Args:
        check: a function that pickles. Helpers know the encoders that this process knows.
        blocks: what pickles; taken when needed, so that a few per process are in memory.
        helpers: processes to start.
    """
    encoders = _pickled_encoders()
    if helpers < 1 or encoders is None:
        yield from map(check, blocks)
        return
    context = multiprocessing.get_context("spawn")  # torch, numpy and pools of threads do not survive a fork
    pool = ProcessPoolExecutor(helpers, mp_context=context, initializer=_begin, initargs=(encoders,))
    try:
        started = pool.submit(int)
        for block in blocks:
            yield check(block)
            if started.done():
                break
        yield from _shared(pool, check, blocks, helpers)
    finally:
        pool.shutdown(cancel_futures=True)


def _shared(pool: ProcessPoolExecutor, check: Callable[[B], R], blocks: Iterable[B], helpers: int) -> Iterator[R]:
    pending: deque[tuple[B, Future[R]]] = deque()
    for block in blocks:
        begin = _hand_over if _has_time(pending, helpers) else _check_here
        pending.append((block, begin(pool, check, block)))
        while pending and (pending[0][1].done() or len(pending) > WAITING * (helpers + 1)):
            yield _result(check, *pending.popleft())
    for block, future in pending:
        yield _result(check, block, future)


def _has_time(pending: Iterable[tuple[B, Future[R]]], helpers: int) -> bool:
    """Whether a helper has no block waiting behind the one that it checks."""
    return sum(not future.done() for _, future in pending) <= helpers


def _hand_over(pool: ProcessPoolExecutor, check: Callable[[B], R], block: B) -> Future[R]:
    try:
        return pool.submit(check, block)
    except BrokenProcessPool:
        return _check_here(pool, check, block)


def _check_here(pool: ProcessPoolExecutor, check: Callable[[B], R], block: B) -> Future[R]:
    future: Future[R] = Future()
    future.set_result(check(block))
    return future


def _result(check: Callable[[B], R], block: B, future: Future[R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool:
        return check(block)


def _pickled_encoders() -> bytes | None:
    try:
        return pickle.dumps(tuple(ENCODERS))
    except Exception:  # a plugin's entry may hold anything
        return None


def _begin(encoders: bytes) -> None:
    """First thing in a helper: the parent's encoders, and no life without the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent ends its helpers
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    ENCODERS.replace(pickle.loads(encoders))


def _end_with(parent: int) -> None:
    multiprocessing.connection.wait([parent])
    os._exit(1)
