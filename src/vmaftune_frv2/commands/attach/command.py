"""``vmaf-tune attach``: features and VMAF of each frame, for rows that lack them."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.contract.attach_request import AttachRequest
from vmaftune_frv2.contract.options import Request
from vmaftune_frv2.errors import ExitCode, InterruptedRunError


class AttachOutput(Request):
    """What is shown of the work."""

    progress: str = progress_option()


@click.command(name="attach")
@request_options(AttachRequest, AttachOutput)
def attach(request: AttachRequest, output: AttachOutput) -> int:
    """Measure the frames of the rows of CORPUS that lack them, and append all rows to another corpus.

    A row's kept encode is scored if it is there; else its cell is encoded again. Its source must be there, the
    same to the byte, and the score must agree with the row's. The same command goes on where it stopped.
    """
    with shown_progress(output.progress, "attach"):
        return _attach(request)


def _attach(request: AttachRequest) -> int:
    from vmaftune_frv2.api.attaching import attach as measure
    from vmaftune_frv2.corpus.attach_frames import ENCODED, SCORED

    try:
        found = measure(request)
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; the same command goes on from here") from stop
    for reason, count in found.left_out.items():
        click.echo(f"{count} rows left out: {reason}", err=True)
    counts = [f"{found.made[SCORED]} kept encodes scored", f"{found.made[ENCODED]} cells encoded again"]
    counts += [f"{found.copied} rows had frames", f"{found.there} were there already"]
    counts += [f"{found.again} of cells that earlier rows have"] if found.again else []
    click.echo(f"{found.output}: {', '.join(counts)}", err=True)
    return ExitCode.NEGATIVE if found.left_out else ExitCode.OK
