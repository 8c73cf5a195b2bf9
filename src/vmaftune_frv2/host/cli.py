"""Our own host: the ``vmaf-tune`` command group, its process and its signals."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.open_group import OpenGroup
from vmaftune_frv2.host.plugins import Plugins, load_plugins
from vmaftune_frv2.host.sink import Failure, sink
from vmaftune_frv2.version import __version__

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def build_cli(plugins: Plugins) -> click.Group:
    """The command group with every plugin's commands."""
    settings = {"help_option_names": ["-h", "--help"], "obj": plugins.manager}

    @click.group(name="vmaf-tune", context_settings=settings, cls=OpenGroup)
    @click.version_option(__version__, prog_name="vmaf-tune")
    @click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
    def cli(debug: bool) -> None:
        """Sweep encoders, keep a trustworthy corpus, predict VMAF for cells nobody has encoded."""

    plugins.tell("vmaftune_register_commands", cli=cli)
    return cli


def main(argv: list[str] | None = None) -> NoReturn:
    """Runs ``vmaf-tune`` and exits with an ``ExitCode``."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell sets it for jobs in the background
        signal.signal(signal.SIGINT, _interrupt)
    arguments = sys.argv[1:] if argv is None else argv
    code = run(arguments)
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


def run(arguments: list[str]) -> int:
    """Runs one command line and reports its errors on stderr.

    Returns:
        The exit code.
    """
    try:
        with sink():
            result = build_cli(load_plugins()).main(arguments, prog_name="vmaf-tune", standalone_mode=False)
            sys.stdout.flush()
        return int(result) if isinstance(result, int) else ExitCode.OK
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except click.ClickException as error:
        if isinstance(error, Failure):
            _explain(error, "--debug" in arguments)
        error.show()
        return error.exit_code


def _explain(failure: Failure, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(failure.__cause__)
    elif failure.exit_code == ExitCode.INTERNAL:
        failure.hint = "; --debug shows where"
