"""``vmaf-tune predict --samples`` and ``per-shot``: long sources by parts of them."""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Clips, VmafTune
from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.descriptor import DESCRIPTOR, descriptor
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.raw import RawFormat
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF
from vmaftune_frv2.contract.zones import Zone, merged, zone_argv, zone_text
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ExitCode, InputError
from vmaftune_frv2.media.encode import work_argv
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.shot_parts import find_shots
from vmaftune_frv2.media.shots import detect_shots
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.spread import spread_windows
from vmaftune_frv2.media.together import together
from vmaftune_frv2.media.vmaf import score
from vmaftune_frv2.predict.pooling import measure_windows, pool_rows

LINE = ("--encoder", "libx264", "--preset", "libx264=veryfast")
CELL = Cell("libx264", "veryfast", 33)
RATE = 24
CUT = 30
"""Frame at which ``two_shots`` changes pictures."""
HARD = "noise=alls=60:allf=t"


@pytest.fixture(scope="module")
def two_shots(clip: Clips, ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An easy shot of 30 frames and a hard one of 42."""
    easy = clip("testsrc2", size="128x96", frames=CUT)
    hard = clip("mandelbrot", size="128x96", frames=42, filters=HARD)
    path = tmp_path_factory.mktemp("shots") / "two shots.mp4"
    lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
    graph = "[0:v][1:v]concat=n=2:v=1[out]"
    done = ffmpeg.run(
        [*QUIET, "-i", str(easy), "-i", str(hard), "-filter_complex", graph, "-map", "[out]", *lossless, str(path)]
    )
    assert done.ok, done.stderr
    return path


@pytest.fixture(scope="module")
def long_source(clip: Clips) -> Path:
    """Ten seconds with a keyframe every second or so."""
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "20")
    return clip("testsrc2", size="128x96", frames=10 * RATE, container="mp4", codec=codec)


def opened(ffmpeg: FFmpeg, path: Path, seconds: float) -> Source:
    return open_source(ffmpeg, str(path), sample_seconds=seconds, hash_file=False, trust_header=True)


class Watched:
    """A runner that keeps the command lines."""

    def __init__(self, ffmpeg: FFmpeg) -> None:
        self.lines: list[str] = []
        self._runner = ffmpeg.runner
        self.ffmpeg = FFmpeg(
            ffmpeg.path, ffmpeg.origin, ffmpeg.version, ffmpeg.encoders, ffmpeg.has_libvmaf, self._run
        )

    def _run(self, argv: Any, **options: Any) -> Any:
        self.lines.append(shlex.join(argv))
        return self._runner(argv, **options)


def test_windows_lie_in_the_middle_of_equal_stretches(ffmpeg: FFmpeg, long_source: Path) -> None:
    windows = spread_windows(ffmpeg, opened(ffmpeg, long_source, 0.5), 4, 0.5)
    starts = [part.window.start for part in windows if part.window is not None]
    assert starts == pytest.approx([1.0, 3.5, 6.0, 8.5], abs=1e-6)
    assert [part.frames for part in windows] == [RATE // 2] * 4


def test_nothing_reads_the_whole_file(ffmpeg: FFmpeg, long_source: Path) -> None:
    watched = Watched(ffmpeg)
    windows = spread_windows(watched.ffmpeg, opened(watched.ffmpeg, long_source, 0.5), 3, 0.5, jobs=2)
    measure_windows(Setup(watched.ffmpeg), windows, CELL, jobs=2)
    touching = [line for line in watched.lines if long_source.name in line]
    unbounded = [line for line in touching if "trim=" not in line and "-frames:v 1" not in line]
    assert touching
    assert not unbounded


@pytest.mark.parametrize("container", ["mkv", "mp4", "y4m", "ts", "yuv"])
@pytest.mark.parametrize("offset", [0.0, 3.7])
def test_encode_and_score_see_the_same_frames(ffmpeg: FFmpeg, clip: Clips, container: str, offset: float) -> None:
    if container in ("y4m", "yuv") and offset:
        pytest.skip("has no timestamps")
    path = clip("testsrc2", size="128x96", frames=96, container=container, offset=offset)
    raw = RawFormat(128, 96, "yuv420p", Fraction(RATE)) if container == "yuv" else None
    source = open_source(ffmpeg, str(path), raw=raw, sample_seconds=0.5, hash_file=False, trust_header=True)
    windows = spread_windows(ffmpeg, source, 2, 0.5)
    assert [part.frames for part in windows] == [12, 12]
    row = measure_windows(Setup(ffmpeg), windows, Cell("libx264", "veryfast", 5)).row
    assert len(row[PER_FRAME_VMAF]) == 24
    assert min(row[PER_FRAME_VMAF]) > 90  # one frame beside its place, this moving picture scores far less


def test_windows_of_a_source_that_is_too_short_are_all_of_it(ffmpeg: FFmpeg, clip: Clips) -> None:
    path = clip("testsrc2", size="128x96", frames=20)
    for count, seconds in ((3, 0.5), (1, 5.0)):
        (part,) = spread_windows(ffmpeg, opened(ffmpeg, path, seconds), count, seconds)
        assert (part.window, part.frames) == (None, 20)


def test_header_that_says_too_much_is_seen_through(ffmpeg: FFmpeg, clip: Clips, tmp_path: Path) -> None:
    """Sound that lasts five times as long as the pictures makes the container's duration."""
    path = tmp_path / "long_sound.mkv"
    sound = ["-f", "lavfi", "-i", "sine=duration=20"]
    video = clip("testsrc2", size="128x96", frames=6 * RATE)
    done = ffmpeg.run([*QUIET, "-i", str(video), *sound, "-c:v", "copy", "-c:a", "aac", str(path)])
    assert done.ok, done.stderr
    source = opened(ffmpeg, path, 0.5)
    assert source.frames == 12
    assert source.duration_s == pytest.approx(6.0)
    assert sum(part.frames for part in spread_windows(ffmpeg, source, 3, 0.5)) == 36


def test_pooled_row_is_that_of_all_frames(good_row: dict[str, Any]) -> None:
    other = {**good_row, "encode_size_bytes": 7000, PER_FRAME_VMAF: [80.0, 82.0], "vmaf_score": 81.0}
    other["per_frame_features"] = {name: values[:2] for name, values in good_row["per_frame_features"].items()}
    pooled = pool_rows([good_row, other])
    frames = [*good_row[PER_FRAME_VMAF], 80.0, 82.0]
    assert pooled["vmaf_score"] == pytest.approx(np.mean(frames))
    assert pooled["bitrate_kbps"] == pytest.approx(12000 * 8 / 1000 / (6 / good_row["framerate"]))
    assert pooled["encode_time_ms"] == 2 * good_row["encode_time_ms"]
    adm = [*good_row["per_frame_features"]["adm2"], *good_row["per_frame_features"]["adm2"][:2]]
    assert pooled["adm2_mean"] == pytest.approx(np.mean(adm))
    assert pooled["adm2_std"] == pytest.approx(np.std(adm))
    told = dict(zip(DESCRIPTOR, descriptor(pooled, "pooled"), strict=True))
    assert told["log_frames"] == pytest.approx(math.log(6))
    assert told["vmaf_p50"] == pytest.approx(np.median(frames))
    assert pool_rows([good_row]) == good_row
    with pytest.raises(InputError):
        pool_rows([])


@pytest.mark.slow
def test_pick_by_windows_is_measured_on_the_windows(
    vmaf_tune: VmafTune, curve_models: tuple[object, ...], long_source: Path, ffmpeg: FFmpeg
) -> None:
    result = vmaf_tune(
        "predict", long_source, *curve_models, *LINE, "--target-vmaf", 85, "--samples", 3,
        "--sample-seconds", 0.5, "--verify", "--format", "json",
    )  # fmt: skip
    assert result.code == 0, result.err
    (pick,) = json.loads(result.out)
    assert pick["measured"]
    whole = open_source(ffmpeg, str(long_source), hash_file=False)
    row = measure_windows(Setup(ffmpeg), [whole], Cell("libx264", "veryfast", pick["crf"])).row
    assert pick["vmaf_predicted"] == pytest.approx(row["vmaf_score"], abs=2.5)
    assert pick["kbps"] == pytest.approx(row["bitrate_kbps"], rel=0.15)
    assert pick["vmaf_low"] < pick["vmaf_predicted"] < pick["vmaf_high"]
    table = vmaf_tune(
        "predict", long_source, *curve_models, *LINE, "--target-vmaf", 85, "--samples", 3,
        "--sample-seconds", 0.5, "--verify",
    )  # fmt: skip
    assert re.search(rf" {pick['vmaf_low']:.1f}-{pick['vmaf_high']:.1f} ", table.out), table.out


def test_short_source_is_said_in_one_line(
    vmaf_tune: VmafTune, curve_models: tuple[object, ...], clip: Clips
) -> None:
    path = clip("testsrc2", size="128x96", frames=20)
    result = vmaf_tune("predict", path, *curve_models, *LINE, "--samples", 4, "--format", "json")
    assert result.code == 0, result.err
    assert "lasts 0.83 s, no longer than 4 windows of 3 s; all of it is used" in result.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("per-shot",), "give --target-vmaf"),
        (("per-shot", "--target-vmaf", 90, "--samples", 2), "No such option '--samples'"),
        (("predict", "--samples", 2, "--sample-clip-seconds", 1), "give one of them"),
    ],
)
def test_parts_that_contradict_each_other(
    vmaf_tune: VmafTune, options: tuple[object, ...], says: str, two_shots: Path
) -> None:
    command, *more = options
    result = vmaf_tune(command, two_shots, *more)
    assert result.code == ExitCode.USAGE
    assert says in result.err


def test_samples_need_a_source(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    result = vmaf_tune("predict", "--features", tmp_path / "f.json", "--samples", 2)
    assert result.code == ExitCode.USAGE


def test_shots_are_found_frame_by_frame(ffmpeg: FFmpeg, two_shots: Path) -> None:
    _, shots = find_shots(ffmpeg, opened(ffmpeg, two_shots, 1.0), 1.0, jobs=2)
    assert [(shot.first, shot.end) for shot in shots] == [(0, CUT), (CUT, 72)]
    assert [shot.whole.frames for shot in shots] == [30, 42]
    assert [shot.part.frames for shot in shots] == [RATE, RATE]
    assert shots[1].start_s == pytest.approx(CUT / RATE, abs=1e-3)
    assert all(detect_shots(ffmpeg, shot.part).count == 1 for shot in shots)


@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_frames_of_a_shot_are_its_own(ffmpeg: FFmpeg, two_shots: Path, tmp_path: Path, container: str) -> None:
    """The second shot scored against the same frames, cut out by number."""
    path = tmp_path / f"moved.{container}"
    lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
    assert ffmpeg.run([*QUIET, "-i", str(two_shots), *lossless, "-output_ts_offset", "2.3", str(path)]).ok
    cut = tmp_path / "cut.mkv"
    assert ffmpeg.run(
        [
            *QUIET,
            "-i",
            str(two_shots),
            "-vf",
            f"trim=start_frame={CUT},setpts=PTS-STARTPTS",
            "-c:v",
            "ffv1",
            str(cut),
        ]
    ).ok
    _, (_, second) = find_shots(ffmpeg, opened(ffmpeg, path, 1.0), 9.0)
    scored = score(ffmpeg, cut, second.whole, pix_fmt="yuv420p")
    assert min(scored.vmaf) > 95


@pytest.fixture(scope="module")
def shot_answer(two_shots: Path, curve_models: tuple[object, ...]) -> Callable[..., Any]:
    def ask(tune: VmafTune, *options: object) -> Any:
        return tune(
            "per-shot", two_shots, *curve_models, "--target-vmaf", 80, "--verify", *options
        )  # fmt: skip

    return ask


def test_each_shot_gets_its_own_crf(vmaf_tune: VmafTune, shot_answer: Callable[..., Any]) -> None:
    result = shot_answer(vmaf_tune, *LINE, "--format", "json")
    assert result.code == 0, result.err
    easy, hard = json.loads(result.out)
    assert [(r["shot"], r["start_frame"], r["end_frame"]) for r in (easy, hard)] == [(1, 0, 29), (2, 30, 71)]
    assert easy["measured"]
    assert hard["measured"]
    assert easy["crf"] != hard["crf"]
    assert easy["zone"] == f"0,29,crf={easy['crf']}"
    assert hard["zone"] == f"30,71,crf={hard['crf']}"


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        (*LINE, "--segments"),
        ("--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--crf", "25:55"),
    ],
    ids=["zones", "segments", "segments of another encoder"],
)
@pytest.mark.slow
def test_printed_commands_give_each_shot_its_score(
    vmaf_tune: VmafTune,
    shot_answer: Callable[..., Any],
    ffmpeg: FFmpeg,
    two_shots: Path,
    line: tuple[str, ...],
    tmp_path: Path,
) -> None:
    result = shot_answer(vmaf_tune, *line)
    assert result.code == 0, result.err
    predicted = json.loads(shot_answer(vmaf_tune, *line, "--format", "json").out)
    for command in result.out.splitlines():
        if command.startswith(ffmpeg.path):
            done = ffmpeg.run(shlex.split(command)[1:])
            assert done.ok, done.stderr
        elif command.startswith("printf"):
            *files, _, listed = shlex.split(command)[2:]
            Path(listed).write_text("\n".join(files) + "\n")
    (made,) = (path for path in tmp_path.glob("*.shots.mp4"))
    whole = open_source(ffmpeg, str(two_shots), hash_file=False)
    scores = score(ffmpeg, made, whole, pix_fmt="yuv420p").vmaf
    for shot in predicted:
        measured = np.mean(scores[shot["start_frame"] : shot["end_frame"] + 1])
        assert measured == pytest.approx(shot["vmaf_predicted"], abs=4.0 if line == LINE else 0.5)


def test_shot_out_of_reach_is_named_and_gets_the_best_there_is(
    vmaf_tune: VmafTune, curve_models: tuple[object, ...], two_shots: Path
) -> None:
    result = vmaf_tune(
        "per-shot", two_shots, *curve_models, *LINE, "--crf", "40:42", "--target-vmaf", 99,
        "--format", "json",
    )  # fmt: skip
    assert result.code == ExitCode.NEGATIVE
    assert [(r["crf"], r["reached"]) for r in json.loads(result.out)] == [(40, False), (40, False)]
    assert len(re.findall(r"shot \d: no candidate reaches 99; crf 40 with", result.err)) == 2


def test_zones_as_the_encoders_read_them() -> None:
    x264_entry, x265_entry = ENCODERS.get("libx264"), ENCODERS.get("libx265")
    zones = [Zone(0, 10, 20), Zone(10, 15, 20), Zone(15, 40, 26)]
    assert merged(zones) == [Zone(0, 15, 20), Zone(15, 40, 26)]
    assert zone_text(x264_entry, zones[2], 20) == "15,39,crf=26"
    assert zone_text(x265_entry, zones[2], 20) == "16,40,b=0.5"
    x264 = zone_argv(x264_entry, x264_entry.codec_argv("medium", 20, 1), zones, 20)
    assert x264[-2:] == ["-x264-params", "zones=0,14,crf=20/15,39,crf=26"]
    x265 = zone_argv(x265_entry, x265_entry.codec_argv("medium", 20, 1), zones, 20)
    assert x265[-2:] == ["-x265-params", "pools=1:frame-threads=1:zones=1,15,b=1/16,40,b=0.5"]


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_a_zone_costs_and_scores_what_its_crf_does(
    ffmpeg: FFmpeg, two_shots: Path, encoder: str, tmp_path: Path
) -> None:
    """Whatever crf the encode as a whole names."""
    source, entry = open_source(ffmpeg, str(two_shots), hash_file=False), ENCODERS.get(encoder)
    zones = [Zone(0, CUT, 40), Zone(CUT, 72, 24)]

    def encoded(name: str, base: int, zoned: bool) -> list[float]:
        path = tmp_path / name
        *argv, output = work_argv(source, entry, Cell(encoder, "veryfast", base), path)
        argv = zone_argv(entry, argv, zones, base) if zoned else argv
        assert ffmpeg.run([*QUIET, *argv, "-force_key_frames", f"0,{CUT / RATE}", output]).ok
        return score(ffmpeg, path, source, pix_fmt="yuv420p").vmaf

    plain = {crf: encoded(f"{crf}.mp4", crf, False) for crf in (24, 40)}
    for base in (24, 40):
        found = encoded(f"zones{base}.mp4", base, True)
        assert np.mean(found[:CUT]) == pytest.approx(np.mean(plain[40][:CUT]), abs=1.0)
        # The keyframe after a cut takes its quantiser from the frames before it, in any zone.
        assert np.mean(found[CUT + 8 :]) == pytest.approx(np.mean(plain[24][CUT + 8 :]), abs=1.0)
        assert found[-1] == pytest.approx(plain[24][-1], abs=5.0)
    assert abs(np.mean(plain[40][:CUT]) - np.mean(plain[24][:CUT])) > 8.0


def test_together_keeps_order_and_stops_at_the_first_failure() -> None:
    assert list(together(lambda n: n * n, range(20), 4)) == [n * n for n in range(20)]
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise InputError("two")
        time.sleep(0.01)  # else a thousand may be done before the failure is seen
        return number

    results = together(work, range(1000), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="two"):
        next(results)
    assert len(begun) < 1000


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"samples": 3, "sample_seconds": 0.5, "jobs": 2}, ("--samples", 3, "--sample-seconds", 0.5, "--jobs", 2)),
        ({"sample_clip_seconds": 0.5}, ("--sample-clip-seconds", 0.5)),
    ],
    ids=["windows", "middle"],
)
def test_python_takes_parts_as_the_command_line_does(
    arguments: dict[str, Any], options: tuple[object, ...], vmaf_tune: VmafTune,
    curve_models: tuple[object, ...], long_source: Path,
) -> None:  # fmt: skip
    model, bitrate_model = str(curve_models[1]), str(curve_models[3])
    request = PredictRequest(
        sources=str(long_source), encoders=["libx264"], presets=["veryfast"], crfs=["30:33"], model=model,
        bitrate_model=bitrate_model, **arguments,
    )  # fmt: skip
    said = predict_source(request).answer
    told = json.loads(
        vmaf_tune("predict", long_source, *curve_models, *LINE, "--crf", "30:33", *options, "--format", "json").out
    )
    assert [round(p.vmaf, 4) for p in said.predictions] == [record["vmaf_predicted"] for record in told]
    assert [round(p.kbps, 2) for p in said.predictions] == [record["kbps"] for record in told]
