"""What windows say is held against an encode of everything."""

from __future__ import annotations

import numpy as np
import pytest

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder_settings import EncoderSettings
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF
from vmaftune_frv2.corpus.packets import count_packets
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.media.encode import Encoded, FrameSizes
from vmaftune_frv2.media.ffmpeg import QUIET
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.view import Margins, View, Window
from vmaftune_frv2.predict.measuring import start_measuring
from vmaftune_frv2.predict.pooling import measure_windows
from vmaftune_frv2.predict.whole import sampling_error, whole_bytes

SECONDS = 12
FAST = {"libx264": "medium", "libx265": "medium", "libsvtav1": "10", "libvpx-vp9": "5"}


@pytest.fixture(scope="module")
def steady(ffmpeg, tmp_path_factory):
    """Pictures that are much alike from one window to the next: a drifting, grainy gradient."""
    path = tmp_path_factory.mktemp("steady") / "steady.mkv"
    pattern = "gradients=size=160x96:rate=25:c0=red:c1=blue:c2=green:n=3:seed=1:speed=0.02"
    filters = "noise=alls=4:allf=t:all_seed=1,format=yuv420p"
    argv = ["-f", "lavfi", "-i", pattern, "-t", str(SECONDS), "-vf", filters, "-c:v", "ffv1", str(path)]
    assert ffmpeg.run([*QUIET, *argv]).ok
    return path


@pytest.mark.parametrize(
    "encoder",
    [name if name in ("libx264", "libsvtav1") else pytest.param(name, marks=pytest.mark.slow) for name in FAST],
)
def test_windows_say_what_the_whole_takes(encoder, steady, ffmpeg):
    cell = Cell(encoder, FAST[encoder], 26)
    whole = open_source(ffmpeg, str(steady), hash_file=False)
    row = measure_windows(Setup(ffmpeg), [whole], cell).row
    middle = open_source(ffmpeg, str(steady), sample_seconds=1, hash_file=False, trust_header=True)
    measuring = start_measuring(Setup(ffmpeg), middle, samples=3, sample_seconds=1, jobs=2)
    measuring.measure(cell)
    found, error = measuring.rows[cell], measuring.errors[cell]
    assert len(found[PER_FRAME_VMAF]) == 75
    assert found["vmaf_score"] == pytest.approx(row["vmaf_score"], abs=1.0)
    assert found["bitrate_kbps"] == pytest.approx(row["bitrate_kbps"], rel=0.12)
    assert 0 < error.vmaf < 2
    assert 0 < error.log_rate < 0.3


def windowed(before, frames, after):
    """A window with margins, of no file."""
    start, window = before / 25, Window(before / 25, frames / 25)
    return Source(
        path=None, label="", sha256=None, width=64, height=64, pix_fmt="yuv420p", depth=8, full_range=False,
        framerate=25, frames=frames, duration_s=None,
        view=View(window, Margins(before, after, Window(start - before / 25, (before + frames + after) / 25))),
    )  # fmt: skip


def encoded(sizes, keyframes, header=100, per_frame=10):
    size = sum(sizes) + header + per_frame * len(sizes)
    return Encoded(None, "yuv420p", size, 1.0, FrameSizes(tuple(sizes), tuple(keyframes)))


GOP = Gop(lead=2, lookahead=2, mini=1, keyframe_every=10, container_bytes=10)


def test_keyframes_are_added_as_often_as_the_whole_has_them():
    """Every frame takes 50 bytes, a keyframe 450 more; the whole is 100 frames and 10 keyframes."""
    window = windowed(2, 8, 2)
    found = count_packets(window, encoded([500, *[50] * 11], [0]), GOP)
    assert (found.frames, found.bytes, found.excess, found.cuts, found.header) == (8, 400, 450, 0, 100)
    assert whole_bytes([found, found], 100, 25.0, GOP) == pytest.approx(100 + 100 * 60 + 10 * 450)


def test_a_keyframe_that_was_due_is_counted_once():
    window = windowed(2, 16, 2)
    sizes = [50] * 20
    sizes[0] = sizes[10] = 500
    found = count_packets(window, encoded(sizes, [0, 10]), GOP)
    assert found.cuts == 0
    assert found.excess == pytest.approx(450)
    assert found.bytes == pytest.approx(16 * 50)


def test_a_keyframe_at_a_cut_is_of_the_pictures():
    window = windowed(2, 8, 2)
    sizes = [50] * 12
    sizes[0] = sizes[5] = 500
    found = count_packets(window, encoded(sizes, [0, 5]), GOP)
    assert found.cuts == 1
    assert found.bytes == 8 * 50 + 450
    # Cuts put off the keyframes that are due, one in eight frames all but the first.
    assert whole_bytes([found], 100, 25.0, GOP) < 100 + 100 * 10 + 100 * found.bytes / 8 + 10 * found.excess


def test_error_falls_with_windows_and_vanishes_where_they_are_all_there_is():
    few = sampling_error([90, 92, 91], [100, 110, 105], 0.1)
    many = sampling_error([90, 92, 91] * 4, [100, 110, 105] * 4, 0.1)
    assert many.vmaf < few.vmaf
    assert many.log_rate < few.log_rate
    assert sampling_error([90, 92], [100, 110], 1.0).vmaf == 0
    assert np.isfinite(sampling_error([90], [100], 0.1).vmaf)


def test_every_encoder_says_how_it_groups_frames():
    usual = ENCODERS.usual()
    assert {each.name: each.gop.keyframe_interval(25.0) for each in ENCODERS if each.name in usual} == {
        "libx264": 250, "libx265": 250, "libsvtav1": 160, "libvvenc": 25, "libvpx-vp9": 128, "libaom-av1": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "settings", [EncoderSettings(keyint="12"), EncoderSettings(keyint="0.5s", pix_fmt="yuv420p10le")]
)
@pytest.mark.slow
def test_windows_know_how_often_keyframes_were_asked_for(settings, steady, ffmpeg):
    cell, setup = Cell("libx264", FAST["libx264"], 26), Setup(ffmpeg, settings=settings)
    row = measure_windows(setup, [open_source(ffmpeg, str(steady), hash_file=False)], cell).row
    middle = open_source(ffmpeg, str(steady), sample_seconds=1, hash_file=False, trust_header=True)
    measuring = start_measuring(setup, middle, samples=3, sample_seconds=1, jobs=2)
    measuring.measure(cell)
    assert measuring.rows[cell]["bitrate_kbps"] == pytest.approx(row["bitrate_kbps"], rel=0.12)
