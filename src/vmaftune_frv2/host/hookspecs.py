"""The hooks of vmaf-tune, and all that our plugin asks of a host. docs/hooks.md describes each with an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import pluggy

from vmaftune_frv2.contract.encoder import Encoder

PROJECT = "vmaftune"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def vmaftune_register_commands(cli: click.Group) -> None:
    """Add click commands to the host's group; the host sets the context object to its ``PluginManager``."""


@hookspec
def vmaftune_register_encoders(register: Callable[[Encoder], None]) -> None:
    """Add encoders to the table."""


@hookspec
def vmaftune_sweep_started(planned: int, todo: int) -> None:
    """A sweep begins: cells planned, cells not yet measured."""


@hookspec
def vmaftune_scored(row: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """See libvmaf's whole JSON log of a scored cell."""


@hookspec
def vmaftune_enrich_row(row: Mapping[str, Any], payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return keys to add to a row, or values for its unknown (null) keys."""


@hookspec
def vmaftune_check_row(row: Mapping[str, Any]) -> Sequence[str] | None:
    """Return reasons to keep a row out of the corpus; none lets it in."""


@hookspec
def vmaftune_sweep_finished(summary: Mapping[str, int]) -> None:
    """A sweep is over: counts of planned, skipped, measured, cached, failed and vetoed cells."""
