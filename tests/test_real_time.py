"""Time of a row is the time of the frames that are shown, whatever a header says.

A container that counts in milliseconds may be off by one of them, which is what the absolute tolerance is for.
"""

from __future__ import annotations

import numpy as np
import pytest

from odd_sources import TIMED, TRACKS, WINDOWED, Lab, Odd
from vmaftune_frv2.media.ffmpeg import QUIET

FAST = ("--preset", "ultrafast", "--crf")


@pytest.fixture(scope="session")
def lab(ffmpeg, tmp_path_factory) -> Lab:
    return Lab(ffmpeg, tmp_path_factory.mktemp("odd"))


@pytest.fixture
def row_of(vmaf_tune, rows_of, tmp_path):
    """Sweeps one cell of a source; its row."""

    def measure(source, crf, *options):
        result = vmaf_tune("corpus", source, *FAST, crf, "--output", tmp_path / "corpus.jsonl", *options)
        assert result.code == 0, result.err
        (row,) = rows_of(tmp_path / "corpus.jsonl")
        return row

    return measure


def assert_right(row, odd: Odd) -> None:
    """Frames are exact; seconds, rate and bitrate agree to 0.1 % or a millisecond."""
    assert len(row["per_frame_vmaf"]) == odd.frames
    assert (row["width"], row["height"]) == odd.size
    low, high = float(odd.seconds - odd.doubt), float(odd.seconds)
    seconds = row["duration_s"]
    assert low * 0.999 - 0.0011 <= seconds <= high * 1.001 + 0.0011, (seconds, odd)
    assert row["framerate"] == pytest.approx(odd.frames / seconds, rel=1e-3)
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8 / 1000 / seconds, rel=1e-3)


@pytest.mark.parametrize("what", TIMED)
def test_time_is_that_of_the_frames(what, lab, row_of):
    odd = TIMED[what](lab)
    assert_right(row_of(odd.path, 40), odd)


@pytest.mark.parametrize("what", TRACKS)
def test_film_is_the_track_that_is_measured(what, lab, row_of):
    odd = TRACKS[what](lab)
    assert_right(row_of(odd.path, 40), odd)


@pytest.fixture
def pictures(ffmpeg, tmp_path):
    """The luma of each frame that a file shows."""

    def read(path):
        raw = tmp_path / "luma.raw"
        luma = ("-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", raw)
        done = ffmpeg.run([*QUIET, "-i", f"file:{path}", *map(str, luma)])
        assert done.ok, done.describe("decoding failed")
        return np.fromfile(raw, np.uint8).reshape(-1, 96 * 64).astype(float)

    return read


@pytest.mark.parametrize("what", WINDOWED)
def test_window_holds_the_very_frames_of_its_time(what, lab, row_of, pictures, tmp_path):
    windowed = WINDOWED[what](lab)
    kept = ("--keep-encodes", "--encode-dir", tmp_path)
    row = row_of(windowed.path, 8, "--sample-clip-seconds", 1, *kept)
    shown = pictures(windowed.path)
    nearest = [int(np.abs(shown - frame).sum(axis=1).argmin()) for frame in pictures(row["encode_path"])]
    assert nearest == list(range(windowed.first, windowed.end))
    # The frames of each window stand for 1 s, however many they are.
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8 / 1000, rel=2e-3)
