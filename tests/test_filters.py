"""Filters of a source: encode and reference go through them alike, and a score says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from conftest import Clips, VmafTune, read_rows, untimed
from test_scoring import Truth, assert_agrees
from vmaftune_frv2.errors import ExitCode

CELL = ("--preset", "ultrafast", "--crf", 33)
INTERLACED = (
    "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-flags", "+ildct+ilme", "-x264-params", "tff=1",
)  # fmt: skip
TO_SDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


@pytest.fixture
def row_of(vmaf_tune: VmafTune, tmp_path: Path) -> Any:
    """Sweeps one cell of a source and returns its row, the encode kept."""

    def run(source: Path, *options: object) -> dict[str, Any]:
        kept = ("--keep-encodes", "--encode-dir", tmp_path / "encodes", "--output", tmp_path / "corpus.jsonl")
        result = vmaf_tune("corpus", source, *CELL, *kept, *options)
        assert result.code == 0, result.err
        return read_rows(tmp_path / "corpus.jsonl")[-1]

    return run


@pytest.fixture
def truth(ffmpeg: Any, tmp_path: Path) -> Truth:
    (tmp_path / "truth").mkdir()
    return Truth(ffmpeg, tmp_path / "truth")


@pytest.fixture
def interlaced(clip: Clips) -> Path:
    return clip("testsrc2", rate="50", frames=12, container="mp4", codec=INTERLACED, filters="interlace")


def letterbox(clip: Clips, width: int, height: int, x: int, y: int, frames: int = 12) -> Path:
    """Pictures of 128x72 with black bars round them."""
    bars = f"scale=128:72,setsar=1,pad={width}:{height}:{x}:{y}:black"
    return clip("mandelbrot", size="128x72", frames=frames, filters=bars)


@pytest.mark.parametrize(
    ("frame", "crop"),
    [
        ((128, 96, 0, 12), "128:72:0:12"),
        ((160, 72, 16, 0), "128:72:16:0"),
        ((160, 96, 10, 8), "128:72:10:8"),
        ((128, 72, 0, 0), None),
    ],
)
def test_black_bars_are_found_and_cropped(
    frame: tuple[int, int, int, int], crop: str | None, clip: Clips, row_of: Any, truth: Truth
) -> None:
    source = letterbox(clip, *frame)
    row = row_of(source, "--crop", "auto")
    assert (row["width"], row["height"]) == (128, 72)
    assert row.get("view") == (None if crop is None else {"filters": f"crop={crop}"})
    with av.open(row["encode_path"]) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (128, 72)
    cut = "null" if crop is None else f"crop={crop}"
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p", source_filters=cut))


def test_what_shows_beyond_the_bars_once_is_kept(clip: Clips, row_of: Any, vmaf_tune: VmafTune) -> None:
    title = "drawbox=x=20:y=84:w=60:h=6:color=white:t=fill:enable='eq(n,7)'"
    bars = f"scale=128:72,setsar=1,pad=128:96:0:12:black,{title}"
    source = clip("mandelbrot", size="128x72", frames=12, filters=bars)
    assert row_of(source, "--crop", "auto")["view"] == {"filters": "crop=128:78:0:12"}


def test_black_source_is_not_cropped(clip: Clips, row_of: Any) -> None:
    source = clip("color=c=black", size="64x48", frames=5)
    assert row_of(source, "--crop", "auto").get("view") is None


def test_interlaced_source_is_used_once_its_filter_deinterlaces_it(
    interlaced: Path, row_of: Any, truth: Truth, vmaf_tune: VmafTune
) -> None:
    refused = vmaf_tune("corpus", interlaced, *CELL)
    assert refused.code == ExitCode.INPUT
    assert "interlaced; deinterlace it (--vfilter yadif)" in refused.err
    row = row_of(interlaced, "--vfilter", "yadif")
    assert len(row["per_frame_vmaf"]) == 12
    assert_agrees(row, truth(interlaced, row["encode_path"], "yuv420p", source_filters="yadif"))


@pytest.mark.parametrize("filters", ["fps=12", "bwdif", "select='not(mod(n,2))'", "tinterlace=drop_odd"])
def test_filters_that_change_the_number_of_frames_are_refused(
    filters: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    result = vmaf_tune("corpus", clip("testsrc2"), *CELL, "--vfilter", filters)
    assert result.code == ExitCode.USAGE, result.err
    assert f"--vfilter {filters} makes" in result.err
    assert "frames of 16" in result.err
    assert not (tmp_path / "corpus.jsonl").exists()


REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "no filter": (("--vfilter", "nonsense=1"), "--vfilter 'nonsense=1' cannot be used"),
    "two chains": (("--vfilter", "split[a][b];[a][b]hstack"), "write one chain"),
    "a file that is not there": (("--vfilter", "lut3d=look.cube"), "need absolute paths"),
    "another size": (
        ("--vfilter", "scale=80:48", "--reference-vfilter", "null"),
        "gives 160x96",
    ),
    "an odd size": (("--vfilter", "scale=81:48"), "81x48 has an odd side"),
    "a tiny size": (("--scale", "16:16"), "too small"),
    "more than there is": (("--crop", "400:400:0:0"), "cannot be used"),
    "words for a crop": (("--crop", "bars"), "write WIDTH:HEIGHT:X:Y"),
    "odd numbers": (("--crop", "99:40:0:0"), "by even numbers only"),
    "words for a size": (("--scale", "small"), "write WIDTH:HEIGHT"),
    "no size": (("--scale", "0:0"), "write WIDTH:HEIGHT"),
    "reference that drops frames": (
        ("--reference-vfilter", "fps=12"),
        "fps=12 makes 8 frames",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_filters_that_cannot_be_are_refused_in_one_line(
    what: str, clip: Clips, vmaf_tune: VmafTune, tmp_path: Path
) -> None:
    options, message = REFUSED[what]
    result = vmaf_tune("corpus", clip("testsrc2"), *CELL, *options)
    assert result.code in (ExitCode.USAGE, ExitCode.INPUT), result.err
    assert message in result.err
    assert len([line for line in result.err.splitlines() if line.startswith("Error")]) == 1
    assert not (tmp_path / "corpus.jsonl").exists()


@pytest.mark.parametrize(
    ("asked", "size"),
    [("80:48", (80, 48)), ("80x48", (80, 48)), ("80:-2", (80, 48)), ("-2:48", (80, 48)), ("48", (80, 48))],
)
def test_scaled_encodes_are_compared_with_the_scaled_source(
    asked: str, size: tuple[int, int], clip: Clips, row_of: Any, truth: Truth
) -> None:
    source = clip("testsrc2")
    row = row_of(source, f"--scale={asked}")
    assert (row["width"], row["height"]) == size
    scaled = "scale=80:48:flags=bicubic"
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p", source_filters=scaled))


def test_reference_may_go_through_other_filters(clip: Clips, row_of: Any, truth: Truth) -> None:
    source = clip("testsrc2", filters="noise=alls=30:allf=t")
    filtered = row_of(source, "--vfilter", "hqdn3d=12")
    against_noise = row_of(source, "--vfilter", "hqdn3d=12", "--reference-vfilter", "null")
    assert against_noise["view"] == {"filters": "hqdn3d=12", "reference_filters": "null"}
    assert_agrees(filtered, truth(source, filtered["encode_path"], "yuv420p", source_filters="hqdn3d=12"))
    assert_agrees(against_noise, truth(source, against_noise["encode_path"], "yuv420p"))
    assert against_noise["encode_size_bytes"] == filtered["encode_size_bytes"]


def test_filters_belong_to_the_identity_of_a_row(clip: Clips, row_of: Any, tmp_path: Path) -> None:
    source = clip("testsrc2")
    for options in ((), ("--vfilter", "hflip"), ("--vfilter", "hflip"), ("--vfilter", "vflip"), ("--scale", "48")):
        row_of(source, *options)
    views = [row.get("view") for row in read_rows(tmp_path / "corpus.jsonl")]
    assert views == [None, {"filters": "hflip"}, {"filters": "vflip"}, {"filters": "scale=-2:48:flags=bicubic"}]


def test_hdr_is_sdr_after_its_filter(clip: Clips, row_of: Any) -> None:
    hdr = clip(
        "testsrc2", frames=6, pix_fmt="yuv420p10le",
        filters="format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv",
    )  # fmt: skip
    assert row_of(hdr)["hdr_transfer"] == "pq"
    row = row_of(hdr, "--vfilter", TO_SDR)
    assert (row["hdr_transfer"], row["hdr_primaries"], row["pix_fmt"]) == ("", "", "yuv420p")
    with av.open(row["encode_path"]) as container:
        assert container.streams.video[0].color_trc == 1  # BT.709


@pytest.mark.parametrize("container", ["y4m", "yuv"])
def test_plain_frames_go_through_filters(
    container: str, clip: Clips, ffmpeg: Any, row_of: Any, tmp_path: Path
) -> None:
    path = tmp_path / f"plain.{container}"
    kind = ("-f", "rawvideo") if container == "yuv" else ("-f", "yuv4mpegpipe")
    ffmpeg.run(["-v", "error", "-i", str(clip("testsrc2")), "-pix_fmt", "yuv420p", *kind, str(path)])
    size = ("--width", 160, "--height", 96) if container == "yuv" else ()
    row = row_of(path, *size, "--crop", "80:48:0:0")
    assert (row["width"], row["height"], len(row["per_frame_vmaf"])) == (80, 48, 16)


def test_windows_go_through_filters(clip: Clips, row_of: Any, truth: Truth) -> None:
    source = clip("testsrc2", frames=48)
    row = row_of(source, "--vfilter", "hflip", "--sample-clip-seconds", 0.5)
    middle = "trim=start=0.75:end=1.25,hflip"
    assert_agrees(row, truth(source, row["encode_path"], "yuv420p", source_filters=middle))


def test_every_question_goes_through_filters(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...], ffmpeg: Any, tmp_path: Path
) -> None:
    source = letterbox(clip, 128, 96, 0, 12, frames=24)
    line = (*curve_models, "--encoder", "libx264", "--preset", "veryfast", "--crop", "auto", "--record", "r.jsonl")
    asked = {
        "predict": ("--target-vmaf", 70),
        "predict ": ("--target-vmaf", 70, "--samples", 2, "--sample-seconds", 0.1),
        "per-shot": ("--target-vmaf", 70),
        "ladder": ("--heights", "72,48", "--rungs", 2, "--vmaf-range", "20:80"),
    }
    for command, options in asked.items():
        result = vmaf_tune(command.strip(), source, *line, *options)
        assert result.code == 0, result.err
    rows = read_rows(tmp_path / "r.jsonl")
    assert {row["view"]["filters"] for row in rows} == {"crop=128:72:0:12"}
    assert {(row["width"], row["height"]) for row in rows} == {(128, 72), (86, 48)}
    emitted = vmaf_tune("predict", source, *line, "--target-vmaf", 70, "--emit", "ffmpeg").out
    assert "crop=128:72:0:12" in emitted


def test_bars_are_looked_for_in_all_of_a_source_though_a_window_is_used(clip: Clips, row_of: Any) -> None:
    first = "drawbox=x=0:y=0:w=128:h=96:color=white:t=fill:enable='eq(n,0)'"
    bars = f"scale=128:72,setsar=1,pad=128:96:0:12:black,{first}"
    source = clip("mandelbrot", size="128x72", frames=48, filters=bars)
    assert row_of(source, "--crop", "auto", "--sample-clip-seconds", 0.5).get("view") is None


def test_decoded_encode_shows_what_the_filter_made(clip: Clips, row_of: Any, ffmpeg: Any) -> None:
    source = clip("testsrc2", frames=4)
    row = row_of(source, "--vfilter", "hflip", "--crf", 1)

    def first(path: Any) -> Any:
        with av.open(str(path)) as container:
            return next(container.decode(video=0)).to_ndarray(format="gray").astype(float)

    mirrored, made = first(source)[:, ::-1], first(row["encode_path"])
    assert np.abs(mirrored - made).mean() < 4 < np.abs(first(source) - made).mean()


def test_json_of_predictions_is_of_the_filtered_frames(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    boxed, bare = letterbox(clip, 128, 96, 0, 12), letterbox(clip, 128, 72, 0, 0)
    asked = (*curve_models, "--encoder", "libx264", "--preset", "veryfast", "--crf", "30:34", "--format", "json")
    cropped = json.loads(vmaf_tune("predict", boxed, *asked, "--crop", "auto").out)
    assert untimed(cropped) == untimed(json.loads(vmaf_tune("predict", bare, *asked).out))


def test_windows_of_filtered_frames_are_no_windows_of_others(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...], tmp_path: Path
) -> None:
    source = clip("testsrc2", size="128x96", frames=96, filters="noise=alls=40:allf=t:all_seed=1")
    windows = ("--samples", 2, "--sample-seconds", 0.3, "--crf", 33, "--no-cache")
    asked = ("predict", source, *curve_models, "--encoder", "libx264", "--preset", "veryfast", *windows)
    for path, options in (("a", ("--vfilter", "hqdn3d=20")), ("a", ()), ("b", ())):
        assert vmaf_tune(*asked, "--record", f"{path}.jsonl", *options).code == 0
    after, alone = (read_rows(tmp_path / f"{path}.jsonl") for path in "ab")
    plain = [row for row in after if "filters" not in row["view"]]
    assert [row["sample_pace"] for row in plain] == [row["sample_pace"] for row in alone]
    assert [row["bitrate_kbps"] for row in plain] == [row["bitrate_kbps"] for row in alone]


def test_files_that_filters_name_belong_to_the_identity_of_a_row(clip: Clips, row_of: Any, tmp_path: Path) -> None:
    lut, source = tmp_path / "look.cube", clip("testsrc2")
    corners = [f"{r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    for lines in (corners, corners, corners[::-1]):
        lut.write_text("\n".join(["LUT_3D_SIZE 2", *lines]) + "\n")
        row_of(source, "--vfilter", f"lut3d={lut}")
    rows = read_rows(tmp_path / "corpus.jsonl")
    assert len({row["view"]["filter_files"] for row in rows}) == len(rows) == 2
