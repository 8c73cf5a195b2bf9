"""Where cells run: threads of this process, or the workers of a dask cluster."""

from __future__ import annotations

import concurrent.futures as cf
import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vmaftune_frv2.corpus.plan import Plan
from vmaftune_frv2.errors import ToolError, UsageError
from vmaftune_frv2.media import process
from vmaftune_frv2.media.ffmpeg import FFmpeg, inspect

QUEUED_PER_JOB = 2
"""Cells handed to an executor per job: enough to keep it busy, few enough to keep memory flat."""
WORKER_LOSSES = 3
"""Workers that die under one cell before the sweep stops."""


@dataclass(frozen=True)
class Workers:
    """An executor and how much it may be given at once.

    Args:
        executor: runs cells.
        queued: cells that may be with it.
        losses: what the future of a cell raises under which ``WORKER_LOSSES`` workers died.
    """

    executor: cf.Executor
    queued: int
    losses: tuple[type[BaseException], ...] = ()


class _Threads(cf.ThreadPoolExecutor):
    """Threads that know what the caller's does: who watches the work."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> cf.Future[Any]:
        """As the base's, in a copy of the caller's context."""
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


@contextmanager
def local_workers(jobs: int) -> Iterator[Workers]:
    """Threads of this process, one ffmpeg each; an ffmpeg that runs when the sweep is broken off ends with it."""
    executor = _Threads(max_workers=jobs, thread_name_prefix="cell")
    try:
        yield Workers(executor, jobs * QUEUED_PER_JOB)
    except BaseException:
        process.stop_all()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        process.allow_again()


@contextmanager
def dask_workers(scheduler: str, plan: Plan, ffmpeg: FFmpeg) -> Iterator[Workers]:
    """The workers of a running dask cluster. A worker that dies has its cells run again elsewhere.

    Args:
        scheduler: address, as ``tcp://host:8786``.
        plan: every worker is asked for its sources and tools first.
        ffmpeg: every worker needs the same version at the same path.

    Raises:
        UsageError: the extra is not installed.
        ToolError: the scheduler cannot be reached, has no workers, or a worker lacks something.
    """
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError as error:
        raise UsageError("--executor dask needs the extra: pip install 'vmaftune-frv2[cluster]'") from error
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ToolError(f"--scheduler {scheduler}: cannot be reached ({error})") from error
    try:
        slots = sum(client.nthreads().values())
        if slots == 0:
            raise ToolError(f"--scheduler {scheduler} has no workers; start some with `dask worker {scheduler}`")
        _require_everything(client, plan, ffmpeg)
        allowed = WORKER_LOSSES - 1
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", allowed))
        # Equal requests are never sent twice, but dask would merge them if it were told they are pure.
        executor = client.get_executor(pure=False, retries=WORKER_LOSSES)
        yield Workers(executor, slots * QUEUED_PER_JOB, (KilledWorker,))
        executor.shutdown(wait=True)
    finally:
        client.close()


def _require_everything(client: Any, plan: Plan, ffmpeg: FFmpeg) -> None:
    sources = [(str(source.path), source.size_bytes) for source in plan.sources]
    lacking = client.run(missing_on_this_machine, ffmpeg.path, ffmpeg.version, sources)
    problems = [f"worker {address}: {problem}" for address, problem in lacking.items() if problem]
    if problems:
        raise ToolError("; ".join(problems))


def missing_on_this_machine(ffmpeg_path: str, ffmpeg_version: str, sources: list[tuple[str, int]]) -> str:
    """What a worker lacks to run cells of a plan, in words; empty when it lacks nothing."""
    from pathlib import Path

    try:
        found = inspect(ffmpeg_path, "worker")
    except ToolError as error:
        return f"no ffmpeg at {ffmpeg_path} ({str(error).splitlines()[0]})"
    if found.version != ffmpeg_version:
        return f"ffmpeg at {ffmpeg_path} is {found.version}, the sweep was planned with {ffmpeg_version}"
    for name, size in sources:
        path = Path(name)
        if not path.is_file() or path.stat().st_size != size:
            return (
                f"source {name} is not there as it was planned with; sources must lie on a path that workers share"
            )
    return ""
