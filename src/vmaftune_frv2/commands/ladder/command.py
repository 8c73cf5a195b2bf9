"""``vmaf-tune ladder``: heights and crfs along the convex hull of bitrate and VMAF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.commands.shared.question import emit_option, kept_on_interrupt, spare_threads, style_option
from vmaftune_frv2.contract.ladder_request import LadderRequest
from vmaftune_frv2.contract.options import Request
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import plugins_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmaftune_frv2.predict.ladder import Ladder
    from vmaftune_frv2.predict.rendition import Rung

SIZE = ("height", "width")
COLUMNS = (
    *SIZE, "encoder", "preset", "crf", "kbps", "kbps_low", "kbps_high", "vmaf_predicted", "vmaf_low", "vmaf_high",
    "extrapolated", "measured", "windows", "sample_s", "extra_params",
)  # fmt: skip


class LadderOutput(Request):
    """How the ladders are given."""

    emit: str | None = emit_option()
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
    with shown_progress(output.progress, "ladder"), kept_on_interrupt(request.record):
        return _give(request, output)


def _give(request: LadderRequest, output: LadderOutput) -> int:
    from vmaftune_frv2.api import ladders
    from vmaftune_frv2.api.shell import rung_commands
    from vmaftune_frv2.commands.shared.predictions import note_sample

    found = ladders.ladder(request, plugins_of(click.get_current_context()))
    for each in found.ladders:
        _note_gaps(each)
    if output.emit:
        note_sample(found.heights[0].sample, request.source)
        for command in rung_commands(found.heights, found.rungs):
            click.echo(command)
    else:
        _print_rungs(output.style, found.rungs)
    return ExitCode.OK if all(each.rungs for each in found.ladders) else ExitCode.NEGATIVE


def _note_gaps(found: Ladder) -> None:
    """Says what a ladder lacks of what was asked for."""
    line = ":".join(found.line)
    if not found.rungs:
        click.echo(f"{line}: no candidate is below --max-bitrate", err=True)
    elif len(found.rungs) < found.wanted:
        few = f"{len(found.rungs)} of {found.wanted} rungs"
        click.echo(f"{line}: {few}; the others would be the same encodes", err=True)
    if not found.complete:
        ended = f"--max-encodes ended the search; these are the best of {found.encodes} encodes"
        click.echo(f"{line}: {ended}", err=True)


def _print_rungs(style: str, rungs: Sequence[Rung]) -> None:
    from vmaftune_frv2.commands.shared.predictions import HEADERS, figures, kind, style_of, styled_table
    from vmaftune_frv2.commands.shared.records import emit
    from vmaftune_frv2.commands.shared.table import coloured

    if style == "table":
        rows = [[str(rung.height), str(rung.width), *figures(rung), kind(rung)] for rung in rungs]
        table = styled_table([*SIZE, *HEADERS, ""], rows, [style_of(rung) for rung in rungs])
        click.echo(table, color=coloured())
    else:
        emit(style, COLUMNS, map(rung_record, rungs))


def rung_record(rung: Rung) -> dict[str, Any]:
    """A rung for programs, as ``schemas/predict_rung.json``."""
    from vmaftune_frv2.commands.shared.predictions import cell_record

    return {"height": rung.height, "width": rung.width, **cell_record(rung)}
