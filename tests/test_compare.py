"""``vmaf-tune compare``: encoders and presets side by side, held against what `predict` says of each."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from conftest import Clips, Invocation, VmafTune
from training_kit import faults
from vmaftune_frv2 import CompareRequest, compare
from vmaftune_frv2.commands.compare.report import COLUMNS
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.errors import ExitCode, UsageError
from vmaftune_frv2.predict.bjontegaard import bd_rate, rate_at, rate_curve
from vmaftune_frv2.predict.results import Prediction
from vmaftune_frv2.resources import schema_path

LINES = (
    "--encoder", "libx264", "--preset", "libx264=veryfast", "--encoder", "libsvtav1", "--preset", "libsvtav1=10",
    "--target-vmaf", 80,
)  # fmt: skip
PICKED = ("encoder", "preset", "crf", "VMAF", "kbit/s")
Ask = Callable[..., Invocation]


@pytest.fixture(scope="module")
def films(clip: Clips) -> list[Path]:
    return [clip(pattern, size="128x96", frames=12) for pattern in ("testsrc2", "mandelbrot")]


@pytest.fixture
def ask(vmaf_tune: VmafTune, curve_models: tuple[object, ...]) -> Ask:
    return lambda *options: vmaf_tune("compare", *options, *curve_models)


def test_lines_are_held_against_the_first(
    ask: Ask, films: list[Path], vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    told = ask(*films, *LINES, "--format", "json")
    assert told.code == ExitCode.OK, told.err
    records = json.loads(told.out)
    assert [(r["src"], r["encoder"]) for r in records] == [
        (source, encoder) for source in (*map(str, films), None) for encoder in ("libx264", "libsvtav1")
    ]
    for record in records:
        assert tuple(record) == COLUMNS
        assert faults(record, "compare_line") == []
    for film, (first, second) in zip(films, (records[:2], records[2:4]), strict=True):
        assert (first["rate_change"], first["bd_rate"]) == (0.0, 0.0)
        change = second["kbps_at_target"] / first["kbps_at_target"] - 1
        assert second["rate_change"] == pytest.approx(change, abs=1e-3)
        probes = (
            f"libx264:veryfast:{_probed(told, film, 'libx264')}",
            f"libsvtav1:10:{_probed(told, film, 'libsvtav1')}",
        )
        named = [word for probe in probes for word in ("--probe", probe)]
        cells = json.loads(vmaf_tune("predict", film, *curve_models, *LINES[:-2], "--format", "json", *named).out)
        for record in (first, second):
            mine = [cell for cell in cells if cell["encoder"] == record["encoder"]]
            above = min(cell["kbps"] for cell in mine if cell["vmaf_predicted"] >= 80)
            below = max(cell["kbps"] for cell in mine if cell["vmaf_predicted"] <= 80)
            assert below <= record["kbps_at_target"] <= above
            assert record["kbps"] == pytest.approx(above, rel=1e-3)
            assert record["fps"] == pytest.approx(12 / record["encode_s"], rel=0.05)
    for index in (0, 1):
        whole, ones = records[4 + index], [records[index], records[2 + index]]
        assert whole["sources"] == 2
        assert whole["size_bytes"] == pytest.approx(sum(one["size_bytes"] for one in ones), abs=2)
        for key in ("rate_change", "bd_rate"):
            mean = math.expm1(sum(math.log1p(one[key]) for one in ones) / 2)
            assert whole[key] == pytest.approx(mean, abs=1e-4)


def _probed(told: Invocation, film: Path, encoder: str) -> str:
    """The crf of the encode that was made of a film with an encoder."""
    (line,) = [x for x in told.err.splitlines() if x.startswith(f"{film}: encoded {encoder}:")]
    return line.split(": encoded ")[1].split(":")[2]


def test_verified_picks_are_measured_and_the_table_says_so(ask: Ask, films: list[Path]) -> None:
    asked = (films[0], *LINES, "--verify", "--max-encodes", 12)
    header, *lines = ask(*asked).out.splitlines()
    names = [
        "encoder",
        "preset",
        "crf",
        "VMAF",
        "kbit/s",
        "at",
        "target",
        "bitrate",
        "BD-rate",
        "size",
        "time",
        "fps",
    ]
    assert header.split() == names
    assert [line.split()[0] for line in lines] == ["libx264", "libsvtav1"]
    assert all(line.endswith("verified") for line in lines)
    assert "+0.0%" in lines[0]
    rows = list(csv.DictReader(io.StringIO(ask(*asked, "--format", "csv").out)))
    assert [row["verified"] for row in rows] == ["true", "true", "", ""]


def test_presets_of_one_encoder_are_compared(ask: Ask, films: list[Path]) -> None:
    presets = ("--preset", "veryfast", "--preset", "ultrafast")
    told = ask(films[0], "--encoder", "x264", *presets, "--target-vmaf", 80, "--format", "json")
    assert [(r["preset"], r["src"] is None) for r in json.loads(told.out)] == [
        ("veryfast", False), ("ultrafast", False), ("veryfast", True), ("ultrafast", True),
    ]  # fmt: skip


def test_a_target_out_of_reach_leaves_no_figures(ask: Ask, films: list[Path]) -> None:
    told = ask(films[0], *LINES[:-1], 100, "--format", "json")
    assert told.code == ExitCode.NEGATIVE
    for record in json.loads(told.out):
        assert faults(record, "compare_line") == []
        assert record["rate_change"] is None or record["src"] is not None
    assert "reaches 100" in told.err


def test_a_source_that_fails_is_named_and_the_others_go_on(ask: Ask, films: list[Path]) -> None:
    told = ask(films[0], "nowhere.mkv", *LINES, "--format", "json")
    assert told.code == ExitCode.INPUT
    assert "nowhere.mkv: no such file" in told.err
    assert len(json.loads(told.out)) == 4


@pytest.mark.parametrize("count", [1, 2])
def test_it_is_drawn(count: int, ask: Ask, films: list[Path]) -> None:
    told = ask(*films[:count], *LINES, "--plot", "c.svg")
    assert told.code == ExitCode.OK, told.err
    drawn = Path("c.svg").read_text()
    parts = ("curve", "pick", "speed") if count == 1 else ("mean", "sources", "speed")
    for part in parts:
        for line in ("libx264 veryfast", "libsvtav1 10"):
            assert f'id="{part} {line}"' in drawn
    assert ask(*films, *LINES, "--plot", "c.gif").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "give at least one SOURCE"),
        ({"sources": "x.mkv"}, "give --target-vmaf"),
        ({"sources": "x.mkv", "target_vmaf": 90}, "give --encoder"),
    ],
)  # fmt: skip
def test_comparison_of_nothing_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        CompareRequest(**values)


def test_one_line_is_no_comparison(films: list[Path], curve_models: tuple[object, ...]) -> None:
    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = CompareRequest(sources=films, encoders="libx264", presets="veryfast", target_vmaf=80, **models)
    with pytest.raises(UsageError, match="give two lines to compare"):
        compare(request)


def test_schema_describes_every_key() -> None:
    document = json.loads(schema_path("compare_line").read_text())
    assert list(document["required"]) == list(document["properties"]) == list(COLUMNS)
    assert all(entry["description"] for entry in document["properties"].values())


def curve(scale: float, slope: float = 0.115) -> list[Prediction]:
    """A line of every crf from 16 to 45, bent as real ones are."""
    found = []
    for crf in range(16, 46):
        kbps = scale * 5000 * math.exp(-slope * (crf - 16))
        vmaf = 99.0 - 0.012 * (crf - 16) ** 2.3
        known: dict[str, Any] = {"vmaf_low": vmaf, "vmaf_high": vmaf, "kbps_low": kbps, "kbps_high": kbps}
        cell = Cell("libx264", "medium", crf)
        found.append(Prediction(cell=cell, vmaf=vmaf, kbps=kbps, extrapolated=False, measured=False, **known))
    return found


def test_bd_rate_of_a_curve_of_cheaper_encodes_is_their_saving() -> None:
    assert bd_rate(rate_curve(curve(1.0)), rate_curve(curve(0.7)), 78.0, 98.0) == pytest.approx(-0.3)
    assert bd_rate(rate_curve(curve(0.7)), rate_curve(curve(1.0)), 78.0, 98.0) == pytest.approx(1 / 0.7 - 1)


@pytest.mark.parametrize("slope", [0.09, 0.13, 0.2])
def test_bd_rate_agrees_with_pchip(slope: float) -> None:
    first, second = rate_curve(curve(1.0)), rate_curve(curve(0.8, slope))
    low, high = 78.0, 98.0
    grid = np.linspace(low, high, 20_001)
    off = PchipInterpolator(*second)(grid) - PchipInterpolator(*first)(grid)
    expected = math.expm1(float(np.trapezoid(off, grid)) / (high - low))
    assert bd_rate(first, second, low, high) == pytest.approx(expected, abs=0.002)


def test_curves_that_do_not_meet_have_no_bd_rate() -> None:
    short = rate_curve([p for p in curve(1.0) if p.vmaf > 96.0])
    assert bd_rate(rate_curve(curve(1.0)), short, 70.0, 98.0) is None
    assert bd_rate(rate_curve([]), rate_curve(curve(1.0)), 70.0, 98.0) is None
    assert rate_at(short, 90.0) is None
    assert rate_at(rate_curve(curve(1.0)), 99.5) is None


def test_encodes_that_are_worse_and_dearer_are_no_part_of_a_curve() -> None:
    found = curve(1.0)
    bad = Prediction(**{**vars(found[10]), "kbps": found[10].kbps * 1.05, "vmaf": found[12].vmaf})
    assert rate_at(rate_curve([*found, bad]), 90.0) == pytest.approx(rate_at(rate_curve(found), 90.0))
