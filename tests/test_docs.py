"""The documents name what the program has, and only that."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types

import pluggy
import pytest

from docs_kit import DOCS
from vmaftune_frv2.commands.predict.answers import PICK_COLUMNS
from vmaftune_frv2.commands.predict.command import predict
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.corpus.sweep import Summary
from vmaftune_frv2.host import hookspecs, plugins

HOOKS = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("vmaftune_")}


@pytest.fixture(scope="module")
def hooks_doc() -> str:
    return (DOCS / "hooks.md").read_text("utf-8")


def section(document: str, hook: str) -> str:
    """The text of one hook, from its heading to the next."""
    found = re.search(rf"^### `{hook}\(.*?(?=^##|\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"docs/hooks.md has no section on {hook}"
    return found.group()


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_is_documented_with_its_exact_arguments(hooks_doc: str, hook: str) -> None:
    arguments = ", ".join(inspect.signature(HOOKS[hook]).parameters)
    assert section(hooks_doc, hook).startswith(f"### `{hook}({arguments})`\n")


def test_documented_hooks_exist_in_this_order(hooks_doc: str) -> None:
    assert re.findall(r"^### `(\w+)\(", hooks_doc, re.MULTILINE) == list(HOOKS)
    assert set(re.findall(r"\bvmaftune_(?!frv2|example)\w+", hooks_doc)) == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_example_of_a_hook_is_a_plugin(hooks_doc: str, hook: str) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", section(hooks_doc, hook), re.MULTILINE | re.DOTALL)
    plugin = types.ModuleType("example")
    exec(compile(example, f"docs/hooks.md {hook}", "exec"), vars(plugin))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    assert [caller.name for caller in manager.get_hookcallers(plugin) or []] == [hook]


def test_fields_of_an_encoder_are_documented(hooks_doc: str) -> None:
    table = re.findall(r"^\| `(\w+)` \|", section(hooks_doc, "vmaftune_register_encoders"), re.MULTILINE)
    assert table == [field.name for field in dataclasses.fields(Encoder)]


def test_counts_of_a_finished_sweep_are_documented(hooks_doc: str) -> None:
    text = section(hooks_doc, "vmaftune_sweep_finished")
    assert [field.name for field in dataclasses.fields(Summary) if f"`{field.name}`" not in text] == []


def test_how_plugins_are_found_is_documented(hooks_doc: str) -> None:
    assert f"[project.entry-points.{plugins.ENTRY_POINT_GROUP}]" in hooks_doc
    assert f"`{plugins.PLUGINS_VARIABLE}`" in hooks_doc
    assert f"`{plugins.BUILTIN_NAME}`" in hooks_doc


def test_every_option_and_key_of_predict_is_documented() -> None:
    page = (DOCS / "predict.md").read_text("utf-8")
    options = [option for parameter in predict.params for option in parameter.opts if option.startswith("--")]
    told = page + "".join((DOCS / name).read_text("utf-8") for name in ("ladder.md", "settings.md"))
    assert [option for option in options if option not in told] == []
    assert [
        key for key in ("src", *PICK_COLUMNS) if not re.search(rf"^\| `[^`]*\b{key}\b", page, re.MULTILINE)
    ] == []
