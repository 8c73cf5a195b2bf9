"""``vmaf-tune upgrade``: rows of any known shape as rows of version 3."""

from __future__ import annotations

import json

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.contract.upgrade_request import UpgradeRequest
from vmaftune_frv2.errors import ExitCode


@click.command(name="upgrade")
@request_options(UpgradeRequest)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
def upgrade(request: UpgradeRequest, as_json: bool) -> int:
    """Write the rows of IN, of whatever known shape, to OUT as rows of version 3.

    IN is a corpus, a folder of corpora, or a .csv or .parquet table; it stays as it is. OUT appears when it is
    whole, and is never overwritten. What a row does not tell is null.
    """
    from vmaftune_frv2.api.upgrading import upgrade as write

    found = write(request)
    if as_json:
        renamed = [{"from": old, "to": new, "rows": count} for (old, new), count in found.renamed.items()]
        counts = {
            "shapes": dict(sorted(found.shapes.items())),
            "left_out": dict(found.left_out),
            "renamed": renamed,
        }
        click.echo(json.dumps({"written": found.written, "new": found.new, **counts}, indent=2))
    for (old, new), count in found.renamed.items():
        click.echo(f"{count} rows: encoder {old} read as {new}", err=True)
    for reason, count in found.left_out.items():
        click.echo(f"{count} rows left out: {reason}", err=True)
    shapes = ", ".join(f"{shape}: {count}" for shape, count in sorted(found.shapes.items()))
    written = "written" if found.new else "stood there already, the same to the byte"
    click.echo(f"{found.output}: {found.written} rows {written} ({shapes})", err=True)
    return ExitCode.NEGATIVE if found.left_out else ExitCode.OK
