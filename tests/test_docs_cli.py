"""docs/cli.md shows the commands as they are."""

from __future__ import annotations

import re
from types import ModuleType

import click
import pytest

from docs_kit import DOCS, script
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.cli import build_cli
from vmaftune_frv2.host.plugins import load_plugins
from vmaftune_frv2.plugin import COMMANDS


@pytest.fixture(scope="module")
def update_cli() -> ModuleType:
    return script("update_cli")


def test_help_texts_are_the_programs_own(update_cli: ModuleType) -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    assert update_cli.render(page) == page, "run: python docs/update_cli.py"


def test_every_command_has_a_section_with_every_option() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    cli = build_cli(load_plugins())
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        section = page.split(f"\n## vmaf-tune {command.name}\n")[1].split("\n## ")[0]
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing = [option for option in options if option not in section]
        assert not missing, f"{command.name}: {missing}"


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| ([A-Z]+) \|", page, re.MULTILINE))
    assert rows == {str(code.value): code.name for code in ExitCode}
