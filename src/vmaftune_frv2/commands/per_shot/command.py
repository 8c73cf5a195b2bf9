"""``vmaf-tune per-shot``: a crf for each shot, and how to tell the encoder."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.commands.shared.question import emit_option, kept_on_interrupt, spare_threads, style_option
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.per_shot_request import PerShotRequest
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import plugins_of


class PerShotOutput(Request):
    """How the answer is given."""

    segments: bool = option(
        False,
        "Print an encode per shot and how to join them even where the encoder can do with one encode (zones).",
    )
    emit: str | None = emit_option()
    style: str = style_option()
    progress: str = progress_option()


@click.command(name="per-shot")
@request_options(PerShotRequest, PerShotOutput)
def per_shot(request: PerShotRequest, output: PerShotOutput) -> int:
    """Pick a crf for each shot of SOURCE, and print the ffmpeg commands that encode it so.

    libx264, libx265 and other encoders with zones change their crf within one encode; with the rest each shot is
    encoded to a file, and the files are joined. Where --encoder, --preset or --crf is not given, all that the
    model learnt is considered.
    """
    spare_threads()
    with shown_progress(output.progress, "per-shot"), kept_on_interrupt(request):
        return _give(request, output)


def _give(request: PerShotRequest, output: PerShotOutput) -> int:
    from vmaftune_frv2.api import shot_answers
    from vmaftune_frv2.api.shot_commands import shot_commands
    from vmaftune_frv2.commands.per_shot.report import note_samples, print_records, print_table, say_unreached
    from vmaftune_frv2.commands.shared.predictions import Further

    found = shot_answers.per_shot(request, plugins_of(click.get_current_context()))
    further = Further.of(request)
    commands = ["\n".join(shot_commands(found, line, output.segments)) for line in found.lines]
    if output.emit:
        note_samples(found)
        for command in commands:
            click.echo(command)
    elif output.style == "table":
        print_table(found, further)
        for command in commands:
            click.echo(f"\n{command}")
    else:
        print_records(found, output.style, further)
    say_unreached(found, request)
    return ExitCode.OK if found.reached else ExitCode.NEGATIVE
