"""``vmaf-tune plugins``: what is loaded."""

from __future__ import annotations

import json

import click

from vmaftune_frv2.host.plugins import plugins_of


@click.command(name="plugins")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List the loaded plugins, where they come from and the hooks they implement."""
    loaded = plugins_of(context)
    entries = [
        {
            "name": name,
            "origin": origin,
            "hooks": sorted(
                caller.name for caller in loaded.manager.get_hookcallers(loaded.manager.get_plugin(name)) or []
            ),
        }
        for name, origin in loaded.origins.items()
    ]
    if as_json:
        click.echo(json.dumps({"plugins": entries, "broken": loaded.broken}, indent=2))
        return
    for entry in entries:
        click.echo(f"{entry['name']} ({entry['origin']}): {', '.join(entry['hooks'])}")
    for name, reason in loaded.broken.items():
        click.echo(f"{name}: not loaded: {reason}")
