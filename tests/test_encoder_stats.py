"""x264's notes cost nothing, change nothing, and pool to the row's keys."""

from __future__ import annotations

import statistics

import pytest

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import empty_row
from vmaftune_frv2.media.encoder_stats import KEYS, read_stats, stats_argv, stats_file
from vmaftune_frv2.media.ffmpeg import QUIET

X264 = ENCODERS.get("libx264")
NOTES = """\
#options: 160x96 fps=24/1 timebase=1/24 bitdepth=8 rc=crf crf=30.0
in:0 out:0 type:I dur:2 cpbdur:2 q:20.00 aq:18.39 tex:14000 mv:1000 misc:5000 imb:60 pmb:0 smb:0 d:- ref:;
in:3 out:1 type:P dur:2 cpbdur:2 q:24.00 aq:23.76 tex:2500 mv:300 misc:200 imb:6 pmb:24 smb:30 d:- ref:0 ;
in:1 out:2 type:b dur:2 cpbdur:2 q:28.00 aq:14.02 tex:500 mv:100 misc:150 imb:0 pmb:10 smb:50 d:s ref:0 ;
in:2 out:3 type:i dur:2 cpbdur:2 q:20.00 aq:14.02 tex:9000 mv:600 misc:400 imb:60 pmb:0 smb:0 d:- ref:;
"""


@pytest.fixture
def encode(ffmpeg, tmp_path):
    """Encodes a source with and without notes; the two files and the notes."""

    def run(source, preset, crf, *extra, threads=1, pix_fmt="yuv420p", folder="plain"):
        (tmp_path / folder).mkdir(exist_ok=True)
        prefix = tmp_path / folder / "notes"
        made = []
        for name, notes in (("without.mp4", []), ("with.mp4", stats_argv(ENCODERS.get("libx264"), prefix))):
            made.append(tmp_path / name)
            done = ffmpeg.run(
                [
                    *QUIET, "-i", str(source), "-map", "0:v:0", "-pix_fmt", pix_fmt,
                    *X264.codec_argv(preset, crf, threads), *notes, *extra, str(made[-1]),
                ]
            )  # fmt: skip
            assert done.ok, done.describe("encoding failed")
        return *made, stats_file(prefix)

    return run


@pytest.mark.parametrize("preset", X264.presets)
@pytest.mark.parametrize(
    "crf", [pytest.param(0, marks=pytest.mark.slow), 20, pytest.param(40, marks=pytest.mark.slow)]
)
def test_encode_is_the_same_byte_by_byte(preset, crf, clip, encode):
    plain, noted, _ = encode(clip("testsrc2", frames=30), preset, crf)
    assert noted.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("threads", {"threads": 3}),
        ("10-bit", {"pix_fmt": "yuv420p10le"}),
        ("4:4:4", {"pix_fmt": "yuv444p"}),
    ],
)
def test_encode_is_the_same_in_other_settings(what, options, clip, encode):
    plain, noted, path = encode(clip("mandelbrot", frames=30, size="320x192"), "medium", 28, **options)
    assert noted.read_bytes() == plain.read_bytes()
    assert None not in read_stats(path, 30).values()


@pytest.mark.parametrize("extra", [("-x264-params", "me=dia:bframes=1"), ("-tune", "grain"), ("-g", "5")])
def test_extra_parameters_still_count(extra, clip, encode):
    source = clip("testsrc2", frames=30)
    plain, noted, path = encode(source, "medium", 28, *extra)
    with_extra = plain.read_bytes()
    assert noted.read_bytes() == with_extra
    assert None not in read_stats(path, 30).values()
    assert encode(source, "medium", 28)[0].read_bytes() != with_extra


@pytest.mark.parametrize("folder", ["a b", "a:b", "a'b", "100%d", "ä,b;[c]"])
def test_any_folder_will_do(folder, clip, encode):
    _, _, path = encode(clip("testsrc2", frames=12), "ultrafast", 30, folder=folder)
    assert path.is_file()
    assert read_stats(path, 12)["enc_internal_bits_mean"] > 0


def test_bits_are_those_of_the_stream(clip, encode, ffmpeg, tmp_path):
    plain, _, path = encode(clip("testsrc2", frames=30), "medium", 25)
    stream = tmp_path / "stream.h264"
    assert ffmpeg.run([*QUIET, "-i", str(plain), "-c", "copy", str(stream)]).ok
    stats = read_stats(path, 30)
    headers = 1000  # SPS, PPS, and the text that names the options
    assert stats["enc_internal_bits_mean"] * 30 / 8 == pytest.approx(stream.stat().st_size - headers, rel=0.05)
    assert stats["enc_internal_itex_mean"] > stats["enc_internal_ptex_mean"]
    assert 0 < stats["enc_internal_intra_ratio"] < 1
    assert 0 < stats["enc_internal_skip_ratio"] < 1


def test_quantizer_follows_the_crf(clip, encode):
    source = clip("testsrc2", frames=30)
    means = [read_stats(encode(source, "veryfast", crf)[2], 30)["enc_internal_qp_mean"] for crf in (18, 28, 38)]
    assert means[1] - means[0] == pytest.approx(10, abs=1.5)
    assert means[2] - means[1] == pytest.approx(10, abs=1.5)


def test_notes_are_pooled_as_defined(tmp_path):
    path = tmp_path / "notes-0.log"
    path.write_text(NOTES)
    bits = [20000, 3000, 750, 10000]
    assert read_stats(path, 4) == pytest.approx(
        {
            "enc_internal_qp_mean": 23.0,
            "enc_internal_qp_std": statistics.pstdev([20, 24, 28, 20]),
            "enc_internal_bits_mean": statistics.fmean(bits),
            "enc_internal_bits_std": statistics.pstdev(bits),
            "enc_internal_mv_mean": 500.0,
            "enc_internal_mv_std": statistics.pstdev([1000, 300, 100, 600]),
            "enc_internal_itex_mean": 11500.0,
            "enc_internal_ptex_mean": 1500.0,
            "enc_internal_intra_ratio": 126 / 240,
            "enc_internal_skip_ratio": 80 / 240,
        }
    )


@pytest.mark.parametrize(
    ("notes", "frames"),
    [(None, 4), ("", 4), ("", 0), (NOTES, 5), (NOTES, 3), (NOTES[:-60], 4), ("\0\xff garbage", 1)],
)
def test_notes_that_do_not_cover_every_frame_are_null(notes, frames, tmp_path):
    path = tmp_path / "notes-0.log"
    if notes is not None:
        path.write_text(notes)
    assert read_stats(path, frames) == dict.fromkeys(KEYS)


def test_all_intra_has_no_inter_texture(clip, encode):
    stats = read_stats(encode(clip("testsrc2", frames=12), "ultrafast", 30, "-g", "1")[2], 12)
    assert stats.pop("enc_internal_ptex_mean") is None
    assert stats["enc_internal_intra_ratio"] == 1.0
    assert None not in stats.values()


def test_keys_are_the_rows_and_only_x264_has_them(tmp_path):
    assert [key for key in empty_row() if key.startswith("enc_internal_")] == list(KEYS)
    noting = [encoder.name for encoder in ENCODERS if stats_argv(encoder, tmp_path / "notes")]
    assert noting == ["libx264"]
