"""A third-party package, installed for real, takes part in everything through the hooks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from plugin_kit import FRAMES, listed, plugin_in, read_jsonl, sweep, tune
from vmaftune_frv2.host import hookspecs
from vmaftune_frv2.host.cli import build_cli
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.plugins import load_plugins

PACKAGE = Path(__file__).with_name("third_party")
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("vmaftune_"))
OWN_COMMANDS = {"corpus", "validate", "doctor", "plugins"}


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vmaftune-example, installed by pip."""
    folder = tmp_path_factory.mktemp("site")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    argv = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder), str(PACKAGE)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def video(clip: Callable[..., Path]) -> Path:
    """A source that is measured in no time."""
    return clip(size="128x96", frames=FRAMES)


GRID = ("--preset", "ultrafast", "--crf", 23, "--crf", 40)
REFUSE = {"VMAFTUNE_EXAMPLE_MAX_CRF": "30"}


@pytest.fixture(scope="module")
def swept(example: Path, video: Path, tmp_path_factory: pytest.TempPathFactory):
    """How a sweep ended of which the plugin refuses crf 40, its corpus, and the plugin's record of it."""
    output = tmp_path_factory.mktemp("swept") / "corpus.jsonl"
    log = output.with_name("events.jsonl")
    ended = sweep(video, output, *GRID, path=example, VMAFTUNE_EXAMPLE_LOG=str(log), **REFUSE)
    return ended, output, read_jsonl(log)


def test_installed_plugin_is_listed_with_its_origin_and_hooks(example: Path) -> None:
    ended, plugins = listed(example)
    assert (ended.code, ended.err) == (0, "")
    assert plugins["example"] == {"name": "example", "origin": "vmaftune-example 1.2.3", "hooks": HOOKS}
    assert plugins["frv2"]["origin"] == "built in"

    text = tune("plugins", path=example)
    assert re.search(r"^example \(vmaftune-example 1\.2\.3\): .*vmaftune_enrich_row", text.out, re.MULTILINE)


def test_command_of_a_plugin_works(example: Path) -> None:
    assert tune("hello", "--name", "grid", path=example).out == "hello, grid\n"
    assert "hello" in tune("--help", path=example).out
    without = tune("hello")
    assert without.code == 2
    assert "No such command 'hello'" in without.err


def test_row_is_enriched_and_still_valid(swept, example: Path) -> None:
    _, output, _ = swept
    (row,) = read_jsonl(output)
    assert row["example_vmaf_min"] == min(row["per_frame_vmaf"]) < row["vmaf_score"]
    for path in (example, None):
        checked = tune("validate", "--json", output, path=path)
        assert checked.code == 0
        assert json.loads(checked.out)["valid"] == 1


def test_vetoed_row_is_kept_beside_the_corpus(swept) -> None:
    ended, output, _ = swept
    assert ended.code == 1
    assert "1 measured, 1 refused" in ended.err
    assert [row["crf"] for row in read_jsonl(output)] == [23]
    (vetoed,) = read_jsonl(output.with_name("corpus.jsonl.vetoed"))
    assert vetoed["reasons"] == ["example: crf 40 is above 30"]
    assert vetoed["row"]["crf"] == 40
    assert vetoed["row"]["vmaf_score"] > 0
    assert "example: crf 40 is above 30" in ended.err


def test_events_reach_the_plugin_in_order(swept) -> None:
    _, _, events = swept
    assert [event["event"] for event in events] == ["started", "scored", "scored", "finished"]
    assert events[0] == {"event": "started", "planned": 2, "todo": 2}
    assert {event["crf"]: event["frames"] for event in events[1:3]} == {23: FRAMES, 40: FRAMES}
    counts = {"planned": 2, "skipped": 0, "measured": 1, "cached": 0, "failed": 0, "vetoed": 1}
    assert events[3] == {"event": "finished", **counts}


def test_second_run_measures_nothing_again(swept, example: Path, video: Path, tmp_path: Path) -> None:
    _, output, _ = swept
    files = (output, output.with_name("corpus.jsonl.vetoed"))
    before = [file.read_bytes() for file in files]
    log = tmp_path / "events.jsonl"
    sweep(video, output, *GRID, path=example, VMAFTUNE_EXAMPLE_LOG=str(log), **REFUSE)
    started, finished = read_jsonl(log)
    assert started == {"event": "started", "planned": 2, "todo": 0}
    assert (finished["skipped"], finished["measured"], finished["vetoed"]) == (1, 0, 1)
    assert [file.read_bytes() for file in files] == before


def test_registered_encoder_can_be_swept(example: Path, video: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    grid = ("--encoder", "mpeg4", "--encoder", "libx264", "--preset", "medium", "--crf", "4")
    assert sweep(video, output, *grid, "--crf", "libx264=20", path=example).code == 0
    rows = {row["encoder"]: row for row in read_jsonl(output)}
    assert rows["mpeg4"]["preset"] == "default"
    assert rows["mpeg4"]["encoder_version"].startswith("Lavc")
    assert rows["mpeg4"]["vmaf_score"] > 50
    assert (rows["libx264"]["crf"], rows["libx264"]["preset"]) == (20, "medium")
    assert tune("validate", output, path=example).code == 0


def test_registered_encoder_has_a_range_and_defaults(example: Path, video: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus.jsonl"
    refused = sweep(video, output, "--encoder", "mpeg4", "--crf", "32", path=example)
    assert refused.code == 2
    assert "crf 32 is outside mpeg4's range 1..31" in refused.err
    planned = sweep(video, output, "--encoder", "mpeg4", "--dry-run", path=example)
    assert [line.split("\t")[1:] for line in planned.out.splitlines()] == [
        ["mpeg4", "default", crf] for crf in ("2", "5", "10")
    ]
    unknown = sweep(video, output, "--encoder", "mpeg4")
    assert unknown.code == 2
    assert "unknown encoder 'mpeg4'" in unknown.err


# ffmpeg refuses it in the encode; the probe before the sweep does not use it.
FAILS = ("--preset", "ultrafast", "--crf", "23", "--extra-params", "-no_such_option 1")


def test_failed_cell_has_no_payload_and_gets_no_score(tmp_path: Path, video: Path) -> None:
    source = """
    @hookimpl
    def vmaftune_scored(row, payload): print("scored")
    @hookimpl
    def vmaftune_enrich_row(row, payload): return {"vmaf_score": 50.0, "had_payload": payload is not None}
    """
    site = plugin_in(tmp_path / "site", "hopeful", source)
    ended = sweep(video, tmp_path / "corpus.jsonl", *FAILS, path=site)
    assert (ended.code, ended.out) == (1, "")
    (row,) = read_jsonl(tmp_path / "corpus.jsonl")
    assert row["exit_status"] != 0
    assert (row["vmaf_score"], row["had_payload"]) == (None, False)


def test_failed_cell_that_was_vetoed_is_tried_again(tmp_path: Path, video: Path) -> None:
    source = """
    @hookimpl
    def vmaftune_check_row(row): return ["no score"] if row["vmaf_score"] is None else []
    @hookimpl
    def vmaftune_sweep_started(planned, todo): print(planned, todo)
    """
    site = plugin_in(tmp_path / "site", "strict", source)
    for _ in range(2):
        ended = sweep(video, tmp_path / "corpus.jsonl", *FAILS, path=site)
        assert (ended.code, ended.out) == (1, "1 1\n")


def test_help_of_encoder_names_the_registered_one(example: Path) -> None:
    assert "mpeg4" in tune("corpus", "--help", path=example).out


@pytest.mark.parametrize(
    ("pinned", "loaded", "warnings"),
    [
        ("", ["frv2"], []),
        ("example", ["example", "frv2"], []),
        (" example , frv2,", ["example", "frv2"], []),
        ("frv2", ["frv2"], []),
        ("example,absent", ["example", "frv2"], ["absent"]),
        ("absent", ["frv2"], ["absent"]),
    ],
)
def test_variable_pins_the_plugins(example: Path, pinned: str, loaded: list[str], warnings: list[str]) -> None:
    ended, plugins = listed(example, VMAFTUNE_PLUGINS=pinned)
    assert sorted(plugins) == loaded
    expected = [f"Warning: VMAFTUNE_PLUGINS names {name}, which is not installed" for name in warnings]
    assert (ended.code, ended.warnings) == (0, expected)


def test_own_commands_enter_by_the_public_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAFTUNE_PLUGINS", "")
    plugins, context = load_plugins(), click.Context(click.Command("none"))
    assert set(build_cli(plugins).list_commands(context)) >= OWN_COMMANDS
    plugins.manager.unregister(name="frv2")
    assert build_cli(plugins).list_commands(context) == []


def test_own_row_check_enters_by_the_public_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAFTUNE_PLUGINS", "")
    plugins = load_plugins()
    events = HookEvents(plugins, lambda todo: None, lambda row: None)
    (reason,) = events.veto({"schema_version": 9})
    assert reason.startswith("frv2: schema_version = 9: unknown schema version")
    plugins.manager.unregister(name="frv2")
    assert events.veto({"schema_version": 9}) == []
