"""Whoever checks a row's VMAF with another tool gets the same number: ffmpeg-quality-metrics, and ffmpeg alone.

ffmpeg-quality-metrics throws the timestamps of both files away and counts frames at the rate that ffmpeg prints
for each file, with two decimals. With a rate named, any one, both sides have the same and frames are paired by
number. Without one it can only agree where both files print the same, which is so for constant rates and for an
mp4 from an mp4 (not where B-frames meet an irregular end: what is printed is about the times of decoding).

ffmpeg alone pairs by time, so it agrees if an encode carries its source's own timestamps, on a clock as fine.
"""

from __future__ import annotations

import json
import logging

import ffmpeg_quality_metrics as peer
import pytest

from odd_sources import (
    Lab,
    Odd,
    altref_webm,
    film_and_video,
    late_start,
    pattern,
    phone,
    screen,
    screen_mkv,
    telecine,
    tick120,
    trimmed_b_frames,
)

pytestmark = pytest.mark.slow

SHOWN = {
    "phone": phone,
    "screen": screen,
    "120 Hz": tick120,
    "a lossless cut": trimmed_b_frames,
    "MPEG-TS that starts late": late_start,
    "a screen in Matroska": screen_mkv,
    "VP9 with hidden frames": altref_webm,
    "telecine in VOB": lambda lab: telecine(lab, "vob"),
    "telecine in Matroska": lambda lab: telecine(lab, "mkv"),
    "film and video": lambda lab: film_and_video(lab, "ts"),
}


@pytest.fixture(scope="session")
def lab(ffmpeg, tmp_path_factory) -> Lab:
    return Lab(ffmpeg, tmp_path_factory.mktemp("peer"))


@pytest.fixture
def row_of(vmaf_tune, rows_of, tmp_path):
    """Sweeps one cell of a source, the encode kept; its row."""

    def measure(source, encoder="libx264", preset="ultrafast"):
        result = vmaf_tune(
            "corpus", source, "--encoder", encoder, "--preset", preset, "--crf", 34, "--keep-encodes",
            "--encode-dir", tmp_path, "--output", tmp_path / "corpus.jsonl",
        )  # fmt: skip
        assert result.code == 0, result.err
        (row,) = rows_of(tmp_path / "corpus.jsonl")
        return row

    return measure


@pytest.fixture
def by_peer(ffmpeg, tmp_path, monkeypatch, caplog):
    """(VMAF, frames) as ffmpeg-quality-metrics has it."""
    caplog.set_level(logging.CRITICAL, "ffmpeg-quality-metrics")  # it warns that there is no ffprobe

    def measure(source, encode, framerate=None, ten_bit=False):
        asked = peer.FfmpegQualityMetrics(
            str(source), str(encode), ffmpeg_path=ffmpeg.path, framerate=framerate, tmp_dir=str(tmp_path)
        )
        frames = asked.calculate(["vmaf"], {"n_threads": 1, "ten_bit": ten_bit})["vmaf"]
        return sum(frame["vmaf"] for frame in frames) / len(frames), len(frames)

    return measure


@pytest.fixture
def by_time(ffmpeg, tmp_path):
    """(VMAF, frames) as ffmpeg alone has it, both sides moved to begin at 0."""

    def measure(source, encode):
        log = tmp_path / "by_time.json"
        legs = "".join(f"[{n}:v:0]settb=AVTB,setpts=PTS-STARTPTS[{name}];" for n, name in enumerate("dr"))
        graph = f"{legs}[d][r]libvmaf=log_fmt=json:shortest=1:log_path={log.name}"
        inputs = ("-i", f"file:{encode}", "-i", f"file:{source}")
        done = ffmpeg.run(
            ["-nostdin", "-v", "error", *inputs, "-filter_complex", graph, "-f", "null", "-"], cwd=tmp_path
        )
        assert done.ok, done.describe("scoring by time failed")
        frames = json.loads(log.read_text())["frames"]
        return sum(frame["metrics"]["vmaf"] for frame in frames) / len(frames), len(frames)

    return measure


def agrees(row, odd: Odd) -> object:
    return pytest.approx(row["vmaf_score"], abs=5e-4), odd.frames


@pytest.mark.parametrize("what", SHOWN)
def test_peer_agrees_when_a_rate_is_named(what, lab, row_of, by_peer):
    odd = SHOWN[what](lab)
    row = row_of(odd.path)
    assert by_peer(odd.path, row["encode_path"], framerate=25) == agrees(row, odd)


@pytest.mark.parametrize("what", ["phone", "screen", "120 Hz", "a lossless cut"])
def test_peer_agrees_by_itself_on_an_mp4(what, lab, row_of, by_peer):
    odd = SHOWN[what](lab)
    row = row_of(odd.path)
    assert by_peer(odd.path, row["encode_path"]) == agrees(row, odd)


@pytest.mark.parametrize("rate", ["24", "30000/1001", "50"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_peer_agrees_by_itself_on_a_constant_rate(rate, container, lab, row_of, by_peer):
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 20)
    source = lab.make(f"at{rate.split('/')[0]}.{container}", *pattern(rate), "-frames:v", 48, *codec)
    row = row_of(source, preset="veryfast")
    assert by_peer(source, row["encode_path"]) == (pytest.approx(row["vmaf_score"], abs=5e-4), 48)


ON_TICKS = ("a screen in Matroska", "telecine in VOB", "telecine in Matroska")
"""Their times lie a little off the clock that ffmpeg encodes with; as by a plain command they move onto it."""


@pytest.mark.parametrize("what", [what for what in SHOWN if what not in ON_TICKS])
def test_ffmpeg_agrees_by_time(what, lab, row_of, by_time):
    odd = SHOWN[what](lab)
    row = row_of(odd.path, preset="veryfast")
    assert by_time(odd.path, row["encode_path"]) == agrees(row, odd)


def test_ffmpeg_agrees_by_time_where_sound_begins_before_the_picture(lab, row_of, by_time):
    sound = ("-f", "lavfi", "-i", "sine=duration=2")
    late = ("-itsoffset", 0.04, *pattern(25), "-map", "1:v", "-map", "0:a", "-frames:v", 48)
    source = lab.make("sound_first.mp4", *sound, *late, "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac")
    row = row_of(source)
    assert by_time(source, row["encode_path"]) == (pytest.approx(row["vmaf_score"], abs=5e-4), 48)


def test_peer_agrees_on_an_encode_that_is_deeper_than_its_source(lab, row_of, by_peer):
    """Left alone, it narrows the encode to 8 bits."""
    source = lab.make("shallow.mp4", *pattern(25), "-frames:v", 12, "-c:v", "libx264", "-crf", 10)
    row = row_of(source, "libvvenc", "faster")
    assert by_peer(source, row["encode_path"], ten_bit=True) == (pytest.approx(row["vmaf_score"], abs=5e-4), 12)
