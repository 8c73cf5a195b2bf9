"""A click command that is imported only when it is needed."""

from __future__ import annotations

import copy
import functools
import importlib
from typing import Any

import click

from vmaftune_frv2.host.plugins import plugins_of
from vmaftune_frv2.host.sink import exits, sink


class LazyCommand(click.Command):
    """Stands for a command of ours in any host's group; imports it to run it, complete it or show its help.

    Args:
        name: of the command.
        where: ``module:attribute``.
    """

    def __init__(self, name: str, where: str) -> None:
        # Not the base's: whatever it would set is the real command's, and __getattr__ finds it there.
        self.name = name
        self._where = where

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # copy asks for these before there is a _where
            raise AttributeError(attribute)
        return getattr(self._real, attribute)

    @functools.cached_property
    def _real(self) -> click.Command:
        module, _, attribute = self._where.partition(":")
        real: click.Command = copy.copy(getattr(importlib.import_module(module), attribute))
        assert real.callback is not None
        real.callback = exits(real.callback)
        return real

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The real command's context, in which the plugins are found; what fails fails as in the command."""
        with sink():
            # Before the import, which lists the encoders in a help text.
            extra["obj"] = plugins_of(parent).manager
            return self._real.make_context(info_name, args, parent, **extra)
