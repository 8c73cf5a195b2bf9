"""``vmaf-tune export-check``: can upstream's readers read these models?"""

from __future__ import annotations

from pathlib import Path

import click

from vmaftune_frv2.errors import ExitCode


@click.command(name="export-check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--add-names", is_flag=True, help="First put a name into each sidecar that has none: its id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def export_check(folder: Path, add_names: bool, as_json: bool) -> int:
    """Hold the models in DIR against what lusoris/vmaf and VMAFx ask of them.

    These are the rules of their registry, the operators and sizes that libvmaf's loader takes, and what its reader
    makes of each sidecar: it takes the first "name" in the file. Every rule that does not hold is one line, and
    the exit code is then 6. Whether the files agree with each other is what models checks.
    """
    import json

    from vmaftune_frv2.commands.export_check.naming import add_names as put_names
    from vmaftune_frv2.predict.export_check import check_export

    written, refused = put_names(folder) if add_names else ([], [])
    for path in written:
        click.echo(f"named: {path}", err=True)
    for fault in refused:
        click.echo(f"not named: {fault}", err=True)
    report = check_export(folder)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, allow_nan=False))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        broken = len(report.findings)
        click.echo(f"{report.models} models: {f'{broken} findings' if broken else 'all rules hold'}", err=True)
    return ExitCode.MODEL if report.findings or refused else ExitCode.OK
