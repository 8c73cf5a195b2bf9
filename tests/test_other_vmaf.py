"""Several VMAF models in one pass (``--also-model``), and the short names of models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, read_rows
from vmaftune_frv2 import SweepRequest
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import FFmpeg

CELL = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "36")
NEG, UHD, V1 = "vmaf_v0.6.1neg", "vmaf_4k_v0.6.1", "vmaf_v1.0.16_3d0h"
PHONE = "vmaf_v0.6.1:enable_transform=true"
TIMES = {"run_id", "timestamp", "encode_time_ms", "score_time_ms", "encode_path"}
Sweep = Callable[..., Invocation]


@pytest.fixture
def moving(clip: Clips) -> Path:
    """A source whose frames differ in quality, large enough for every model."""
    return clip("testsrc2", size="320x240", frames=12, filters="rotate=0.02*n*n")


@pytest.fixture
def sweep(vmaf_tune: VmafTune, moving: Path) -> Sweep:
    """One cell of the source into a corpus."""

    def run(corpus: str, *options: object) -> Invocation:
        told = vmaf_tune("corpus", moving, *CELL, *options, "--output", corpus)
        assert told.code == ExitCode.OK, told.err
        return told

    return run


def test_models_beside_the_rows_own_score_as_they_do_alone(sweep: Sweep) -> None:
    sweep("one.jsonl", *(word for name in ("neg", "4k", "phone", V1) for word in ("--also-model", name)))
    (row,) = read_rows(Path("one.jsonl"))
    assert list(row["vmaf_also"]) == [NEG, UHD, PHONE, V1]
    for model in (NEG, UHD, PHONE, V1):
        corpus = f"{model[:9]}{len(model)}.jsonl"
        sweep(corpus, "--vmaf-model", model)
        (alone,) = read_rows(Path(corpus))
        assert row["vmaf_also"][model]["per_frame"] == alone["per_frame_vmaf"]
        assert row["vmaf_also"][model]["mean"] == alone["vmaf_score"]
        assert row["per_frame_features"] == alone["per_frame_features"]


@pytest.mark.slow
def test_what_a_row_has_without_them_stays(sweep: Sweep) -> None:
    sweep("with.jsonl", "--also-model", V1, "--also-model", "neg", "--feature-set", "full")
    sweep("without.jsonl", "--feature-set", "full")
    (with_them,), (without,) = read_rows(Path("with.jsonl")), read_rows(Path("without.jsonl"))
    assert {k: v for k, v in with_them.items() if k not in TIMES | {"vmaf_also"}} == {
        k: v for k, v in without.items() if k not in TIMES
    }


def libvmaf_log(ffmpeg: FFmpeg, encode: str, source: Path, model: str) -> dict[str, Any]:
    """libvmaf's own log of an encode, by a graph that has nothing of ours; both have one constant rate."""
    paired = "[0:v]settb=1/24,setpts=N[a];[1:v]settb=1/24,setpts=N[b];[a][b]"
    graph = f"{paired}libvmaf=model=version={model}:log_fmt=json:log_path=plain.json"
    done = ffmpeg.run(["-v", "error", "-i", encode, "-i", str(source), "-lavfi", graph, "-f", "null", "-"])
    assert done.ok, done.describe("libvmaf")
    log: dict[str, Any] = json.loads(Path("plain.json").read_text())
    return log


def test_percentiles_and_means_are_those_of_libvmafs_log(sweep: Sweep, ffmpeg: FFmpeg, moving: Path) -> None:
    sweep("c.jsonl", "--also-model", "neg", "--keep-encodes")
    (row,) = read_rows(Path("c.jsonl"))
    log = libvmaf_log(ffmpeg, row["encode_path"], moving, NEG)
    frames = np.asarray([frame["metrics"]["vmaf"] for frame in log["frames"]])
    assert np.ptp(frames) > 1
    found = row["vmaf_also"][NEG]
    assert np.abs(np.asarray(found["per_frame"]) - frames).max() < 1e-5
    pooled = log["pooled_metrics"]["vmaf"]
    for name, value in {
        "mean": pooled["mean"], "harmonic_mean": pooled["harmonic_mean"], "min": pooled["min"],
        "p01": np.percentile(frames, 1), "p05": np.percentile(frames, 5),
    }.items():  # fmt: skip
        assert found[name] == pytest.approx(value, abs=1e-4)


def test_they_are_part_of_a_request_only_where_they_are_asked_for(sweep: Sweep) -> None:
    sweep("c.jsonl")
    assert "1 already there" in sweep("c.jsonl").err
    assert "already there" not in sweep("c.jsonl", "--also-model", "neg", "--also-model", "4k").err
    assert "1 already there" in sweep("c.jsonl", "--also-model", UHD, "--also-model", NEG).err
    assert "1 already there" in sweep("c.jsonl").err
    assert "1 already there" in sweep("c.jsonl", "--also-model", "hd").err  # the row's own
    assert ["vmaf_also" in row for row in read_rows(Path("c.jsonl"))] == [False, True]


def test_model_that_libvmaf_lacks_is_refused_before_the_first_encode(vmaf_tune: VmafTune, moving: Path) -> None:
    told = vmaf_tune("corpus", moving, *CELL, "--also-model", "vmaf_v9", "--output", "c.jsonl")
    assert told.code == ExitCode.TOOL
    assert "libvmaf cannot score with model 'vmaf_v9'" in told.err
    assert not Path("c.jsonl").exists()


@pytest.mark.parametrize(
    ("typed", "model"),
    [("4k", UHD), ("4K", UHD), ("neg", NEG), ("phone", PHONE), ("v1", V1), ("hd", "vmaf_v0.6.1"), (V1, V1)],
)
def test_short_names(typed: str, model: str) -> None:
    request = SweepRequest(sources="x", vmaf_model=typed, also_models=typed)
    assert (request.scored_with(), request.also_scored_with()) == (model, (model,))


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a mean": (lambda also: also[NEG].update(mean=50.0), f"vmaf_also.{NEG}.mean"),
    "a percentile": (lambda also: also[NEG].update(p01=99.0), f"vmaf_also.{NEG}.p01"),
    "the worst": (lambda also: also[NEG].update(min=1.0), f"vmaf_also.{NEG}.min"),
    "a frame too few": (lambda also: also[NEG]["per_frame"].pop(), f"vmaf_also.{NEG}"),
    "above 100": (lambda also: also[NEG]["per_frame"].append(101.0), f"vmaf_also.{NEG}.per_frame"),
    "no frames": (lambda also: also[NEG].update(per_frame=[]), f"vmaf_also.{NEG}.per_frame"),
    "a pool that is none": (lambda also: also[NEG].update(p50=1.0), f"vmaf_also.{NEG}.p50"),
    "a pool that is missing": (lambda also: also[NEG].pop("p05"), f"vmaf_also.{NEG}.p05"),
    "the row's own model": (lambda also: also.update({"vmaf_v0.6.1": also[NEG]}), "vmaf_also.vmaf_v0.6.1"),
}


def test_rows_that_contradict_themselves_are_found(sweep: Sweep) -> None:
    sweep("c.jsonl", "--also-model", "neg")
    (row,) = read_rows(Path("c.jsonl"))
    assert check_row(row) == []
    for what, (spoil, key) in BROKEN.items():
        bad = json.loads(json.dumps(row))
        spoil(bad["vmaf_also"])
        assert any(found.key.startswith(key) for found in check_row(bad)), what
    failed = {**row, "exit_status": 1, "vmaf_score": None}
    assert any(found.key == "vmaf_also" for found in check_row(failed))
