"""This package's own plugin: its commands and its row check, through the public hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmaftune_frv2.commands.corpus import corpus
from vmaftune_frv2.commands.doctor import doctor
from vmaftune_frv2.commands.plugins import plugins
from vmaftune_frv2.commands.predict import predict
from vmaftune_frv2.commands.train_v2 import train_v2
from vmaftune_frv2.commands.validate import validate
from vmaftune_frv2.host.hookspecs import hookimpl

COMMANDS = (corpus, validate, train_v2, predict, doctor, plugins)


@hookimpl
def vmaftune_register_commands(cli: click.Group) -> None:
    """Adds our commands."""
    for command in COMMANDS:
        cli.add_command(command)


@hookimpl
def vmaftune_check_row(row: Mapping[str, Any]) -> list[str]:
    """Keeps rows out that break the contract."""
    from vmaftune_frv2.contract.rowcheck import check_row

    return [str(violation) for violation in check_row(dict(row))]
