"""The one family of errors a user may see, with fixed exit codes.

Rooms raise; ``host.sink`` turns what they raise into ``Error: ...`` on stderr and an exit code.
The codes are documented in docs/cli.md.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit status of every ``vmaf-tune`` command."""

    OK = 0
    NEGATIVE = 1
    """The command ran and the answer is no: failed cells, invalid rows, target out of reach."""
    USAGE = 2
    """The command line is wrong. Nothing was started."""
    INPUT = 3
    """A source, corpus or feature file cannot be used."""
    TOOL = 4
    """ffmpeg, an encoder or libvmaf is missing or failed."""
    OUTPUT = 5
    """Results cannot be written: no permission, no space, locked by another sweep."""
    MODEL = 6
    """A model cannot be trusted or does not fit the request."""
    INTERNAL = 70
    """A defect of this program (or of a plugin command)."""
    INTERRUPTED = 130
    """Ctrl-C. What was measured is in the corpus; the same command goes on from there."""


class TuneError(Exception):
    """Base of everything reported to the user as one line."""

    exit_code: ExitCode = ExitCode.NEGATIVE


class NegativeError(TuneError):
    """The work was done and the answer is no."""


class UsageError(TuneError):
    """A request that cannot be meant: unknown encoder, crf out of range."""

    exit_code = ExitCode.USAGE


class InputError(TuneError):
    """A file that was given cannot be used."""

    exit_code = ExitCode.INPUT


class ToolError(TuneError):
    """An external program is missing or failed.

    Args:
        message: name, exit code, command and stderr tail of what failed.
        status: the program's exit status; 1 where it exited with 0 and did not do its work.
    """

    exit_code = ExitCode.TOOL

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status or 1


class TimeoutToolError(ToolError):
    """An external program ran past its time limit and was killed; trying again would hang again."""


class OutputError(TuneError):
    """A result cannot be written."""

    exit_code = ExitCode.OUTPUT


class ModelError(TuneError):
    """A model file is missing, altered, or does not fit what is asked of it."""

    exit_code = ExitCode.MODEL


class InterruptedRunError(TuneError):
    """A command was ended because the user asked to stop."""

    exit_code = ExitCode.INTERRUPTED
