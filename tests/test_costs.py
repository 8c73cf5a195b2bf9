"""Size and encoding time of the whole encode, and picks within a limit of bitrate or size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, Invocation, VmafTune
from vmaftune_frv2.commands.shared.predictions import duration_text
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.predict.costs import cpu_seconds
from vmaftune_frv2.predict.limits import Within
from vmaftune_frv2.predict.results import Prediction

LINE = ("--encoder", "libx264", "--preset", "veryfast")
SECONDS = 2.0
Ask = Callable[..., Invocation]


@pytest.fixture
def film(clip: Clips) -> Path:
    return clip("testsrc2", size="128x96", frames=48)


@pytest.fixture
def ask(vmaf_tune: VmafTune, curve_models: tuple[object, ...], film: Path) -> Ask:
    """``vmaf-tune predict`` of a film of two seconds."""

    def run(*options: object) -> Invocation:
        return vmaf_tune("predict", film, *curve_models, *LINE, *options)

    return run


def records(answer: Invocation) -> list[dict[str, Any]]:
    assert answer.code == ExitCode.OK, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)
    return found


@pytest.mark.parametrize(
    ("options", "error"),
    [((), 1e-3), (("--sample-clip-seconds", 1), 1e-2), (("--samples", 2, "--sample-seconds", 0.5), 1e-2)],
    ids=["all", "middle", "windows"],
)  # fmt: skip
def test_sizes_are_those_of_all_of_the_source(options: tuple[object, ...], error: float, ask: Ask) -> None:
    for cell in records(ask("--crf", "24:40:4", *options, "--format", "json")):
        for size, kbps in (("size_bytes", "kbps"), ("size_low", "kbps_low"), ("size_high", "kbps_high")):
            assert cell[size] == pytest.approx(cell[kbps] * 125 * SECONDS, rel=error)
        assert cell["size_low"] <= cell["size_bytes"] <= cell["size_high"]
        assert cell["encode_s"] > 0


def test_size_of_a_measured_encode_is_that_of_its_file(ask: Ask, film: Path, tmp_path: Path, ffmpeg) -> None:
    (pick,) = records(ask("--target-vmaf", 80, "--verify", "--format", "json"))
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(pick["crf"]), "-threads", str(usable_cpus()))
    made = tmp_path / "made.mp4"
    assert ffmpeg.run(["-v", "error", "-i", str(film), *codec, "-bitexact", str(made)]).ok
    assert pick["size_bytes"] == pytest.approx(made.stat().st_size, rel=0.05)


def test_tables_show_size_and_time(ask: Ask) -> None:
    header, line = ask("--target-vmaf", 80).out.splitlines()
    assert header.split()[-3:] == ["size", "time", "encodes"]
    assert " kB  ~" in line


def test_a_size_alone_picks_the_lowest_crf_that_keeps_it(ask: Ask) -> None:
    cells = records(ask("--crf", "20:44", "--format", "json"))
    limit = sorted(cell["size_bytes"] for cell in cells)[len(cells) // 2]
    (pick,) = records(ask("--crf", "20:44", "--max-size", limit, "--format", "json"))
    assert pick["crf"] == min(cell["crf"] for cell in cells if cell["size_bytes"] <= limit)
    assert (pick["reached"], pick["encodes"]) == (True, 1)


@pytest.mark.parametrize("kind", ["--max-size", "--max-bitrate"])
def test_a_verified_limit_holds_in_what_was_measured(kind: str, ask: Ask) -> None:
    cells = records(ask("--crf", "20:44", "--format", "json"))
    middle = sorted(cell["kbps"] for cell in cells)[len(cells) // 2] * 0.97
    limit = f"{middle * SECONDS / 8}kB" if kind == "--max-size" else middle
    asked = ("--crf", "20:44", kind, limit, "--verify", "--max-encodes", 12, "--format", "json")
    answer = ask(*asked)
    (pick,) = records(answer)
    assert pick["verified"]
    assert pick["measured"]
    assert pick["kbps"] <= middle * 1.0001
    encoded = {int(line.split(":")[2]): float(line.split()[-2]) for line in _plain(answer)}
    assert pick["kbps"] >= middle * 0.969 or encoded[pick["crf"] - 1] > middle


def test_a_verified_limit_is_searched_between_whole_crfs(ask: Ask) -> None:
    cells = records(ask("--crf", "20:44", "--format", "json"))
    limit = sorted(cell["kbps"] for cell in cells)[len(cells) // 2] * 0.97
    answer = ask("--max-bitrate", limit, "--verify", "--max-encodes", 16, "--format", "json")
    (pick,) = records(answer)
    assert (pick["verified"], pick["measured"]) == (True, True)
    encoded = {float(line.split(":")[2]): float(line.split()[-2]) for line in _plain(answer)}
    assert any(crf % 1 for crf in encoded)
    neighbour = encoded.get(round(pick["crf"] - 0.1, 1), 0.0)
    assert limit * 0.969 <= pick["kbps"] <= limit * 1.0001 or neighbour > limit


def _plain(answer: Invocation) -> list[str]:
    """Lines of encodes, without what was expected of them."""
    return [line.split(", expected")[0] for line in answer.err.splitlines() if line.startswith("encoded ")]


def test_target_and_size_that_conflict_are_told(ask: Ask) -> None:
    answer = ask("--target-vmaf", 90, "--max-size", "12kB", "--verify", "--max-encodes", 12, "--format", "json")
    assert answer.code == ExitCode.NEGATIVE
    assert json.loads(answer.out)[0]["reached"] is False
    last = answer.err.splitlines()[-1]
    assert last.startswith("libx264:veryfast: VMAF 90 takes crf ")
    assert "above --max-size 12kB; within it the best is crf " in last


def test_a_limit_that_nothing_keeps_is_told(ask: Ask) -> None:
    answer = ask("--max-size", "10B", "--format", "csv")
    assert answer.code == ExitCode.NEGATIVE
    assert "libx264:veryfast: every candidate is above --max-size 10B; the smallest is crf " in answer.err


def test_the_tighter_limit_counts(ask: Ask) -> None:
    cells = records(ask("--crf", "20:44", "--format", "json"))
    rates = sorted(cell["kbps"] for cell in cells)
    for size, rate in ((rates[5], rates[9]), (rates[9], rates[5])):
        (pick,) = records(
            ask("--crf", "20:44", "--max-size", f"{size * SECONDS / 8 + 0.01}kB", "--max-bitrate", rate + 0.01,
                "--format", "json")
        )  # fmt: skip
        assert pick["kbps"] == rates[5]


def test_a_limit_is_emitted_and_drawn_like_a_target(ask: Ask) -> None:
    assert " -crf " in ask("--max-size", "20kB", "--emit", "ffmpeg").out
    assert (
        "--emit needs --target-vmaf, --target-percentile, --max-bitrate or --max-size"
        in ask("--emit", "ffmpeg").err
    )


def cell(crf: int, preset: str = "medium", encoder: str = "libx264") -> Cell:
    return Cell.resolve(encoder, preset, crf)


def test_times_follow_what_was_measured() -> None:
    speeds = {cell(20): 0.4, cell(30): 0.1}
    assert cpu_seconds(cell(20), speeds, 1.0) == pytest.approx(0.4)
    assert cpu_seconds(cell(25), speeds, 1.0) == pytest.approx(0.2)
    assert cpu_seconds(cell(40), speeds, 1.0) == pytest.approx(0.1)
    x264, x265 = ENCODERS.get("libx264"), ENCODERS.get("libx265")
    slower = x264.seconds_per_megapixel("slow") / x264.seconds_per_megapixel("medium")
    assert cpu_seconds(cell(30, "slow"), {cell(30): 0.1}, 1.0) == pytest.approx(0.1 * slower)
    other = x265.seconds_per_megapixel("medium") / x264.seconds_per_megapixel("medium")
    assert cpu_seconds(cell(30, encoder="libx265"), {cell(30): 0.1}, 1.0) == pytest.approx(0.1 * other)
    assert cpu_seconds(cell(30), {}, 2.0) == pytest.approx(2 * x264.seconds_per_megapixel("medium"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.3, "42 s"), (100, "1.7 min"), (1000, "17 min"), (6000, "1.7 h"),
     (1e6, "12 d")],
)  # fmt: skip
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize("limit", [50.0, 333.0, 1000.0, 5000.0])
@pytest.mark.parametrize("bias", [0.6, 1.0, 1.7])
def test_search_for_a_limit_ends_where_brute_force_does(limit: float, bias: float) -> None:
    crfs = list(range(18, 46))
    truth = {crf: 4000.0 * math.exp(-0.13 * (crf - 18)) for crf in crfs}
    predictions = [
        Prediction(
            cell=cell(crf), vmaf=90.0, extrapolated=False, vmaf_low=80.0, vmaf_high=95.0, kbps=bias * rate,
            kbps_low=bias * rate / 1.3, kbps_high=bias * rate * 1.3, measured=False,
        )
        for crf, rate in truth.items()
    ]  # fmt: skip
    search, measured = Within(limit, crfs), dict[int, float]()
    while not search.best(measured)[1]:
        crf = search.next(measured, predictions)
        assert crf not in measured
        measured[crf] = truth[crf]
    keeping = [crf for crf in crfs if truth[crf] <= limit]
    assert search.best(measured)[0] == min(keeping, default=None)
    assert len(measured) <= 8
