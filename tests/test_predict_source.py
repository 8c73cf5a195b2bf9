"""``vmaf-tune predict SOURCE``: probes, predictions with intervals, picks, and --verify, with real encodes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, read_rows
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.errors import ExitCode

Ask = Callable[..., list[dict[str, Any]]]
X264 = ("--encoder", "libx264", "--preset", "veryfast")


@pytest.fixture
def predict(vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path) -> Callable[..., Invocation]:
    """Runs ``predict SOURCE`` with the session's models."""

    def run(*options: object, of: Path = source) -> Invocation:
        return vmaf_tune("predict", of, *curve_models, *options)

    return run


@pytest.fixture
def ask(predict: Callable[..., Invocation]) -> Ask:
    """The same, its records read."""

    def run(*options: object, code: int = 0, of: Path | None = None) -> list[dict[str, Any]]:
        result = predict(*options, "--format", "json", **({"of": of} if of else {}))
        assert result.code == code, result.err
        found: list[dict[str, Any]] = json.loads(result.out)
        return found

    return run


def encoded(result: Invocation) -> list[str]:
    """Cells that stderr says were encoded."""
    return re.findall(r"^encoded (\S+): VMAF", result.err, re.MULTILINE)


def test_probes_are_told_as_they_were_measured(ask: Ask, corpus_path: Path, source: Path) -> None:
    probes = ("--probe", "libx264:veryfast:23", "--probe", "libx264:veryfast:43")
    cells = {r["crf"]: r for r in ask(*X264, "--crf", "20:45", *probes)}
    measured = [
        row for row in read_rows(corpus_path) if Path(row["src"]) == source and row["encoder"] == "libx264"
    ]
    assert {crf for crf, record in cells.items() if record["measured"]} == {23, 43}
    for row in (row for row in measured if row["crf"] in (23, 43)):
        record = cells[row["crf"]]
        assert record["vmaf_low"] == record["vmaf_predicted"] == record["vmaf_high"]
        assert record["vmaf_predicted"] == pytest.approx(row["vmaf_score"], abs=0.2)  # other numbers of threads
        assert record["kbps"] == record["kbps_low"] == record["kbps_high"]
        assert record["kbps"] == pytest.approx(row["bitrate_kbps"], rel=0.02)


def test_predictions_fall_with_crf_within_their_intervals(ask: Ask) -> None:
    for encoder in ("libx264", "libsvtav1"):
        records = ask("--encoder", encoder)
        assert len(records) > 10
        for quantity in ("vmaf_predicted", "kbps"):
            assert (np.diff([r[quantity] for r in records]) <= 1e-9).all()
        for r in records:
            assert 0 <= r["vmaf_low"] <= r["vmaf_predicted"] <= r["vmaf_high"] <= 100
            assert 0 < r["kbps_low"] <= r["kbps"] <= r["kbps_high"]
            assert r["measured"] or r["kbps_low"] < r["kbps_high"]


def test_every_encoder_is_probed_once_and_a_given_probe_serves_all(predict) -> None:
    own = predict("--encoder", "libx264", "--encoder", "libsvtav1", "--format", "json")
    assert [cell.split(":")[0] for cell in encoded(own)] == ["libx264", "libsvtav1"]
    shared = predict("--encoder", "libsvtav1", "--probe", "libx264:veryfast:33", "--format", "json")
    assert encoded(shared) == ["libx264:veryfast:33"]
    assert not any(record["measured"] for record in json.loads(shared.out))


@pytest.fixture
def older_models(curve_models: Sequence[object], tmp_path: Path) -> tuple[object, ...]:
    """The same models by sidecars that do not say what they learnt from."""
    folder = shutil.copytree(Path(str(curve_models[1])).parent, tmp_path / "older")
    for path in folder.glob("*_curve_v2.json"):
        sidecar = json.loads(path.read_text())
        del sidecar["anchor"]["learnt_from"]
        path.write_text(json.dumps(sidecar))
    return "--model", folder / "vmaf_curve_v2.onnx", "--bitrate-model", folder / "bitrate_curve_v2.onnx"


def test_only_encoders_that_were_learnt_from_are_used(
    vmaf_tune: VmafTune, curve_models: Sequence[object], older_models: Sequence[object], source: Path
) -> None:
    asked = ("predict", source, *X264, "--target-vmaf", 80, "--probe", "libsvtav1:10:40")
    learnt, older = vmaf_tune(*asked, *curve_models), vmaf_tune(*asked, *older_models)
    assert encoded(learnt) == ["libsvtav1:10:40"]
    first, own = encoded(older)
    assert first == "libsvtav1:10:40"
    assert own.startswith("libx264:veryfast:")
    assert "expected" not in older.err
    # What was learnt from libx264 always is.
    asked = ("predict", source, "--encoder", "libsvtav1", "--target-vmaf", 80, "--probe", "libx264:veryfast:33")
    assert encoded(vmaf_tune(*asked, *older_models)) == ["libx264:veryfast:33"]


LOOSE = 15.0
"""VMAF points: an expectation that nothing was learnt for is off by fifty."""


@pytest.fixture
def unseen(clip: Clips) -> Path:
    """A source that no model saw."""
    return clip("mandelbrot", size="256x192", frames=24, filters="noise=alls=6:all_seed=1")


def test_four_encoders_are_each_probed_near_the_target(vmaf_tune: VmafTune, unseen: Path) -> None:
    encoders = ("libx264", "libsvtav1", "libvvenc", "libx265")
    options = [option for encoder in encoders for option in ("--encoder", encoder)]
    result = vmaf_tune("predict", unseen, *options, "--target-vmaf", 93, "--format", "json")
    assert result.code == 0, result.err
    assert [cell.split(":")[0] for cell in encoded(result)] == list(encoders)
    steps = re.findall(r"VMAF ([\d.]+), .* expected VMAF ([\d.]+)", result.err)
    assert len(steps) == 3
    for measured, expected in steps:
        assert float(measured) == pytest.approx(float(expected), abs=LOOSE)
        assert float(measured) == pytest.approx(93, abs=LOOSE)


def test_a_probe_of_one_encoder_answers_for_another(vmaf_tune: VmafTune, unseen: Path) -> None:
    x265 = ("predict", unseen, "--encoder", "libx265", "--preset", "medium", "--format", "json")
    said = vmaf_tune(*x265, "--probe", "libsvtav1:8:40", "--target-vmaf", 93)
    assert said.code == 0, said.err
    (pick,) = json.loads(said.out)
    (true,) = json.loads(vmaf_tune(*x265, "--probe", f"libx265:medium:{pick['crf']}", "--crf", pick["crf"]).out)
    assert true["vmaf_predicted"] == pytest.approx(93, abs=LOOSE)


def test_verified_pick_is_measured_and_reaches_the_target(predict, corpus_path: Path, source: Path) -> None:
    result = predict(
        "--encoder", "libx264", "--encoder", "libsvtav1", "--target-vmaf", 80, "--verify", "--max-encodes", 12,
        "--format", "json",
    )  # fmt: skip
    assert result.code == 0, result.err
    picks = json.loads(result.out)
    assert [pick["kbps"] for pick in picks] == sorted(pick["kbps"] for pick in picks)
    for pick in picks:
        assert pick["measured"]
        assert pick["verified"]
        assert pick["vmaf_predicted"] >= 80
        mine = [cell for cell in encoded(result) if cell.startswith(pick["encoder"])]
        assert len(mine) == len(set(mine)) == pick["encodes"]
        assert f"{pick['encoder']}:{pick['preset']}:{pick['crf']}" in mine
        # Within the tolerance, or the next step was seen to fail.
        step = {"libx264": 0.1, "libsvtav1": 0.25}[pick["encoder"]]
        higher = Cell.parse(f"{pick['encoder']}:{pick['preset']}:{round(pick['crf'] + step, 2)}")
        assert pick["vmaf_predicted"] <= 80.5 or str(higher) in mine
    assert len(re.findall(r"expected VMAF \d", result.err)) == len(encoded(result)) - 1  # all but the first


def test_verification_stops_at_max_encodes(predict) -> None:
    result = predict(
        *X264, "--target-vmaf", 80, "--tolerance", 0, "--verify", "--max-encodes", 2,
        "--probe", "libx264:veryfast:43", "--format", "json",
    )  # fmt: skip
    (pick,) = json.loads(result.out)
    assert len(encoded(result)) == pick["encodes"] == 2
    assert not pick["verified"]
    if not pick["reached"]:
        assert "none of 2 encodes reaches 80, allow more with --max-encodes" in result.err


def test_a_probe_beside_the_candidates_is_never_the_pick(ask: Ask) -> None:
    (pick,) = ask(
        *X264, "--crf", "20:44:6", "--target-vmaf", 80, "--verify", "--probe", "libx264:veryfast:28",
        "--max-encodes", 9,
    )  # fmt: skip
    assert pick["crf"] in range(20, 45, 6)
    assert pick["verified"]


def test_a_pick_nobody_measured_is_not_verified(ask: Ask) -> None:
    (pick,) = ask(*X264, "--target-vmaf", 80, "--probe", "libx264:veryfast:30")
    assert pick["measured"] == pick["verified"] == (pick["crf"] == 30)


def test_confidence_picks_a_lower_crf(ask: Ask) -> None:
    asked = (*X264, "--target-vmaf", 55, "--crf", "16:50", "--probe", "libx264:veryfast:33")
    (mean,) = ask(*asked)
    crfs = [ask(*asked, "--confidence", confidence)[0]["crf"] for confidence in (0.75, 0.95)]
    assert crfs[1] <= crfs[0] <= mean["crf"]
    assert crfs[1] < mean["crf"]


def test_cells_above_the_bitrate_limit_are_left_out(ask: Ask, predict) -> None:
    asked = (*X264, "--target-vmaf", 60)
    (free,) = ask(*asked)
    (within,) = ask(*asked, "--max-bitrate", free["kbps"] * 1.01)
    assert within | {"encode_s": 0} == free | {"encode_s": 0}
    (without,) = ask(*asked, "--max-bitrate", free["kbps"] * 0.9, code=ExitCode.NEGATIVE)
    assert not without["reached"]
    assert without["crf"] is None
    assert "above --max-bitrate" in predict(*asked, "--max-bitrate", free["kbps"] * 0.9).err
    none = predict(*asked, "--max-bitrate", 0.001)
    assert none.code == ExitCode.NEGATIVE
    assert "every candidate is above --max-bitrate" in none.err


def test_worst_frames_may_lower_the_crf(ask: Ask, rows_of, tmp_path: Path) -> None:
    asked = (*X264, "--target-vmaf", 70, "--verify", "--max-encodes", 12)
    (free,) = ask(*asked)
    (strict,) = ask(*asked, "--min-vmaf-frame", 85, "--record", "rows.jsonl")
    assert strict["crf"] < free["crf"]
    (row,) = [row for row in rows_of(tmp_path / "rows.jsonl") if row["crf"] == strict["crf"]]
    assert np.percentile(row["per_frame_vmaf"], 5) >= 85


def test_frames_may_be_pooled_harmonically(ask: Ask, corpus_path: Path, source: Path) -> None:
    crf = ("--crf", 33, "--probe", "libx264:veryfast:33", "--record", "rows.jsonl")
    (mean,) = ask(*X264, *crf)
    (harmonic,) = ask(*X264, *crf, "--pool", "harmonic_mean")
    frames = np.asarray(read_rows(Path("rows.jsonl"))[0]["per_frame_vmaf"])
    assert mean["vmaf_predicted"] == pytest.approx(frames.mean(), abs=1e-3)
    assert harmonic["vmaf_predicted"] == pytest.approx(1 / np.mean(1 / (frames + 1)) - 1, abs=1e-3)


@pytest.mark.parametrize("verify", [(), ("--verify", "--max-encodes", 9)])
def test_target_out_of_reach_says_the_best_there_is(predict, verify: tuple[object, ...]) -> None:
    probe = ("--probe", "libx264:veryfast:45")
    result = predict(*X264, "--crf", "40:50", "--target-vmaf", 99.9, *probe, *verify, "--format", "json")
    assert result.code == ExitCode.NEGATIVE
    (pick,) = json.loads(result.out)
    assert not pick["reached"]
    assert pick["crf"] is pick["vmaf_predicted"] is pick["kbps"] is None
    assert pick["verified"] == bool(verify)
    assert "no candidate reaches 99.9; the best is crf 40 with" in result.err


def test_an_encoder_that_was_not_learnt_is_refused(predict) -> None:
    for options in (("--encoder", "libx265"), (*X264, "--probe", "libx265:medium:28")):
        result = predict(*options)
        assert result.code == ExitCode.MODEL
        assert "was not trained on libx265" in result.err
        assert "encoded" not in result.err
        assert len([line for line in result.err.splitlines() if not line.startswith("Warning")]) == 1


def test_a_preset_outside_of_training_is_marked(ask: Ask) -> None:
    near = ask("--encoder", "libx264", "--preset", "veryfast", "--preset", "fast", "--crf", "24:42:9")
    marked = {(r["preset"], r["crf"]): r["extrapolated"] for r in near if not r["measured"]}
    assert set(marked.values()) == {True, False}
    assert all(outside == (preset == "fast") for (preset, _), outside in marked.items())
    (beyond,) = ask(*X264, "--crf", 50, "--probe", "libx264:veryfast:40")
    assert beyond["extrapolated"]


def test_a_source_unlike_training_is_marked(ask: Ask, clip: Clips) -> None:
    large = clip("testsrc2", size="1280x768", frames=6)  # training saw one size of 128x96
    records = [r for r in ask(*X264, "--crf", "24:42:6", of=large) if not r["measured"]]
    assert all(r["extrapolated"] for r in records)
    assert len(records) >= 3


def test_smoke_models_must_be_named(
    vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path, tmp_path: Path, monkeypatch
) -> None:
    local = tmp_path / "model"
    local.mkdir()
    folder = Path(str(curve_models[1])).parent
    (local / "tiny").symlink_to(folder)
    from vmaftune_frv2.predict import session

    monkeypatch.setattr(session, "shipped_models_dir", lambda: folder)
    unnamed = vmaf_tune("predict", source)
    assert unnamed.code == ExitCode.MODEL
    assert "name it with --model vmaf_curve_v2 to use it" in unnamed.err
    half = vmaf_tune("predict", source, "--model", "vmaf_curve_v2")
    assert half.code == ExitCode.MODEL
    assert "name it with --bitrate-model bitrate_curve_v2 to use it" in half.err
    named = vmaf_tune(
        "predict", source, "--model", "vmaf_curve_v2", "--bitrate-model", "bitrate_curve_v2", *X264, "--crf", 33
    )
    assert named.code == 0
    assert named.err.count("is a smoke model") == 2


def test_a_model_of_the_wrong_kind_is_refused(
    vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path, model_dir: Path
) -> None:
    _, vmaf, _, bitrate = curve_models
    for models, message in (
        ((bitrate, bitrate), "--model takes a curve model of VMAF"),
        ((vmaf, vmaf), "--bitrate-model takes a curve model of bitrate"),
        ((vmaf, model_dir / "fr_regressor_v2.onnx"), "is not a curve model; --bitrate-model takes one"),
        ((vmaf, "nothing"), "no model 'nothing'"),
    ):
        result = vmaf_tune("predict", source, "--model", models[0], "--bitrate-model", models[1])
        assert result.code == ExitCode.MODEL
        assert message in result.err


def test_intervals_of_another_version_are_refused(
    vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path, tmp_path: Path
) -> None:
    _, vmaf, _, bitrate = curve_models
    folder = shutil.copytree(Path(str(vmaf)).parent, tmp_path / "models")
    path = folder / "vmaf_curve_v2.json"
    sidecar = json.loads(path.read_text())
    sidecar["intervals"]["weights"]["level"] = sidecar["intervals"]["weights"].pop("level1")
    path.write_text(json.dumps(sidecar))
    result = vmaf_tune("predict", source, "--model", path.with_suffix(".onnx"), "--bitrate-model", bitrate)
    assert result.code == ExitCode.MODEL
    assert "train it again with train-v2 --curves" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--verify",), "--verify needs SOURCE and --target-vmaf"),
        (("--confidence", 0.9), "--confidence needs --target-vmaf"),
        (("--min-vmaf-frame", 80), "--min-vmaf-frame needs --target-vmaf"),
        (("--emit", "ffmpeg"), "--emit needs --target-vmaf"),
        (("--probe", "libx264:veryfast"), "is not a cell"),
        (("--encoder", "x264", "--crf", 60), "outside libx264's range"),
    ],
)
def test_bad_requests_start_nothing(predict, options: tuple[object, ...], message: str) -> None:
    result = predict(*options)
    assert result.code == ExitCode.USAGE
    assert message in result.err
    assert "encoded" not in result.err


def test_an_encoder_that_ffmpeg_lacks_is_refused_before_any_encode(predict, ffmpeg, tmp_path: Path) -> None:
    wrapper = tmp_path / "ffmpeg"
    wrapper.write_text(f'#!/bin/sh\n"{ffmpeg.path}" "$@" | sed "/ libsvtav1 /d"\n')
    wrapper.chmod(0o755)
    result = predict("--encoder", "libx264", "--encoder", "libsvtav1", "--ffmpeg-bin", wrapper)
    assert result.code in (ExitCode.USAGE, ExitCode.TOOL)
    assert "libsvtav1" in result.err
    assert "encoded" not in result.err
