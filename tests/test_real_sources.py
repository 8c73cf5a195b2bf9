"""Sources as people have them: odd clocks, many streams, cover art, every depth.

An x264 encode with crf 0 is lossless, so what it decodes to names the very frames that were encoded.
"""

from __future__ import annotations

import re
import struct

import pytest

from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import QUIET

FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvvenc": "faster",
    "libvpx-vp9": "5", "libaom-av1": "6",
}  # fmt: skip
LOSSLESS = ("libx264", 0)


@pytest.fixture
def make(ffmpeg, tmp_path):
    """Runs ffmpeg to make a file in the test's folder."""

    def run(name, *arguments):
        path = tmp_path / name
        done = ffmpeg.run([*QUIET, *map(str, arguments), str(path)])
        assert done.ok, done.describe("making a source failed")
        return path

    return run


@pytest.fixture
def digests(ffmpeg):
    """A digest of each decoded frame of one stream, timestamps apart."""

    def read(path, stream="0:v:0"):
        graph = ["-map", stream, "-vf", "settb=AVTB,setpts=N", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"]
        done = ffmpeg.run([*QUIET, "-i", f"file:{path}", *graph, "-f", "framemd5", "-"])
        assert done.ok, done.describe("decoding failed")
        return re.findall(r"^0,.*, *(\w{32})$", done.stdout, re.MULTILINE)

    return read


@pytest.fixture
def measured(vmaf_tune, rows_of, tmp_path):
    """Sweeps one cell of one source, the encode kept; its row."""

    def measure(source, encoder, crf, *options, output="corpus.jsonl"):
        result = vmaf_tune(
            "corpus", source, "--encoder", encoder, "--preset", FAST[encoder], "--crf", crf,
            "--keep-encodes", "--encode-dir", tmp_path / "encodes", "--output", tmp_path / output, *options,
        )  # fmt: skip
        assert result.code == 0, result.err
        (row,) = rows_of(tmp_path / output)
        return row

    return measure


def streams(ffmpeg, path):
    """Kinds of the streams of a file, in order, and whether each is an attached picture."""
    log = ffmpeg.run(["-hide_banner", "-nostdin", "-i", f"file:{path}"]).stderr
    found = re.findall(r"^ +Stream #0:(\d+).*?: (Video|Audio|Subtitle|Data|Attachment)(.*)$", log, re.MULTILINE)
    found.sort(key=lambda stream: int(stream[0]))
    return [kind + (" picture" if "attached pic" in rest else "") for _, kind, rest in found]


VARIABLE = {
    "a gap": "select='not(between(n,9,14))'",
    "a pause": "setpts='PTS+if(gte(N,10),0.3/TB,0)'",
    "two rates": "setpts='if(lt(N,12),N/12,1+(N-12)/48)/TB'",
}


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("what", VARIABLE)
def test_variable_frame_rate_keeps_every_frame_once(what, container, make, measured, digests):
    generator = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=24", "-frames:v", 24)
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
    source = make(f"source.{container}", *generator, "-vf", VARIABLE[what], "-fps_mode", "vfr", *codec)
    row = measured(source, *LOSSLESS)
    assert digests(row["encode_path"]) == digests(source)
    assert len(digests(source)) == len(row["per_frame_vmaf"]) == 24
    seconds = 24 / row["framerate"]
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8 / 1000 / seconds)


@pytest.mark.parametrize("encoder", FAST)
def test_10_bit_stays_10_bit(encoder, clip, measured, ffmpeg):
    row = measured(clip("testsrc2", frames=8, pix_fmt="yuv420p10le"), encoder, 35)
    assert row["pix_fmt"] == "yuv420p10le"
    said = ffmpeg.run(["-hide_banner", "-nostdin", "-i", f"file:{row['encode_path']}"]).stderr
    assert re.search(r"Video: .*?, (yuv\w+)", said)[1] == "yuv420p10le"


def test_neg_model_scores_lower_and_keeps_the_plain_features(clip, measured):
    source = clip("mandelbrot", frames=12, size="320x192")
    plain = measured(source, "libx264", 35, output="plain.jsonl")
    neg = measured(source, "libx264", 35, "--vmaf-model", "vmaf_v0.6.1neg", output="neg.jsonl")
    assert neg["vmaf_model"] == "vmaf_v0.6.1neg"
    assert neg["vmaf_score"] < plain["vmaf_score"]
    assert set(neg["per_frame_features"]) == set(CANONICAL6)
    for feature in CANONICAL6:
        assert neg["per_frame_features"][feature] == pytest.approx(plain["per_frame_features"][feature])
        assert neg[f"{feature}_mean"] == pytest.approx(plain[f"{feature}_mean"])


@pytest.mark.parametrize(("degrees", "size"), [("90", (96, 160)), ("180", (160, 96)), ("270", (96, 160))])
def test_rotation_is_applied_once(degrees, size, clip, make, measured, digests):
    upright = clip("testsrc2", container="mp4")
    rotated = make("rotated.mp4", "-display_rotation", degrees, "-i", upright, "-c", "copy")
    row = measured(rotated, *LOSSLESS)
    assert (row["width"], row["height"]) == size
    assert digests(row["encode_path"]) == digests(rotated) != digests(upright)


def test_audio_subtitles_and_further_videos_are_left_out(clip, make, measured, digests, ffmpeg, tmp_path):
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nwords\n")
    video, other = clip("testsrc2", frames=16), clip("mandelbrot", frames=8, size="96x64", rate="12")
    source = make(
        "many.mkv", "-i", video, "-f", "lavfi", "-i", "sine=duration=0.6", "-i", "words.srt", "-i", other,
        "-map", "1:a", "-map", "2:s", "-map", "0:v", "-map", "3:v", "-c:v", "copy", "-c:s", "srt",
    )  # fmt: skip
    assert streams(ffmpeg, source) == ["Audio", "Subtitle", "Video", "Video"]
    row = measured(source, *LOSSLESS)
    assert (row["width"], row["height"], row["framerate"]) == (160, 96, 24.0)
    assert digests(row["encode_path"]) == digests(video)
    assert streams(ffmpeg, row["encode_path"]) == ["Video"]


def test_data_stream_is_left_out(clip, make, measured, digests, ffmpeg):
    video = clip("testsrc2", container="mp4")
    source = make("timecode.mov", "-i", video, "-timecode", "01:00:00:00", "-c", "copy")
    assert streams(ffmpeg, source) == ["Video", "Data"]
    row = measured(source, *LOSSLESS)
    assert digests(row["encode_path"]) == digests(video)
    assert streams(ffmpeg, row["encode_path"]) == ["Video"]


def boxes(data):
    start = 0
    while start < len(data):
        (size,) = struct.unpack(">I", data[start : start + 4])
        yield data[start + 4 : start + 8], data[start : start + size]
        start += size


def cover_before_video(path):
    """Moves the metadata of an MP4, and with it the cover art, before its tracks."""
    order = {b"mvhd": 0, b"udta": 1}
    moved = b""
    for kind, box in boxes(path.read_bytes()):
        children = sorted(boxes(box[8:]), key=lambda child: order.get(child[0], 2)) if kind == b"moov" else ()
        moved += box[:8] + b"".join(child for _, child in children) if children else box
    path.write_bytes(moved)


@pytest.fixture
def cover(make):
    return make("cover.jpg", "-f", "lavfi", "-i", "mandelbrot=size=64x64", "-frames:v", 1)


@pytest.mark.parametrize("where", ["mkv attachment", "mp4 after the video", "mp4 before the video"])
def test_cover_art_is_not_the_video(where, cover, clip, make, measured, digests, ffmpeg):
    video = clip("testsrc2", container="mp4")
    if where == "mkv attachment":
        attached = ("-attach", cover, "-metadata:s:t", "mimetype=image/jpeg")
        source = make("covered.mkv", "-i", video, *attached, "-c", "copy")
    else:
        both = ("-i", video, "-i", cover, "-map", "0", "-map", "1", "-c", "copy")
        source = make("covered.mp4", *both, "-disposition:v:1", "attached_pic")
    if where == "mp4 before the video":
        cover_before_video(source)
        assert streams(ffmpeg, source) == ["Video picture", "Video"]
    else:
        assert streams(ffmpeg, source) == ["Video", "Video picture"]
    row = measured(source, *LOSSLESS)
    assert (row["width"], row["height"]) == (160, 96)
    assert digests(row["encode_path"]) == digests(video)


def test_song_with_cover_art_is_no_video(cover, make, vmaf_tune):
    song = make(
        "song.m4a", "-f", "lavfi", "-i", "sine=duration=0.5", "-i", cover, "-map", "0", "-map", "1",
        "-c:v", "copy", "-disposition:v", "attached_pic",
    )  # fmt: skip
    result = vmaf_tune("corpus", song, "--preset", "ultrafast", "--crf", 30)
    assert result.code == ExitCode.INPUT
    assert "no video" in result.err


def test_bottom_field_first_is_refused(make, vmaf_tune):
    fields = ("-flags", "+ildct+ilme", "-x264-params", "bff=1")
    generator = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50", "-frames:v", 12)
    source = make("fields.mp4", *generator, "-vf", "tinterlace=interleave_bottom", "-c:v", "libx264", *fields)
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 30)
    assert result.code == ExitCode.INPUT
    assert "interlaced" in result.err


def test_what_is_interlaced_only_later_is_refused(make, vmaf_tune):
    codec = ("-c:v", "mpeg2video", "-q:v", 2)
    progressive = make(
        "progressive.m2v", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25", "-frames:v", 8, *codec
    )
    fields = ("-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme")
    generator = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50", "-frames:v", 8)
    source = make("both.m2v", *generator, *fields, *codec)
    source.write_bytes(progressive.read_bytes() + source.read_bytes())
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 30)
    assert result.code == ExitCode.INPUT
    assert "both.m2v: interlaced from frame 8 on; deinterlace it (--vfilter yadif)" in result.err
    assert vmaf_tune("corpus", progressive, "--preset", "ultrafast", "--crf", 30).code == ExitCode.OK


@pytest.mark.parametrize("size", ["159x96", "160x95", "159x95"])
def test_odd_side_is_refused(size, clip, vmaf_tune):
    source = clip("testsrc2", pix_fmt="yuv444p", filters=f"scale={size.replace('x', ':')}")
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 30)
    assert result.code == ExitCode.INPUT
    assert f"{size} has an odd side" in result.err


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "bt2020c", "fcc", "ycgco"])
def test_matrix_label_does_not_move_the_score(matrix, clip, measured):
    """VP9 has no word for some matrices; its samples are the same all the same."""
    labelled = clip("testsrc2", filters=f"format=yuv420p,setparams=colorspace={matrix}")
    row = measured(labelled, "libvpx-vp9", 40, output="labelled.jsonl")
    plain = measured(clip("testsrc2"), "libvpx-vp9", 40, output="plain.jsonl")
    assert row["per_frame_vmaf"] == pytest.approx(plain["per_frame_vmaf"], abs=1e-6)
