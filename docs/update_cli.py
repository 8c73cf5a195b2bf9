"""Rewrites the help texts in docs/cli.md from the commands themselves.

python docs/update_cli.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"
BLOCK = re.compile(r"(<!-- help: ([a-z0-9-]+) -->\n```\n).*?(```\n)", re.DOTALL)
WIDTH = 100


def help_text(command: str) -> str:
    """``vmaf-tune COMMAND --help``, at a fixed width and without installed plugins."""
    import click

    os.environ["VMAFTUNE_PLUGINS"] = ""
    from vmaftune_frv2.host.cli import build_cli
    from vmaftune_frv2.host.plugins import load_plugins

    cli = build_cli(load_plugins())
    width = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(cli, info_name="vmaf-tune", **width, **cli.context_settings)
    if command != "vmaf-tune":
        found = cli.get_command(context, command)
        if found is None:
            raise SystemExit(f"{PAGE}: no command {command}")
        context = click.Context(found, context, info_name=command, **width)
    return context.command.get_help(context) + "\n"


def render(page: str) -> str:
    """The page with every help block made anew."""
    return BLOCK.sub(lambda found: found[1] + help_text(found[2]) + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
