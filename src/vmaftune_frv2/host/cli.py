"""The ``vmaf-tune`` command group and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import click

from vmaftune_frv2 import __version__
from vmaftune_frv2.errors import ExitCode, TuneError
from vmaftune_frv2.host.plugins import Plugins, load_plugins

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Host:
    """What commands get as their context object."""

    plugins: Plugins
    debug: bool = False


pass_host = click.make_pass_decorator(Host)


class Commands(click.Group):
    """A group whose commands may be imported only when one is asked for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lazy: dict[str, str] = {}

    def add_lazy(self, name: str, where: str) -> None:
        """Adds a command.

        Args:
            name: of the command.
            where: ``module:attribute``, imported for running the command and for help.
        """
        self._lazy[name] = where

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Adds a command; it replaces one of the same name."""
        self._lazy.pop(name or cmd.name or "", None)
        super().add_command(cmd, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported by now."""
        if cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name].partition(":")
            self.add_command(getattr(importlib.import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted({*super().list_commands(ctx), *self._lazy})


def build_cli(plugins: Plugins) -> Commands:
    """The command group with every plugin's commands."""

    @click.group(name="vmaf-tune", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="vmaf-tune")
    @click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
    @click.pass_context
    def cli(context: click.Context, debug: bool) -> None:
        """Sweep encoders, keep a trustworthy corpus, predict VMAF for cells nobody has encoded."""
        context.obj = Host(plugins, debug)

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
    debug = "--debug" in arguments
    try:
        result = build_cli(load_plugins()).main(arguments, prog_name="vmaf-tune", standalone_mode=False)
        sys.stdout.flush()
        return int(result) if isinstance(result, int) else ExitCode.OK
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _report("interrupted", ExitCode.INTERRUPTED, debug)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TuneError as error:
        return _report(str(error), error.exit_code, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        hint = "" if debug else "; --debug shows where"
        return _report(f"internal error: {type(error).__name__}: {error}{hint}", ExitCode.INTERNAL, debug)


def _report(message: str, code: ExitCode, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"Error: {message}", err=True)
    return code
