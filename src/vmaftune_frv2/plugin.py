"""This package's own plugin: its commands and its row check, through the public hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmaftune_frv2.host.hookspecs import hookimpl
from vmaftune_frv2.host.lazy import LazyCommand
from vmaftune_frv2.host.open_group import OpenGroup
from vmaftune_frv2.upstream.beside import UpstreamCommands

COMMANDS = (
    "corpus", "validate", "upgrade", "attach", "train-v2", "predict", "encode", "compare", "ladder",
    "per-shot", "score", "models", "export-check", "export-rows", "doctor", "plugins", "upstream",
)  # fmt: skip


@hookimpl
def vmaftune_register_commands(cli: click.Group) -> None:
    """Adds our commands, each a function in the folder of its name; in our own host, upstream's beside them."""
    if isinstance(cli, OpenGroup):
        cli.further = UpstreamCommands(cli)
    for name in COMMANDS:
        function = name.replace("-", "_")
        cli.add_command(LazyCommand(name, f"vmaftune_frv2.commands.{function}.command:{function}"))


@hookimpl
def vmaftune_check_row(row: Mapping[str, Any]) -> list[str]:
    """Keeps rows out that break the contract."""
    from vmaftune_frv2.contract.rowcheck import check_row

    return [str(violation) for violation in check_row(dict(row))]
