"""Crfs between whole ones: encoded as asked for, kept as asked for, and never rounded in silence."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from conftest import Clips, VmafTune, read_rows
from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rowcheck import check_line
from vmaftune_frv2.contract.zones import Zone, zone_argv
from vmaftune_frv2.corpus.plan import fraction_step, make_plan
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ExitCode, UsageError
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.process import Completed

NOISY = "noise=alls=12:all_seed=3"
ASKED = {"libx264": [28, 28.2, 28.4], "libsvtav1": [30, 30.25, 30.5]}
BY_HAND = {
    ("libx264", 28.2): ("-c:v", "libx264", "-preset", "veryfast", "-crf", "28.2", "-threads", "1"),
    ("libsvtav1", 30.25): ("-c:v", "libsvtav1", "-preset", "10", "-svtav1-params", "tune=0:crf=30.25:lp=1"),
}
"""What a plain ffmpeg makes such an encode with."""


def frames_of(ffmpeg: FFmpeg, path: Path | str, *argv: str) -> str:
    done = ffmpeg.run([*QUIET, "-i", str(path), *argv, "-pix_fmt", "yuv420p", "-f", "md5", "-"])
    assert done.ok, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def swept(clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A source, the folder of its corpus and encodes, and the command."""
    folder = tmp_path_factory.mktemp("swept")
    source = clip("testsrc2", size="128x96", frames=10, filters=NOISY)
    command = [
        "corpus", str(source), "--encoder", "libx264", "--encoder", "libsvtav1", "--preset", "libx264=veryfast",
        "--preset", "libsvtav1=10", "--crf", "libx264=28:28.4:0.2", "--crf", "libsvtav1=30:30.5:0.25",
        "--enc", "libsvtav1=-svtav1-params tune=0", "--output", str(folder / "c.jsonl"), "--keep-encodes",
        "--encode-dir", str(folder),
    ]  # fmt: skip
    return source, folder, command


def test_sweep_encodes_what_was_asked_for_and_knows_it_again(
    swept: tuple[Path, Path, list[str]], vmaf_tune: VmafTune, ffmpeg: FFmpeg
) -> None:
    source, folder, command = swept
    first = vmaf_tune(*command)
    assert first.code == ExitCode.OK, first.err
    rows = read_rows(folder / "c.jsonl")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["encoder"], []).append(json.dumps(row["crf"]))
    assert {name: sorted(crfs) for name, crfs in found.items()} == {
        name: sorted(map(json.dumps, crfs)) for name, crfs in ASKED.items()
    }
    for row in rows:
        assert f"__crf{row['crf']}__" in Path(row["encode_path"]).name
    kept = {(row["encoder"], row["crf"]): frames_of(ffmpeg, row["encode_path"]) for row in rows}
    assert len(set(kept.values())) == len(kept)
    for cell, argv in BY_HAND.items():
        made = folder / f"by-hand-{cell[0]}.mkv"
        assert ffmpeg.run([*QUIET, "-i", str(source), *argv, str(made)]).ok
        assert frames_of(ffmpeg, made) == kept[cell]
    assert "0 measured, 6 already there" in vmaf_tune(*command).err
    assert vmaf_tune("validate", folder / "c.jsonl").code == ExitCode.OK
    exported = vmaf_tune("export-rows", folder / "c.jsonl", folder / "out.jsonl")
    assert exported.code == ExitCode.OK, exported.err
    assert sorted(row["crf"] for row in read_rows(folder / "out.jsonl")) == sorted(
        [*ASKED["libx264"], *ASKED["libsvtav1"]]
    )


def test_probe_may_lie_between_whole_crfs(
    source: Path, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    line = ("--encoder", "libx264", "--preset", "veryfast")
    asked = ("predict", source, *curve_models, *line, "--crf", "27:28:0.5", "--probe", "libx264:veryfast:27.5")
    result = vmaf_tune(*asked, "--format", "json")
    assert "encoded libx264:veryfast:27.5: VMAF" in result.err
    cells = json.loads(result.out)
    assert [(json.dumps(cell["crf"]), cell["measured"]) for cell in cells] == [
        ("27", False), ("27.5", True), ("28", False),
    ]  # fmt: skip
    scores = [cell["vmaf_predicted"] for cell in cells]
    assert scores == sorted(scores, reverse=True)


def rounding(ffmpeg: FFmpeg, **said: str) -> FFmpeg:
    """An ffmpeg whose encoders are told another crf than the one asked for."""

    def run(argv: Sequence[str], **known: Any) -> Completed:
        told = []
        for part in argv:
            for asked, runs in said.items():
                part = part.replace(f"crf={asked.replace('_', '.')}", f"crf={runs}")
            told.append(part)
        return ffmpeg.runner(told, **known)

    return dataclasses.replace(ffmpeg, runner=run)


def test_build_that_rounds_is_refused_before_anything_is_encoded(ffmpeg: FFmpeg, source: Path) -> None:
    svt = ENCODERS.get("libsvtav1")
    older = rounding(
        ffmpeg, **{f"{whole}_{part}": str(whole) for whole in (31, 32, 33) for part in ("25", "5", "75")}
    )
    assert (fraction_step(ffmpeg, svt), fraction_step(older, svt)) == (0.25, 1)
    assert fraction_step(older, ENCODERS.get("libx264")) == 0.1
    opened = open_source(ffmpeg, str(source))
    cells = [Cell("libsvtav1", "10", 30), Cell("libsvtav1", "10", 30.25)]
    assert make_plan(Setup(older), [opened], cells[:1])[0].cells == tuple(cells[:1])
    with pytest.raises(UsageError, match=r"libsvtav1 of .* rounds crfs to whole numbers"):
        make_plan(Setup(older), [opened], cells)


@pytest.mark.parametrize("name", ["libvpx-vp9", "libaom-av1", "libvvenc"])
def test_encoders_that_take_whole_crfs_only_do_round(name: str, ffmpeg: FFmpeg) -> None:
    assert fraction_step(ffmpeg, dataclasses.replace(ENCODERS.get(name), crf_step=0.5)) == 1


def test_whole_crf_of_a_row_has_one_identity_however_it_is_written(good_row: dict[str, Any]) -> None:
    assert (
        identity({**good_row, "crf": 28.0})
        == identity({**good_row, "crf": 28})
        != identity({**good_row, "crf": 28.1})
    )


def test_tables_keep_crfs_as_they_are(good_row: dict[str, Any], tmp_path: Path, vmaf_tune: VmafTune) -> None:
    rows = [
        {**good_row, "encoder": "libx264", "preset": "medium", "run_id": f"{crf}", "crf": crf}
        for crf in (28.0, 23.1)
    ]
    lines = [json.dumps(row).encode() for row in rows]
    assert [json.dumps(check_line(line)[0]["crf"]) for line in lines] == ["28", "23.1"]
    assert [check_line(line)[1] for line in lines] == [[], []]


def test_columns_of_floats_become_the_crfs_that_were_meant(tmp_path: Path, vmaf_tune: VmafTune) -> None:
    names = [
        "encoder",
        "preset",
        "crf",
        "vmaf_score",
        "adm2",
        "vif_scale0",
        "vif_scale1",
        "vif_scale2",
        "vif_scale3",
        "motion2",
    ]
    rows = [["libx264", "medium", crf, 90.0, 0.9, 0.5, 0.8, 0.9, 0.9, 3.0] for crf in (28.0, 23.1)]
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["src", *names], *(["a.mkv", *row] for row in rows)])
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    table = pyarrow.table(
        {"src": ["a.mkv", "a.mkv"], **columns, "crf": pyarrow.array(columns["crf"], pyarrow.float32())}
    )
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    for suffix in ("csv", "parquet"):
        done = vmaf_tune("upgrade", f"t.{suffix}", f"{suffix}.jsonl")
        assert done.code == ExitCode.OK, done.err
        assert [json.dumps(row["crf"]) for row in read_rows(tmp_path / f"{suffix}.jsonl")] == ["28", "23.1"]


def test_zones_take_a_crf_between_whole_ones(ffmpeg: FFmpeg, clip: Clips, tmp_path: Path) -> None:
    source, encoder = clip("testsrc2", size="128x96", frames=10, filters=NOISY), ENCODERS.get("libx264")
    found = set()
    for crf in (28, 28.5, 29):
        argv = zone_argv(encoder, encoder.codec_argv("medium", 28, 1), [Zone(0, 10, crf)], 28)
        assert ffmpeg.run([*QUIET, "-i", str(source), *argv, f"{crf}.mkv"]).ok
        found.add(frames_of(ffmpeg, f"{crf}.mkv"))
    assert len(found) == 3


def scored(ffmpeg: FFmpeg, encode: str, source: Path) -> float:
    """VMAF of an encode as ffmpeg's own filter pools it."""
    graph = "[0:v][1:v]libvmaf=log_fmt=json:log_path=vmaf.json"
    done = ffmpeg.run([*QUIET, "-i", encode, "-i", str(source), "-lavfi", graph, "-f", "null", "-"])
    assert done.ok, done.stderr
    return float(json.loads(Path("vmaf.json").read_text())["pooled_metrics"]["vmaf"]["mean"])


def test_verified_pick_hits_the_target_between_whole_crfs(
    source: Path, vmaf_tune: VmafTune, curve_models: tuple[object, ...], ffmpeg: FFmpeg
) -> None:
    line = ("--encoder", "libx264", "--preset", "veryfast", "--target-vmaf", 80)
    asked = ("predict", source, *curve_models, *line, "--format", "json")
    search = ("--verify", "--tolerance", 0.25, "--max-encodes", 12, "--no-cache")
    found = vmaf_tune(*asked, *search)
    (pick,) = json.loads(found.out)
    assert pick["verified"], found.err
    assert 80 <= pick["vmaf_predicted"] <= 80.25
    argv = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(pick["crf"]), "-threads", "1", "pick.mkv")
    assert ffmpeg.run([*QUIET, "-i", str(source), *argv]).ok
    assert scored(ffmpeg, "pick.mkv", source) == pytest.approx(pick["vmaf_predicted"], abs=0.05)
    (whole,) = json.loads(vmaf_tune(*asked, *search, "--crf", "18:48").out)
    assert isinstance(whole["crf"], int)
    assert whole["crf"] <= pick["crf"] < whole["crf"] + 1
    (predicted,) = json.loads(vmaf_tune(*asked).out)
    assert isinstance(predicted["crf"], int)


def test_candidates_stay_whole_beside_what_was_measured_between(
    source: Path, curve_models: tuple[object, ...]
) -> None:
    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = PredictRequest(
        sources=source, encoders="libx264", presets="veryfast", target_vmaf=80, verify=True, tolerance=0.25,
        max_encodes=12, no_cache=True, **models,
    )  # fmt: skip
    found = predict_source(request).answer
    crfs = [prediction.cell.crf for prediction in found.predictions]
    assert crfs == sorted(crfs)
    between = [p for p in found.predictions if not isinstance(p.cell.crf, int)]
    assert all(prediction.measured for prediction in between)
    assert {p.cell for p in between} == {step.cell for step in found.steps if not isinstance(step.cell.crf, int)}
    scores = [prediction.vmaf for prediction in found.predictions]
    assert np.all(np.diff(scores) <= 0.2)
