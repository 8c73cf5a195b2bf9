"""Frames that are shown at uneven times stay there: in encodes, in what is emitted, in windows and shots.

Times are read by PyAV, which knows nothing of the package.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import av
import numpy as np
import pytest

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.ffmpeg import QUIET

SCREEN = "testsrc2=size=160x96:rate=60"
DROPPED = "select='if(lt(n,60),not(mod(n,2)),not(mod(n,12))+eq(n,61))'"
"""A second at 30 fps, one frame 2/60 s late, then 5 fps."""
FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvpx-vp9": "5", "libaom-av1": "6",
    "libvvenc": "faster", "librav1e": "10",
}  # fmt: skip


def times_of(path):
    """Seconds of each frame from the first, and the end of the last."""
    with av.open(str(path)) as file:
        frames = [
            (frame.pts * frame.time_base, frame.duration * frame.time_base) for frame in file.decode(video=0)
        ]
    start = frames[0][0]
    return np.asarray([float(time - start) for time, _ in frames]), float(sum(frames[-1]) - start)


@pytest.fixture(scope="session")
def uneven(ffmpeg, tmp_path_factory):
    """A recording of uneven times in a container, off the clock of its stated rate by ``jitter``."""

    def make(container="mp4", jitter="0", pattern=SCREEN, name="uneven", shown=DROPPED):
        path = tmp_path_factory.mktemp("uneven") / f"{name}.{container}"
        filters = f"{shown},settb=1/90000,setpts='PTS+{jitter}',format=yuv420p"
        argv = ["-f", "lavfi", "-i", pattern, "-t", "4", "-vf", filters, "-fps_mode", "passthrough"]
        argv += ["-enc_time_base", "1/90000", "-video_track_timescale", "90000"] if container == "mp4" else []
        done = ffmpeg.run([*QUIET, *argv, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", str(path)])
        assert done.ok, done.stderr
        return path

    return make


@pytest.mark.parametrize("jitter", ["0", "700*mod(N,3)"])
@pytest.mark.parametrize("encoder", [name for name in FAST if ENCODERS.get(name).uneven_times])
def test_encode_shows_frames_when_its_source_does(encoder, jitter, uneven, vmaf_tune, rows_of, tmp_path):
    source = uneven(jitter=jitter)
    kept = ("--keep-encodes", "--encode-dir", tmp_path)
    cell = ("--encoder", encoder, "--preset", FAST[encoder], "--crf", 40)
    result = vmaf_tune("corpus", source, *cell, *kept)
    assert result.code == 0, result.err
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["variable_frame_rate"] is True
    times, end = times_of(source)
    shown, last = times_of(row["encode_path"])
    # A container of milliseconds rounds; the default clock may move a frame by a quarter of 1/60 s.
    assert shown == pytest.approx(times, abs=0.0052)
    assert last == pytest.approx(end, abs=1 / 5)
    assert row["duration_s"] == pytest.approx(end, abs=1e-3)
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8e-3 / end, rel=1e-3)


def test_encoder_that_cannot_keep_uneven_times_is_given_the_average(uneven, vmaf_tune, rows_of, tmp_path):
    source = uneven(shown="select='not(mod(n,2))+eq(n,61)'")
    kept = ("--keep-encodes", "--encode-dir", tmp_path)
    result = vmaf_tune("corpus", source, "--encoder", "libvvenc", "--preset", "faster", "--crf", 40, *kept)
    assert result.code == 0, result.err
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    shown, last = times_of(row["encode_path"])
    assert len(shown) == len(times_of(source)[0])
    assert last == pytest.approx(row["duration_s"], rel=0.01)


def test_encode_is_what_a_plain_command_makes(uneven, ffmpeg, vmaf_tune, rows_of, tmp_path):
    source, plain = uneven(), tmp_path / "plain.mp4"
    assert vmaf_tune("corpus", source, "--preset", "medium", "--crf", 28, "--threads", 1).code == 0
    argv = [
        *QUIET,
        "-i",
        str(source),
        "-an",
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-crf",
        "28",
        "-threads",
        "1",
    ]
    assert ffmpeg.run([*argv, str(plain)]).ok
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    assert row["encode_size_bytes"] == plain.stat().st_size


LINE = ("--encoder", "libx264", "--preset", "medium", "--crf", "20:40:4", "--target-vmaf", 85)


def ran(ffmpeg, commands):
    """Runs emitted commands; the paths of what they made."""
    made = []
    for command in commands.splitlines():
        if command.startswith(ffmpeg.path):
            argv = shlex.split(command)[1:]
            done = ffmpeg.run(argv)
            assert done.ok, done.stderr
            made.append(Path(argv[-1].removeprefix("file:")))
        elif command.startswith("printf"):
            *entries, _, listed = shlex.split(command)[2:]
            Path(listed).write_text("\n".join(entries) + "\n")
    return made


def test_emitted_command_makes_a_film_of_the_source_times(uneven, ffmpeg, vmaf_tune):
    source = uneven()
    result = vmaf_tune("predict", source, *LINE, "--emit", "ffmpeg")
    (made,) = ran(ffmpeg, result.out)
    times, end = times_of(source)
    shown, last = times_of(made)
    assert shown == pytest.approx(times, abs=0.0052)
    assert last == pytest.approx(end, abs=1 / 5)


@pytest.mark.parametrize("part", [("--samples", 2, "--sample-seconds", 0.5), ("--sample-clip-seconds", 1)])
def test_command_of_a_part_makes_a_film_of_all_times(part, uneven, ffmpeg, vmaf_tune):
    """The middle alone shows 5 fps throughout; the first second has 30."""
    source = uneven()
    result = vmaf_tune("predict", source, *LINE, *part, "--emit", "ffmpeg")
    assert result.code == 0, result.err
    (made,) = ran(ffmpeg, result.out)
    times, end = times_of(source)
    shown, last = times_of(made)
    assert shown == pytest.approx(times, abs=0.0052)
    assert last == pytest.approx(end, abs=1 / 5)


@pytest.fixture(scope="module")
def uneven_shots(ffmpeg, uneven, tmp_path_factory):
    """Two shots of uneven times; the second begins at 4 s."""
    parts = [uneven(name="first"), uneven(pattern="mandelbrot=size=160x96:rate=60", name="second")]
    path = tmp_path_factory.mktemp("shots") / "uneven shots.mp4"
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{part}'\nduration 4\n" for part in parts))
    argv = ["-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(path)]
    assert ffmpeg.run([*QUIET, *argv]).ok
    return path


@pytest.mark.parametrize("how", [(), ("--segments",)], ids=["zones", "segments"])
@pytest.mark.slow
def test_shots_begin_where_the_table_says(how, uneven_shots, ffmpeg, vmaf_tune):
    asked = ("per-shot", uneven_shots, *LINE, *how)
    result = vmaf_tune(*asked, "--format", "json")
    assert result.code == 0, result.err
    first, second = json.loads(result.out)
    times, end = times_of(uneven_shots)
    assert second["start_s"] == pytest.approx(times[second["start_frame"]], abs=1e-3)
    assert second["start_s"] == pytest.approx(4.0, abs=1e-3)
    assert first["end_s"] == second["start_s"]
    made = ran(ffmpeg, vmaf_tune(*asked, "--emit", "ffmpeg").out)
    shown, last = times_of(made[-1])
    assert shown == pytest.approx(times, abs=0.0052)
    assert last == pytest.approx(end, abs=1 / 5)
    with av.open(str(made[-1])) as file:
        keys = [float(frame.pts * frame.time_base) for frame in file.decode(video=0) if frame.key_frame]
    assert any(key - keys[0] == pytest.approx(second["start_s"], abs=0.0052) for key in keys)


def test_window_of_uneven_frames_lasts_as_long_as_was_asked_for(uneven, vmaf_tune, rows_of, tmp_path):
    source = uneven("mkv")
    assert vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 40, "--sample-clip-seconds", 2).code == 0
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    times, end = times_of(source)
    begin = (end - 2) / 2
    within = ((times >= begin - 1e-3) & (times < begin + 2 - 1e-3)).sum()
    assert len(row["per_frame_vmaf"]) == within
    assert row["bitrate_kbps"] == pytest.approx(row["encode_size_bytes"] * 8e-3 / 2, rel=0.11)


def test_rows_of_a_constant_rate_stay_measured_and_others_do_not(uneven, clip, vmaf_tune, rows_of, tmp_path):
    """A corpus from before rows said whether their source's rate is constant."""
    corpus, cell = tmp_path / "corpus.jsonl", ("--preset", "ultrafast", "--crf", 40)
    even, source = clip("testsrc2"), uneven()
    assert vmaf_tune("corpus", even, source, *cell).code == 0
    rows = sorted(rows_of(corpus), key=lambda row: row["variable_frame_rate"])  # either cell may end first
    for row in rows:
        del row["variable_frame_rate"]
    rows[1].update(framerate=60.0, duration_s=1.0, bitrate_kbps=rows[1]["encode_size_bytes"] * 8e-3 * 60 / 42)
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = vmaf_tune("corpus", even, source, *cell)
    assert "1 measured, 1 already there" in again.err, again.err


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
def test_window_lasts_until_the_frame_after_it(container, ffmpeg, vmaf_tune, rows_of, tmp_path):
    """60 frames at 30 fps, then 25 at 5 fps, every second one 40 ms late; the middle second is one of 5 fps."""
    path = tmp_path / f"slow.{container}"
    times = "settb=1/1000,setpts='if(lt(N,60),N*33,2000+(N-60)*200+mod(N,2)*40)'"
    argv = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=30", "-vf", times, "-frames:v", "85"]
    argv += ["-fps_mode", "passthrough", "-enc_time_base", "1/1000", "-c:v", "libx264", "-preset", "ultrafast"]
    assert ffmpeg.run([*QUIET, *argv, str(path)]).ok
    assert vmaf_tune("corpus", path, "--preset", "ultrafast", "--crf", 30, "--sample-clip-seconds", 1).code == 0
    (row,) = rows_of(tmp_path / "corpus.jsonl")
    shown, end = times_of(path)
    begin = (row["duration_s"] - 1) / 2
    inside = np.flatnonzero((shown >= begin - 5e-4) & (shown < begin + 1 - 5e-4))
    lasts = (*shown, end)[inside[-1] + 1] - shown[inside[0]]
    assert len(row["per_frame_vmaf"]) == len(inside)
    assert row["framerate"] == pytest.approx(len(inside) / lasts, rel=2e-3)
