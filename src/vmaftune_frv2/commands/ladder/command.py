"""``vmaf-tune ladder``: heights and crfs along the convex hull of bitrate and VMAF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.commands.shared.question import emit_option, kept_on_interrupt, spare_threads, style_option
from vmaftune_frv2.contract.ladder_request import LadderRequest
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import plugins_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmaftune_frv2.predict.ladder import Ladder
    from vmaftune_frv2.predict.rendition import Rung

SIZE = ("height", "width")
COLUMNS = (
    *SIZE, "encoder", "preset", "crf", "kbps", "kbps_low", "kbps_high", "vmaf_predicted", "vmaf_low", "vmaf_high",
    "extrapolated", "measured", "windows", "sample_s", "extra_params", "size_bytes", "size_low", "size_high",
    "encode_s",
)  # fmt: skip


class LadderOutput(Request):
    """How the ladders are given."""

    emit: str | None = emit_option()
    plot: Path | None = option(
        None,
        "Draw the curve of each height, the convex hull and the rungs to a .png, .svg or .html file.",
        metavar="FILE",
        names="file",
    )
    style: str = style_option()
    progress: str = progress_option()


@click.command(name="ladder")
@request_options(LadderRequest, LadderOutput)
def ladder(request: LadderRequest, output: LadderOutput) -> int:
    """Choose the rungs (height and crf) of a bitrate ladder for SOURCE, per encoder and preset.

    Rungs lie along the convex hull of bitrate and VMAF, which is scored at the source's size. With --verify every
    rung is encoded and scored. Where --preset or --crf is not given, all that the model learnt is considered.
    """
    spare_threads()
    with shown_progress(output.progress, "ladder"), kept_on_interrupt(request):
        return _give(request, output)


def _give(request: LadderRequest, output: LadderOutput) -> int:
    from vmaftune_frv2.api import ladders
    from vmaftune_frv2.api.shell import rung_commands
    from vmaftune_frv2.commands.shared.predictions import note_sample

    if output.plot:
        from vmaftune_frv2.drawing.picture import check_plot

        check_plot(output.plot)
    found = ladders.ladder(request, plugins_of(click.get_current_context()))
    for each in found.ladders:
        _note_gaps(each, request)
    if output.plot and found.ladders:
        from vmaftune_frv2.drawing.ladder_plot import write_ladder_plot

        write_ladder_plot(output.plot, request.source, found.ladders)
    if output.emit:
        note_sample(found.heights[0].sample, request.source)
        for command in rung_commands(found.heights, found.rungs):
            click.echo(command)
    else:
        _print_rungs(output.style, found.rungs, request)
    return ExitCode.OK if all(each.rungs for each in found.ladders) else ExitCode.NEGATIVE


def _note_gaps(found: Ladder, request: LadderRequest) -> None:
    """Says what a ladder lacks of what was asked for."""
    line = ":".join(found.line)
    if not found.rungs:
        limits = {"--max-bitrate": request.max_bitrate, "--min-bitrate": request.min_bitrate}
        given = ["--vmaf-range", *(name for name, value in limits.items() if value is not None)]
        click.echo(f"{line}: no candidate is within {' and '.join(given)}", err=True)
    elif request.rungs is not None and len(found.rungs) < request.rungs:
        few = f"{len(found.rungs)} of {request.rungs} rungs"
        why = f"the same encodes, or less than {request.min_step:g} times apart in bitrate (--min-step)"
        click.echo(f"{line}: {few}; the others would be {why}", err=True)
    if not found.complete:
        ended = f"--max-encodes ended the search; these are the best of {found.encodes} encodes"
        click.echo(f"{line}: {ended}", err=True)


def _print_rungs(style: str, rungs: Sequence[Rung], request: LadderRequest) -> None:
    from vmaftune_frv2.commands.shared.predictions import (
        COST_HEADERS,
        Further,
        costs,
        figures,
        kind,
        style_of,
        styled_table,
    )
    from vmaftune_frv2.commands.shared.records import emit
    from vmaftune_frv2.commands.shared.table import coloured

    further = Further.of(request)
    if style == "table":
        rows = [[str(r.height), str(r.width), *figures(r), *costs(r), kind(r)] for r in rungs]
        headers = [*SIZE, *further.vmaf_headers, *COST_HEADERS, ""]
        table = styled_table(headers, rows, [style_of(rung) for rung in rungs])
        click.echo(table, color=coloured())
    else:
        emit(style, (*COLUMNS, *further.columns), [{**rung_record(r), **further.record(r)} for r in rungs])


def rung_record(rung: Rung) -> dict[str, Any]:
    """A rung for programs, as ``schemas/predict_rung.json``."""
    from vmaftune_frv2.commands.shared.predictions import cell_record

    return {"height": rung.height, "width": rung.width, **cell_record(rung)}
