"""Our own host: the ``vmaf-tune`` command group and its process."""

from __future__ import annotations

from typing import NoReturn

import click

from vmaftune_frv2.host.open_group import OpenGroup
from vmaftune_frv2.host.plugins import Plugins, load_plugins
from vmaftune_frv2.host.program import exit_with, explain, reported
from vmaftune_frv2.host.sink import Failure
from vmaftune_frv2.version import __version__


def build_cli(plugins: Plugins) -> click.Group:
    """The command group with every plugin's commands."""
    settings = {"help_option_names": ["-h", "--help"], "obj": plugins.manager}

    @click.group(name="vmaf-tune", context_settings=settings, cls=OpenGroup)
    @click.version_option(__version__, prog_name="vmaf-tune")
    @click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
    def cli(debug: bool) -> None:
        """Sweep encoders, keep the scores as a corpus, train on it, and predict which crf a source needs."""

    plugins.tell("vmaftune_register_commands", cli=cli)
    return cli


def main(argv: list[str] | None = None) -> NoReturn:
    """Runs ``vmaf-tune`` and exits with an ``ExitCode``."""
    exit_with(run, argv)


def run(arguments: list[str]) -> int:
    """Runs one command line and reports its errors on stderr.

    Returns:
        The exit code.
    """

    def work() -> object:
        return build_cli(load_plugins()).main(arguments, prog_name="vmaf-tune", standalone_mode=False)

    def show(error: click.ClickException) -> None:
        if isinstance(error, Failure):
            explain(error, "--debug" in arguments)
        error.show()

    return reported(work, show)
