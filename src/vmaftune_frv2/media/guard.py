"""A small companion process that cleans up after a process that was killed.

SIGKILL leaves no time to end one's children or to remove one's files. The companion reads from a pipe what
its owner has running; when the pipe closes, the owner is gone, and it ends what is left.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_SCRIPT = """
import os, shutil, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
kept = {"group": set(), "folder": set()}
for line in sys.stdin.buffer:
    sign, kind, what = line[:-1].split(b" ", 2)
    (kept[kind.decode()].add if sign == b"+" else kept[kind.decode()].discard)(what)
for group in kept["group"]:
    try:
        os.killpg(int(group), signal.SIGKILL)
    except OSError:
        pass
for folder in kept["folder"]:
    shutil.rmtree(folder, ignore_errors=True)
"""


class Guard:
    """The companion of this process; started when there is first something to guard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe = -1
        self._owner = -1

    def add_group(self, group: int) -> None:
        """Ends this process group if we die."""
        self._tell(f"+ group {group}".encode())

    def remove_group(self, group: int) -> None:
        """It ended by itself."""
        self._tell(f"- group {group}".encode())

    def add_folder(self, folder: str) -> None:
        """Removes this folder if we die."""
        self._tell(b"+ folder " + os.fsencode(os.path.abspath(folder)))

    def remove_folder(self, folder: str) -> None:
        """It was removed."""
        self._tell(b"- folder " + os.fsencode(os.path.abspath(folder)))

    def _tell(self, message: bytes) -> None:
        with self._lock:
            if self._owner != os.getpid():  # first use, or we are a fork
                self._start()
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, message + b"\n")

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        try:
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _SCRIPT],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,  # whoever kills our process group must not reach it
            )
        finally:
            os.close(reading)
        self._owner = os.getpid()


GUARD = Guard()
