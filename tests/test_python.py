"""The Python API gives what the command line gives: the same requests, the same answers."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pluggy
import pytest

import vmaftune_frv2 as vt
from conftest import Clips, VmafTune, read_rows, untimed
from vmaftune_frv2.commands.ladder.command import rung_record
from vmaftune_frv2.commands.predict.answers import pick_record
from vmaftune_frv2.host import hookspecs
from vmaftune_frv2.host.plugins import Plugins

LINE = ("--encoder", "libx264", "--preset", "veryfast")
X264 = {"encoders": "libx264", "presets": "veryfast"}
TIMES = {"run_id", "timestamp", "encode_time_ms", "score_time_ms"}


@pytest.fixture
def models(curve_models: tuple[object, ...]) -> dict[str, str]:
    return {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}


def test_ladder(
    clip: Clips, models: dict[str, str], curve_models: tuple[object, ...], vmaf_tune: VmafTune
) -> None:
    source = clip("mandelbrot", size="192x108", frames=12)
    asked = {"heights": "108,72", "rungs": 3, "vmaf_range": "5:95"}
    found = vt.ladder(vt.LadderRequest(source=str(source), **X264, **models, **asked))
    shape = ("--heights", "108,72", "--rungs", 3, "--vmaf-range", "5:95")
    shown = vmaf_tune("ladder", source, *curve_models, *LINE, *shape, "--format", "json")
    assert untimed(map(rung_record, found.rungs)) == untimed(json.loads(shown.out))
    assert [ladder.line for ladder in found.ladders] == [("libx264", "veryfast")]
    emitted = vmaf_tune("ladder", source, *curve_models, *LINE, *shape, "--emit", "ffmpeg")
    assert vt.rung_commands(found.heights, found.rungs) == emitted.out.splitlines()


def test_shots(clip: Clips, models: dict[str, str], curve_models: tuple[object, ...], vmaf_tune: VmafTune) -> None:
    source = clip("testsrc2", size="128x96", frames=24)
    found = vt.per_shot(vt.PerShotRequest(source=str(source), **X264, **models, target_vmaf=80, verify=True))
    asked = ("per-shot", source, *curve_models, *LINE, "--target-vmaf", 80, "--verify")
    records = json.loads(vmaf_tune(*asked, "--format", "json").out)
    (line,) = found.lines
    assert [(shot.first, shot.end - 1) for shot in found.shots] == [
        (record["start_frame"], record["end_frame"]) for record in records
    ]
    assert [chosen.cell.crf for chosen in line.chosen] == [record["crf"] for record in records]
    assert found.reached == all(record["reached"] for record in records)
    for segments in (False, True):
        emitted = vmaf_tune(*asked, "--emit", "ffmpeg", *(["--segments"] if segments else []))
        assert vt.shot_commands(found, line, segments) == emitted.out.splitlines()


def test_several_sources_with_one_that_fails(
    clip: Clips, models: dict[str, str], curve_models: tuple[object, ...], vmaf_tune: VmafTune
) -> None:
    sources = [str(clip(pattern, size="128x96", frames=12)) for pattern in ("testsrc2", "mandelbrot")]
    sources.insert(1, "nowhere.mkv")
    asked = {**X264, **models, "target_vmaf": 70, "jobs": 1}
    first, failed, last = vt.predict_sources(vt.PredictRequest(sources=sources, **asked))
    assert isinstance(failed, vt.SourceFailure)
    assert failed.error.exit_code == vt.ExitCode.INPUT
    shown = vmaf_tune(
        "predict", *sources, *curve_models, *LINE, "--target-vmaf", 70, "--jobs", 1, "--format", "json"
    )
    assert shown.code == failed.error.exit_code
    records: list[dict[str, Any]] = []
    for each in (first, last):
        assert isinstance(each, vt.SourceAnswer)
        records += [{"src": each.label, **pick_record(pick)} for pick in each.answer.picks]
    assert untimed(records) == untimed(json.loads(shown.out))


def test_sweep_and_its_rows(clip: Clips, vmaf_tune: VmafTune) -> None:
    source = clip("testsrc2", frames=12)
    swept = vt.sweep(vt.SweepRequest(sources=str(source), **X264, crfs=[30, 40], output="python.jsonl", jobs=1))
    shown = vmaf_tune("corpus", source, *LINE, "--crf", 30, "--crf", 40, "--output", "shell.jsonl", "--jobs", 1)
    assert (swept.summary.measured, swept.summary.clean) == (2, True)
    assert shown.code == vt.ExitCode.OK
    mine, theirs = (read_rows(Path(f"{name}.jsonl")) for name in ("python", "shell"))
    assert [{k: v for k, v in row.items() if k not in TIMES} for row in mine] == [
        {k: v for k, v in row.items() if k not in TIMES} for row in theirs
    ]
    again = vt.sweep(vt.SweepRequest(sources=[source], **X264, crfs=["30:40:10"], output="python.jsonl"))
    assert (again.summary.measured, again.summary.skipped) == (0, 2)
    assert vt.validate_files([Path("python.jsonl")], 10).valid == 2


def test_rows_of_a_sweep_go_through_the_plugins_that_are_given(clip: Clips) -> None:
    class Refuses:
        @hookspecs.hookimpl
        def vmaftune_check_row(self, row: dict[str, Any]) -> list[str]:
            return ["not today"]

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(Refuses(), "refuses")
    request = vt.SweepRequest(sources=[clip("testsrc2", frames=12)], **X264, crfs=40, output="c.jsonl")
    assert vt.sweep(request, Plugins(manager)).summary.vetoed == 1
    assert read_rows(Path("c.jsonl")) == []


def test_progress_is_logged_and_nothing_is_printed(
    clip: Clips, models: dict[str, str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="vmaftune_frv2")
    source = str(clip("testsrc2", size="128x96", frames=12))
    found = vt.predict_source(vt.PredictRequest(sources=source, **X264, **models, target_vmaf=70, verify=True))
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if message.startswith("encoded")] == list(map(str, found.answer.steps))
    assert capfd.readouterr() == ("", "")


def test_training_of_a_smoke_model_is_what_the_command_writes(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    written = vt.release(vt.train(vt.TrainRequest(smoke=True)), tmp_path / "python")
    assert vmaf_tune("train-v2", "--smoke", "--out-dir", tmp_path / "shell").code == vt.ExitCode.OK
    assert {path.name for path in written} == {"fr_regressor_v2.onnx"}
    for path in (tmp_path / "python").iterdir():
        assert path.read_bytes() == (tmp_path / "shell" / path.name).read_bytes()


def test_scores_of_features_and_rows(corpus_path: Path, model_dir: Path, vmaf_tune: VmafTune) -> None:
    model = str(model_dir / "fr_regressor_v2.onnx")
    rows = vt.score_rows(vt.PredictRequest(corpora=corpus_path, model=model))
    shown = json.loads(vmaf_tune("predict", "--corpus", corpus_path, "--model", model, "--format", "json").out)
    assert [round(row.vmaf, 4) for row in rows] == [record["vmaf_predicted"] for record in shown]
    features = Path("row.json")
    features.write_text(corpus_path.read_text().splitlines()[0])
    scores = vt.score_cells(vt.PredictRequest(features=features, model=model, **X264, target_vmaf=60))
    options = ("--model", model, *LINE, "--target-vmaf", 60, "--format", "json")
    (record,) = json.loads(vmaf_tune("predict", "--features", features, *options).out)
    (pick,) = scores.picks
    assert pick.prediction is not None
    assert (pick.prediction.cell.crf, round(pick.prediction.vmaf, 4)) == (record["crf"], record["vmaf_predicted"])


def test_whoever_stops_listening_may_ask_again(clip: Clips, models: dict[str, str]) -> None:
    sources = [str(clip(pattern, size="128x96", frames=12)) for pattern in ("testsrc2", "mandelbrot", "testsrc")]
    request = vt.PredictRequest(sources=sources, **X264, **models, crfs=30, jobs=2)
    for _ in vt.predict_sources(request):
        break
    assert vt.predict_source(request.changed(sources=sources[0])).answer.steps


def test_an_interrupt_that_is_caught_leaves_a_process_that_goes_on(clip: Clips, models: dict[str, str]) -> None:
    sources = [str(clip(pattern, size="128x96", frames=12)) for pattern in ("testsrc2", "mandelbrot", "testsrc")]
    request = vt.PredictRequest(sources=sources, **X264, **models, crfs=30, jobs=2)
    answers = vt.predict_sources(request)
    next(answers)
    with pytest.raises(KeyboardInterrupt):
        answers.throw(KeyboardInterrupt())
    assert vt.predict_source(request.changed(sources=sources[0])).answer.steps


def test_two_files_of_one_name_are_answered(clip: Clips, models: dict[str, str]) -> None:
    sources = []
    for folder in ("a", "b"):
        Path(folder).mkdir()
        sources.append(Path(folder) / "same.mkv")
        sources[-1].write_bytes(clip("testsrc2", size="128x96", frames=12).read_bytes())
    request = vt.PredictRequest(sources=sources, **X264, **models, crfs=30, jobs=1)
    assert [each.label for each in vt.predict_sources(request)] == ["a/same.mkv", "b/same.mkv"]
