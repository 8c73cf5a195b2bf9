"""Answers that rest on a part of the source say so everywhere, and are never called verified."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import Clips, VmafTune
from training_kit import faults
from vmaftune_frv2.commands.shared.predictions import kind, state_of
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Prediction, Sample

LINE = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "20:44:4")
TARGET = (*LINE, "--target-vmaf", 80)
ASKED: dict[str, tuple[tuple[object, ...], str, str, int, float]] = {
    "windows": (
        ("predict", "LONG", *TARGET, "--verify", "--samples", 2, "--sample-seconds", 0.5),
        "measured on 2 windows", "predict_pick", 2, 1.0,
    ),
    "the middle": (
        ("predict", "LONG", *TARGET, "--verify", "--sample-clip-seconds", 0.5),
        "measured on the middle 0.5 s", "predict_pick", 1, 0.5,
    ),
    "shots": (
        ("per-shot", "SHOTS", *TARGET, "--verify", "--sample-seconds", 0.25),
        "measured on the middle 0.25 s", "predict_shot", 1, 0.25,
    ),
    "ladder": (
        ("ladder", "LONG", *LINE, "--verify", "--heights", "96,64", "--rungs", 2, "--sample-clip-seconds", 0.5),
        "measured on the middle 0.5 s", "predict_rung", 1, 0.5,
    ),
    "cells": (
        ("predict", "LONG", *LINE, "--samples", 2, "--sample-seconds", 0.5),
        "from 2 windows", "predict_cell", 2, 1.0,
    ),
}  # fmt: skip
"""{what: (command, words of its table, schema of its records, windows, seconds)}"""


@pytest.fixture
def films(clip: Clips) -> dict[str, Path]:
    """A source of ten seconds, and one of two shots of half a second."""
    cut = "trim=end_frame=12,setpts=N/FRAME_RATE/TB[a];[b]trim=end_frame=12,setpts=N/FRAME_RATE/TB,negate,hflip[c]"
    return {
        "LONG": clip("mandelbrot", size="128x96", frames=240),
        "SHOTS": clip("testsrc2", size="128x96", frames=24, filters=f"split[d][b];[d]{cut};[a][c]concat"),
    }


@pytest.mark.parametrize("name", ASKED)
def test_a_part_is_named_and_never_verified(
    name: str, vmaf_tune: VmafTune, films: dict[str, Path], curve_models: Sequence[object], tmp_path: Path
) -> None:
    command, words, schema, windows, seconds = ASKED[name]
    given = [films.get(str(argument), argument) for argument in command]
    kept = (*curve_models, "--record", tmp_path / "kept.jsonl")
    table = vmaf_tune(*given, *kept)
    assert table.code == ExitCode.OK, table.err
    rows = [line for line in table.out.splitlines()[1:] if line.strip()]
    if name == "shots":
        rows = rows[:2]  # then come the commands
    assert all(words in row for row in rows if "extrapolated" not in row)
    assert any(words in row for row in rows)
    assert "verified" not in table.out
    records = json.loads(vmaf_tune(*given, *kept, "--format", "json").out)
    assert [faults(record, schema) for record in records if faults(record, schema)] == []
    for record in records:
        assert record["windows"] == windows
        assert record["sample_s"] == pytest.approx(seconds, abs=0.05)
        assert not record.get("verified")
        assert record.get("confirmed", True)


@pytest.mark.slow
def test_commands_of_a_part_come_with_a_note(
    vmaf_tune: VmafTune, films: dict[str, Path], curve_models: Sequence[object], tmp_path: Path
) -> None:
    kept = (*curve_models, "--record", tmp_path / "kept.jsonl", "--emit", "ffmpeg")
    noted = {
        "windows": "chosen by 2 windows, not by all of it",
        "ladder": "chosen by the middle 0.5 s, not by all of it",
        "shots": "2 of 2 shots were chosen by their middle, not by all of the shot",
    }
    for name, note in noted.items():
        told = vmaf_tune(*(films.get(str(argument), argument) for argument in ASKED[name][0]), *kept)
        assert note in told.err
        assert "verified" not in told.out + told.err


def test_the_picture_names_the_part(
    vmaf_tune: VmafTune, films: dict[str, Path], curve_models: Sequence[object], tmp_path: Path
) -> None:
    given = [films.get(str(argument), argument) for argument in ASKED["windows"][0]]
    vmaf_tune(*given, *curve_models, "--plot", tmp_path / "curves.html")
    page = (tmp_path / "curves.html").read_text()
    assert "<td>measured on 2 windows</td>" in page
    assert "predicted VMAF, from 2 windows" in page


def test_a_source_no_longer_than_its_windows_is_verified(
    vmaf_tune: VmafTune, films: dict[str, Path], curve_models: Sequence[object]
) -> None:
    given = ("predict", films["SHOTS"], *curve_models, *TARGET, "--verify", "--samples", 2, "--format", "json")
    (pick,) = json.loads(vmaf_tune(*given).out)
    assert (pick["verified"], pick["confirmed"], pick["windows"], pick["sample_s"]) == (True, True, None, None)


def test_a_regressor_says_so_too(vmaf_tune: VmafTune, films: dict[str, Path], model_dir: Path) -> None:
    given = ("predict", films["LONG"], "--model", model_dir / "fr_regressor_v2.onnx", *TARGET, "--verify")
    (part,) = json.loads(vmaf_tune(*given, "--sample-clip-seconds", 0.5, "--format", "json").out)
    assert faults(part, "predict_score") == []
    assert part["sample_s"] == pytest.approx(0.5, abs=0.05)
    assert "sample s" in vmaf_tune(*given, "--sample-clip-seconds", 0.5).out.splitlines()[0]


FOUND = {
    "vmaf": 90.0, "vmaf_low": 90.0, "vmaf_high": 90.0, "kbps": 9.0, "kbps_low": 9.0, "kbps_high": 9.0,
}  # fmt: skip
THREE, MIDDLE = Sample(3, 9.0), Sample(1, 10.0)


@pytest.mark.parametrize(
    ("measured", "extrapolated", "sample", "verified", "confirmed", "words"),
    [
        (True, False, None, True, True, "verified"),
        (True, False, None, False, False, "measured"),
        (False, False, None, False, False, "predicted"),
        (False, True, None, False, False, "extrapolated"),
        (True, False, THREE, False, True, "measured on 3 windows"),
        (True, False, MIDDLE, False, True, "measured on the middle 10 s"),
        (True, False, THREE, False, False, "measured on 3 windows, unconfirmed"),
        (False, False, THREE, False, False, "predicted from 3 windows"),
        (False, True, MIDDLE, False, False, "extrapolated from the middle 10 s"),
    ],
)
def test_words_of_a_pick(
    measured: bool, extrapolated: bool, sample: Sample | None, verified: bool, confirmed: bool, words: str
) -> None:
    cell = Cell("libx264", "medium", 23)
    found = Prediction(cell=cell, measured=measured, extrapolated=extrapolated, sample=sample, **FOUND)
    assert state_of(Pick(cell.line, found, found, 1, verified, confirmed))[0] == words
    out_of_reach = state_of(Pick(cell.line, None, found, 1, verified, confirmed))[0]
    assert out_of_reach == ("out of reach" if sample is None else f"out of reach on {sample}")
    assert "verified" not in kind(found)
