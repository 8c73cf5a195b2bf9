"""``vmaf-tune upstream``: the other package's subcommands, with our programs and hooks in place."""

from __future__ import annotations

import click

from vmaftune_frv2.errors import InterruptedRunError
from vmaftune_frv2.host.plugins import plugins_of
from vmaftune_frv2.upstream.beside import PASSED_ON, instead


@click.command(name="upstream", context_settings=PASSED_ON)
@click.argument("arguments", nargs=-1, required=True, metavar="SUBCOMMAND [ARGS]...", type=click.UNPROCESSED)
def upstream(arguments: tuple[str, ...]) -> int:
    """Run a subcommand of lusoris/vmaf's vmaf-tune, with its own options and output.

    Rows that it emits are enriched frame by frame, checked by every plugin and appended to its --output; the
    same command goes on where it stopped. Where PATH has no vmaf, vmaf-tune-score is it. `vmaf-tune --help` lists
    the subcommands, and `vmaf-tune upstream SUBCOMMAND --help` shows the options of one.
    """
    from vmaftune_frv2.upstream.calling import broken, run

    reason = broken(arguments[0])
    if reason is not None:
        hint = f"`vmaf-tune {instead(arguments[0])}` answers the same question"
        click.echo(f"Warning: this upstream's {arguments[0]} is known not to work: {reason}; {hint}", err=True)
    try:
        return run(arguments, plugins_of(click.get_current_context()))
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; rows so far are kept, and the same command goes on") from stop
