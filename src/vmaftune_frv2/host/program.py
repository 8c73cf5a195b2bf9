"""A program of ours as a process: signals, errors on stderr, the exit code."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import click

from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.sink import Failure, sink

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def exit_with(run: Callable[[list[str]], int], argv: list[str] | None = None) -> NoReturn:
    """Runs a command line and exits with its ``ExitCode``; SIGINT and SIGTERM interrupt it once.

    Args:
        run: the program.
        argv: its arguments, those of this process by default.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell sets it for jobs in the background
        signal.signal(signal.SIGINT, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be Unicode
    code = run(sys.argv[1:] if argv is None else argv)
    if code == ExitCode.INTERRUPTED:
        for each in _ENDINGS:
            signal.signal(each, signal.SIG_IGN)  # the interpreter gives up other handlers before it ends
    gc.freeze()  # or the interpreter looks for cycles in all of numpy and onnxruntime before it ends
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """The first signal interrupts; what follows, of either kind, must not interrupt the cleaning up."""
    for each in _ENDINGS:
        signal.signal(each, _ending)  # not SIG_IGN: Python complains of one that has come but was not handled yet
    raise KeyboardInterrupt


def _ending(number: int, frame: FrameType | None) -> None:
    """Nothing: an interrupt is being seen to already."""


def reported(work: Callable[[], object], show: Callable[[click.ClickException], None]) -> int:
    """Does the work of a program and reports its errors.

    Args:
        work: what it returns is the exit code, if it is a number.
        show: prints an error.

    Returns:
        The exit code.
    """
    try:
        with sink():
            result = work()
            if sys.stdout is not None:  # it may have been closed from the start
                sys.stdout.flush()
        return int(result) if isinstance(result, int) else ExitCode.OK
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except click.ClickException as error:
        show(error)
        return error.exit_code


def explain(failure: Failure, debug: bool) -> None:
    """Shows where an error comes from, with ``--debug``; says of an internal one how to see that, without."""
    if debug:
        import traceback

        traceback.print_exception(failure.__cause__)
    elif failure.exit_code == ExitCode.INTERNAL:
        failure.hint = "; --debug shows where"
