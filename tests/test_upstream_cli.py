"""One ``vmaf-tune`` for two packages: who answers what, what exit codes say, and whose the script is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from conftest import read_rows
from plugin_kit import Ended, tune
from upstream_kit import FRAMES, RATE, importable, raw_video, write_standin
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.upstream import calling, ownership
from vmaftune_frv2.upstream.ownership import OURS, THEIRS
from vmaftune_frv2.upstream.programs import SCORER, missing, programs

ROOT = Path(__file__).parent.parent
DURATION = str(FRAMES / RATE)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_standin(tmp_path / "site")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_video(tmp_path / "a.yuv")


def corpus(
    site: Path, source: Path, *arguments: object, output: str = "c.jsonl", duration: str = DURATION
) -> Ended:
    stated = ("--source", source, "--preset", "medium", "--duration", duration, "--output", output)
    return tune("upstream", "corpus", *stated, *arguments, path=site)


def test_upstreams_corpus_runs_with_its_own_options_and_output(site: Path, source: Path) -> None:
    ended = corpus(site, source, "--crf", 20, "--crf=30")
    assert ended.code == 0, ended.err
    assert "wrote 2 rows -> c.jsonl" in ended.err
    assert "c.jsonl: 2 measured" in ended.err
    assert [len(row["per_frame_vmaf"]) for row in read_rows(Path("c.jsonl"))] == [FRAMES, FRAMES]
    again = corpus(site, source, "--crf", 20, "--crf=30", "--vmaf-bin", "other")
    assert (again.code, "c.jsonl: 0 measured, 2 already there" in again.err) == (0, True)
    assert "usage: vmaf-tune corpus" in tune("upstream", "corpus", "--help", path=site).out
    assert tune("validate", "c.jsonl").code == 0


@pytest.mark.parametrize("kept", ["--two-pass", "--coarse-to-fine"])
def test_other_ways_through_upstreams_corpus_are_held_too(site: Path, source: Path, kept: str) -> None:
    crfs = () if kept == "--coarse-to-fine" else ("--crf", 20)
    first, again = (corpus(site, source, kept, *crfs) for _ in range(2))
    assert (first.code, again.code) == (0, 0), first.err
    rows = read_rows(Path("c.jsonl"))
    assert [row["crf"] for row in rows] == ([10, 30, 12] if kept == "--coarse-to-fine" else [20])
    assert f"0 measured, {len(rows)} already there" in again.err


@pytest.mark.parametrize(
    ("crfs", "duration", "code"),
    [
        ((20, 13), DURATION, ExitCode.NEGATIVE),
        ((20, 30), "0", ExitCode.NEGATIVE),
        ((20, 99), DURATION, ExitCode.TOOL),
        ((20, 50), DURATION, ExitCode.INTERRUPTED),
    ],
)
def test_exit_code_says_what_happened(
    site: Path, source: Path, crfs: tuple[int, ...], duration: str, code: ExitCode
) -> None:
    ended = corpus(site, source, *(word for crf in crfs for word in ("--crf", crf)), duration=duration)
    assert ended.code == code, ended.err
    kept = [row["crf"] for row in read_rows(Path("c.jsonl")) if row["exit_status"] == 0]
    assert kept == ([] if duration == "0" else [20])


def test_upstreams_own_exit_codes_stay(site: Path, source: Path) -> None:
    assert tune("upstream", "corpus", "--nonsense", path=site).code == ExitCode.USAGE
    asked = ("--source", source, "--duration", DURATION, "--output", "r.jsonl")
    found = tune("recommend", *asked, "--target-vmaf", 60, path=site)
    assert (found.code, found.out) == (0, "crf 32\n"), found.err
    assert tune("recommend", *asked, "--target-vmaf", 99.9, path=site).code == 1
    refused = tune("recommend", *asked[:-1], "r2.jsonl", "--duration", 7, "--target-vmaf", 60, path=site)
    assert (refused.code, refused.out) == (ExitCode.NEGATIVE, "")


def test_unknown_upstream_is_a_clear_refusal(tmp_path: Path, source: Path) -> None:
    site = write_standin(tmp_path / "odd", changes={"corpus": ("iter_rows(job, opts,", "iter_rows(job, asked,")})
    before = Path("c.jsonl")
    before.write_text("kept")
    ended = corpus(site, source, "--crf", 20)
    assert ended.code == ExitCode.TOOL
    assert "is not one that we know: corpus.iter_rows is iter_rows(job, asked" in ended.err
    assert before.read_text() == "kept"
    assert tune("upstream", "corpus").code == ExitCode.TOOL


def test_commands_of_both_are_listed_and_run(site: Path) -> None:
    ours, theirs = tune("--help", path=site).out.split("Commands of upstream's vmaf-tune:")
    assert "  corpus " in ours
    assert "  benchmark " in theirs
    assert "  corpus " not in theirs
    assert "Upstream's own corpus, predict, ladder, compare" in " ".join(theirs.split())
    assert "fast" in theirs
    ended = tune("benchmark", "--src", "film", path=site)
    assert (ended.code, ended.out) == (0, "measured film\n")
    assert tune("benchmark", "--help", path=site).out.startswith("usage: vmaf-tune benchmark")
    assert tune("nonsense", path=site).code == ExitCode.USAGE
    assert "Commands of upstream's" not in tune("--help").out
    assert tune("benchmark").code == ExitCode.USAGE


def test_broken_subcommand_is_answered_by_ours(tmp_path: Path, site: Path) -> None:
    ended = tune("fast", "--src", "absent.mkv", "--target-vmaf=90", "--n-trials", 5, path=site)
    assert ended.code == ExitCode.INPUT
    assert "Answered by: vmaf-tune predict absent.mkv --target-vmaf 90" in ended.err
    assert "Left out: --n-trials 5" in ended.err
    warned = tune("upstream", "predict", "--src", "x", path=site)
    assert warned.code == ExitCode.TOOL
    assert "`vmaf-tune predict` answers the same" in warned.err
    assert "Error: upstream's predict failed: TypeError" in warned.err
    successor = write_standin(tmp_path / "later", successor=True)
    repaired = tune("fast", "--src", "absent.mkv", path=successor)
    assert (repaired.code, "upstream's fast failed: RuntimeError" in repaired.err) == (ExitCode.TOOL, True)


def test_our_commands_do_not_import_upstream(site: Path) -> None:
    script = (
        "import sys; from vmaftune_frv2.host.cli import run; import importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda *a: asked.append(a) or find(*a); asked = [];"
        "run(['validate', 'absent.jsonl']); run(['corpus', '--help']); run(['plugins']);"
        "print([m for m in sys.modules if m.split('.')[0] == 'vmaftune'], asked)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT / "src")))}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] []"


def test_list_of_a_package_that_cannot_be_imported_is_empty(tmp_path: Path) -> None:
    odd = write_standin(tmp_path / "odd", changes={"cli": ("import argparse, sys", "import no_such_module")})
    assert tune("--help", path=odd).code == 0
    with importable(odd):
        assert calling.subcommands() == {}


def test_programs_stand_in_only_where_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, empty = tmp_path / "own", tmp_path / "empty"
    own.mkdir()
    empty.mkdir()
    for name in ("vmaf", "ffmpeg", SCORER):
        (own / name).write_text("#!/bin/sh\n")
        (own / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(own))
    with programs() as ours:
        assert ours == {}
        assert os.environ["PATH"] == str(own)
    (own / "vmaf").unlink()
    assert set(missing()) == {"vmaf"}
    monkeypatch.setattr("vmaftune_frv2.upstream.programs.scorer", lambda: str(own / SCORER))
    monkeypatch.setenv("PATH", str(empty))
    with programs() as ours:
        assert set(ours) == {"vmaf", "ffmpeg", SCORER}
        first, folder = os.environ["PATH"].split(os.pathsep)
        assert first == str(empty)
        assert Path(folder, "vmaf").resolve() == own / SCORER
    assert os.environ["PATH"] == str(empty)
    assert not Path(folder).exists()


SLOW_SCORE = ("time.sleep(0.001 * (int(crf) % 7))", "time.sleep(0.5)")


def test_interrupted_sweep_keeps_its_rows_and_goes_on(tmp_path: Path, source: Path) -> None:
    site = write_standin(tmp_path / "slow", changes={"score": SLOW_SCORE})
    output = Path("c.jsonl").absolute()
    crfs = [word for crf in range(20, 40) for word in ("--crf", str(crf))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT / "src")))}
    stated = ["--source", str(source), "--preset", "medium", "--duration", DURATION, "--output", str(output)]
    argv = [sys.executable, "-m", "vmaftune_frv2", "upstream", "corpus", *stated]
    process = subprocess.Popen([*argv, *crfs], env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (output.exists() and output.read_text().count("\n") >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    busy = corpus(site, source, "--crf", 20, output=str(output))
    assert (busy.code, "another sweep" in busy.err) == (ExitCode.OUTPUT, True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert "the same command goes on" in err
    kept = len(read_rows(output))
    assert 2 <= kept < 20
    again = corpus(site, source, *crfs[: 2 * kept + 2], output=str(output))
    assert f"1 measured, {kept} already there" in again.err


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("from vmaftune_frv2.host.cli import main", OURS),
        ("from vmaftune.cli import main", THEIRS),
        ("print()", "unknown"),
        (None, "missing"),
    ],
)
def test_doctor_says_whose_the_script_is(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, owner: str
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    if text is not None:
        (scripts / "vmaf-tune").write_text(text)
    monkeypatch.setattr(ownership.sysconfig, "get_path", lambda name: str(scripts))
    monkeypatch.setenv("PATH", str(tmp_path))
    alone = ownership.script()
    assert (alone.owner, alone.advice() == []) == (owner, owner == OURS)
    with importable(site):
        both = ownership.script()
        advice = " ".join(both.advice())
    assert both.upstream == site / "vmaftune"
    assert "uninstalling either package deletes vmaf-tune" in advice
    assert ("vmaf-tune-frv2 is always ours" in advice) is (owner != OURS)
    wanted = "tools/vmaf-tune" if owner == OURS else "vmaftune-frv2"
    assert f"pip install --force-reinstall --no-deps {wanted}" in advice.replace("PATH/TO/vmaf/", "")


UPSTREAM_PROJECT = """
[project]
name = "vmaf-tune"
version = "0.0.1"
[project.scripts]
vmaf-tune = "vmaftune.cli:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["vmaftune"]
"""


def in_venv(folder: Path, *packages: Path) -> Path:
    """A venv that sees this one's packages, with others installed in order; its folder of scripts."""
    venv.create(folder, with_pip=False)
    scripts = folder / "bin"
    (beside,) = (folder / "lib").glob("python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (beside / "others.pth").write_text("\n".join(others))
    for package in packages:
        install_in(scripts, package)
    return scripts


def install_in(scripts: Path, package: Path) -> None:
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--force-reinstall", "--quiet")
    argv = [str(scripts / "python"), "-m", "pip", "install", *offline, str(package)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("last", [OURS, THEIRS])
def test_real_venv_with_both_in_either_order(tmp_path: Path, source: Path, last: str) -> None:
    theirs = write_standin(tmp_path / "theirs")
    (theirs / "pyproject.toml").write_text(UPSTREAM_PROJECT)
    order = (theirs, ROOT) if last == OURS else (ROOT, theirs)
    scripts = in_venv(tmp_path / "venv", *order)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(script: str, *arguments: str) -> Ended:
        done = subprocess.run(
            [str(scripts / script), *arguments], env=env, capture_output=True, text=True, check=False, timeout=300
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    asked = ("corpus", "--source", str(source), "--preset", "medium", "--crf", "20", "--duration", DURATION)
    for script in ("vmaf-tune", "vmaf-tune-frv2") if last == OURS else ("vmaf-tune-frv2",):
        assert run(script, "benchmark", "--src", "film").out == "measured film\n"
        held = run(script, "upstream", *asked, "--output", f"{script}.jsonl")
        assert held.code == 0, held.err
        assert len(read_rows(Path(f"{script}.jsonl"))[0]["per_frame_vmaf"]) == FRAMES
    told = json.loads(run("vmaf-tune-frv2", "doctor", "--json").out)
    assert told["script"]["owner"] == last
    assert told["script"]["path"] == str(scripts / "vmaf-tune")
    if last == THEIRS:
        assert run("vmaf-tune", *asked, "--output", "bare.jsonl").code == 0
        assert "NaN" in Path("bare.jsonl").read_text()
    # As doctor says: reinstalling gives the other one the script.
    install_in(scripts, theirs if last == OURS else ROOT)
    told = json.loads(run("vmaf-tune-frv2", "doctor", "--json").out)
    assert told["script"]["owner"] == (THEIRS if last == OURS else OURS)
