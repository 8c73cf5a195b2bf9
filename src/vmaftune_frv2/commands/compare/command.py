"""``vmaf-tune compare``: encoders and presets side by side at a target."""

from __future__ import annotations

from pathlib import Path

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.commands.shared.question import kept_on_interrupt, spare_threads, style_option
from vmaftune_frv2.contract.compare_request import CompareRequest
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.host.plugins import plugins_of


class CompareOutput(Request):
    """How the comparison is given."""

    plot: Path | None = option(
        None,
        "Draw curves, or bitrates of several sources, and bitrate over speed to a .png, .svg or .html file.",
        metavar="FILE",
        names="file",
    )
    style: str = style_option()
    progress: str = progress_option()


@click.command(name="compare")
@request_options(CompareRequest, CompareOutput)
def compare(request: CompareRequest, output: CompareOutput) -> int:
    """Compare encoders and presets on SOURCE: bitrate, size and speed at the same VMAF, against the first of them.

    Bitrates are compared at exactly --target-vmaf, between crfs; BD-rate is the mean difference at equal VMAF
    round it. With --verify the picks are encoded and scored.
    """
    from vmaftune_frv2.api import comparison
    from vmaftune_frv2.commands.compare.report import print_comparison, say_failures

    spare_threads()
    if output.plot:
        from vmaftune_frv2.drawing.picture import check_plot

        check_plot(output.plot)
    with shown_progress(output.progress, "compare"), kept_on_interrupt(request):
        found = comparison.compare(request, plugins_of(click.get_current_context()))
    if output.plot and found.sources:
        from vmaftune_frv2.api.comparison_plot import write_comparison_plot

        write_comparison_plot(output.plot, found, request.target_vmaf or 0.0)
    print_comparison(found, output.style)
    return say_failures(found, request)
