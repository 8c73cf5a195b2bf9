"""Further encoder arguments: what an encode really is decides how it is compared, or that it cannot be."""

from __future__ import annotations

import pytest

from test_scoring import FAST, Truth, assert_agrees
from vmaftune_frv2.errors import ExitCode

CHANGES = {
    "size": ("-s 96x64", "size"),
    "size by a filter": ("-vf scale=96:64", "--vfilter"),
    "pictures": ("-filter:v hflip", "--vfilter"),
    "frame rate": ("-r 12", "frame"),
    "the crf among parameters": ("-x264-params me=hex:crf=9", "--crf"),
    "the crf of a stream": ("-crf:v 10", "--crf"),
    "the preset of a stream": ("-preset:v:0 ultrafast", "--preset"),
    "the encoder of a stream": ("-c:v:0 libx265", "--encoder"),
    "the crf among options": ("-x264opts qp=10", "--crf"),
    "the filter of a stream": ("-filter:v:0 hflip", "--vfilter"),
    "two passes": ("-pass 1", "--crf"),
    "a file of statistics": ("-x264-params stats=f.log", "files"),
    "a report": ("-report 1", "files"),
    "a value that is missing": ("-bf", "value is missing"),
    "constant quality": ("-x264-params bitrate=100", "--crf"),
    "number of frames": ("-frames:v 3", "frames"),
    "range": ("-pix_fmt yuvj420p", "range"),
    "the start": ("-ss 1", "frames"),
    "the crf": ("-g 9 -crf 10", "--crf"),
    "the encoder": ("-c:v mpeg4", "--encoder"),
    "the output": ("-y other.mp4", "files"),
    "another output": ("-g 9 other.mp4", "files"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_cannot_be_compared_is_refused_before_the_sweep(what, clip, vmaf_tune, tmp_path):
    extra, named = CHANGES[what]
    result = vmaf_tune("corpus", clip("testsrc2"), "--preset", "ultrafast", "--crf", 30, "--extra-params", extra)
    assert result.code == ExitCode.USAGE, result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("Error:")]
    assert "--enc" in line
    assert named in line
    assert not (tmp_path / "corpus.jsonl").exists()


@pytest.mark.parametrize(
    ("source_format", "encode_format", "compared"),
    [
        ("yuv420p", "yuv420p10le", "yuv420p10le"),
        ("yuv420p", "yuv444p", "yuv444p"),
        ("yuv420p10le", "yuv420p", "yuv420p10le"),
    ],
)
def test_score_is_made_at_the_deeper_format_of_the_two(
    source_format, encode_format, compared, clip, vmaf_tune, rows_of, tmp_path, ffmpeg
):
    source = clip("testsrc2", pix_fmt=source_format)
    kept = ("--keep-encodes", "--encode-dir", tmp_path / "encodes")
    extra = ("--extra-params", f"-pix_fmt {encode_format}")
    result = vmaf_tune("corpus", source, "--preset", FAST["libx264"], "--crf", 35, *extra, *kept)
    assert result.code == 0, result.err
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    folder = tmp_path / "truth"
    folder.mkdir()
    assert_agrees(row, Truth(ffmpeg, folder)(source, row["encode_path"], compared))


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_full_range_scores_alike_however_the_same_encode_is_asked_for(encoder, clip, vmaf_tune, rows_of, tmp_path):
    source = clip("testsrc2", filters="scale=out_range=pc,setparams=range=pc", pix_fmt="yuv420p")
    asked = ("--encoder", encoder, "--preset", FAST[encoder], "--crf", 35, "--output", tmp_path / "full.jsonl")
    for extra in ("", "-pix_fmt yuv420p"):
        assert vmaf_tune("corpus", source, *asked, f"--enc={extra}").code == 0
    plain, again = rows_of(tmp_path / "full.jsonl")
    assert again["encode_size_bytes"] == plain["encode_size_bytes"]
    assert again["vmaf_score"] == plain["vmaf_score"]
