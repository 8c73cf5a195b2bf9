"""``vmaf-tune ladder``: encodes at several heights along the convex hull of bitrate and VMAF."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conftest import Clips, VmafTune, invoke
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.ladder_request import LadderRequest
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.predict import hull
from vmaftune_frv2.predict.ladder import Ladder, make_ladder
from vmaftune_frv2.predict.rendition import Rendition, Rung

LINE = ("--encoder", "libx264", "--preset", "veryfast")
HEIGHTS = {108: 192, 72: 128, 48: 86}


@pytest.fixture(scope="module")
def curves(corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options that name short-trained curve models of the shared corpus."""
    folder = tmp_path_factory.mktemp("curves")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        done = invoke(
            "train-v2", "--corpus", corpus_path, "--epochs", 30, "--seeds", 2, "--curves", "--out-dir", folder
        )
    assert done.code == 0, done.err
    return "--model", f"{folder}/vmaf_curve_v2.onnx", "--bitrate-model", f"{folder}/bitrate_curve_v2.onnx"


@pytest.fixture
def source(clip: Clips) -> Path:
    """Fine detail, and timestamps that do not begin at 0."""
    return clip("mandelbrot", size="192x108", frames=12, offset=1.5)


def ladder(curves: tuple[str, ...], source: Path, *options: object) -> list[dict[str, Any]]:
    done = invoke("ladder", source, *LINE, *curves, "--format", "json", *options)
    assert done.code == 0, done.err
    rungs: list[dict[str, Any]] = json.loads(done.out)
    return rungs


def score_by_hand(ffmpeg: FFmpeg, source: Path, rung: dict[str, Any], folder: Path) -> tuple[float, float]:
    """VMAF at the source's size, and kbit/s, by two ffmpeg commands that nothing else here writes."""
    encode, log = folder / "encode.mp4", folder / "log.json"
    argv = ENCODERS.get("libx264").codec_argv(rung["preset"], rung["crf"], usable_cpus())
    scale = f"scale={rung['width']}:{rung['height']}:flags=bicubic"
    done = ffmpeg.run(["-v", "error", "-i", str(source), "-vf", scale, "-pix_fmt", "yuv420p", *argv, str(encode)])
    assert done.ok, done.stderr
    pair = "settb=AVTB,setpts=N"
    graph = f"[0:v]scale=192:108:flags=bicubic,{pair}[d];[1:v]{pair}[r];[d][r]libvmaf=log_fmt=json:log_path={log}"
    done = ffmpeg.run(["-v", "error", "-i", str(encode), "-i", str(source), "-lavfi", graph, "-f", "null", "-"])
    assert done.ok, done.stderr
    scored = json.loads(log.read_text())
    assert len(scored["frames"]) == 12
    return scored["pooled_metrics"]["vmaf"]["mean"], encode.stat().st_size * 8 / 1000 / (12 / 24)


@pytest.fixture(scope="module")
def verified(curves: tuple[str, ...], clip: Clips) -> list[dict[str, Any]]:
    """A verified ladder of three heights."""
    source = clip("mandelbrot", size="192x108", frames=12, offset=1.5)
    options = ("--heights", "48,108,72", "--rungs", 5, "--vmaf-range", "5:95", "--verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        return ladder(curves, source, *options)


def test_verified_rungs_are_measured_and_fall_in_bitrate_and_vmaf(verified: list[dict[str, Any]]) -> None:
    assert len(verified) > 2
    assert all(rung["measured"] and not rung["extrapolated"] for rung in verified)
    for above, below in itertools.pairwise(verified):
        assert above["kbps"] > below["kbps"]
        assert above["vmaf_predicted"] > below["vmaf_predicted"]
    assert {rung["height"]: rung["width"] for rung in verified}.items() <= HEIGHTS.items()


def test_vmaf_of_every_rung_is_that_of_independent_commands(
    verified: list[dict[str, Any]], source: Path, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    assert any(rung["height"] < 108 for rung in verified)
    for number, rung in enumerate(verified):
        folder = tmp_path / str(number)
        folder.mkdir()
        vmaf, kbps = score_by_hand(ffmpeg, source, rung, folder)
        assert rung["vmaf_predicted"] == rung["vmaf_low"] == rung["vmaf_high"] == pytest.approx(vmaf, abs=1e-3)
        assert rung["kbps"] == pytest.approx(kbps, rel=0.02)


def test_unverified_ladder_encodes_once_per_height_and_marks_what_it_guesses(
    curves: tuple[str, ...], source: Path
) -> None:
    done = invoke("ladder", source, *LINE, *curves, "--heights", "108,72", "--format", "jsonl")
    assert done.code == 0, done.err
    assert done.err.count("encoded ") == 2
    for rung in map(json.loads, done.out.splitlines()):
        assert rung["extrapolated"] or rung["measured"] or rung["height"] == 108
        assert rung["vmaf_low"] <= rung["vmaf_predicted"] <= rung["vmaf_high"]
        assert rung["kbps_low"] <= rung["kbps"] <= rung["kbps_high"]


def test_formats_have_the_same_rungs(curves: tuple[str, ...], source: Path) -> None:
    asked = ("ladder", source, *LINE, *curves, "--heights", "108", "--crf", "23:43:10")
    found = {style: invoke(*asked, "--format", style).out for style in ("json", "csv", "table")}
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [int(row["crf"]) for row in rows] == [rung["crf"] for rung in json.loads(found["json"])]
    assert found["table"].split()[:3] == ["height", "width", "encoder"]
    assert len(found["table"].splitlines()) == len(rows) + 1


def test_height_of_the_source_is_not_scaled(clip: Clips, ffmpeg: FFmpeg) -> None:
    opened = open_source(ffmpeg, str(clip("testsrc2", size="160x96")))
    assert opened.at_height(96) is opened
    assert Rendition(Setup(ffmpeg, "vmaf_v0.6.1"), opened, 96).ceiling == 100.0


def test_curve_at_the_sources_size_passes_through_what_was_measured(source: Path, ffmpeg: FFmpeg) -> None:
    rendition = Rendition(Setup(ffmpeg, "vmaf_v0.6.1"), open_source(ffmpeg, str(source)), 72)
    cells = [Cell("libx264", "veryfast", crf) for crf in (25, 35)]
    for cell in cells:
        rendition.measure(cell)
    own = [rendition.rows[cell]["vmaf_score"] for cell in cells]
    assert [rendition.seen_as(vmaf) for vmaf in own] == pytest.approx([rendition.shown[cell] for cell in cells])
    assert max(rendition.shown.values()) < rendition.seen_as(100.0) <= rendition.ceiling < 100.0
    assert np.all(np.diff([rendition.seen_as(vmaf) for vmaf in np.linspace(min(own), 100, 50)]) > 0)
    assert rendition.emptied().rows == {}
    assert rendition.emptied().ceiling == rendition.ceiling


BAD = {
    "no number": (("--heights", "72,tall"), "'tall' is not a height"),
    "negative": (("--heights", "-72"), "'-72' is not a height"),
    "nothing": (("--heights", ""), "give --heights, as in 1080,720,480"),
    "odd": (("--heights", "71"), "71 is odd"),
    "above the source": (("--heights", "110,72"), "110 is above the source's 108 rows"),
    "too small to score": (("--heights", "108,16"), "16 gives 28x16; libvmaf needs 18x18"),
    "with a target": (("--heights", "72", "--target-vmaf", "90"), "No such option '--target-vmaf'"),
    "without heights": (("--rungs", "3"), "give --heights, as in 1080,720,480"),
    "range of one": (("--heights", "72", "--vmaf-range", "40"), "write LOW:HIGH"),
    "range upside down": (("--heights", "72", "--vmaf-range", "95:40"), "the lower end first"),
    "unknown preset": (("--heights", "72", "--preset", "tardy"), "tardy"),
}


@pytest.mark.parametrize(("options", "says"), BAD.values(), ids=BAD)
def test_bad_request_is_one_line(
    options: tuple[str, ...], says: str, curves: tuple[str, ...], source: Path, vmaf_tune: VmafTune
) -> None:
    done = vmaf_tune("ladder", source, *LINE, *curves, *options)
    assert done.code == ExitCode.USAGE
    assert "encoded" not in done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert says in line


def test_ladder_needs_an_encoder_and_a_source(source: Path, vmaf_tune: VmafTune) -> None:
    assert "give --encoder" in vmaf_tune("ladder", source, "--heights", "72").err
    assert "give one SOURCE" in vmaf_tune("ladder", *LINE, "--heights", "72").err


def test_bitrate_limit_below_every_encode_is_a_negative_answer(
    curves: tuple[str, ...], source: Path, vmaf_tune: VmafTune
) -> None:
    done = vmaf_tune("ladder", source, *LINE, *curves, "--heights", "108", "--max-bitrate", "0.01")
    assert done.code == ExitCode.NEGATIVE
    assert "no candidate is within --vmaf-range and --max-bitrate" in done.err


def test_hull_is_what_the_best_lines_between_any_two_encodes_reach() -> None:
    random = np.random.default_rng(5)
    for count in (1, 2, 3, 12, 40):
        rate, quality = random.normal(5, 1, count).round(1), random.uniform(0, 100, count).round(0)
        best = [
            max(
                between(rate, quality, i, j, at)
                for i, j in itertools.product(range(count), repeat=2)
                if rate[i] <= at <= rate[j] or (i == j and rate[i] <= at)
            )
            for at in rate
        ]
        np.testing.assert_allclose(quality + hull.gaps(rate, quality), best, atol=1e-9)
        vertices = hull.upper_hull(rate, quality)
        slopes = np.diff(quality[vertices]) / np.diff(rate[vertices])
        assert (slopes > 0).all()
        assert (np.diff(slopes) < 0).all()


def between(rate: np.ndarray, quality: np.ndarray, i: int, j: int, at: float) -> float:
    """Quality at a rate on the line between two encodes, or of the better one where both have that rate."""
    if rate[i] == rate[j]:
        return float(max(quality[i], quality[j]))
    share = (at - rate[i]) / (rate[j] - rate[i])
    return float(quality[i] + share * (quality[j] - quality[i]))


def test_steps_are_equal_and_one_jnd_by_default() -> None:
    assert hull.steps(40.0, 94.0, None) == pytest.approx([94 - 6 * n for n in range(10)])
    assert hull.steps(50.0, 90.0, 3) == [90.0, 70.0, 50.0]
    assert hull.steps(50.0, 90.0, 1) == [90.0]


def test_choice_prefers_what_was_measured_within_its_bonus() -> None:
    rate, quality = np.log([100.0, 110.0, 300.0]), np.asarray([60.0, 63.0, 90.0])
    assert hull.choose(rate, quality, [90.0, 62.0], np.zeros(3)) == [2, 1]
    assert hull.choose(rate, quality, [90.0, 62.0], np.asarray([1.5, 0.0, 0.0])) == [2, 0]
    assert hull.choose(rate, quality, [90.0, 89.0, 62.0], np.zeros(3)) == [2, 1]


@pytest.mark.parametrize("least_step", [1.0, 1.5, 4.0])
def test_rungs_lie_apart_by_the_least_step(least_step: float) -> None:
    rate = np.log(3000.0) - 0.05 * np.arange(120)
    quality = 97.0 - 0.006 * np.arange(120.0) ** 2
    wanted = hull.steps(40.0, 95.0, None)
    chosen = hull.choose(rate, quality, wanted, np.zeros(120), least_step)
    assert (np.diff(rate[chosen]) <= -math.log(least_step) + 1e-6).all()
    assert (np.diff(quality[chosen]) < 0).all()
    span = rate[0] - rate[chosen[-1]]
    assert len(chosen) >= min(len(wanted), 0.5 * span / max(math.log(least_step), 1e-9))
    if least_step == 1.0:
        assert len(chosen) == len(wanted)


def ladder_of(**asked: Any) -> Ladder:
    """An unverified ladder of made-up heights."""
    heights = [Imagined(1080, 100.0, 0.0), Imagined(720, 92.0, 0.0), Imagined(480, 80.0, 0.0)]
    cells = tuple(Cell("libx264", "medium", crf) for crf in range(14, 49))
    predictor = SimpleNamespace(probe_cell=lambda encoder, preset, target, crfs: Cell(encoder, preset, 30))
    wanted = {"source": "x", "encoders": "libx264", "heights": "1080,720,480", **asked}
    return make_ladder(predictor, heights, cells, LadderRequest(**wanted))


def test_no_rung_lies_below_a_floor_or_too_close() -> None:
    usual, close = ladder_of(), ladder_of(min_step=1)
    assert len(usual.rungs) < len(close.rungs)
    for above, below in itertools.pairwise(usual.rungs):
        assert above.kbps >= 1.5 * below.kbps
    assert min(rung.vmaf for rung in close.rungs) >= 40.0
    assert min(rung.vmaf for rung in ladder_of(vmaf_range="62.5:95").rungs) >= 62.5
    floor = usual.rungs[-1].kbps * 1.01
    assert min(rung.kbps for rung in ladder_of(min_bitrate=floor).rungs) >= floor
    assert len(usual.candidates) == 3 * 35


def test_ladder_is_drawn_with_its_curves_its_hull_and_its_rungs(curves: tuple[str, ...], source: Path) -> None:
    asked = ("ladder", source, *LINE, *curves, "--heights", "108,72", "--vmaf-range", "5:95")
    done = invoke(*asked, "--plot", "l.svg", "--format", "json")
    assert done.code == 0, done.err
    drawn = Path("l.svg").read_text()
    for text in (
        "108 rows",
        "72 rows",
        "convex hull",
        "rungs",
        'id="hull"',
        'id="rungs"',
        'id="measured 72 rows"',
    ):
        assert text in drawn
    for rung in json.loads(done.out):
        assert f"{rung['height']}, crf {rung['crf']}" in drawn
    assert invoke(*asked, "--plot", "l.gif").code == ExitCode.USAGE


def test_rungs_have_size_and_time(curves: tuple[str, ...], source: Path) -> None:
    done = invoke(
        "ladder", source, *LINE, *curves, "--heights", "108,72", "--vmaf-range", "5:95", "--format", "json"
    )
    for rung in json.loads(done.out):
        assert 0 < rung["size_low"] <= rung["size_bytes"] <= rung["size_high"]
        assert rung["encode_s"] > 0


class Imagined:
    """A height whose encodes follow a formula, off by ``error`` until they are measured."""

    def __init__(self, height: int, ceiling: float, error: float) -> None:
        self.height, self.ceiling, self.error, self.scaled = height, ceiling, error, height < 1080
        self.rows: dict[Cell, float] = {}
        self.known: set[Cell] = set()
        self.full = SimpleNamespace(label="imagined.mkv", frames=48)

    def truth(self, cell: Cell) -> float:
        return self.ceiling * (1.0 - (cell.crf / 60) ** 3)

    def recall(self, cells: Sequence[Cell]) -> list[Cell]:
        return []

    def measure(self, cell: Cell) -> None:
        self.rows[cell] = self.truth(cell)

    def predict(self, predictor: object, cells: list[Cell]) -> list[Rung]:
        found = []
        for cell in cells:
            known = cell in self.rows
            vmaf = self.truth(cell) + (0.0 if known else self.error)
            kbps = self.height**1.5 * math.exp(-cell.crf / 8)
            found.append(
                Rung(
                    height=self.height, width=2, cell=cell, vmaf=vmaf, vmaf_low=vmaf, vmaf_high=vmaf, kbps=kbps,
                    kbps_low=kbps, kbps_high=kbps, extrapolated=not known, measured=known,
                )
            )  # fmt: skip
        return found


@pytest.mark.parametrize("error", [-8.0, 0.0, 8.0])
def test_verification_ends_with_measured_rungs_however_wrong_the_prediction(error: float) -> None:
    heights = [Imagined(1080, 100.0, error), Imagined(720, 92.0, error), Imagined(480, 80.0, -error)]
    cells = tuple(Cell("libx264", "medium", crf) for crf in range(14, 49))
    predictor = SimpleNamespace(probe_cell=lambda encoder, preset, target, crfs: Cell(encoder, preset, 30))
    asked = {"source": "x", "encoders": "libx264", "heights": "1080,720,480", "verify": True, "rungs": 6}
    made = make_ladder(predictor, heights, cells, LadderRequest(**asked, max_encodes=20))
    assert made.rungs
    assert all(rung.measured for rung in made.rungs)
    assert made.encodes == sum(len(height.rows) for height in heights)
    for height in heights:
        height.rows.clear()
    limited = make_ladder(predictor, heights, cells, LadderRequest(**asked, max_encodes=1))
    assert limited.encodes <= 3 + 6
    assert all(rung.measured for rung in limited.rungs)
