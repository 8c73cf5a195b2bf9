"""What the plugin tests share: a real vmaf-tune process, plugins made on the fly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vmaftune_frv2

FRAMES = 10

_UNSET = ("VMAFTUNE_", "PYTHONPATH", "PYTHONWARNINGS")
"""Variables by which whoever runs the tests could change what they see."""
_PACKAGE_IN = Path(vmaftune_frv2.__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """A vmaf-tune process that has ended."""

    code: int
    out: str
    err: str

    @property
    def warnings(self) -> list[str]:
        """The warnings on stderr."""
        return [line for line in self.err.splitlines() if line.startswith("Warning:")]


def tune(*arguments: object, path: Path | None = None, **environment: str) -> Ended:
    """Runs ``vmaf-tune`` with the plugins in a folder."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(_UNSET)}
    # The package that the tests import, wherever it lies.
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (path and str(path), str(_PACKAGE_IN))))
    argv = [sys.executable, "-m", "vmaftune_frv2", *map(str, arguments)]
    done = subprocess.run(argv, env=env | environment, capture_output=True, text=True, timeout=120, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def sweep(video: Path, output: Path, *arguments: object, path: Path | None = None, **environment: str) -> Ended:
    """``vmaf-tune corpus`` over libx264 ultrafast at crf 23, unless the arguments say otherwise."""
    grid = arguments or ("--preset", "ultrafast", "--crf", "23")
    return tune("corpus", video, "--output", output, *grid, path=path, **environment)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, one per line; none where there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def plugin_in(folder: Path, name: str, source: str, *, entry: str | None = None) -> Path:
    """Installs a plugin: one module and the metadata that makes it found.

    Args:
        folder: to be put on the path.
        name: of the distribution and the module.
        source: the module's text, below ``hookimpl`` and the imports of a plugin.
        entry: name of the entry point, if it is not the module's.

    Returns:
        The folder.
    """
    folder.mkdir(exist_ok=True)
    head = "import pluggy\nhookimpl = pluggy.HookimplMarker('vmaftune')\n"
    (folder / f"{name}.py").write_text(head + textwrap.dedent(source), "utf-8")
    info = folder / f"{name}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[vmaftune]\n{entry or name} = {name}\n", "utf-8")
    return folder


def listed(path: Path | None = None, **environment: str) -> tuple[Ended, Mapping[str, Any]]:
    """``vmaf-tune plugins --json``: how it ended, and {plugin name: its entry, or why it is broken}."""
    ended = tune("plugins", "--json", path=path, **environment)
    listing = json.loads(ended.out)
    return ended, {entry["name"]: entry for entry in listing["plugins"]} | listing["broken"]
