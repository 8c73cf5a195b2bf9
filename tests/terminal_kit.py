"""A terminal to run ``vmaf-tune`` in, and what is left on it in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 300.0


@dataclass(frozen=True)
class Seen:
    """What came to the terminal.

    Args:
        code: exit code of the command.
        text: all that was written, in order.
    """

    code: int
    text: str

    @property
    def pictures(self) -> list[str]:
        """Every live line that was shown, however short."""
        return [part.split("\n")[0].rstrip("\r") for part in self.text.split("\r\x1b[K")[1:]]

    @property
    def left(self) -> list[str]:
        """The lines that stand on the screen in the end, without colours."""
        screen = [""]
        column = 0
        for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\r\n\x1b]+", self.text):
            if piece == "\r":
                column = 0
            elif piece == "\n":
                screen.append("")
                column = 0
            elif piece == "\x1b[K":
                screen[-1] = screen[-1][:column]
            elif not piece.startswith("\x1b"):
                screen[-1] = screen[-1][:column] + piece + screen[-1][column + len(piece) :]
                column += len(piece)
        return [line.rstrip() for line in screen if line.strip()]


def in_terminal(
    *arguments: object,
    columns: int = 100,
    term: str = "xterm",
    stdout: int | None = None,
    interrupt: Callable[[str], bool] = lambda text: False,
) -> Seen:
    """Runs ``vmaf-tune`` with a terminal of its own.

    Args:
        arguments: of the command line.
        columns: of the terminal.
        term: TERM.
        stdout: takes stdout instead of the terminal.
        interrupt: given all that was written so far; Ctrl-C is typed once it says so.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "vmaftune_frv2", *map(str, arguments)]
    begin = "import fcntl, os, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    begin += f"; os.execv({sys.executable!r}, {command!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", begin],
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": term},
        cwd=Path.cwd(),
    )
    os.close(theirs)
    data, typed, deadline = b"", False, time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.05)[0]:
            try:
                more = os.read(ours, 1 << 16)
            except OSError:  # the last one that had the terminal has closed it
                break
            data += more
        if not typed and interrupt(data.decode("utf-8", "replace")):
            typed = True
            os.write(ours, b"\x03")
    os.close(ours)
    return Seen(process.wait(10), data.decode("utf-8", "replace"))
