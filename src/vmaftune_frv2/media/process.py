"""The one place that runs commands."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vmaftune_frv2.errors import InterruptedRunError, OutputError, TimeoutToolError, ToolError
from vmaftune_frv2.media.frame_count import FrameCount
from vmaftune_frv2.media.guard import GUARD
from vmaftune_frv2.progress import current_step

STDERR_TAIL_LINES = 12
_CHUNK = 1 << 16

_lock = threading.Lock()
_live: set[subprocess.Popen[bytes]] = set()
_stopping = False


@dataclass(frozen=True)
class Completed:
    """What a finished process left behind."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.returncode == 0

    def describe(self, what: str) -> str:
        """One report of a failure: what failed, exit code, whole command, tail of stderr."""
        tail = [line for line in self.stderr.splitlines() if line.strip()][-STDERR_TAIL_LINES:]
        return "\n".join(
            [f"{what} (exit code {self.returncode})", f"  command: {shlex.join(self.argv)}"]
            + [f"  {line}" for line in tail]
        )


class Runner(Protocol):
    """Runs a command to its end. The seam that tests replace."""

    def __call__(self, argv: Sequence[str], *, cwd: Path | None = None, timeout: float | None = None) -> Completed:
        """Runs ``argv``; a non-zero exit is a result, not an exception."""
        ...


def run(argv: Sequence[str], *, cwd: Path | None = None, timeout: float | None = None) -> Completed:
    """Runs a command in a process group of its own, with nothing on stdin.

    Frames that it counts on stdout meanwhile count for the current step, see ``progress``.

    Args:
        argv: program and arguments; no shell sees them.
        cwd: working directory.
        timeout: seconds until the whole process group is killed.

    Raises:
        ToolError: the program cannot be started.
        TimeoutToolError: it ran past ``timeout``.
        InterruptedRunError: ``stop_all`` was called.
    """
    started = time.perf_counter()
    process = _start(argv, cwd)
    try:
        stdout, stderr = _communicate(process, timeout)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutToolError(
                f"{Path(argv[0]).name} did not finish within {timeout:.0f} s\n  command: {shlex.join(argv)}"
            ) from None
        raise
    finally:
        with _lock:
            _live.discard(process)
        GUARD.remove_group(process.pid)
    if _stopping:
        raise InterruptedRunError(f"{Path(argv[0]).name} was stopped")
    return Completed(
        argv=tuple(argv),
        returncode=process.returncode,
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        seconds=time.perf_counter() - started,
    )


def stop_all() -> None:
    """Ends every running command and lets no new one start until ``allow_again``."""
    global _stopping
    with _lock:
        _stopping = True
        running = list(_live)
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def allow_again() -> None:
    """Lets commands start again, once whoever was stopped has noticed."""
    global _stopping
    with _lock:
        _stopping = False


def _start(argv: Sequence[str], cwd: Path | None) -> subprocess.Popen[bytes]:
    with _lock:
        if _stopping:
            raise InterruptedRunError(f"{Path(argv[0]).name} was not started")
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(f"cannot start {argv[0]}: {error.strerror or error}") from error
        _live.add(process)
    GUARD.add_group(process.pid)
    return process


def _communicate(process: subprocess.Popen[bytes], timeout: float | None) -> tuple[bytes, bytes]:
    """All of stdout and stderr, read as they come, once the process has ended.

    Raises:
        TimeoutExpired: ``timeout`` seconds have passed.
    """
    step, deadline = current_step(), None if timeout is None else time.monotonic() + timeout

    def left() -> float | None:
        if deadline is None or timeout is None:
            return None
        if time.monotonic() >= deadline:
            raise subprocess.TimeoutExpired(process.args, timeout)
        return deadline - time.monotonic()

    feed = FrameCount(step).feed if step is not None else None
    assert process.stdout is not None
    assert process.stderr is not None
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    counted, *_ = kept
    with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        for descriptor in kept:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(left()):
                data = os.read(key.fd, _CHUNK)
                kept[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
                elif feed is not None and key.fd == counted:
                    feed(data)
        process.wait(left())
    stdout, stderr = map(bytes, kept.values())
    return stdout, stderr


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@contextlib.contextmanager
def scratch_dir(parent: Path | None, prefix: str) -> Iterator[Path]:
    """A folder for intermediate files, removed at the end, also when this process is killed.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    except OSError as error:
        where = parent or tempfile.gettempdir()
        raise OutputError(f"{where}: no folder can be made in it ({error.strerror})") from error
    GUARD.add_folder(folder)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        GUARD.remove_folder(folder)
