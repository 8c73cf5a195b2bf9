"""docs/python.md: its examples run, its tables are those of the requests, and it names the whole public API."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import vmaftune_frv2
from conftest import Clips
from docs_kit import DOCS, script
from vmaftune_frv2.contract.options import Request, options_of

PAGE = (DOCS / "python.md").read_text("utf-8")
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ASIDE = {"record", "pick_commands", "write_plot", "TuneError"}
"""What the page names beside attributes where it says what comes back."""
REQUESTS = [name for name in vmaftune_frv2.__all__ if name.endswith("Request")]


@pytest.fixture(scope="module")
def update_python() -> ModuleType:
    return script("update_python")


@pytest.fixture
def films(clip: Clips, tmp_path: Path) -> None:
    """The files that the examples are about, in the folder where they run."""
    cut = "trim=end_frame=12,setpts=N/FRAME_RATE/TB[a];[b]trim=end_frame=12,setpts=N/FRAME_RATE/TB,negate,hflip[c]"
    made = {
        "film.mkv": clip("testsrc2", size="640x360", frames=12),
        "match.mkv": clip("mandelbrot", size="192x108", frames=24),
        "trailer.mkv": clip("testsrc2", size="192x108", frames=24, filters=f"split[d][b];[d]{cut};[a][c]concat"),
        "long.mkv": clip("testsrc2", size="192x108", frames=240),
    }
    for name, path in made.items():
        shutil.copy(path, tmp_path / name)


def test_examples_run(films: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = logging.getLogger("vmaftune_frv2")
    level, names = told.level, dict[str, Any]()
    try:
        for found in EXAMPLE.finditer(PAGE):
            blank = "\n" * (PAGE[: found.start()].count("\n") + 1)  # so that errors name the line of the page
            exec(compile(blank + found[1], "docs/python.md", "exec"), names)
    finally:
        told.setLevel(level)
    out = capsys.readouterr().out
    assert "verified: True" in out
    assert "missing.mkv: no such file" in out
    assert '"worst_vmaf"' in Path("corpus.jsonl").read_text()


def test_tables_are_those_of_the_requests(update_python: ModuleType) -> None:
    assert update_python.render(PAGE) == PAGE, "run: python docs/update_python.py"


@pytest.mark.parametrize("request_name", REQUESTS)
def test_every_field_is_in_the_table_of_its_request(request_name: str) -> None:
    request: type[Request] = getattr(vmaftune_frv2, request_name)
    part = PAGE.split(f"<!-- fields: {request_name} -->")[1].split("<!-- end of fields -->")[0]
    found = re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)
    assert sorted(found) == sorted(field.name for field in options_of(request))


def test_page_names_the_whole_public_api_and_nothing_else() -> None:
    assert [name for name in vmaftune_frv2.__all__ if f"`{name}" not in PAGE and f"vt.{name}" not in PAGE] == [
        "__version__"
    ]
    assert "`vmaftune_frv2.__version__`" in PAGE
    used = set(re.findall(r"\bvt\.(\w+)", PAGE))
    assert used - set(vmaftune_frv2.__all__) == set()


def test_what_comes_back_has_what_the_page_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", PAGE.split("## What comes back")[1], re.MULTILINE)
    shown = {name: text for name, text in rows if name[0].isupper()}
    for name, text in shown.items():
        known = set(dir(getattr(vmaftune_frv2, name)))
        known |= set(getattr(vmaftune_frv2, name).__dataclass_fields__)
        text = re.sub(r"\([^)]*\)", "", text)  # what is in brackets belongs to the attribute before it
        assert [key for key in re.findall(r"`(\w+)`", text) if key not in known | ASIDE] == [], name
    others = {"ExitCode", "TuneError", *REQUESTS}
    assert set(shown) == {name for name in vmaftune_frv2.__all__ if name[0].isupper()} - others
