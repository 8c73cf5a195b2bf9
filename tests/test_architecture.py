"""The house keeps its order: a room imports only rooms below it, and its files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vmaftune_frv2

PACKAGE = vmaftune_frv2.__name__
ROOT = Path(vmaftune_frv2.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

LEVELS = (
    {"errors", "log", "progress", "resources", "version", PACKAGE},
    {"contract"},
    {"media"},
    {"corpus"},
    {"training", "predict"},
    {"drawing", "host"},
    {"api"},
    {"upstream"},
    {"commands"},
    {"plugin", "__main__"},
)
"""Rooms, low to high. Rooms of one level do not import each other."""

MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 60


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST, path: Path) -> Iterator[tuple[str, bool]]:
    """Full names of everything imported, and whether the import runs when the module loads."""
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}", id(node) not in lazy


def room(parts: tuple[str, ...]) -> str:
    """The room of a module path below the package; the package itself is a room too."""
    known = set().union(*LEVELS)
    return parts[0] if parts and parts[0] in known else PACKAGE


def level(of: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if of in rooms)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down_only(path):
    here = room(path.relative_to(ROOT).with_suffix("").parts)
    if path == ROOT / "__init__.py":
        return  # names the public API, and imports nothing of it before it is asked for
    for imported, _ in imports(parsed(path), path):
        if imported.split(".")[0] != PACKAGE:
            continue
        there = room(tuple(imported.split(".")[1:]))
        if there == here or (path.name == "__main__.py" and imported.startswith(f"{PACKAGE}.host.cli")):
            continue
        assert level(there) < level(here), f"{name_of(path)} imports {imported}: {here} may not import {there}"


def test_every_room_has_its_place_in_the_order():
    rooms = {path.relative_to(ROOT).with_suffix("").parts[0] for path in FILES} - {"__init__", "_data"}
    assert rooms <= set().union(*LEVELS)


def test_import_that_goes_up_is_seen():
    path = ROOT / "media" / "x.py"
    tree = ast.parse("def f():\n    from ..corpus.store import CorpusStore\nimport vmaftune_frv2.host.cli\n")
    assert dict(imports(tree, path)) == {
        "vmaftune_frv2.corpus.store.CorpusStore": False,
        "vmaftune_frv2.host.cli": True,
    }


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def without_types(tree: ast.Module) -> ast.Module:
    """A module without what stands under ``if TYPE_CHECKING``.

    Those imports never run, and two modules may need each other's types without either needing the other first.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def import_graph(trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """{module: modules of the package that it imports}, whether at load or inside functions."""
    modules = {module_of(path) for path in trees}
    graph = {}
    for path, tree in trees.items():
        here = module_of(path)
        names = {name for name, _ in imports(without_types(tree), path)}
        # ``from a import b`` is of a.b where that is a module, else of a.
        graph[here] = {name if name in modules else name.rpartition(".")[0] for name in names} & modules - {here}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The modules of each circle: those that reach each other."""
    reach = {}
    for start in graph:
        seen, left = set(), [start]
        while left:
            new = graph[left.pop()] - seen
            seen |= new
            left += new
        reach[start] = seen
    groups = {
        frozenset(other for other in reach[one] if one in reach[other]) for one in graph if one in reach[one]
    }
    return sorted(map(sorted, groups))


def test_no_module_imports_itself_through_others():
    found = circles(import_graph({path: parsed(path) for path in FILES}))
    shown = [", ".join(name.removeprefix(f"{PACKAGE}.") for name in circle) for circle in found]
    assert not shown, f"modules import each other in a circle: {'; '.join(shown)}"


def test_a_circle_is_seen_inside_a_room_and_inside_functions():
    texts = {
        "media/a.py": "def f():\n    from vmaftune_frv2.media.b import g",
        "media/b.py": "from . import c",
        "media/c.py": "from vmaftune_frv2.media import a, d",
        "media/d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .c import D\n",
        "media/e.py": "from .a import f",
    }
    graph = import_graph({ROOT / name: ast.parse(text) for name, text in texts.items()})
    assert circles(graph) == [[f"{PACKAGE}.media.{name}" for name in "abc"]]


def test_no_file_name_stands_in_two_rooms():
    rooms: dict[str, set[str]] = {}
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        if len(parts) > 1 and parts[0] != "commands" and path.name != "__init__.py":
            rooms.setdefault(path.name, set()).add(parts[0])
    twice = {name: sorted(found) for name, found in sorted(rooms.items()) if len(found) > 1}
    assert not twice, f"one name, two rooms: {twice}"


def test_options_are_typed():
    """What a command was asked is a value with fields, not a dictionary, which mypy cannot see into."""
    found = {name_of(path): path.read_text(encoding="utf-8").count("options[") for path in FILES}
    found = {name: count for name, count in found.items() if count}
    assert not found, f"options[...] occurs in {found}"


def importers(top_level: str) -> set[str]:
    return {
        name_of(path)
        for path in FILES
        if any(imported.split(".")[0] == top_level for imported, _ in imports(parsed(path), path))
    }


def test_one_module_starts_programs_and_one_starts_helpers():
    assert importers("subprocess") == {"media/process.py"}
    assert importers("multiprocessing") == {"corpus/helpers.py"}


@pytest.mark.parametrize("library", ["torch", "onnx"])
def test_what_only_the_train_extra_installs_stays_in_the_training_room(library):
    assert {Path(name).parts[0] for name in importers(library)} == {"training"}


def test_one_library_checks_schemas_and_one_module_imports_it():
    assert importers("jsonschema_rs") == {"contract/schema.py"}
    assert importers("jsonschema") == set()


def test_one_module_asks_for_loggers():
    """A logger made elsewhere is not shown while a command runs."""
    assert importers("logging") == {"log.py"}


def test_contract_needs_numpy_at_most_and_what_checks_rows_when_asked():
    when_asked = {"jsonschema_rs", "orjson"}
    for path in FILES:
        if path.relative_to(ROOT).parts[0] != "contract":
            continue
        for imported, at_load in imports(without_types(parsed(path)), path):
            top = imported.split(".")[0]
            allowed = {PACKAGE, "numpy", *sys.stdlib_module_names} | (set() if at_load else when_asked)
            assert top in allowed, f"{name_of(path)} imports {imported}"


def test_command_line_starts_without_the_heavy_libraries():
    script = (
        "import sys; from vmaftune_frv2.host.plugins import load_plugins; load_plugins(); "
        "heavy = ('torch', 'onnx', 'onnxruntime', 'jsonschema_rs', 'orjson', 'backports', 'rich'); "
        "print(*(m for m in heavy if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"
