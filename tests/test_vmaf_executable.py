"""``vmaf-tune-score`` takes the command line of libvmaf's ``vmaf`` and gives the scores that a sweep gives.

Truth is computed apart from the package: both videos decoded to raw planar YUV, then plain two-input libvmaf.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, read_rows
from docs_kit import DOCS
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.upstream.score_command import run, score_command

SIZE = "192x108"
SHAPE = ("--width", 192, "--height", 108)
V1 = "vmaf_v1.0.16_3d0h"
Log = dict[str, Any]
Score = Callable[..., Log]
Raw = Callable[..., Path]
TINY_MODEL = {
    "param_dict": {},
    "model_dict": {
        "model": "svm_type nu_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 1\nrho -0.5\nSV\n"
        "0.3 1:0.9 2:0.1 \n",
        "model_type": "LIBSVMNUSVR",
        "norm_type": "linear_rescale",
        "feature_names": ["VMAF_integer_feature_adm2_score", "VMAF_integer_feature_motion2_score"],
        "slopes": [0.01, 1.0, 0.05],
        "intercepts": [0.0, 0.0, 0.0],
        "score_clip": [0.0, 100.0],
        "feature_opts_dicts": [{}, {}],
    },
}
"""A model of its own for libvmaf; its numbers mean nothing."""


def call(*arguments: object) -> Invocation:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Invocation(int(code), out.getvalue(), err.getvalue())


def refused(*arguments: object) -> tuple[int, str]:
    """Exit code and the one line that says why there is no score."""
    done = call(*arguments)
    (line,) = done.err.splitlines()
    assert line.startswith("Error: ")
    assert not done.out
    return done.code, line


def strict(path: Path) -> Log:
    def refuse(name: str) -> None:
        raise AssertionError(f"{path} holds a bare {name}")

    loaded: Log = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    return loaded


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """The log of one call."""

    def of(reference: Path, distorted: Path, *options: object) -> Log:
        output = tmp_path / "log.json"
        done = call("--reference", reference, "--distorted", distorted, *options, "--json", "--output", output)
        assert done.code == ExitCode.OK, done.err
        return strict(output)

    return of


@pytest.fixture
def raw(ffmpeg: FFmpeg, tmp_path: Path) -> Raw:
    """The frames of a video as headerless YUV."""

    def of(video: Path, pix_fmt: str = "yuv420p", suffix: str = ".yuv") -> Path:
        path = tmp_path / f"{video.stem[-60:]}_{video.suffix[1:]}_{pix_fmt}{suffix}"
        done = ffmpeg.run(
            ["-v", "error", "-y", "-i", str(video), "-map", "0:v:0", "-fps_mode", "passthrough",
             "-pix_fmt", pix_fmt, "-f", "rawvideo", str(path)]
        )  # fmt: skip
        assert done.ok, done.stderr
        return path

    return of


@pytest.fixture
def truth(ffmpeg: FFmpeg, raw: Raw, tmp_path: Path) -> Score:
    """libvmaf's own log of two videos, decoded to raw frames first."""

    def of(
        reference: Path, distorted: Path, pix_fmt: str = "yuv420p", size: str = SIZE, filter_options: str = "",
        skip: tuple[int, int] = (0, 0), count: int = 1000,
    ) -> Log:  # fmt: skip
        read = ("-f", "rawvideo", "-pixel_format", pix_fmt, "-video_size", size, "-framerate", "25")
        legs = [path if path.suffix == ".yuv" else raw(path, pix_fmt) for path in (distorted, reference)]
        log = tmp_path / "truth.json"
        cut = [f"trim=start_frame={n}:end_frame={n + count},setpts=PTS-STARTPTS" for n in skip]
        done = ffmpeg.run(
            ["-v", "error", *read, "-i", str(legs[0]), *read, "-i", str(legs[1]), "-lavfi",
             f"[0:v]{cut[1]}[d];[1:v]{cut[0]}[r];[d][r]libvmaf=log_fmt=json:log_path={log}{filter_options}",
             "-f", "null", "-"]
        )  # fmt: skip
        assert done.ok, done.stderr
        return strict(log)

    return of


@pytest.fixture
def reference(clip: Clips) -> Path:
    return clip("mandelbrot", size=SIZE, frames=12)


@pytest.fixture
def encoded(clip: Clips) -> Callable[..., Path]:
    """The same pictures, encoded lossily into a container."""

    def into(container: str = "mp4", pix_fmt: str = "yuv420p", codec: str = "libx264", **options: Any) -> Path:
        arguments = ("-c:v", codec, *(("-preset", "ultrafast", "-crf", "38") if codec == "libx264" else ()))
        made = {"size": SIZE, "frames": 12, "pix_fmt": pix_fmt, "container": container, "codec": arguments}
        return clip("mandelbrot", **{**made, **options})

    return into


def assert_agrees(log: Log, true: Log) -> None:
    """Every metric that libvmaf logs is there with its value, frame by frame and pooled."""
    assert len(log["frames"]) == len(true["frames"]) > 0
    for ours, theirs in zip(log["frames"], true["frames"], strict=True):
        assert ours["frameNum"] == theirs["frameNum"]
        assert {name: ours["metrics"].get(name) for name in theirs["metrics"]} == theirs["metrics"]
    for name, block in true["pooled_metrics"].items():
        assert {key: log["pooled_metrics"][name][key] for key in block} == block


@pytest.mark.parametrize(
    ("pix_fmt", "chroma", "depth"),
    [("yuv420p", 420, 8), ("yuv422p", 422, 8), ("yuv444p", 444, 8), ("yuv420p10le", 420, 10),
     ("yuv422p10le", 422, 10), ("yuv444p10le", 444, 10), ("yuv420p12le", 420, 12), ("yuv444p12le", 444, 12)],
)  # fmt: skip
def test_raw_frames_of_every_format(
    pix_fmt: str, chroma: int, depth: int, raw: Raw, score: Score, truth: Score, reference: Path, encoded: Any
) -> None:
    ref, dis = raw(reference, pix_fmt), raw(encoded(), pix_fmt)
    log = score(ref, dis, *SHAPE, "-p", chroma, "-b", depth, "--feature", "psnr")
    assert_agrees(log, truth(ref, dis, pix_fmt, filter_options=":feature='name=psnr|name=vif'"))


def test_odd_sides_of_raw_frames(score: Score, truth: Score, clip: Clips) -> None:
    made = {"size": "161x97", "frames": 4, "container": "yuv"}
    ref, dis = clip("mandelbrot", **made), clip("mandelbrot", **made, filters="gblur=1.5")
    shape = ("-w", 161, "-h", 97, "-p", 420, "-b", 8)
    assert_agrees(score(ref, dis, *shape), truth(ref, dis, size="161x97"))


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "y4m", "avi"])
@pytest.mark.parametrize("shaped", [False, True])
def test_container_is_decoded_whatever_else_is_said(
    container: str, shaped: bool, score: Score, truth: Score, reference: Path, encoded: Any
) -> None:
    dis = encoded(container, codec="rawvideo" if container in ("y4m", "avi") else "libx264", filters="gblur=2")
    if container == "y4m":
        dis = encoded("y4m", codec="wrapped_avframe", filters="gblur=2")
    log = score(reference, dis, *((*SHAPE, "-p", 420, "-b", 8) if shaped else ()))
    assert_agrees(log, truth(reference, dis))


def test_either_side_may_be_raw_or_a_container(
    raw: Raw, score: Score, truth: Score, reference: Path, encoded: Any
) -> None:
    dis, shape = encoded(), (*SHAPE, "-p", 420, "-b", 8)
    true = truth(reference, dis)
    assert_agrees(score(raw(reference), dis, *shape), true)
    assert_agrees(score(reference, raw(dis), *shape), true)
    assert_agrees(score(raw(reference), raw(dis, suffix=""), *shape), true)
    assert_agrees(score(raw(reference, suffix=".bin"), dis, *shape), true)


def test_container_that_is_called_raw_is_not_read_as_pixels(
    score: Score, truth: Score, reference: Path, encoded: Any, tmp_path: Path
) -> None:
    hidden = tmp_path / "encode.yuv"
    hidden.write_bytes(encoded().read_bytes())
    log = score(reference, hidden, *SHAPE, "-p", 420, "-b", 8)
    assert log["frames"] == score(reference, encoded())["frames"]


def test_frames_are_paired_by_number_not_by_time(score: Score, truth: Score, clip: Clips, encoded: Any) -> None:
    late = clip("mandelbrot", size=SIZE, frames=12, offset=5.3)
    uneven = encoded("mkv", filters="setpts=(N+0.4*mod(N\\,3))/24/TB")
    assert_agrees(score(late, uneven), truth(late, uneven))


def test_both_are_compared_at_the_depth_of_the_deeper_one(
    raw: Raw, score: Score, truth: Score, reference: Path, clip: Clips
) -> None:
    codec = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "35", "-x265-params", "log-level=error")
    deep = clip("mandelbrot", size=SIZE, frames=12, pix_fmt="yuv420p10le", container="mp4", codec=codec)
    assert_agrees(score(raw(reference), deep, *SHAPE, "-p", 420, "-b", 8), truth(reference, deep, "yuv420p10le"))


@pytest.mark.parametrize("kind", ["raw", "container"])
def test_frames_are_skipped_and_counted_on_each_side(
    kind: str, raw: Raw, score: Score, truth: Score, reference: Path, encoded: Any
) -> None:
    ref, dis = (reference, encoded()) if kind == "container" else (raw(reference), raw(encoded()))
    shape = (*SHAPE, "-p", 420, "-b", 8)
    assert_agrees(
        score(ref, dis, *shape, "--frame_skip_ref", 3, "--frame_skip_dist", 1, "--frame_cnt", 5),
        truth(ref, dis, skip=(3, 1), count=5),
    )
    assert_agrees(score(ref, dis, *shape, "--frame_cnt", 4), truth(ref, dis, count=4))
    assert_agrees(score(ref, dis, *shape, "--frame_cnt", 400), truth(ref, dis))


def test_sample_in_the_middle_is_scored_as_the_upstream_tool_asks(
    raw: Raw, score: Score, truth: Score, reference: Path, encoded: Any
) -> None:
    middle = encoded(frames=6, filters="trim=start_frame=3,setpts=PTS-STARTPTS")
    log = score(raw(reference), middle, *SHAPE, "-p", 420, "-b", 8, "--frame_skip_ref", 3, "--frame_cnt", 6)
    assert_agrees(log, truth(reference, middle, skip=(3, 0), count=6))
    assert log["pooled_metrics"]["vmaf"]["mean"] > 60


def test_every_nth_frame(raw: Raw, score: Score, reference: Path, encoded: Any) -> None:
    all_frames = score(reference, encoded())["frames"]
    some = score(reference, encoded(), "--subsample", 5)["frames"]
    assert [frame["frameNum"] for frame in some] == [0, 5, 10]
    assert [frame["metrics"]["vmaf"] for frame in some] == [f["metrics"]["vmaf"] for f in all_frames[::5]]


@pytest.mark.parametrize(
    "model",
    ["vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_4k_v0.6.1", "vmaf_float_v0.6.1", "vmaf_v0.6.1:enable_transform",
     "vmaf_v0.6.1:disable_clip", "vmaf_v0.6.1:adm.adm_enhn_gain_limit=1.0", V1],
)  # fmt: skip
def test_every_model_scores_and_bare_names_are_the_plain_features(
    model: str, score: Score, truth: Score, clip: Clips
) -> None:
    made = {"size": "320x180", "frames": 5}
    ref = clip("mandelbrot", **made)
    dis = clip("mandelbrot", **made, filters="gblur=1.5")
    log = score(ref, dis, "--model", f"version={model}")
    option = "version=" + re.sub("(enable_transform|disable_clip)", r"\1=true", model).replace(":", r"\:")
    plain = truth(ref, dis, size="320x180")
    true = truth(ref, dis, size="320x180", filter_options=f":model='{option}':feature='name=vif'")
    scores = [frame["metrics"]["vmaf"] for frame in log["frames"]]
    assert scores == [frame["metrics"]["vmaf"] for frame in true["frames"]]
    for ours, theirs in zip(log["frames"], plain["frames"], strict=True):
        for feature in CANONICAL6:
            assert ours["metrics"][feature] == ours["metrics"][f"integer_{feature}"]
            assert ours["metrics"][feature] == theirs["metrics"][f"integer_{feature}"]
    own = {name for name in true["frames"][0]["metrics"] if re.search(r"(adm|motion)\d_\D", name)}
    assert own <= set(log["frames"][0]["metrics"])
    if model == "vmaf_float_v0.6.1":
        for ours, theirs in zip(log["frames"], true["frames"], strict=True):
            assert ours["metrics"]["float_adm2"] == theirs["metrics"]["adm2"]


def test_several_models_at_once(score: Score, clip: Clips) -> None:
    ref = clip("mandelbrot", size="320x180", frames=4)
    dis = clip("mandelbrot", size="320x180", frames=4, filters="gblur=1.5")
    names = {"vmaf": "vmaf_v0.6.1", "vmaf_neg": "vmaf_v0.6.1neg", "v1": V1}
    log = score(
        ref, dis, *(word for name, model in names.items() for word in ("-m", f"version={model}:name={name}"))
    )
    for name, model in names.items():
        alone = score(ref, dis, "-m", f"version={model}")
        assert log["pooled_metrics"][name] == alone["pooled_metrics"]["vmaf"]


def test_score_is_under_vmaf_whatever_its_model_is_called(score: Score, reference: Path, encoded: Any) -> None:
    log = score(reference, encoded(), "--model", "version=vmaf_v0.6.1neg:name=neg")
    assert log["pooled_metrics"]["vmaf"] == log["pooled_metrics"]["neg"]
    assert all(frame["metrics"]["vmaf"] == frame["metrics"]["neg"] for frame in log["frames"])


def test_model_from_a_file(score: Score, reference: Path, encoded: Any, tmp_path: Path) -> None:
    (tmp_path / "it's mine, 1.json").write_text(json.dumps(TINY_MODEL))
    log = score(reference, encoded(), "--model", "path=it's mine, 1.json")
    plain = score(reference, encoded())
    assert log["pooled_metrics"]["vmaf"]["mean"] != plain["pooled_metrics"]["vmaf"]["mean"]
    assert log["pooled_metrics"]["adm2"] == plain["pooled_metrics"]["adm2"]


FEATURES = {
    "adm": "adm2", "vif": "vif_scale0", "motion": "motion2", "psnr": "psnr_cb", "float_ssim": "float_ssim",
    "float_ms_ssim": "float_ms_ssim", "cambi": "cambi", "ciede": "ciede2000", "psnr_hvs": "psnr_hvs",
    "float_vif": "float_vif_scale0",
    "adm=adm_enhn_gain_limit=1.0": "integer_adm2_egl_1",
}  # fmt: skip


def test_features_by_libvmafs_names(score: Score, clip: Clips) -> None:
    ref = clip("mandelbrot", size="320x240", frames=3)
    dis = clip("mandelbrot", size="320x240", frames=3, filters="gblur=1.5")
    log = score(ref, dis, *(word for name in FEATURES for word in ("--feature", name)))
    for key in FEATURES.values():
        assert all(isinstance(frame["metrics"][key], float) for frame in log["frames"]), key
    optioned = score(ref, dis, "--feature", "psnr=enable_apsnr=true", "--feature", "cambi=full_ref=true")
    assert optioned["aggregate_metrics"]["apsnr_y"] > 0
    assert "cambi_full_reference" in optioned["pooled_metrics"]


def test_pooled_values_are_those_of_the_frames(score: Score, reference: Path, encoded: Any) -> None:
    log = score(reference, encoded(), "--feature", "psnr")
    metrics = [frame["metrics"] for frame in log["frames"]]
    assert set(log["pooled_metrics"]) == set(metrics[0])
    for name, block in log["pooled_metrics"].items():
        values = np.array([each[name] for each in metrics])
        known = {
            "min": values.min(), "max": values.max(), "mean": values.mean(), "stddev": values.std(),
            "harmonic_mean": 1 / np.mean(1 / (values + 1)) - 1,
        }  # fmt: skip
        assert block == pytest.approx(known, abs=2e-6), name


def test_what_has_no_number_is_null(score: Score, reference: Path) -> None:
    log = score(reference, reference, "--feature", "ciede")
    assert log["frames"][0]["metrics"]["ciede2000"] is None
    assert log["pooled_metrics"]["ciede2000"]["stddev"] is None


@pytest.mark.parametrize(
    ("encoder", "preset"), [("libx264", "veryfast"), ("libsvtav1", "12"), ("libvvenc", "faster")]
)
@pytest.mark.parametrize("source_as", ["container", "raw"])
def test_kept_encode_of_a_sweep_has_the_row_of_the_sweep(
    encoder: str, preset: str, source_as: str, raw: Raw, score: Score, reference: Path, vmaf_tune: VmafTune,
    tmp_path: Path,
) -> None:  # fmt: skip
    corpus = tmp_path / "corpus.jsonl"
    done = vmaf_tune(
        "corpus", reference, "--encoder", encoder, "--preset", preset, "--crf", 40, "--output", corpus,
        "--keep-encodes", "--encode-dir", tmp_path / "kept",
    )  # fmt: skip
    assert done.code == 0, done.err
    (row,) = read_rows(corpus)
    ref = reference if source_as == "container" else raw(reference)
    log = score(ref, Path(row["encode_path"]), *SHAPE, "-p", 420, "-b", 8, "--model", "version=vmaf_v0.6.1")
    metrics = [frame["metrics"] for frame in log["frames"]]
    assert [each["vmaf"] for each in metrics] == pytest.approx(row["per_frame_vmaf"], abs=1e-6)
    assert log["pooled_metrics"]["vmaf"]["mean"] == pytest.approx(row["vmaf_score"], abs=1e-6)
    for feature in CANONICAL6:
        assert [each[feature] for each in metrics] == pytest.approx(row["per_frame_features"][feature], abs=1e-6)
        assert log["pooled_metrics"][feature]["mean"] == pytest.approx(row[f"{feature}_mean"], abs=1e-6)
        assert log["pooled_metrics"][feature]["stddev"] == pytest.approx(row[f"{feature}_std"], abs=1e-6)


def test_full_range_is_compared_as_it_is(score: Score, vmaf_tune: VmafTune, clip: Clips, tmp_path: Path) -> None:
    source = clip("testsrc2", pix_fmt="yuvj420p", codec=("-c:v", "mjpeg", "-q:v", "2"))
    corpus = tmp_path / "corpus.jsonl"
    done = vmaf_tune(
        "corpus", source, "--encoder", "libvvenc", "--preset", "faster", "--crf", 40, "--output", corpus,
        "--keep-encodes", "--encode-dir", tmp_path / "kept",
    )  # fmt: skip
    assert done.code == 0, done.err
    (row,) = read_rows(corpus)
    log = score(source, Path(row["encode_path"]))
    assert [f["metrics"]["vmaf"] for f in log["frames"]] == pytest.approx(row["per_frame_vmaf"], abs=1e-6)


def test_what_is_said_while_it_works(reference: Path, encoded: Any, score: Score) -> None:
    mean = score(reference, encoded())["pooled_metrics"]["vmaf"]["mean"]
    done = call("-r", reference, "-d", encoded(), "--backend", "cpu", "--no_cuda", "--cpumask", 0, "--threads", 2)
    first, second = done.err.splitlines()
    assert re.fullmatch(r"VMAF version \S+", first)
    assert second == f"vmaf_v0.6.1: {mean:.6f}"
    assert not done.out
    assert call("-r", reference, "-d", encoded(), "-q", "--json", "-o", "log.json").err == ""
    assert call("--version").out.strip() == first


def test_features_alone(score: Score, reference: Path, encoded: Any) -> None:
    log = score(reference, encoded(), "--no_prediction")
    assert "vmaf" not in log["pooled_metrics"]
    assert "adm2" in log["frames"][0]["metrics"]


def test_help_names_no_backend_that_is_not_there() -> None:
    done = call("--help")
    assert done.code == ExitCode.OK
    assert "auto|cpu" in done.out
    assert not re.search("cuda|vulkan|sycl", done.out)


def test_every_option_is_documented() -> None:
    page = (DOCS / "upstream.md").read_text("utf-8")
    options = [option for parameter in score_command.params for option in parameter.opts if option[:2] == "--"]
    assert [option for option in options if f"`{option}" not in page and f"{option} " not in page] == []


NO_CALL = {
    "nothing": ((), ExitCode.USAGE, "both --reference and --distorted are needed"),
    "unknown option": (("--tiny-model", "x"), ExitCode.USAGE, "No such option '--tiny-model'"),
    "xml": (("-r", "REF", "-d", "DIS", "--xml", "-o", "log.xml"), ExitCode.USAGE, "--xml: not supported"),
    "no format": (("-r", "REF", "-d", "DIS", "-o", "log.xml"), ExitCode.USAGE, "say --json"),
    "zero width": (("-r", "REF", "-d", "DIS", "-w", "0"), ExitCode.USAGE, "--width"),
    "part of a shape": (("-r", "RAW", "-d", "DIS", "-w", "192"), ExitCode.USAGE, "--height and --pixel_format"),
    "chroma": (("-r", "RAW", "-d", "DIS", "-p", "411"), ExitCode.USAGE, "'411' is not one of"),
    "depth": (("-r", "RAW", "-d", "DIS", "-b", "9"), ExitCode.USAGE, "'9' is not one of"),
    "graphics card": (("-r", "REF", "-d", "DIS", "--backend", "cuda"), ExitCode.USAGE, "'cuda' is not one of"),
    "no shape": (("-r", "RAW", "-d", "DIS"), ExitCode.USAGE, "has no header; --width"),
    "wrong shape": (("-r", "RAW", "-d", "DIS", "-w", "190", "-h", "108", "-p", "420", "-b", "8"), ExitCode.USAGE,
                    "not a whole number of 190x108 420 8-bit frames"),
    "shape of another": (("-r", "REF", "-d", "DIS", "-w", "96", "-h", "54", "-p", "420", "-b", "8"),
                         ExitCode.USAGE, "is 192x108; --width and --height say 96x54"),
    "small": (("-r", "RAW", "-d", "DIS", "-w", "16", "-h", "16", "-p", "420", "-b", "8"), ExitCode.INPUT,
              "too small"),
    "missing": (("-r", "nowhere.yuv", "-d", "DIS"), ExitCode.INPUT, "nowhere.yuv: no such file"),
    "folder": (("-r", "REF", "-d", "."), ExitCode.INPUT, "this is a folder"),
    "no video": (("-r", "REF", "-d", "TEXT"), ExitCode.INPUT, "notes.txt: "),
    "empty": (("-r", "REF", "-d", "EMPTY"), ExitCode.INPUT, "the file is empty"),
    "other size": (("-r", "REF", "-d", "OTHER"), ExitCode.INPUT, "videos of one size"),
    "other length": (("-r", "REF", "-d", "SHORT"), ExitCode.INPUT, "say --frame_cnt 7"),
    "skipped all": (("-r", "REF", "-d", "DIS", "--frame_skip_ref", "12"), ExitCode.INPUT, "leaves none"),
    "negative": (("-r", "REF", "-d", "DIS", "--frame_cnt", "-1"), ExitCode.USAGE, "--frame_cnt"),
    "model": (("-r", "REF", "-d", "DIS", "-m", "version=vmaf_v9"), ExitCode.USAGE, "--model vmaf_v9: unknown"),
    "model spelt": (("-r", "REF", "-d", "DIS", "-m", "vmaf_v0.6.1"), ExitCode.USAGE, "write version="),
    "model injected": (("-r", "REF", "-d", "DIS", "-m", "version=x':log_path='y"), ExitCode.USAGE, "no option"),
    "model option": (("-r", "REF", "-d", "DIS", "-m", "version=vmaf_v0.6.1:foo=1"), ExitCode.USAGE, "foo=1"),
    "no phone": (("-r", "REF", "-d", "DIS", "-m", "version=vmaf_4k_v0.6.1:enable_transform"), ExitCode.USAGE,
                 "no variant for phones"),
    "model twice": (("-r", "REF", "-d", "DIS", "-m", "version=vmaf_v0.6.1", "-m", "version=vmaf_v0.6.1neg"),
                    ExitCode.USAGE, "two models are called vmaf"),
    "no model file": (("-r", "REF", "-d", "DIS", "-m", "path=none.json"), ExitCode.INPUT, "no such file"),
    "bad model file": (("-r", "REF", "-d", "DIS", "-m", "path=TEXT"), ExitCode.USAGE, "notes.txt: unknown to"),
    "small for a model": (("-r", "SMALL", "-d", "SMALL", "-m", f"version={V1}"), ExitCode.INPUT, "too small for"),
    "feature": (("-r", "REF", "-d", "DIS", "--feature", "nosuch"), ExitCode.USAGE, "--feature nosuch: unknown"),
    "feature spelt": (("-r", "REF", "-d", "DIS", "--feature", "psnr=x"), ExitCode.USAGE, "write NAME"),
    "output": (("-r", "REF", "-d", "DIS", "--json", "-o", "notes.txt/log.json"), ExitCode.OUTPUT, "be written"),
    "output is a folder": (("-r", "REF", "-d", "DIS", "--json", "-o", "."), ExitCode.OUTPUT, "folder"),
    "output is a video": (("-r", "REF", "-d", "RAW", "--json", "-o", "RAW"), ExitCode.INPUT, "one of the videos"),
    "no such ffmpeg": (("-r", "REF", "-d", "DIS", "--ffmpeg-bin", "nope"), ExitCode.TOOL, "no such program"),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_CALL)
def test_what_cannot_be_scored_is_one_line_and_no_number(
    what: str, raw: Raw, reference: Path, encoded: Any, clip: Clips, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("Not a video.\n")
    (tmp_path / "empty.mp4").touch()
    files = {
        "REF": reference, "DIS": encoded(), "RAW": raw(reference), "TEXT": tmp_path / "notes.txt",
        "EMPTY": tmp_path / "empty.mp4", "OTHER": clip("mandelbrot", frames=12), "SHORT": encoded(frames=7),
        "SMALL": clip("testsrc2", size="90x80", frames=4),
    }  # fmt: skip
    arguments, code, words = NO_CALL[what]
    before = sorted(tmp_path.iterdir())
    named = [word.replace("TEXT", "notes.txt") if "=" in word else files.get(word, word) for word in arguments]
    found, line = refused(*named)
    assert (found, words in line) == (code, True), line
    assert sorted(tmp_path.iterdir()) == before


def test_log_that_stood_there_survives_a_failure(reference: Path, encoded: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("precious")
    refused("-r", reference, "-d", encoded(), "--json", "-o", log, "-m", "version=vmaf_v9")
    assert log.read_text() == "precious"


def test_the_call_of_the_upstream_tool(raw: Raw, reference: Path, encoded: Any, tmp_path: Path) -> None:
    """Its own argv, and what it reads: pooled means and deviations by bare name, the version on stderr."""
    log = tmp_path / "vmaf.json"
    arguments = (
        "--reference", raw(reference), "--distorted", encoded(), *SHAPE, "--pixel_format", 420, "--bitdepth", 8,
        "--model", "version=vmaf_v0.6.1", "--json", "--output", log, "--feature", "vif", "--backend", "cpu",
        "--frame_skip_ref", 0, "--frame_cnt", 12,
    )  # fmt: skip
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=True)
    pooled = strict(log)["pooled_metrics"]
    assert re.search(r"VMAF version[: ]+(\S+)", done.stderr)
    assert all(pooled[name][key] >= 0 for name in ("vmaf", *CANONICAL6) for key in ("mean", "stddev"))


def test_log_may_go_down_a_pipe(reference: Path, encoded: Any) -> None:
    done = subprocess.run(
        [*PROGRAM, "-r", reference, "-d", encoded(), "-q", "--json", "-o", "/dev/stdout"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(json.loads(done.stdout)["frames"]) == 12


PROGRAM = (sys.executable, "-c", "from vmaftune_frv2.upstream.score_command import main; main()")


def test_starts_without_what_it_does_not_need() -> None:
    script = (
        "import sys; from vmaftune_frv2.upstream.score_command import run, score_command; run(['--help']);"
        " heavy = ('numpy', 'onnxruntime', 'orjson', 'jsonschema_rs', 'rich', 'pluggy', 'dask');"
        " print('heavy:', *(m for m in heavy if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["heavy:"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(number: signal.Signals, clip: Clips, tmp_path: Path) -> None:
    video = clip("testsrc2", size="1280x720", frames=120, container="mp4")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ("-r", video, "-d", video, "-t", 1, "--feature", "float_ms_ssim", "--json", "-o", "log.json")
    environment = {**os.environ, "TMPDIR": str(scratch)}
    program = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(scratch.glob("vmaf-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    program.send_signal(number)
    _, err = program.communicate(timeout=60)
    assert program.returncode == ExitCode.INTERRUPTED
    assert "interrupted" in err
    assert not Path("log.json").exists()
    assert not list(scratch.iterdir())
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(video) not in running
