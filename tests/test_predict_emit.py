"""``vmaf-tune predict``: commands of ladders, shots and several sources; rows of several sources; Ctrl-C."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, VmafTune, read_rows
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.vmaf import score

X264 = ("--encoder", "libx264", "--preset", "libx264=veryfast")
Options = Sequence[object]


def run_script(text: str, folder: Path) -> None:
    """Runs what was printed, comments included, as a shell reads it."""
    done = subprocess.run(["/bin/sh", "-e"], input=text, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def outputs(text: str) -> list[Path]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [Path(shlex.split(line)[-1].removeprefix("file:")) for line in lines]


def test_commands_of_a_ladder_make_its_rungs(
    vmaf_tune: VmafTune, curve_models: Options, clip: Clips, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    source = clip("mandelbrot", size="192x108", frames=12)
    ladder = ("--heights", "108,72", "--rungs", 3, "--vmaf-range", "5:95", "--verify")
    asked = ("ladder", source, *curve_models, *X264, *ladder)
    rungs: list[dict[str, Any]] = json.loads(vmaf_tune(*asked, "--format", "json").out)
    result = vmaf_tune(*asked, "--emit", "ffmpeg")
    assert result.code == 0, result.err
    run_script(result.out, tmp_path)
    made = outputs(result.out)
    assert {rung["height"] for rung in rungs} == {108, 72}
    assert [path.name for path in made] == [
        f"{source.stem}.{r['height']}.libx264.veryfast.crf{r['crf']}.mp4" for r in rungs
    ]
    opened = open_source(ffmpeg, str(source), hash_file=False)
    for path, rung in zip(made, rungs, strict=True):
        assert path.stat().st_size * 8 / 1000 / (12 / 24) == pytest.approx(rung["kbps"], abs=0.01)
        scored = score(ffmpeg, path, opened, pix_fmt="yuv420p", rescale=rung["height"] < 108)
        assert sum(scored.vmaf) / 12 == pytest.approx(rung["vmaf_predicted"], abs=1e-3)


@pytest.mark.parametrize("options", [(), ("--segments",)], ids=["zones", "segments"])
def test_commands_of_shots_are_a_script(
    options: Options, vmaf_tune: VmafTune, curve_models: Options, source: Path, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    asked = ("per-shot", source, *curve_models, *X264, "--target-vmaf", 60, *options)
    result = vmaf_tune(*asked, "--emit", "ffmpeg")
    assert result.code == 0, result.err
    table = vmaf_tune(*asked).out
    assert table.endswith(f"\n\n{result.out}")
    run_script(result.out, tmp_path)
    assert open_source(ffmpeg, str(outputs(result.out)[-1]), hash_file=False).frames == 12


def test_commands_of_several_sources_are_one_list(
    vmaf_tune: VmafTune, curve_models: Options, clip: Clips, source: Path, tmp_path: Path
) -> None:
    other = clip("mandelbrot", size="128x96", frames=12)
    asked = ("predict", source, other, *curve_models, *X264, "--target-vmaf", 60)
    picks = json.loads(vmaf_tune(*asked, "--format", "json").out)
    result = vmaf_tune(*asked, "--emit", "ffmpeg")
    assert [path.name for path in outputs(result.out)] == [
        f"{Path(p['src']).stem}.libx264.veryfast.crf{p['crf']}.mp4" for p in picks
    ]
    run_script(result.out, tmp_path)
    assert all(path.is_file() for path in outputs(result.out))


def test_sources_of_one_name_would_overwrite_each_other(
    vmaf_tune: VmafTune, curve_models: Options, source: Path, tmp_path: Path
) -> None:
    same = tmp_path / f"{source.stem}.mp4"
    same.write_bytes(source.read_bytes())
    result = vmaf_tune(
        "predict", source, same, *curve_models, *X264, "--target-vmaf", 60, "--emit", "ffmpeg"
    )  # fmt: skip
    assert result.code == ExitCode.USAGE
    assert "the same names" in result.err
    assert "encoded" not in result.err


@pytest.mark.parametrize("jobs", [1, 3])
def test_several_sources_are_recorded_in_one_corpus(
    jobs: int, vmaf_tune: VmafTune, curve_models: Options, clip: Clips, source: Path
) -> None:
    others = [clip(pattern, size="128x96", frames=12) for pattern in ("mandelbrot", "testsrc")]
    asked = (source, *others, *curve_models, *X264, "--target-vmaf", 60, "--verify", "--jobs", jobs)
    result = vmaf_tune("predict", *asked, "--record", "c.jsonl")
    assert result.code == 0, result.err
    rows = read_rows(Path("c.jsonl"))
    assert {row["src"] for row in rows} == {str(path) for path in (source, *others)}
    assert all(row["src_sha256"] for row in rows)
    assert len(rows) == result.err.count(": encoded ")
    assert f"c.jsonl: {len(rows)} rows added" in result.err
    assert vmaf_tune("validate", "c.jsonl").code == 0


@pytest.mark.parametrize("kept", ["corpus", "cache", "nowhere"])
def test_interrupted_search_says_what_it_kept(
    kept: str, curve_models: Options, clip: Clips, tmp_path: Path
) -> None:
    source, corpus = clip(size="480x272", frames=120), tmp_path / "c.jsonl"
    search = ("--target-vmaf", 70, "--verify", "--tolerance", 0, "--max-encodes", 20, "--crf", "10:45")
    asked = [source, *curve_models, "--encoder", "libx264", "--preset", "slower", *search]
    asked += ["--record", corpus] if kept == "corpus" else ["--cache-dir", "cached"] if kept == "cache" else []
    predicting = subprocess.Popen(
        [sys.executable, "-m", "vmaftune_frv2", "predict", *map(str, asked), "--probe", "libx264:ultrafast:40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert predicting.stderr is not None
    assert any(line.startswith("encoded libx264:ultrafast:40") for line in predicting.stderr)
    predicting.send_signal(signal.SIGINT)
    out, err = predicting.communicate(timeout=60)
    assert (predicting.returncode, out) == (ExitCode.INTERRUPTED, "")
    said = err.splitlines()
    if kept == "corpus":
        assert said[-2:] == [
            f"{corpus}: {len(read_rows(corpus))} rows added",
            f"Error: interrupted; what was measured is in {corpus}",
        ]
    elif kept == "cache":
        assert said[-1] == "Error: interrupted; what was measured is kept, and the same command goes on from there"
    else:
        assert said[-1] == "Error: interrupted"
