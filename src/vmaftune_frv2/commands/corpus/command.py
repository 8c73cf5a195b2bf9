"""``vmaf-tune corpus``: sweep encoders over a grid and append rows."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.contract.options import Request
from vmaftune_frv2.contract.sweep_request import SweepRequest
from vmaftune_frv2.errors import ExitCode, InterruptedRunError
from vmaftune_frv2.host.plugins import plugins_of


class SweepOutput(Request):
    """What is shown of a sweep."""

    progress: str = progress_option()


@click.command(name="corpus")
@request_options(SweepRequest, SweepOutput)
@click.option(
    "--dry-run", is_flag=True, help="Print the encodes that are still to do and how many there are, and stop."
)
def corpus(request: SweepRequest, output: SweepOutput, dry_run: bool) -> int:
    """Encode and score every (source, encoder, preset, crf), and append a row for each to a corpus.

    The corpus is never truncated, and the same command goes on where it stopped. Without --encoder, libx264 is
    used; without --preset or --crf, each encoder's default ones.
    """
    with shown_progress(output.progress, "corpus"):
        return _plan(request) if dry_run else _sweep(request)


def _plan(request: SweepRequest) -> int:
    from vmaftune_frv2.api.sweeping import left_of, plan_sweep
    from vmaftune_frv2.commands.corpus.report import print_plan

    plan = plan_sweep(request)
    print_plan(plan, left_of(plan, request))
    return ExitCode.OK


def _sweep(request: SweepRequest) -> int:
    from vmaftune_frv2.api.sweeping import sweep
    from vmaftune_frv2.commands.corpus.report import print_summary

    try:
        swept = sweep(request, plugins_of(click.get_current_context()))
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; the same command goes on from here") from stop
    print_summary(swept, request)
    return ExitCode.OK if swept.summary.clean else ExitCode.NEGATIVE
