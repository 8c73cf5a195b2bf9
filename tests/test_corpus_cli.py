"""``vmaf-tune corpus`` with real encoders: what it writes."""

from __future__ import annotations

import numpy as np
import pytest

from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import ExitCode

QUICK = ("--preset", "ultrafast", "--crf", "30")


def cells(rows):
    return {(row["src"], row["encoder"], row["preset"], row["crf"]) for row in rows}


def test_every_cell_of_every_source_has_one_row(corpus_path, rows_of):
    rows = rows_of(corpus_path)
    sources = {row["src"] for row in rows}
    wanted = {("libx264", "veryfast", crf) for crf in (23, 33, 43)} | {
        ("libsvtav1", "10", crf) for crf in (25, 40, 55)
    }
    assert len(sources) == 3
    assert cells(rows) == {(source, *cell) for source in sources for cell in wanted}
    assert len(rows) == 18


def test_row_tells_what_was_measured(corpus_path, rows_of):
    for row in rows_of(corpus_path):
        assert (row["exit_status"], row["clip_mode"], row["vmaf_model"]) == (0, "full", "vmaf_v0.6.1")
        assert (row["width"], row["height"], row["pix_fmt"], row["framerate"]) == (128, 96, "yuv420p", 24.0)
        assert row["duration_s"] == pytest.approx(0.5)
        assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8 / 1000 / 0.5)
        assert all(row[key] for key in ("encoder_version", "ffmpeg_version", "vmaf_binary_version", "run_id"))
        assert row["encode_time_ms"] > 0
        assert row["score_time_ms"] > 0
        assert row["encode_path"] is None
        assert [row[key] for key in ("hdr_transfer", "hdr_primaries", "hdr_forced")] == ["", "", False]
        assert [row[key] for key in ("shot_count", "enc_internal_qp_mean")] == [None, None]
    assert len({row["run_id"] for row in rows_of(corpus_path)}) == 18


def test_pooled_values_are_the_pools_of_the_frames(corpus_path, rows_of):
    for row in rows_of(corpus_path):
        assert list(row["per_frame_features"]) == list(CANONICAL6)
        for feature, frames in row["per_frame_features"].items():
            assert len(frames) == 12
            assert row[f"{feature}_mean"] == pytest.approx(np.mean(frames), abs=1e-9)
            assert row[f"{feature}_std"] == pytest.approx(np.std(frames), abs=1e-9)
        assert row["vmaf_score"] == pytest.approx(np.mean(row["per_frame_vmaf"]), abs=1e-9)


def test_score_falls_and_size_shrinks_with_rising_crf(corpus_path, rows_of):
    curves = {}
    for row in sorted(rows_of(corpus_path), key=lambda row: row["crf"]):
        curves.setdefault((row["src"], row["encoder"]), []).append((row["vmaf_score"], row["encode_size_bytes"]))
    for curve in curves.values():
        assert curve == sorted(curve, reverse=True)
        assert [size for _, size in curve] == sorted((size for _, size in curve), reverse=True)


def test_corpus_passes_its_own_validation(corpus_path, vmaf_tune):
    assert vmaf_tune("validate", corpus_path).code == ExitCode.OK


def test_dry_run_prints_the_plan_and_encodes_nothing(clip, vmaf_tune, tmp_path):
    source = clip()
    result = vmaf_tune(
        "corpus",
        source,
        "--encoder",
        "libx264",
        "--encoder",
        "vp9",
        "--preset",
        "medium",
        "--crf",
        "30:40:5",
        "--dry-run",
    )
    assert result.code == ExitCode.OK
    plan = [
        (encoder, preset, crf)
        for encoder, preset in (("libx264", "medium"), ("libvpx-vp9", "3"))
        for crf in (30, 35, 40)
    ]
    assert result.out.splitlines() == [f"{source}\t{e}\t{p}\t{crf}" for e, p, crf in plan]
    assert "6 cells planned" in result.err
    assert "to do: 6" in result.err
    assert list(tmp_path.iterdir()) == []


def test_dry_run_leaves_out_what_is_measured(corpus_path, rows_of, vmaf_tune):
    source = rows_of(corpus_path)[0]["src"]
    before = corpus_path.read_bytes()
    result = vmaf_tune(
        "corpus", source, "--preset", "veryfast", "--crf", "33:35:2", "--output", corpus_path, "--dry-run"
    )
    assert result.out.splitlines() == [f"{source}\tlibx264\tveryfast\t35"]
    assert "to do: 1" in result.err
    assert corpus_path.read_bytes() == before


def test_sample_uses_the_middle_of_the_source(clip, vmaf_tune, rows_of, tmp_path):
    result = vmaf_tune("corpus", clip(frames=48), *QUICK, "--sample-clip-seconds", 0.5)
    assert result.code == ExitCode.OK, result.err
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["clip_mode"] == "sample_0.5s"
    assert len(row["per_frame_vmaf"]) == 12
    assert row["duration_s"] == pytest.approx(2.0, abs=0.01)
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8 / 1000 / 0.5)
    assert vmaf_tune("validate", "corpus.jsonl").code == ExitCode.OK


def test_sample_longer_than_the_source_is_the_whole_source(clip, vmaf_tune, rows_of, tmp_path):
    assert vmaf_tune("corpus", clip(), *QUICK, "--sample-clip-seconds", 60).code == ExitCode.OK
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["clip_mode"] == "full"


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_raw_source_scores_as_its_container(pix_fmt, clip, vmaf_tune, rows_of, tmp_path):
    for source in (clip(rate="24000/1001", pix_fmt=pix_fmt, container=c) for c in ("mkv", "yuv")):
        raw = ("--width", 160, "--height", 96, "--pix-fmt", pix_fmt, "--framerate", 23.976)
        result = vmaf_tune("corpus", source, *QUICK, *(raw if source.suffix == ".yuv" else ()))
        assert result.code == ExitCode.OK, result.err
    contained, raw = rows_of(tmp_path / "corpus.jsonl")
    for key in ("vmaf_score", "per_frame_features", "pix_fmt", "width", "height"):
        assert raw[key] == contained[key]
    assert raw["framerate"] == pytest.approx(24000 / 1001)
    # The container also knows the sample aspect ratio, which costs the encode a few bytes.
    assert raw["encode_size_bytes"] == pytest.approx(contained["encode_size_bytes"], abs=64)


def test_upstream_command_line_is_understood(clip, vmaf_tune, rows_of, tmp_path):
    result = vmaf_tune(
        "corpus", "--source", clip(container="yuv"), "--width", 160, "--height", 96, "--pix-fmt", "yuv420p",
        "--framerate", 24, "--duration", 16 / 24, "--encoder", "libx264", "--preset", "medium", "--preset", "fast",
        "--crf", 30, "--crf", 40, "--keep-encodes", "--encode-dir", "enc", "--output", "out.jsonl",
        "--no-source-hash", "--sample-clip-seconds", 0, "--vmaf-model", "vmaf_v0.6.1",
    )  # fmt: skip
    assert result.code == ExitCode.OK, result.err
    rows = rows_of(tmp_path / "out.jsonl")
    assert {(row["preset"], row["crf"]) for row in rows} == {(p, c) for p in ("medium", "fast") for c in (30, 40)}
    assert {row["src_sha256"] for row in rows} == {None}
    assert {row["encode_path"] for row in rows} == {str(path) for path in (tmp_path / "enc").iterdir()}
    assert vmaf_tune("validate", "out.jsonl").code == ExitCode.OK


def test_kept_encodes_are_of_the_size_the_row_says_and_others_are_gone(clip, vmaf_tune, rows_of, tmp_path):
    assert (
        vmaf_tune("corpus", clip(), "--preset", "ultrafast", "--crf", "30:40:5", "--encode-dir", "enc").code == 0
    )
    assert list((tmp_path / "enc").iterdir()) == []
    result = vmaf_tune("corpus", clip("mandelbrot"), *QUICK, "--keep-encodes")
    assert result.code == ExitCode.OK
    row = rows_of(tmp_path / "corpus.jsonl")[-1]
    (kept,) = (tmp_path / "corpus-encodes").iterdir()
    assert row["encode_path"] == str(kept)
    assert row["encode_size_bytes"] == kept.stat().st_size


def test_preset_that_svt_maps_is_recorded_as_what_ran(clip, vmaf_tune, rows_of, tmp_path):
    result = vmaf_tune("corpus", clip(), "--encoder", "libsvtav1", "--preset", "13", "--preset", "12", "--crf", 50)
    assert result.code == ExitCode.OK, result.err
    recorded = {row["preset"] for row in rows_of(tmp_path / "corpus.jsonl")}
    told = dict(
        line.split("preset ")[1].split(";")[0].split(" as ") for line in result.err.splitlines() if " as " in line
    )
    assert recorded == {told.get(preset, preset) for preset in ("13", "12")}
    assert told


def test_10_bit_source_is_encoded_and_told_as_10_bit(clip, ffmpeg, vmaf_tune, rows_of, tmp_path):
    assert vmaf_tune("corpus", clip(pix_fmt="yuv420p10le"), *QUICK, "--keep-encodes").code == ExitCode.OK
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["pix_fmt"] == "yuv420p10le"
    assert "yuv420p10le" in ffmpeg.run(["-hide_banner", "-i", row["encode_path"]]).stderr


def test_extra_parameters_reach_the_encoder_and_the_row(clip, vmaf_tune, rows_of, tmp_path):
    for extra in ("", "-g 2 -x264-params 'ref=1:bframes=0'"):
        assert vmaf_tune("corpus", clip(), *QUICK, "--extra-params", extra).code == ExitCode.OK
    plain, extra = rows_of(tmp_path / "corpus.jsonl")
    assert extra["extra_params"] == ["-g", "2", "-x264-params", "ref=1:bframes=0"]
    assert extra["encode_size_bytes"] > plain["encode_size_bytes"]


@pytest.fixture
def fails_on_mandelbrot(ffmpeg, tmp_path):
    """An ffmpeg that does not encode one of the sources."""
    program = tmp_path / "ffmpeg"
    fails = 'case "$*" in *mandelbrot*"-crf 30"*) echo "x264 [error]: malloc failed" >&2; exit 187;; esac'
    program.write_text(f'#!/bin/sh\n{fails}\nexec {ffmpeg.path} "$@"\n')
    program.chmod(0o755)
    return "--ffmpeg-bin", program


def test_failed_cell_is_a_row_without_a_score_and_the_sweep_goes_on(
    clip, vmaf_tune, rows_of, tmp_path, fails_on_mandelbrot
):
    good, bad = clip(), clip("mandelbrot", size="64x64")
    result = vmaf_tune("corpus", bad, good, *QUICK, *fails_on_mandelbrot, "--jobs", 1)
    assert result.code == ExitCode.NEGATIVE
    failed, measured = sorted(rows_of(tmp_path / "corpus.jsonl"), key=lambda row: row["exit_status"] == 0)
    assert (failed["src"], measured["src"], measured["exit_status"]) == (str(bad), str(good), 0)
    assert failed["exit_status"] != 0
    unknown = ("vmaf_score", "encode_size_bytes", "bitrate_kbps", *(f"{f}_mean" for f in CANONICAL6))
    assert [failed[key] for key in unknown] == [None] * len(unknown)
    assert "per_frame_vmaf" not in failed
    for part in ("libx264:ultrafast:30", "command:", "malloc failed"):
        assert part in failed["failure_reason"]
    assert "1 measured" in result.err
    assert "1 failed" in result.err
    assert vmaf_tune("validate", "corpus.jsonl").code == ExitCode.OK


def test_failed_cell_is_tried_again_and_never_counted_as_measured(
    clip, vmaf_tune, rows_of, tmp_path, fails_on_mandelbrot
):
    command = ("corpus", clip("mandelbrot", size="64x64"), clip(), *QUICK, *fails_on_mandelbrot)
    assert vmaf_tune(*command).code == ExitCode.NEGATIVE
    again = vmaf_tune(*command)
    assert again.code == ExitCode.NEGATIVE
    assert "1 already there" in again.err
    assert "1 failed" in again.err
    assert sorted(row["exit_status"] != 0 for row in rows_of(tmp_path / "corpus.jsonl")) == [False, True, True]


@pytest.mark.parametrize(
    "name", ["-dash", "two words", "it's", 'say "so"', "a:b,c;d[0]", "100%d", "back\\slash", "ünï"]
)
def test_name_of_any_characters_is_taken_literally(name, clip, vmaf_tune, rows_of, tmp_path):
    source = tmp_path / f"{name}.mkv"
    source.write_bytes(clip().read_bytes())
    result = vmaf_tune(
        "corpus",
        *QUICK,
        "--keep-encodes",
        f"--encode-dir={name} encodes",
        f"--output={name}.jsonl",
        "--",
        source.name,
    )
    assert result.code == ExitCode.OK, result.err
    (row,) = rows_of(tmp_path / f"{name}.jsonl")
    assert row["src"] == source.name
    (kept,) = (tmp_path / f"{name} encodes").iterdir()
    assert row["encode_path"] == str(kept)
