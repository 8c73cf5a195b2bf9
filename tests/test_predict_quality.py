"""Which quality a pick has: other VMAF models, percentiles of the frames, the harmonic mean, further models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, read_rows
from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.contract.schema import breaches
from vmaftune_frv2.errors import ExitCode

X264 = ("--encoder", "libx264", "--preset", "veryfast")
CRFS = range(24, 42)
NEG = "vmaf_v0.6.1neg"
Ask = Callable[..., list[dict[str, Any]]]
Rows = dict[int, dict[str, Any]]


@pytest.fixture
def moving(clip: Clips) -> Path:
    """A source whose frames differ in quality."""
    return clip("testsrc2", size="128x96", frames=16, filters="rotate=0.02*n*n")


@pytest.fixture
def run(vmaf_tune: VmafTune, curve_models: Sequence[object], moving: Path) -> Callable[..., Invocation]:
    """A question about the source, with the session's models."""
    return lambda *options, command="predict": vmaf_tune(command, moving, *curve_models, *options)


@pytest.fixture
def ask(run: Callable[..., Invocation]) -> Ask:
    """Its records, which are as their schema says."""

    def asked(*options: object, command: str = "predict", schema: str = "predict_pick") -> list[dict[str, Any]]:
        told = run(*options, "--format", "json", command=command)
        assert told.code == ExitCode.OK, told.err
        found: list[dict[str, Any]] = json.loads(told.out)
        assert not [breach for record in found for breach in breaches(record, schema)]
        return found

    return asked


@pytest.fixture(scope="module")
def all_rows(clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """{crf: row} of every candidate, encoded and scored by a sweep, with NEG and 4K besides."""
    from conftest import invoke

    corpus = tmp_path_factory.mktemp("all") / "all.jsonl"
    source = clip("testsrc2", size="128x96", frames=16, filters="rotate=0.02*n*n")
    crfs, also = f"{CRFS[0]}:{CRFS[-1]}", ("--also-model", "neg", "--also-model", "4k")
    told = invoke("corpus", source, *X264, "--crf", crfs, "--threads", 2, *also, "--output", corpus)
    assert told.code == ExitCode.OK, told.err
    return {row["crf"]: row for row in read_rows(corpus)}


def highest(rows: Rows, passes: Callable[[np.ndarray], bool]) -> int:
    """The highest crf below the first that fails."""
    fails = [crf for crf, row in rows.items() if not passes(np.asarray(row["per_frame_vmaf"]))]
    return max(crf for crf in rows if crf < min(fails))


def harmonic(frames: np.ndarray) -> float:
    return float(1 / np.mean(1 / (frames + 1)) - 1)


SEARCHES: dict[str, tuple[tuple[object, ...], Callable[[np.ndarray], bool]]] = {
    "a percentile alone": (("--target-percentile", "1=80"), lambda f: np.percentile(f, 1) >= 80),
    "the worst frame": (("--target-percentile", "0=75"), lambda f: f.min() >= 75),
    "the median": (("--target-percentile", "50=88"), lambda f: np.percentile(f, 50) >= 88),
    "the mean decides": (
        ("--target-vmaf", 90, "--target-percentile", "10=60"),
        lambda f: f.mean() >= 90 and np.percentile(f, 10) >= 60,
    ),
    "the percentile decides": (
        ("--target-vmaf", 70, "--target-percentile", "2.5=85"),
        lambda f: f.mean() >= 70 and np.percentile(f, 2.5) >= 85,
    ),
    "several": (
        ("--target-vmaf", 80, "--min-vmaf-frame", 79, *("--target-percentile=1=78", "--target-percentile=25=84")),
        lambda f: f.mean() >= 80 and (np.percentile(f, (1, 5, 25)) >= (78, 79, 84)).all(),
    ),
    "harmonic": (("--target-vmaf", 85, "--pool", "harmonic_mean"), lambda f: harmonic(f) >= 85),
}


@pytest.mark.parametrize(("options", "passes"), SEARCHES.values(), ids=SEARCHES)
def test_search_ends_at_the_highest_crf_that_reaches_all_targets(
    options: tuple[object, ...], passes: Callable[[np.ndarray], bool], ask: Ask, all_rows: Rows
) -> None:
    exact = ("--verify", "--tolerance", 0, "--max-encodes", len(CRFS), "--crf", f"{CRFS[0]}:{CRFS[-1]}")
    (pick,) = ask(*X264, *exact, *options)
    assert pick["verified"]
    assert pick["crf"] == highest(all_rows, passes)
    assert pick["encodes"] < 9


def test_percentiles_have_intervals_and_are_exact_where_measured(ask: Ask) -> None:
    options = ("--target-percentile", "1=80", "--target-percentile", "12.5=60", "--record", "c.jsonl")
    grid = (*X264, "--crf", "24:41")
    ask(*grid, *options)
    (row,) = read_rows(Path("c.jsonl"))
    # The same probe, every candidate: a target that each reaches, one crf at a time.
    for crf in (24, row["crf"], 41):
        low = ("--target-percentile", "1=0", "--target-percentile", "12.5=0", "--record", "c.jsonl")
        probe = ("--probe", f"libx264:veryfast:{row['crf']}")
        (pick,) = ask(*X264, "--crf", crf, *low, *probe)
        for name, percent in (("vmaf_p01", 1), ("vmaf_p12.5", 12.5)):
            value, ends = pick[name], (pick[f"{name}_low"], pick[f"{name}_high"])
            if crf == row["crf"]:
                exact = pytest.approx(np.percentile(row["per_frame_vmaf"], percent), abs=1e-4)
                assert (value, *ends) == (exact, exact, exact)
            else:
                assert 0 <= ends[0] < value < ends[1] <= 100
        assert pick["vmaf_p01"] <= pick["vmaf_p12.5"]


def test_table_shows_what_was_asked_for(run: Callable[..., Invocation]) -> None:
    told = run(
        *X264, "--crf", "24:41", "--target-vmaf", 60, "--target-percentile", "1=60", "--pool", "harmonic_mean",
        "--vmaf-model", "neg", "--also-model", "4k", "--verify",
    )  # fmt: skip
    header, line = told.out.splitlines()
    assert "  harmonic VMAF neg  " in header
    assert "  1% low  1% low 90%  4k  encodes" in " ".join(header.split(" ")) or "1% low 90%" in header
    assert line.split()[-1] in ("verified", "measured")
    assert ", 1% low " in told.err


def test_unreached_percentiles_are_named(run: Callable[..., Invocation]) -> None:
    told = run(*X264, "--crf", "40:41", "--target-percentile", "2=100")
    assert told.code == ExitCode.NEGATIVE
    assert "no candidate reaches a 2nd percentile of 100; the best is crf 40 with " in told.err
    assert ", 2nd percentile " in told.err


def test_confidence_holds_for_percentiles(ask: Ask) -> None:
    options = (*X264, "--target-percentile", "5=75")
    (likely,), (sure,) = ask(*options), ask(*options, "--confidence", 0.97)
    assert sure["crf"] < likely["crf"]


def test_pick_of_another_model_is_exact_once_verified(
    ask: Ask, all_rows: Rows, run: Callable[..., Invocation]
) -> None:
    grid = (*X264, "--crf", f"{CRFS[0]}:{CRFS[-1]}", "--verify", "--tolerance", 0, "--max-encodes", len(CRFS))
    (pick,) = ask(*grid, "--target-vmaf", 82, "--vmaf-model", "neg", "--record", "c.jsonl")
    reaching = [crf for crf, row in all_rows.items() if row["vmaf_also"][NEG]["mean"] >= 82]
    assert (pick["crf"], pick["verified"], pick["vmaf_model"]) == (max(reaching), True, NEG)
    rows = {row["crf"]: row for row in read_rows(Path("c.jsonl"))}
    assert {row["vmaf_model"] for row in rows.values()} == {NEG}
    assert pick["vmaf_predicted"] == pytest.approx(rows[pick["crf"]]["vmaf_score"], abs=1e-4)
    again = run(*grid, "--target-vmaf", 82, "--vmaf-model", NEG, "--record", "c.jsonl")
    assert "rows added" in again.err
    assert "0 rows added" in again.err


@pytest.mark.parametrize("model", [NEG, "vmaf_4k_v0.6.1"])
def test_predictions_of_another_model_are_on_its_scale(
    model: str, all_rows: Rows, moving: Path, vmaf_tune: VmafTune
) -> None:
    def errors(of: str, truth: Callable[[dict[str, Any]], float]) -> float:
        """Mean error of the shipped models, from one probe."""
        asked = ("--probe", "libx264:veryfast:33", "--crf", f"{CRFS[0]}:{CRFS[-1]}", "--vmaf-model", of)
        records = json.loads(vmaf_tune("predict", moving, *X264, *asked, "--format", "json").out)
        values = [record["vmaf_predicted"] for record in records]
        assert values == sorted(values, reverse=True)
        assert all(r["vmaf_low"] <= r["vmaf_predicted"] <= r["vmaf_high"] for r in records)
        return float(np.mean([abs(r["vmaf_predicted"] - truth(all_rows[r["crf"]])) for r in records]))

    usual = errors("hd", lambda row: row["vmaf_score"])
    assert errors(model, lambda row: row["vmaf_also"][model]["mean"]) < 1.3 * usual + 0.5


def test_it_is_said_what_predictions_of_another_model_are_worth(run: Callable[..., Invocation]) -> None:
    asked = (*X264, "--crf", "33")
    assert "learnt" not in run(*asked).err + run(*asked, "--vmaf-model", "hd").err
    said = run(*asked, "--vmaf-model", "4k").err
    assert "learnt vmaf_v0.6.1; vmaf_4k_v0.6.1 is predicted from that" in said
    assert "measured on titles that it never saw" in said
    assert "how well is not measured" in run(*asked, "--vmaf-model", "vmaf_float_v0.6.1").err


def test_further_models_are_shown_where_a_cell_was_measured(ask: Ask, run: Callable[..., Invocation]) -> None:
    probed = (*X264, "--crf", "30:36", "--probe", "libx264:veryfast:33")
    options = (*probed, "--also-model", "neg", "--also-model", "4k", "--record", "c.jsonl")
    records = ask(*options, schema="predict_cell")
    (row,) = read_rows(Path("c.jsonl"))
    assert list(row["vmaf_also"]) == [NEG, "vmaf_4k_v0.6.1"]
    for record in records:
        assert (record["vmaf_also"] is not None) == record["measured"] == (record["crf"] == row["crf"])
    (found,) = (record["vmaf_also"] for record in records if record["measured"])
    for model, scores in found.items():
        frames = np.asarray(row["vmaf_also"][model]["per_frame"])
        assert scores["mean"] == pytest.approx(frames.mean(), abs=1e-3)
        assert scores["harmonic_mean"] == pytest.approx(harmonic(frames), abs=1e-3)
        assert scores["p01"] == pytest.approx(np.percentile(frames, 1), abs=1e-3)
    told = run(*options)
    assert "0 rows added" in told.err
    (measured,) = (line for line in told.out.splitlines() if line.endswith("measured"))
    assert f"{found[NEG]['mean']:.2f}" in measured.split()
    written = run(*options, "--format", "csv").out.splitlines()
    assert written[0].endswith(",vmaf_also")
    assert sum(NEG in line for line in written) == 1


def test_windows_pool_the_frames_of_all(ask: Ask, clip: Clips, vmaf_tune: VmafTune, curve_models: Any) -> None:
    long = clip("testsrc2", size="128x96", frames=240, filters="rotate=0.0005*n*n")
    told = vmaf_tune(
        "predict", long, *curve_models, *X264, "--crf", "33", "--probe", "libx264:veryfast:33", "--samples", 2,
        "--sample-seconds", 0.5, "--target-percentile", "5=0", "--also-model", "neg", "--format", "json",
        "--record", "c.jsonl",
    )  # fmt: skip
    assert told.code == ExitCode.OK, told.err
    (pick,), rows = json.loads(told.out), read_rows(Path("c.jsonl"))
    assert len(rows) == 2
    frames = np.concatenate([row["per_frame_vmaf"] for row in rows])
    assert pick["vmaf_p05"] == pytest.approx(np.percentile(frames, 5), abs=1e-3)
    assert pick["vmaf_p05_low"] < pick["vmaf_p05"] < pick["vmaf_p05_high"]  # the windows are not all of it
    other = np.concatenate([row["vmaf_also"][NEG]["per_frame"] for row in rows])
    assert pick["vmaf_also"][NEG]["p01"] == pytest.approx(np.percentile(other, 1), abs=1e-3)


def test_shots_and_ladders_take_a_model(ask: Ask) -> None:
    shots = ask(
        *X264, "--target-percentile", "1=50", "--vmaf-model", "neg", command="per-shot", schema="predict_shot"
    )
    assert all(shot["vmaf_model"] == NEG and shot["vmaf_p01"] >= 50 for shot in shots)
    rungs = ask(
        *X264, "--heights", "96,72", "--vmaf-model", "4k", "--record", "c.jsonl", command="ladder",
        schema="predict_rung",
    )  # fmt: skip
    assert {rung["vmaf_model"] for rung in rungs} == {"vmaf_4k_v0.6.1"}
    assert {row["vmaf_model"] for row in read_rows(Path("c.jsonl"))} == {"vmaf_4k_v0.6.1"}


def test_python_gives_the_same(moving: Path, curve_models: Any, ask: Ask) -> None:
    (record,) = ask(*X264, "--target-percentile", "1=70", "--also-model", "neg")
    request = PredictRequest(
        sources=str(moving), encoders="libx264", presets="veryfast", target_percentiles="1=70", also_models="neg",
        model=str(curve_models[1]), bitrate_model=str(curve_models[3]),
    )  # fmt: skip
    (pick,) = predict_source(request).answer.picks
    assert pick.prediction is not None
    assert pick.prediction.cell.crf == record["crf"]
    (low,) = pick.prediction.percentiles
    assert (low.percent, round(low.vmaf, 4), round(low.low, 4)) == (1, record["vmaf_p01"], record["vmaf_p01_low"])
