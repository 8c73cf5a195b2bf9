"""Encoder settings beside preset and crf: in encodes, rows, identities, commands and predictions."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from conftest import Clips, VmafTune, read_rows
from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.errors import ExitCode, UsageError

FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "13", "libvpx-vp9": "5", "libaom-av1": "6",
    "libvvenc": "faster",
}  # fmt: skip
X264 = ("--encoder", "libx264", "--preset", "veryfast")


@pytest.fixture
def sweep(vmaf_tune: VmafTune, tmp_path: Path) -> Any:
    """Sweeps one cell of a source and returns its rows, encodes kept."""

    def run(source: Path, encoder: str, *options: object, crf: object = 35) -> list[dict[str, Any]]:
        result = vmaf_tune(
            "corpus", source, "--encoder", encoder, "--preset", FAST[encoder], "--crf", crf, "--keep-encodes",
            "--encode-dir", tmp_path / "encodes", "--output", tmp_path / "corpus.jsonl", *options,
        )  # fmt: skip
        assert result.code == 0, result.err
        return read_rows(tmp_path / "corpus.jsonl")

    return run


def keyframes(path: str) -> list[int]:
    """Numbers of the keyframes among the frames of a file, by their packets."""
    with av.open(path) as container:
        packets = sorted((p.pts, p.is_keyframe) for p in container.demux(video=0) if p.pts is not None)
    return [number for number, (_, key) in enumerate(packets) if key]


@pytest.mark.parametrize("encoder", FAST)
def test_keyframes_come_as_often_as_asked(encoder: str, clip: Clips, sweep: Any) -> None:
    source = clip("testsrc2", frames=40)
    (row,) = sweep(source, encoder, "--keyint", "16", crf=40)
    found = keyframes(row["encode_path"])
    # VVenC's lie one frame earlier, and those before the first need it to be decoded.
    assert found == ([15, 31] if encoder == "libvvenc" else [0, 16, 32])
    assert "16" in row["extra_params"][1]


def test_seconds_between_keyframes_are_frames_of_the_source(clip: Clips, sweep: Any) -> None:
    (row,) = sweep(clip("testsrc2", frames=40, rate="24"), "libx264", "--keyint", "0.5s")
    assert row["extra_params"] == ["-g", "12"]
    assert keyframes(row["encode_path"]) == [0, 12, 24, 36]


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_encodes_of_an_8_bit_source_have_10_bit_where_asked(encoder: str, clip: Clips, sweep: Any) -> None:
    (row,) = sweep(clip("testsrc2"), encoder, "--pix-fmt", "yuv420p10le")
    with av.open(row["encode_path"]) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p10le"
    assert (row["pix_fmt"], row["extra_params"]) == ("yuv420p", ["-pix_fmt", "yuv420p10le"])


def test_pixel_format_of_raw_video_is_its_own(clip: Clips, ffmpeg: Any, tmp_path: Path, sweep: Any) -> None:
    raw = tmp_path / "raw.yuv"
    ffmpeg.run(["-v", "error", "-i", str(clip("testsrc2")), "-pix_fmt", "yuv420p10le", "-f", "rawvideo", str(raw)])
    (row,) = sweep(raw, "libx265", "--width", 160, "--height", 96, "--pix-fmt", "yuv420p10le")
    assert (row["pix_fmt"], row["extra_params"]) == ("yuv420p10le", [])


TUNED = [(e.name, tune) for e in ENCODERS if e.name in FAST for tune in e.tunes]


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "tune"), TUNED)
def test_every_tune_of_the_table_is_taken(
    encoder: str, tune: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    asked = ("--encoder", encoder, "--preset", FAST[encoder], "--crf", 40, "--tune", tune)
    result = vmaf_tune("corpus", clip("testsrc2", frames=5), *asked, "--output", tmp_path / "c.jsonl")
    assert result.code == 0, result.err
    assert "Warning" not in result.err
    (row,) = read_rows(tmp_path / "c.jsonl")
    assert tune in " ".join(row["extra_params"]) or "tune=" in row["extra_params"][-1]


def test_tune_makes_another_encode(clip: Clips, sweep: Any) -> None:
    source = clip("mandelbrot", frames=24)
    plain, tuned = sweep(source, "libx264", crf=30) and sweep(source, "libx264", "--tune", "grain", crf=30)
    assert plain["encode_size_bytes"] != tuned["encode_size_bytes"]
    assert b"psy_rd=1.00:0.25" in Path(tuned["encode_path"]).read_bytes()


@pytest.mark.parametrize("encoder", ["libsvtav1", "libaom-av1"])
def test_film_grain_is_asked_of_encoders_that_have_it(
    encoder: str, clip: Clips, ffmpeg: Any, sweep: Any, tmp_path: Path
) -> None:
    (row,) = sweep(clip("testsrc2", frames=10), encoder, "--film-grain", 12)
    said = ffmpeg.run(
        ["-v", "verbose", "-i", row["encode_path"], "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"]
    )
    assert any(line.split()[-1] == "1" for line in said.stderr.splitlines() if "film_grain_params_present" in line)


def test_settings_of_one_encoder_are_not_those_of_another(
    clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    presets = ("--preset", "ultrafast", "--crf", 35)
    bound = ("--enc", "x264=-bf 1", "--tune", "libx265=psnr", "--extra-params", "libx265=x265-params=aq-mode=0")
    result = vmaf_tune(
        "corpus", clip("testsrc2"), "--encoder", "libx264", "--encoder", "libx265", *presets, *bound
    )
    assert result.code == 0, result.err
    extra = {row["encoder"]: row["extra_params"] for row in read_rows(tmp_path / "corpus.jsonl")}
    assert extra == {
        "libx264": ["-bf", "1"],
        "libx265": ["-tune", "psnr", "-x265-params", "aq-mode=0"],
    }


def test_parameters_of_ours_and_of_the_user_reach_the_encoder_together(clip: Clips, sweep: Any) -> None:
    (row,) = sweep(
        clip("testsrc2"), "libx265", "--enc", "-x265-params no-sao=1", "--enc", "-x265-params qcomp=0.7"
    )
    notes = Path(row["encode_path"]).read_bytes()
    assert b"frame-threads=1" in notes
    assert b"no-sao" in notes
    assert b"qcomp=0.70" in notes


def test_same_settings_are_the_same_cell(clip: Clips, sweep: Any) -> None:
    source = clip("testsrc2")
    for options in ((), ("--tune", "film"), ("--tune", "film"), ("--enc", "-tune film"), ("--keyint", 5)):
        rows = sweep(source, "libx264", *options)
    assert [row["extra_params"] for row in rows] == [[], ["-tune", "film"], ["-g", "5"]]


IGNORED = {
    "libx264": ("-x264-params nonsense=1", "nonsense"),
    "libx265": ("-x265-params nonsense=1", "nonsense"),
    "libvpx-vp9": ("-x264-params me=hex", "x264-params"),
}


@pytest.mark.parametrize("encoder", IGNORED)
def test_what_an_encoder_ignores_is_said_once(
    encoder: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    extra, named = IGNORED[encoder]
    asked = ("--encoder", encoder, "--preset", FAST[encoder], "--crf", "40:42", "--enc", extra)
    result = vmaf_tune("corpus", clip("testsrc2"), *asked)
    assert result.code == 0, result.err
    (said,) = [line for line in result.err.splitlines() if "says" in line]
    assert encoder in said
    assert named in said


def test_question_answers_for_the_settings_that_were_asked(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...], tmp_path: Path
) -> None:
    source = clip("mandelbrot", size="192x108", frames=24)
    asked = ("predict", source, *curve_models, *X264, "--target-vmaf", 80, "--verify", "--record", "r.jsonl")
    settings = ("--tune", "film", "--keyint", 12, "--pix-fmt", "yuv420p10le", "--enc", "-bf 5", "--threads", 1)
    (pick,) = json.loads(vmaf_tune(*asked, *settings, "--format", "json").out)
    extra = ["-pix_fmt", "yuv420p10le", "-g", "12", "-tune", "film", "-bf", "5"]
    assert pick["extra_params"] == extra
    rows = read_rows(tmp_path / "r.jsonl")
    assert {tuple(row["extra_params"]) for row in rows} == {tuple(extra)}
    again = vmaf_tune(*asked, *settings, "--emit", "ffmpeg")
    assert len(read_rows(tmp_path / "r.jsonl")) == len(rows)
    words = shlex.split(again.out)
    assert subprocess.run(words, capture_output=True, check=False, cwd=tmp_path).returncode == 0
    made = words[-1].removeprefix("file:")
    with av.open(made) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p10le"
    assert keyframes(made) == [0, 12]
    assert Path(made).stat().st_size * 8 / 1000 == pytest.approx(pick["kbps"], rel=0.01)


def test_predictions_for_settings_that_training_never_saw_are_marked(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    asked = ("predict", clip("testsrc2"), *curve_models, *X264, "--crf", "28:32", "--format", "json")
    plain, tuned = (json.loads(vmaf_tune(*asked, *more).out) for more in ((), ("--tune", "film")))
    assert all(cell["extra_params"] == [] for cell in plain)
    assert [cell["extrapolated"] for cell in tuned] == [not cell["measured"] for cell in tuned]
    assert not any(cell["extrapolated"] for cell in plain)


REFUSED = {
    "tune that is none": (("--tune", "grainy"), "--tune grainy: no tune of libx264"),
    "grain of x264": (("--film-grain", 8), "libx264 has no film grain synthesis"),
    "format of another": (("--pix-fmt", "yuv420p12le"), "libx264 takes yuv420p"),
    "encoder that is not asked for": (
        ("--tune", "libx265=grain"),
        "is bound to an encoder that is not in --encoder",
    ),
    "too much grain": (("--encoder", "libsvtav1", "--film-grain", "libsvtav1=99"), "from 0 to 50"),
    "the crf": (("--enc", "-crf 10"), "use --encoder, --preset and --crf"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_setting_that_an_encoder_has_not_is_refused(
    what: str, clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    options, message = REFUSED[what]
    result = vmaf_tune("predict", clip("testsrc2"), "--encoder", "libx264", *options)
    assert result.code == ExitCode.USAGE, result.err
    assert message in result.err.splitlines()[-1]


def test_python_refuses_a_setting_in_the_same_words(clip: Clips) -> None:
    with pytest.raises(UsageError, match="no tune of libx264"):
        predict_source(PredictRequest(sources=str(clip("testsrc2")), encoders="libx264", tunes="grainy"))
