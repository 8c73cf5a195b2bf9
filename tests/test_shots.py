"""Shots are counted by their hard cuts, and by nothing that only looks like one."""

from __future__ import annotations

import statistics

import pytest

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media import opening
from vmaftune_frv2.media.ffmpeg import QUIET
from vmaftune_frv2.media.shots import Shots, detect_shots, find_cuts

SIZE = "size=320x192:rate=24"
GENERATORS = {
    "testsrc2": f"testsrc2={SIZE}",
    "zoom": f"mandelbrot={SIZE}",
    "bars": f"smptebars={SIZE}",
    "rings": f"zoneplate={SIZE}:kt=5:kx2=1:ky2=1",
    "noise": f"color=gray:{SIZE},noise=alls=100:allf=t+u",
    "black": f"color=black:{SIZE}",
}


@pytest.fixture
def joined(ffmpeg, tmp_path):
    """A source of (generator, frames) parts, one after the other."""

    def make(*parts, filters="null", name="joined.mkv", codec=("-c:v", "ffv1"), pix_fmt="yuv420p"):
        inputs, labels = [], ""
        for number, (generator, frames) in enumerate(parts):
            inputs += ["-f", "lavfi", "-i", f"{GENERATORS[generator]},trim=end_frame={frames}"]
            labels += f"[{number}:v]"
        graph = f"{labels}concat=n={len(parts)},format={pix_fmt},{filters}"
        path = tmp_path / name
        done = ffmpeg.run(
            [*QUIET, *inputs, "-filter_complex", graph, "-fps_mode", "passthrough", *codec, str(path)]
        )
        assert done.ok, done.describe("making a source failed")
        return path

    return make


def frames_of(shots, rate=24):
    return [round(seconds * rate) for seconds in shots.durations_s]


@pytest.mark.parametrize(
    ("parts", "pix_fmt"),
    [
        ((("testsrc2", 30), ("zoom", 20), ("bars", 14)), "yuv420p"),
        ((("bars", 9), ("testsrc2", 4), ("rings", 25), ("testsrc2", 10)), "yuv420p10le"),
        ((("noise", 20), ("bars", 20)), "yuv422p"),
        ((("zoom", 12), ("noise", 12), ("zoom", 12)), "yuv444p12le"),
        ((("black", 10), ("rings", 10), ("black", 10)), "gray"),
        ((("bars", 10), ("rings", 10), ("testsrc2", 10)), "gbrp"),
        (tuple((name, 8) for name in GENERATORS) * 2, "yuv420p"),
    ],
)
def test_hard_cuts_are_found_exactly(parts, pix_fmt, joined, ffmpeg):
    shots = detect_shots(ffmpeg, opening.open_source(ffmpeg, str(joined(*parts, pix_fmt=pix_fmt))))
    assert frames_of(shots) == [frames for _, frames in parts]
    assert shots.count == len(parts)


ONE_SHOT = {
    "fade from black": "fade=in:0:40",
    "fade to black": "fade=out:8:40",
    "one white frame": "drawbox=c=white:t=fill:enable='eq(n\\,20)'",
    "three white frames": "drawbox=c=white:t=fill:enable='between(n\\,20\\,22)'",
    "strobe": "drawbox=c=white:t=fill:enable='not(mod(n\\,4))'",
    "every frame twice": "setpts=2*N/24/TB,fps=24",
    "telecine": "telecine,setparams=field_mode=prog",
}


@pytest.mark.parametrize("generator", GENERATORS)
def test_whatever_goes_on_steadily_is_one_shot(generator, joined, ffmpeg):
    shots = detect_shots(ffmpeg, opening.open_source(ffmpeg, str(joined((generator, 48)))))
    assert frames_of(shots) == [48]


@pytest.mark.parametrize("what", ONE_SHOT)
@pytest.mark.parametrize("generator", ["testsrc2", "zoom"])
def test_what_looks_like_a_cut_is_none(what, generator, joined, ffmpeg):
    source = opening.open_source(ffmpeg, str(joined((generator, 56), filters=ONE_SHOT[what])))
    assert detect_shots(ffmpeg, source).count == 1


def test_irregular_timestamps_do_not_move_a_cut(joined, ffmpeg):
    path = joined(("testsrc2", 20), ("bars", 28), filters="setpts=(N+0.4*mod(N\\,3)+if(gte(N\\,10)\\,30))/24/TB")
    source = opening.open_source(ffmpeg, str(path))
    shots = detect_shots(ffmpeg, source)
    assert frames_of(shots, source.framerate) == [20, 28]
    assert sum(shots.durations_s) == pytest.approx(source.encoded_seconds)


@pytest.mark.parametrize("name", ["joined.mkv", "joined.ts"])
def test_only_the_window_in_use_is_looked_at(name, joined, ffmpeg):
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "7")
    path = joined(("bars", 24), ("testsrc2", 24), ("zoom", 24), ("bars", 24), name=name, codec=codec)
    source = opening.open_source(ffmpeg, str(path), sample_seconds=1.5)
    assert source.frames == 36
    assert frames_of(detect_shots(ffmpeg, source)) == [18, 18]


def test_row_values_are_of_the_population(joined, ffmpeg):
    path = joined(("bars", 12), ("testsrc2", 24), ("zoom", 36))
    values = detect_shots(ffmpeg, opening.open_source(ffmpeg, str(path))).row_values()
    assert values == {
        "shot_count": 3,
        "shot_avg_duration_sec": pytest.approx(1.0),
        "shot_duration_std_sec": pytest.approx(statistics.pstdev([0.5, 1.0, 1.5])),
    }


def test_one_shot_has_no_deviation():
    assert Shots(1, (1.5,)).row_values() == {
        "shot_count": 1,
        "shot_avg_duration_sec": 1.5,
        "shot_duration_std_sec": 0.0,
    }


def test_cut_stands_out_from_the_motion_around_it():
    steady = [0.0] + [20.0] * 15
    assert find_cuts(steady) == []
    assert find_cuts([*steady[:8], 26.0, *steady[9:]]) == [8]
    assert find_cuts([*steady[:8], 24.0, *steady[9:]]) == []


@pytest.mark.parametrize("frames", range(1, 8))
def test_very_short_source_is_one_shot(frames):
    assert find_cuts([0.0] + [50.0 * (n == frames // 2) for n in range(1, frames)]) == []


def test_failing_ffmpeg_is_named(clip, ffmpeg):
    path = clip("testsrc2", frames=12, container="mp4")
    source = opening.open_source(ffmpeg, str(path))
    path.unlink()
    with pytest.raises(ToolError, match="finding the shots"):
        detect_shots(ffmpeg, source)
