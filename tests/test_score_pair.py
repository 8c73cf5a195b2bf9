"""``vmaf-tune score``: encodes from anywhere, their offset, crop and size found; plain libvmaf agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vmaftune_frv2 as vt
from conftest import Clips, VmafTune, read_rows
from training_kit import faults
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "32")


@pytest.fixture(scope="module")
def reference(clip: Clips) -> Path:
    return clip("mandelbrot", size="192x108", frames=48)


@pytest.fixture(scope="module")
def encoded(ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Encodes a source through filters."""
    folder = tmp_path_factory.mktemp("encodes")

    def encode(source: Path, name: str, filters: str = "null") -> Path:
        path = folder / name
        argv = ["-i", str(source), "-vf", filters, "-fps_mode", "passthrough", *X264, str(path)]
        done = ffmpeg.run([*QUIET, *argv])
        assert done.ok, done.stderr
        return path

    return encode


def scored(vmaf_tune: VmafTune, *arguments: object) -> dict[str, Any]:
    told = vmaf_tune("score", *arguments, "--json")
    assert told.code == ExitCode.OK, told.err
    found: dict[str, Any] = json.loads(told.out)
    assert faults(found, "pair_score") == []
    return found


def plain(ffmpeg: FFmpeg, distorted: Path, reference: Path, before: str = "null", of: str = "null") -> float:
    """The mean VMAF that a plain command gives."""
    log = Path("plain.json")
    graph = (
        f"[0:v]settb=AVTB,setpts=N,{before}[d];[1:v]settb=AVTB,setpts=N,{of},format=yuv420p[r];"
        f"[d][r]libvmaf=log_fmt=json:log_path={log}"
    )
    argv = ["-v", "error", "-i", str(distorted), "-i", str(reference), "-lavfi", graph, "-f", "null", "-"]
    done = ffmpeg.run(argv)
    assert done.ok, done.stderr
    return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])


def test_an_aligned_pair_scores_as_plain_libvmaf(
    vmaf_tune: VmafTune, encoded: Any, reference: Path, ffmpeg: FFmpeg
) -> None:
    distorted = encoded(reference, "aligned.mp4")
    found = scored(vmaf_tune, distorted, reference)
    assert found["vmaf"]["mean"] == pytest.approx(plain(ffmpeg, distorted, reference), abs=1e-4)
    assert (found["offset"], found["frames"], found["crop_reference"]) == (0, 48, None)
    assert found["row"]["encoder"] == "libx264"
    assert found["row"]["crf"] == 32
    assert (
        vt.score_pair(vt.ScoreRequest(distorted=str(distorted), reference=str(reference))).vmaf
        == (found["vmaf"]["per_frame"])
    )


@pytest.mark.parametrize("offset", [1, 7, -1, -5])
def test_an_offset_is_found_to_the_frame(
    offset: int, vmaf_tune: VmafTune, encoded: Any, reference: Path, ffmpeg: FFmpeg
) -> None:
    shift = f"select='gte(n,{offset})'" if offset > 0 else f"tpad=start={-offset}:color=gray"
    distorted = encoded(reference, f"by{offset}.mp4", f"{shift},setpts=N/(24*TB)")
    found = scored(vmaf_tune, distorted, reference)
    assert (found["offset"], found["frames"]) == (offset, 48 - max(offset, 0))
    cut = [f"trim=start_frame={n},setpts=PTS-STARTPTS" for n in (max(-offset, 0), max(offset, 0))]
    assert found["vmaf"]["mean"] == pytest.approx(plain(ffmpeg, distorted, reference, *cut), abs=1e-4)
    told = scored(vmaf_tune, distorted, reference, "--offset", offset)
    assert told["vmaf"] == found["vmaf"]


def test_a_scaled_encode_is_scored_at_the_size_of_the_reference(
    vmaf_tune: VmafTune, encoded: Any, reference: Path, ffmpeg: FFmpeg
) -> None:
    distorted = encoded(reference, "small.mp4", "scale=96:54:flags=bicubic")
    found = scored(vmaf_tune, distorted, reference)
    up = "scale=192:108:flags=bicubic"
    assert found["vmaf"]["mean"] == pytest.approx(plain(ffmpeg, distorted, reference, up), abs=1e-3)
    row = found["row"]
    assert (row["width"], row["height"]) == (96, 54)
    assert row["view"] == {"source_width": 192, "source_height": 108}
    assert row["per_frame_vmaf_source_size"] == found["vmaf"]["per_frame"]


@pytest.mark.parametrize("how", ["bars removed", "bars added", "told"])
def test_black_bars_of_one_side(how: str, vmaf_tune: VmafTune, encoded: Any, reference: Path, clip: Clips) -> None:
    bars = "pad=192:144:0:18"
    boxed = clip("mandelbrot", size="192x108", frames=48, filters=bars)
    alone = scored(vmaf_tune, encoded(reference, "aligned2.mp4"), reference)["vmaf"]["mean"]
    if how == "bars added":
        found = scored(vmaf_tune, encoded(reference, "boxed.mp4", bars), reference)
        assert found["crop_distorted"] == "192:108:0:18"
        assert found["vmaf"]["mean"] == pytest.approx(alone, abs=4)
        return
    told = ("--crop", "192:108:0:18") if how == "told" else ()
    found = scored(vmaf_tune, encoded(reference, "aligned2.mp4"), boxed, *told)
    assert found["crop_reference"] == "192:108:0:18"
    assert found["vmaf"]["mean"] == pytest.approx(alone, abs=1e-3)
    assert found["row"]["view"]["filters"] == "crop=192:108:0:18"


def test_uneven_times_pair_by_number(vmaf_tune: VmafTune, encoded: Any, clip: Clips) -> None:
    uneven = clip("mandelbrot", size="192x108", frames=40, filters="select='not(mod(n,3))+lt(n,30)'")
    found = scored(vmaf_tune, encoded(uneven, "uneven.mkv"), uneven)
    assert (found["offset"], found["frames"]) == (0, 40)
    assert found["vmaf"]["min"] > 20


def test_what_does_not_belong_together_is_refused(
    vmaf_tune: VmafTune, encoded: Any, reference: Path, clip: Clips
) -> None:
    other = clip("testsrc2", size="192x108", frames=48)
    half = encoded(reference, "half.mp4", "fps=12")
    strange = encoded(reference, "strange.mp4", "scale=128:108")
    for distorted, words in (
        (encoded(other, "other.mp4"), "do not show the same"),
        (half, "frames cannot be paired by number"),
        (strange, "not the same shape"),
    ):
        told = vmaf_tune("score", distorted, reference)
        assert told.code == ExitCode.INPUT
        assert words in told.err
        assert len(told.err.splitlines()) == 1
    stretched = scored(vmaf_tune, strange, reference, "--crop", "none")
    assert stretched["vmaf"]["mean"] > 20


def test_frames_that_are_dropped_on_the_way_are_noticed(vmaf_tune: VmafTune, encoded: Any, clip: Clips) -> None:
    moving = clip("testsrc2", size="96x54", frames=160)
    dropped = encoded(moving, "dropped.mp4", "select='not(between(n,60,64))',setpts=N/(24*TB)")
    told = vmaf_tune("score", dropped, moving, "--max-offset", 10)
    assert told.code == ExitCode.INPUT, told.out
    assert "frames were dropped or repeated on the way" in told.err


@pytest.mark.parametrize(("frames", "drop"), [(60, 30), (200, 100), (330, 90), (330, 310)])
def test_one_frame_that_is_dropped_is_noticed_with_usual_options(
    frames: int, drop: int, vmaf_tune: VmafTune, encoded: Any, clip: Clips
) -> None:
    moving = clip("testsrc2", size="96x54", frames=frames)
    name = f"one{frames}-{drop}.mp4"
    told = vmaf_tune("score", encoded(moving, name, f"select='not(eq(n,{drop}))',setpts=N/(24*TB)"), moving)
    assert told.code == ExitCode.INPUT, told.out
    assert "frames were dropped or repeated on the way" in told.err


def test_fewer_frames_are_said(vmaf_tune: VmafTune, encoded: Any, clip: Clips) -> None:
    moving = clip("testsrc2", size="96x54", frames=200)
    whole = vmaf_tune("score", encoded(moving, "all.mp4"), moving)
    assert (whole.code, "are compared" in whole.err) == (ExitCode.OK, False), whole.err
    told = vmaf_tune(
        "score", encoded(moving, "less.mp4", "trim=start_frame=3:end_frame=180,setpts=N/(24*TB)"), moving
    )
    assert told.code == ExitCode.OK, told.err
    assert "has 177 frames" in told.err
    assert "177 are compared, from frame 0 and frame 3 on" in told.err


def test_an_interlaced_reference_is_scored_through_filters(
    vmaf_tune: VmafTune, encoded: Any, clip: Clips, ffmpeg: FFmpeg
) -> None:
    flags = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme")
    field = clip("testsrc2", size="96x64", rate="25", frames=24, filters="setfield=tff", codec=flags)
    distorted = encoded(field, "progressive.mp4", "yadif")
    refused = vmaf_tune("score", distorted, field)
    assert refused.code == ExitCode.INPUT
    assert "--vfilter yadif" in refused.err
    found = scored(vmaf_tune, distorted, field, "--vfilter", "yadif")
    assert found["vmaf"]["mean"] == pytest.approx(plain(ffmpeg, distorted, field, "null", "yadif"), abs=1e-3)
    assert found["row"]["view"]["filters"] == "yadif"
    turned = vmaf_tune("score", field, distorted)
    assert turned.code == ExitCode.INPUT
    assert "into a file of its own first" in turned.err


def test_a_row_is_recorded_once_its_cell_is_known(
    vmaf_tune: VmafTune, encoded: Any, reference: Path, tmp_path: Path
) -> None:
    distorted, corpus = encoded(reference, "recorded.mp4"), tmp_path / "c.jsonl"
    told = vmaf_tune("score", distorted, reference, "--record", corpus)
    assert told.code == ExitCode.USAGE
    assert "give --preset" in told.err
    wrong = vmaf_tune("score", distorted, reference, "--crf", 20)
    assert wrong.code == ExitCode.USAGE
    assert "says that its crf is 32" in wrong.err
    told = vmaf_tune("score", distorted, reference, "--record", corpus, "--preset", "veryfast")
    assert told.code == ExitCode.OK, told.err
    (row,) = read_rows(corpus)
    assert check_row(row) == []
    assert (row["encoder"], row["preset"], row["crf"]) == ("libx264", "veryfast", 32)
    assert row["scored_pair"]["offset"] == 0
