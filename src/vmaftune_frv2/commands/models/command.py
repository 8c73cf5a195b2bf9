"""``vmaf-tune models``: which models there are, and whether they may be trusted."""

from __future__ import annotations

from pathlib import Path

import click

from vmaftune_frv2.errors import ExitCode


@click.command(name="models")
@click.option(
    "--model-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder with a registry.json.  [default: ./model/tiny if it has one, and the shipped models]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Output format.",
)
def models(model_dir: Path | None, output_format: str) -> int:
    """List every registered model and ensemble, and check that its files are intact.

    Compares sha256 digests with registry, sidecar and manifest, checks JSON files against their schemas, and loads
    each model to see that it has the inputs and outputs that its sidecar says. Exits with 6 if anything is wrong.
    """
    import json

    from vmaftune_frv2.commands.models.listing import as_json, folders, format_folder
    from vmaftune_frv2.predict.folder_check import check_folder

    found = {folder: check_folder(folder) for folder in folders(model_dir)}
    faults = [fault for listed in found.values() for fault in listed.faults()]
    if output_format == "json":
        click.echo(json.dumps(as_json(found), indent=2, allow_nan=False))
    else:
        click.echo("\n\n".join(format_folder(folder, listed) for folder, listed in found.items()))
    for fault in faults:
        click.echo(f"Error: {fault}", err=True)
    return ExitCode.MODEL if faults else ExitCode.OK
