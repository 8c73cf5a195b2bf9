"""``vmaf-tune corpus``: sweep encoders over a grid and append rows."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.contract.sweep_request import SweepRequest
from vmaftune_frv2.errors import ExitCode, InterruptedRunError
from vmaftune_frv2.host.plugins import plugins_of


@click.command(name="corpus")
@request_options(SweepRequest)
@click.option(
    "--dry-run", is_flag=True, help="Print the encodes that are still to do and how many there are, and stop."
)
def corpus(request: SweepRequest, dry_run: bool) -> int:
    """Encode and score every (source, encoder, preset, crf), and append a row for each to a corpus.

    The corpus is never truncated, and the same command goes on where it stopped. Without --encoder, libx264 is
    used; without --preset or --crf, each encoder's default ones.
    """
    from vmaftune_frv2.api.sweeping import left_of, plan_sweep, sweep
    from vmaftune_frv2.commands.corpus.report import print_plan, print_summary
    from vmaftune_frv2.commands.shared.progress import progress_bar

    if dry_run:
        plan = plan_sweep(request)
        print_plan(plan, left_of(plan, request))
        return ExitCode.OK
    plugins = plugins_of(click.get_current_context())
    try:
        with progress_bar("cells") as bar:
            swept = sweep(request, plugins, bar.start, lambda row: bar.advance())
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; the same command goes on from here") from stop
    print_summary(swept, request)
    return ExitCode.OK if swept.summary.clean else ExitCode.NEGATIVE
