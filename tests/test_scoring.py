"""The score in a row is the score of the two videos, whatever containers, depths and clocks lie between.

Truth is computed apart from the package: both videos decoded to raw planar YUV in the deeper of the two
pixel formats, frame by frame, then plain two-input libvmaf over the raw files.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media import opening as source_module
from vmaftune_frv2.media import vmaf

TOLERANCE = 1e-3
FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvvenc": "faster",
    "libvpx-vp9": "5", "libaom-av1": "6",
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """Scores raw decodes with a plain libvmaf filter."""

    ffmpeg: object
    folder: Path

    def __call__(self, source, encode, pix_fmt, *, source_filters="null"):
        """VMAF and frame count of ``encode`` against ``source``, compared in ``pix_fmt``."""
        legs = []
        for name, path, filters in (("distorted", encode, "null"), ("reference", source, source_filters)):
            raw = self.folder / f"{name}.yuv"
            self._run(
                "-i", f"file:{path}", "-map", "0:v:0", "-vf", filters, "-fps_mode", "passthrough",
                "-pix_fmt", pix_fmt, "-f", "rawvideo", raw,
            )  # fmt: skip
            legs.append(raw)
        assert legs[0].stat().st_size == legs[1].stat().st_size
        size = self._size(encode)
        read = ("-f", "rawvideo", "-pixel_format", pix_fmt, "-video_size", size, "-framerate", "25")
        log = self.folder / "truth.json"
        self._run(
            *read, "-i", legs[0], *read, "-i", legs[1],
            "-lavfi", f"libvmaf=model='version=vmaf_v0.6.1':log_fmt=json:log_path={log}", "-f", "null", "-",
        )  # fmt: skip
        payload = json.loads(log.read_text(encoding="utf-8"))
        return payload["pooled_metrics"]["vmaf"]["mean"], len(payload["frames"])

    def _run(self, *arguments):
        done = self.ffmpeg.run(["-hide_banner", "-nostdin", "-y", "-v", "error", *map(str, arguments)])
        assert done.ok, done.describe("computing the truth failed")

    def _size(self, path):
        said = self.ffmpeg.run(["-hide_banner", "-nostdin", "-i", f"file:{path}"]).stderr
        return re.search(r"Video: .*?, (\d+x\d+)", said).group(1)


@pytest.fixture
def truth(ffmpeg, tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    return Truth(ffmpeg, folder)


@pytest.fixture
def measured(vmaf_tune, rows_of, tmp_path):
    """Sweeps one cell of one source and returns its row, the encode kept."""

    def measure(source, encoder, *options, crf=35):
        corpus = tmp_path / "corpus.jsonl"
        result = vmaf_tune(
            "corpus", source, "--encoder", encoder, "--preset", FAST[encoder], "--crf", crf,
            "--keep-encodes", "--encode-dir", tmp_path / "encodes", "--output", corpus, *options,
        )  # fmt: skip
        assert result.code == 0, result.err
        (row,) = rows_of(corpus)
        return row

    return measure


def assert_agrees(row, truth_of_row):
    score, frames = truth_of_row
    assert len(row["per_frame_vmaf"]) == frames
    assert row["vmaf_score"] == pytest.approx(score, abs=TOLERANCE)


@pytest.mark.parametrize("encoder", FAST)
def test_row_of_an_8_bit_source_has_the_true_score(encoder, clip, measured, truth):
    source = clip("testsrc2")
    row = measured(source, encoder)
    compared_in = "yuv420p10le" if encoder == "libvvenc" else "yuv420p"
    assert_agrees(row, truth(source, row["encode_path"], compared_in))


@pytest.mark.parametrize("encoder", ["libx265", "libsvtav1", "libvvenc", "libvpx-vp9"])
def test_row_of_a_10_bit_source_has_the_true_score(encoder, clip, measured, truth):
    source = clip("testsrc2", pix_fmt="yuv420p10le")
    row = measured(source, encoder)
    assert row["pix_fmt"] == "yuv420p10le"
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p10le"))


@pytest.mark.parametrize(
    ("encoder", "container"),
    [
        ("libx264", "mkv"), ("libx265", "mkv"), ("libsvtav1", "mkv"), ("libsvtav1", "webm"),
        ("libvpx-vp9", "mp4"), ("libvpx-vp9", "mkv"), ("libaom-av1", "mp4"), ("libaom-av1", "webm"),
    ],
)  # fmt: skip
def test_container_of_the_encode_does_not_move_the_score(encoder, container, clip, measured, truth):
    source = clip("testsrc2")
    row = measured(source, encoder, "--container", container)
    assert row["encode_path"].endswith(f".{container}")
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p"))


@pytest.mark.parametrize("rate", ["24000/1001", "15", "60000/1001"])
@pytest.mark.parametrize(("encoder", "container"), [("libx264", "mkv"), ("libvpx-vp9", "webm")])
def test_odd_frame_rate_does_not_move_the_score(rate, encoder, container, clip, measured, truth):
    source = clip("mandelbrot", rate=rate, container="mp4")
    row = measured(source, encoder, "--container", container)
    numerator, _, denominator = rate.partition("/")
    assert row["framerate"] == pytest.approx(int(numerator) / int(denominator or 1), abs=1e-6)
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p"))


SOURCES = {
    "matroska that starts at 5.3 s": {"offset": 5.3},
    "transport stream that starts at 2.5 s": {"offset": 2.5, "container": "ts"},
    "mov with reordered frames": {
        "container": "mov",
        "codec": ("-c:v", "libx264", "-preset", "medium", "-crf", "12", "-bf", "3"),
    },
    "variable frame rate": {"filters": "setpts=(N+0.4*mod(N\\,3))/24/TB"},
    "dropped frames": {"filters": "select=not(eq(mod(n\\,5)\\,2))"},
    "4:2:2": {"pix_fmt": "yuv422p"},
    "4:4:4": {"pix_fmt": "yuv444p"},
    "4:2:2 10-bit": {"pix_fmt": "yuv422p10le"},
    "gray": {"pix_fmt": "gray"},
}


@pytest.mark.parametrize("encoder", ["libx264", "libsvtav1"])
@pytest.mark.parametrize("what", SOURCES)
def test_unusual_source_has_the_true_score(what, encoder, clip, measured, truth):
    source = clip("testsrc2", **SOURCES[what])
    row = measured(source, encoder)
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p10le" if "10-bit" in what else "yuv420p"))


@pytest.mark.parametrize("encoder", FAST)
def test_full_range_source_has_the_true_score(encoder, clip, measured, truth):
    """The samples are what is compared: neither video may be stretched to the other's range."""
    source = clip("testsrc2", pix_fmt="yuvj420p", codec=("-c:v", "mjpeg", "-q:v", "2"))
    row = measured(source, encoder)
    compared_in = "yuv420p10le" if encoder == "libvvenc" else "yuv420p"
    assert_agrees(row, truth(source, row["encode_path"], compared_in))


@pytest.mark.parametrize("encoder", ["libx264", "libsvtav1"])
def test_10_bit_gray_source_keeps_its_depth(encoder, clip, measured, truth):
    source = clip("testsrc2", pix_fmt="gray10le")
    row = measured(source, encoder)
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p10le"))


def test_rotated_source_is_compared_upright(clip, ffmpeg, measured, truth, tmp_path):
    rotated = tmp_path / "rotated.mp4"
    upright = clip("testsrc2", container="mp4")
    done = ffmpeg.run(["-v", "error", "-display_rotation", "90", "-i", str(upright), "-c", "copy", str(rotated)])
    assert done.ok
    row = measured(rotated, "libx264")
    assert (row["width"], row["height"]) == (96, 160)
    assert_agrees(row, truth(rotated, row["encode_path"], "yuv420p"))


SHORT_GOPS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "8")
STARTS = {
    "at zero": {},
    "at zero, between key frames": {"container": "mp4", "codec": SHORT_GOPS},
    "late in matroska": {"offset": 5.3},
    "late in ts, between key frames": {"offset": 2.5, "container": "ts", "codec": SHORT_GOPS},
}


@pytest.mark.parametrize("starts", STARTS)
def test_sample_is_the_middle_and_is_scored_against_it(starts, clip, measured, truth):
    source = clip("mandelbrot", frames=48, **STARTS[starts])
    row = measured(source, "libx264", "--sample-clip-seconds", 1)
    middle = "trim=start_frame=12:end_frame=36"
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p", source_filters=middle))


@pytest.mark.parametrize(("encoded", "original"), [(12, 16), (16, 12)])
def test_encode_with_another_frame_count_is_never_scored(encoded, original, clip, ffmpeg):
    source = source_module.open_source(ffmpeg, str(clip("testsrc2", frames=original)))
    distorted = clip("testsrc2", frames=encoded, container="mp4")
    with pytest.raises(ToolError, match=r"frames"):
        vmaf.score(ffmpeg, distorted, source, pix_fmt="yuv420p")


BREAKING_FFMPEG = """#!{python}
import os, pathlib, sys

arguments = sys.argv[1:]
tries = pathlib.Path({tries!r})
if "-progress" in arguments and arguments[-1].startswith("file:"):
    with tries.open("a") as stream:
        stream.write("x")
    if tries.stat().st_size <= {broken_tries}:
        if {how!r} == "empty":
            pathlib.Path(arguments[-1][5:]).touch()
            sys.exit(0)
        arguments[-1:] = ["-frames:v", "5", arguments[-1]]
os.execv({ffmpeg!r}, [{ffmpeg!r}, *arguments])
"""


@pytest.fixture
def breaking_ffmpeg(ffmpeg, tmp_path):
    """The real ffmpeg behind a script that spoils the first encodes and still exits with 0."""

    def make(how, broken_tries):
        script, tries = tmp_path / f"ffmpeg-{how}", tmp_path / "tries"
        script.write_text(
            BREAKING_FFMPEG.format(
                python=sys.executable, tries=str(tries), broken_tries=broken_tries, how=how, ffmpeg=ffmpeg.path
            )
        )
        script.chmod(0o755)
        return script, tries

    return make


@pytest.mark.parametrize("how", ["empty", "short"])
def test_faked_process_that_spoils_one_encode_is_tried_again(how, breaking_ffmpeg, clip, measured, truth):
    source = clip("testsrc2")
    script, tries = breaking_ffmpeg(how, broken_tries=1)
    row = measured(source, "libx264", "--ffmpeg-bin", script)
    assert tries.stat().st_size == 2
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p"))


@pytest.mark.parametrize("how", ["empty", "short"])
def test_faked_process_that_spoils_every_encode_is_a_failed_row(
    how, breaking_ffmpeg, clip, vmaf_tune, rows_of, tmp_path
):
    script, tries = breaking_ffmpeg(how, broken_tries=1000)
    result = vmaf_tune("corpus", clip("testsrc2"), "--preset", "ultrafast", "--crf", 30, "--ffmpeg-bin", script)
    assert result.code == 1
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["exit_status"] != 0
    assert row["vmaf_score"] is None
    assert "frames of 16" in row["failure_reason"]
    assert f"tried {tries.stat().st_size} times" in row["failure_reason"]
    assert tries.stat().st_size > 1
