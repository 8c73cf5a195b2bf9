"""How many frames a program has done, by the lines that it prints while it works."""

from __future__ import annotations

import re

from vmaftune_frv2.progress import Step

_SO_FAR = re.compile(rb"frame= *(\d+)")
"""As ``-progress`` counts them."""
_NUMBER = re.compile(rb"frame:(\d+)")
"""As the ``metadata`` filter numbers them, from 0."""
_SIZE = re.compile(rb"total_size=(\d+)")
_LONGEST_LINE = 1 << 12


class FrameCount:
    """Counts for a step what one program does, one of several perhaps.

    Args:
        step: advanced by what is new.
    """

    def __init__(self, step: Step) -> None:
        self._step, self._rest, self._seen, self._told = step, b"", 0, 0
        self._facts: dict[str, int] = {}
        self._sizes = step.says("size_bytes")

    def feed(self, data: bytes) -> None:
        """Reads what the program printed next, be it half a line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        for line in lines:
            if so_far := _SO_FAR.match(line):
                self._seen = max(self._seen, int(so_far[1]))
            elif number := _NUMBER.match(line):
                self._seen = max(self._seen, int(number[1]) + 1)
            elif self._sizes and (size := _SIZE.match(line)):
                self._facts["size_bytes"] = int(size[1])
        if self._seen > self._told:
            self._step.add(self._seen - self._told, **self._facts)
            self._told = self._seen
