"""``vmaf-tune attach``: features and VMAF of each frame, for rows that lack them."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.contract.attach_request import AttachRequest
from vmaftune_frv2.errors import ExitCode, InterruptedRunError


@click.command(name="attach")
@request_options(AttachRequest)
def attach(request: AttachRequest) -> int:
    """Measure the frames of the rows of CORPUS that lack them, and append all rows to another corpus.

    A row's kept encode is scored if it is there; else its cell is encoded again. Its source must be there, the
    same to the byte, and the score must agree with the row's. The same command goes on where it stopped.
    """
    from vmaftune_frv2.api.attaching import attach as measure
    from vmaftune_frv2.commands.shared.progress import progress_bar
    from vmaftune_frv2.corpus.attach_frames import ENCODED, SCORED

    try:
        with progress_bar("rows") as bar:
            found = measure(request, bar.start, bar.advance)
    except KeyboardInterrupt as stop:
        raise InterruptedRunError("interrupted; the same command goes on from here") from stop
    for reason, count in found.left_out.items():
        click.echo(f"{count} rows left out: {reason}", err=True)
    counts = [f"{found.made[SCORED]} kept encodes scored", f"{found.made[ENCODED]} cells encoded again"]
    counts += [f"{found.copied} rows had frames", f"{found.there} were there already"]
    counts += [f"{found.again} of cells that earlier rows have"] if found.again else []
    click.echo(f"{found.output}: {', '.join(counts)}", err=True)
    return ExitCode.NEGATIVE if found.left_out else ExitCode.OK
