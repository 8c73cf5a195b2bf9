"""``vmaf-tune predict`` for many: several sources, the rows of a corpus, a million cells."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, VmafTune, read_rows
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import VOCABULARIES, CodecBlock, OneHotBlock
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.ensemble import SUFFIX, read_ensemble
from vmaftune_frv2.contract.intervals import score_covariates
from vmaftune_frv2.errors import ExitCode, UsageError
from vmaftune_frv2.media.process import run
from vmaftune_frv2.predict import session
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.session import open_model

LINE = ("--encoder", "libx264", "--preset", "libx264=veryfast", "--crf", "23:43:5")
FEATURES = np.asarray([0.95, 0.5, 0.85, 0.9, 0.94, 3.0])


@pytest.fixture(scope="module")
def sources(clip: Clips) -> list[Path]:
    return [clip(pattern, size="128x96", frames=12) for pattern in ("testsrc2", "mandelbrot", "testsrc")]


def told(out: str) -> dict[str, list[dict[str, Any]]]:
    """{source: its records}, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in json.loads(out):
        found.setdefault(record.pop("src"), []).append(record)
    return found


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_source_is_answered_as_if_it_were_alone(
    vmaf_tune: VmafTune, curve_models: Sequence[object], sources: list[Path], jobs: int
) -> None:
    asked = (*curve_models, *LINE, "--target-vmaf", 60, "--format", "json")
    together = vmaf_tune("predict", *sources, *asked, "--jobs", jobs)
    assert together.code == 0, together.err
    answers = told(together.out)
    assert list(answers) == [str(path) for path in sources]
    for path in sources:
        (alone,) = json.loads(vmaf_tune("predict", path, *asked).out)
        (found,) = answers[str(path)]
        assert found["reached"]
        assert found["vmaf_predicted"] == pytest.approx(alone["vmaf_predicted"], abs=0.5)  # threads differ
        assert f"{path}: encoded libx264:veryfast:" in together.err


def test_a_source_that_fails_is_named_and_the_others_go_on(
    vmaf_tune: VmafTune, curve_models: Sequence[object], sources: list[Path], tmp_path: Path
) -> None:
    text = tmp_path / "no video.mkv"
    text.write_text("no video")
    asked = (sources[0], tmp_path / "missing.mkv", text, sources[1])
    result = vmaf_tune("predict", *asked, *curve_models, *LINE, "--format", "jsonl")
    assert result.code == ExitCode.INPUT
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert {line["src"] for line in lines} == {str(sources[0]), str(sources[1])}
    failures = [line for line in result.err.splitlines() if "encoded" not in line and "Warning" not in line]
    assert len(failures) == 2
    assert failures[0] == f"{tmp_path / 'missing.mkv'}: no such file"
    assert failures[1].startswith(f"{text}: ")


def test_the_worst_exit_code_is_that_of_all(
    vmaf_tune: VmafTune, curve_models: Sequence[object], sources: list[Path], tmp_path: Path
) -> None:
    unreachable = (*curve_models, *LINE, "--target-vmaf", 100, "--format", "json")
    negative = vmaf_tune("predict", *sources[:2], *unreachable)
    assert negative.code == ExitCode.NEGATIVE
    assert f"{sources[0]}: libx264:veryfast: no candidate reaches 100" in negative.err
    assert vmaf_tune("predict", sources[0], tmp_path / "x.mkv", *unreachable).code == ExitCode.INPUT


def test_one_source_has_no_src_column(
    vmaf_tune: VmafTune, curve_models: Sequence[object], sources: list[Path]
) -> None:
    twice = vmaf_tune("predict", sources[0], sources[1], *curve_models, *LINE, "--format", "csv")
    once = vmaf_tune("predict", sources[0], *curve_models, *LINE, "--format", "csv")
    assert twice.out.startswith("src,encoder,")
    assert once.out.startswith("encoder,")


def test_several_sources_by_windows(
    vmaf_tune: VmafTune, curve_models: Sequence[object], clip: Clips, sources: list[Path]
) -> None:
    long = clip("testsrc2", size="128x96", frames=96)
    result = vmaf_tune(
        "predict", long, sources[1], *curve_models, *LINE, "--samples", 2, "--sample-seconds", 0.5,
        "--format", "json",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert list(told(result.out)) == [str(long), str(sources[1])]
    assert f"{sources[1]} lasts 0.50 s" in result.err
    assert f"{long} lasts" not in result.err


def test_a_regressor_takes_one_source(vmaf_tune: VmafTune, model_dir: Path, sources: list[Path]) -> None:
    result = vmaf_tune("predict", *sources, "--model", model_dir / "fr_regressor_v2.onnx")
    assert result.code == ExitCode.USAGE
    assert "curve model" in result.err


def test_rows_get_the_interval_of_the_ensemble(
    vmaf_tune: VmafTune, model_dir: Path, corpus_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(model_dir, folder)
    path = folder / "fr_regressor_v2.onnx"
    result = vmaf_tune("predict", "--corpus", corpus_path, "--model", path, "--format", "jsonl")
    assert result.code == 0, result.err
    records = [json.loads(line) for line in result.out.splitlines()]
    assert len(records) == len(read_rows(corpus_path))
    if not (folder / f"fr_regressor_v2{SUFFIX}.json").exists():
        pytest.fail("training left no ensemble")
    assert all(0 <= r["vmaf_low"] <= r["vmaf_predicted"] <= r["vmaf_high"] <= 100 for r in records)
    assert any(r["vmaf_low"] < r["vmaf_predicted"] for r in records)
    (folder / f"fr_regressor_v2{SUFFIX}.json").unlink()
    bare = vmaf_tune("predict", "--corpus", corpus_path, "--model", path, "--format", "jsonl")
    for line, record in zip(bare.out.splitlines(), records, strict=True):
        assert json.loads(line) == record | {"vmaf_low": None, "vmaf_high": None}


def test_interval_is_the_conformal_one_round_the_mean_of_the_members(model_dir: Path) -> None:
    model = open_model(str(model_dir / "fr_regressor_v2.onnx"))
    committee = open_committee(model)
    assert committee is not None
    cells = [Cell("libx264", "veryfast", crf) for crf in (23, 33, 43)] + [Cell("libsvtav1", "10", 40)]
    scores = np.stack([member.score(FEATURES, cells) for member in committee.members])
    assert len(scores) == len(read_ensemble(model_dir / f"fr_regressor_v2{SUFFIX}.json").members)
    mean = scores.mean(axis=0)
    half = committee.ensemble.intervals.half_width(
        score_covariates(mean, scores.std(axis=0)), [cell.encoder for cell in cells], 0.9
    )
    low, high = committee.interval(FEATURES, cells, mean)
    assert low == pytest.approx(np.clip(mean - half, 0, 100))
    assert high == pytest.approx(np.clip(mean + half, 0, 100))
    assert (committee.interval(FEATURES, cells, np.zeros(4))[0] == 0).all()


def test_altered_member_of_the_ensemble_is_refused(
    vmaf_tune: VmafTune, model_dir: Path, corpus_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(model_dir, folder)
    member = next(iter(read_ensemble(folder / f"fr_regressor_v2{SUFFIX}.json").members))
    with (folder / f"{member}.onnx").open("ab") as stream:
        stream.write(b"x")
    result = vmaf_tune("predict", "--corpus", corpus_path, "--model", folder / "fr_regressor_v2.onnx")
    assert result.code == ExitCode.MODEL
    assert member in result.err


def every_cell() -> list[Cell]:
    return [
        Cell(entry.name, preset, crf)
        for entry in ENCODERS
        for preset in (*entry.presets, *entry.preset_aliases)
        for crf in (entry.crf_min, 7, 28, entry.crf_max)
    ]


@pytest.mark.parametrize("version", sorted(VOCABULARIES))
@pytest.mark.parametrize("kind", [CodecBlock, OneHotBlock])
def test_matrix_of_many_cells_is_their_vectors(kind: type[CodecBlock], version: int) -> None:
    block = kind(VOCABULARIES[version], version)
    cells = [cell for cell in every_cell() if block.slot(cell.encoder) is not None]
    cells += [Cell("prores_ks", "hq", 10)] if block.slot("prores_ks") is not None else []
    assert (block.matrix(cells) == np.asarray([block.vector(cell) for cell in cells], dtype=np.float32)).all()
    assert block.matrix(iter(cells[:3])).shape == (3, block.width)
    assert block.matrix([]).shape == (0, block.width)
    with pytest.raises(UsageError, match="turbo"):
        block.matrix([*cells, Cell("libx264", "turbo", 20)]) if kind is CodecBlock else block.vector(
            Cell("libx264", "turbo", 20)
        )


def test_scores_do_not_depend_on_how_many_there_are(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(str(model_dir / "fr_regressor_v2.onnx"))
    cells = [cell for cell in every_cell() if cell.encoder != "libaom-av1"]
    features = FEATURES + np.random.default_rng(1).normal(0, 0.02, (len(cells), 6))
    at_once, one_for_all = model.score(features, cells), model.score(FEATURES, cells)
    monkeypatch.setattr(session, "CHUNK", 7)
    assert model.score(features, cells) == pytest.approx(at_once, abs=1e-4)
    assert model.score(FEATURES, cells) == pytest.approx(one_for_all, abs=1e-4)
    assert model.score(FEATURES, cells[:8]).shape == (8,)


def test_bench_of_scoring_runs(model_dir: Path) -> None:
    script = Path(__file__).parents[1] / "bench" / "speed" / "score.py"
    model = str(model_dir / "fr_regressor_v2.onnx")
    done = run([sys.executable, str(script), "--model", model, "--cells", "20000", "--repeat", "1"], timeout=120)
    assert done.ok, done.stderr
    assert "codec blocks alone" in done.stdout


def test_a_folder_stands_for_its_videos(vmaf_tune, curve_models, sources, tmp_path) -> None:
    folder = tmp_path / "season"
    (folder / "extras").mkdir(parents=True)
    for name, source in zip(("b.mkv", "A.mkv"), sources, strict=False):
        shutil.copy(source, folder / name)
    for name in (".hidden.mkv", "notes.txt", "b.srt", "extras/c.mkv"):
        (folder / name).write_text("no video")
    asked = (*curve_models, *LINE, "--target-vmaf", 60, "--format", "jsonl")
    result = vmaf_tune("predict", folder, sources[0], folder / "A.mkv", *asked)
    assert result.code == ExitCode.OK, result.err
    found = [json.loads(line)["src"] for line in result.out.splitlines()]
    assert found == [str(folder / "A.mkv"), str(folder / "b.mkv"), str(sources[0])]
    assert f"{folder}: skipped 2 that are no videos by their names: b.srt, notes.txt" in result.err
    alone = vmaf_tune("predict", folder, *asked, "--plot", "x.svg")
    assert (alone.code, "--plot takes one SOURCE" in alone.err) == (ExitCode.USAGE, True)


def test_a_folder_is_swept(vmaf_tune, sources, tmp_path, rows_of) -> None:
    (tmp_path / "season").mkdir()
    for name, source in zip(("b.mkv", "a.mkv"), sources, strict=False):
        shutil.copy(source, tmp_path / "season" / name)
    assert vmaf_tune("corpus", "season", "--preset", "ultrafast", "--crf", "40").code == ExitCode.OK
    assert sorted(row["src"] for row in rows_of(tmp_path / "corpus.jsonl")) == ["season/a.mkv", "season/b.mkv"]


def test_a_folder_without_videos_is_refused(vmaf_tune, curve_models, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for command in (("predict", *curve_models), ("corpus",)):
        result = vmaf_tune(command[0], "empty", *command[1:])
        assert result.code == ExitCode.INPUT
        assert "Error: empty: no video in this folder" in result.err
