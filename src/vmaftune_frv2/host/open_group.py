"""Our command group, which can be asked for commands of others when it has none of that name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import click


class Further(Protocol):
    """Commands beside ours. Asked only for a name that is not ours, and when help is listed."""

    title: str

    def command(self, name: str) -> click.Command | None:
        """The command of a name, None where there is none."""

    def listed(self) -> Mapping[str, str]:
        """{command: what it is for}."""


class OpenGroup(click.Group):
    """A click group with commands beside its own.

    Attributes:
        further: where they come from.
    """

    further: Further | None = None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Our command, else one of the others."""
        own = super().get_command(ctx, cmd_name)
        return self.further.command(cmd_name) if own is None and self.further else own

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists ours, then the others under a heading of their own."""
        super().format_commands(ctx, formatter)
        listed = self.further.listed() if self.further else {}
        if listed and self.further:
            with formatter.section(self.further.title):
                formatter.write_dl([*listed.items()])
