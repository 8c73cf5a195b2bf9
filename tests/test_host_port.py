"""Our plugin in a host that is not ours: pluggy, a click group, and the twenty lines of docs/hooks.md."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from docs_kit import DOCS
from plugin_kit import FRAMES, read_jsonl
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.hookspecs import hookimpl
from vmaftune_frv2.plugin import COMMANDS

_SECTION = (DOCS / "hooks.md").read_text("utf-8").split("\n## In another host\n")[1]
(HOST,) = re.findall(r"^```python\n(.*?)^```", _SECTION, re.MULTILINE | re.DOTALL)


class OtherHost:
    """The host of the document.

    Attributes:
        cli: its group.
        manager: its plugins.
    """

    def __init__(self) -> None:
        module: Any = types.ModuleType("other_host")
        exec(compile(HOST, "docs/hooks.md", "exec"), vars(module))
        self.cli: click.Group = module.cli
        self.manager: pluggy.PluginManager = module.manager

    def __call__(self, *arguments: object) -> Result:
        """Runs one command line in click's standalone mode."""
        return CliRunner().invoke(self.cli, [str(argument) for argument in arguments])


@pytest.fixture
def host() -> OtherHost:
    return OtherHost()


def test_group_is_plain_and_lists_the_commands(host: OtherHost) -> None:
    assert type(host.cli) is click.Group
    shown = host("--help")
    assert shown.exit_code == 0
    assert set(re.findall(r"^  ([a-z][a-z0-9-]*) +[A-Z]", shown.output, re.MULTILINE)) == set(COMMANDS)


def test_command_is_imported_when_it_is_needed() -> None:
    script = f"{HOST.split('if __name__')[0]}\nimport sys\nprint([m for m in sys.modules if 'frv2.commands' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_command_shows_its_own_help_and_completes_its_options(host: OtherHost) -> None:
    shown = host("predict", "--help")
    assert shown.output.startswith("Usage: cli predict [OPTIONS] [SOURCE]...\n")
    completion = ShellComplete(host.cli, {}, "other-host", "_OTHER_HOST_COMPLETE")
    found = completion.get_completions(["predict"], "--target-v")
    assert [item.value for item in found] == ["--target-vmaf"]
    stand_in = copy.copy(host.cli.commands["predict"])
    assert "--target-vmaf" in [option for parameter in stand_in.params for option in parameter.opts]


def test_training_leaves_models(host: OtherHost, tmp_path: Path) -> None:
    trained = host("train-v2", "--smoke", "--out-dir", tmp_path / "models")
    assert trained.exit_code == 0, trained.output
    listed = host("models", "--model-dir", tmp_path / "models")
    assert listed.exit_code == 0, listed.output
    assert "fr_regressor_v2" in listed.stdout


def test_prediction_answers_and_says_no(
    host: OtherHost, source: Path, curve_models: tuple[object, ...], tmp_path: Path
) -> None:
    asked = ("predict", source, *curve_models, "--encoder", "libx264", "--preset", "veryfast", "--format", "jsonl")
    answered = host(*asked, "--target-vmaf", 60, "--record", tmp_path / "known.jsonl")
    assert answered.exit_code == 0, answered.output
    assert '"libx264"' in answered.stdout
    assert [row["encoder"] for row in read_jsonl(tmp_path / "known.jsonl")] == ["libx264"]
    assert host(*asked, "--target-vmaf", 100, "--verify", "--max-encodes", 2).exit_code == ExitCode.NEGATIVE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("predict",), ExitCode.USAGE),
        (("corpus", "absent.mkv", "--encoder", "nobody"), ExitCode.USAGE),
        (("corpus", "absent.mkv"), ExitCode.INPUT),
        (("validate", "absent.jsonl"), ExitCode.INPUT),
        (("validate", "empty.jsonl"), ExitCode.NEGATIVE),
        (("predict", "--features", "absent.json", "--model", "nobody"), ExitCode.MODEL),
    ],
)
def test_exit_codes_are_ours(host: OtherHost, arguments: tuple[str, ...], code: ExitCode) -> None:
    Path("empty.jsonl").touch()
    ended = host(*arguments)
    assert ended.exit_code == code, ended.output
    assert isinstance(ended.exception, SystemExit)
    errors = [line for line in ended.stderr.splitlines() if not line.startswith(("Usage:", "Try ")) and line]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ") or code == ExitCode.NEGATIVE


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ValueError("odd {thing}"), ExitCode.INTERNAL, "Error: internal error: ValueError: odd {thing}"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "Error: interrupted"),
        (click.Abort(), ExitCode.INTERRUPTED, "Error: interrupted"),
    ],
)
def test_defects_and_interrupts_have_our_codes(
    host: OtherHost, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: ExitCode, told: str
) -> None:
    def fails(binary: str | None) -> None:
        raise error

    monkeypatch.setattr("vmaftune_frv2.media.ffmpeg.locate", fails)
    ended = host("doctor")
    assert (ended.exit_code, ended.stderr.strip()) == (code, told)


def test_rows_are_checked_through_the_hosts_hook(host: OtherHost, good_row: dict[str, Any]) -> None:
    assert host.manager.hook.vmaftune_check_row(row=good_row) == [[]]
    ((reason, *_),) = host.manager.hook.vmaftune_check_row(row=good_row | {"vmaf_score": 101.0})
    assert reason.startswith("vmaf_score")


class Strict:
    """A plugin of the other host, which has never heard of ours."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    @hookimpl
    def vmaftune_sweep_started(self, planned: int, todo: int) -> None:
        self.heard.append((planned, todo))

    @hookimpl
    def vmaftune_enrich_row(self, row: dict[str, Any], payload: object) -> dict[str, Any]:
        row["vmaf_score"] = 101.0  # of no effect: rows are copied for all plugins but ours
        return {"strict_seen": payload is not None}

    @hookimpl
    def vmaftune_check_row(self, row: dict[str, Any]) -> list[str]:
        return ["too coarse"] if row["crf"] > 30 else []

    @hookimpl(wrapper=True)
    def vmaftune_sweep_finished(self, summary: object) -> Any:
        self.heard.append("never")
        return (yield)


def test_sweep_is_heard_by_the_hosts_other_plugins(
    host: OtherHost, clip: Callable[..., Path], tmp_path: Path
) -> None:
    strict, output = Strict(), tmp_path / "corpus.jsonl"
    host.manager.register(strict, "frv2")  # a name that says nothing
    video = clip(size="128x96", frames=FRAMES)
    ended = host("corpus", video, "--preset", "ultrafast", "--crf", 23, "--crf", 40, "--output", output)
    assert ended.exit_code == ExitCode.NEGATIVE, ended.output
    assert [(row["crf"], row["strict_seen"]) for row in read_jsonl(output)] == [(23, True)]
    (vetoed,) = read_jsonl(output.with_name("corpus.jsonl.vetoed"))
    assert vetoed["reasons"] == ["frv2: too coarse"]
    assert strict.heard == [(2, 2)]
    wrapped = "Warning: plugin frv2 wraps vmaftune_sweep_finished; wrappers are not called"
    assert [line for line in ended.stderr.splitlines() if line.startswith("Warning")] == [wrapped]
    assert host("validate", output).exit_code == 0


def test_host_without_a_manager_gets_the_installed_plugins() -> None:
    group = click.Group("bare")
    OtherHost().manager.hook.vmaftune_register_commands(cli=group)
    ended = CliRunner().invoke(group, ["plugins"])
    assert (ended.exit_code, ended.output.split(":")[0]) == (0, "frv2 (built in)")


def test_real_process_of_another_host_has_encoders_and_exit_codes(
    tmp_path: Path, clip: Callable[..., Path]
) -> None:
    document = (DOCS / "hooks.md").read_text("utf-8")
    (encoders,) = re.findall(
        r"^```python\n(from vmaftune_frv2\.contract.*?)^```", document, re.MULTILINE | re.DOTALL
    )
    (tmp_path / "mpeg4.py").write_text(encoders, "utf-8")
    script = tmp_path / "other_host.py"
    script.write_text(
        HOST.replace("manager.register(plugin)", "manager.register(plugin)\nimport mpeg4\nmanager.register(mpeg4)")
    )
    video = clip(size="128x96", frames=FRAMES)

    def run(*arguments: object) -> tuple[int, list[str], str]:
        argv = [sys.executable, str(script), *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout.splitlines(), done.stderr

    code, planned, _ = run("corpus", video, "--encoder", "mpeg4", "--dry-run")
    assert (code, [line.split("\t")[1:] for line in planned]) == (
        0,
        [["mpeg4", "default", crf] for crf in ("2", "5", "10")],
    )
    assert run("corpus", "absent.mkv") == (3, [], "Error: absent.mkv: no such file\n")
