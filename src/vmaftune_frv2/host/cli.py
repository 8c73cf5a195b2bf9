"""The ``vmaf-tune`` command group and the one place where errors become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import NoReturn

import click

from vmaftune_frv2 import __version__
from vmaftune_frv2.errors import ExitCode, TuneError
from vmaftune_frv2.host.plugins import Plugins, load_plugins


@dataclass
class Host:
    """What commands get as their context object."""

    plugins: Plugins
    debug: bool = False


pass_host = click.make_pass_decorator(Host)


def build_cli(plugins: Plugins) -> click.Group:
    """The command group with every plugin's commands."""

    @click.group(name="vmaf-tune", context_settings={"help_option_names": ["-h", "--help"]})
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
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = sys.argv[1:] if argv is None else argv
    sys.exit(run(arguments))


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
    except click.exceptions.Abort:
        return _report("interrupted; the same command goes on from here", ExitCode.INTERRUPTED, debug)
    except KeyboardInterrupt:
        return _report("interrupted; the same command goes on from here", ExitCode.INTERRUPTED, debug)
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
