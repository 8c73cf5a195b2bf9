"""``--record`` of windows, shots and ladders: rows that say which part they are of; a rerun encodes nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from conftest import Clips, Invocation, VmafTune, read_rows, untimed
from vmaftune_frv2.contract.rows import clip_of
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import QUIET, FFmpeg

LINE = ("--encoder", "libx264", "--preset", "veryfast")
CORPUS = Path("c.jsonl")
FORMS: dict[str, tuple[object, ...]] = {
    "windows": ("predict", "--samples", 3, "--sample-seconds", 0.5, "--target-vmaf", 80, "--verify"),
    "shots": ("per-shot", "--sample-seconds", 0.5, "--target-vmaf", 80, "--verify", "--max-encodes", 20),
    "ladder": ("ladder", "--heights", "96,48", "--rungs", 3, "--vmaf-range", "5:90", "--min-step", 1, "--verify"),
    "middle": ("predict", "--sample-clip-seconds", 0.5, "--target-vmaf", 80),
}
Ask = Callable[..., Invocation]


@pytest.fixture(scope="module")
def film(clip: Clips, ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of three and four seconds."""
    parts = [
        clip(pattern, size="128x96", frames=frames) for pattern, frames in (("testsrc2", 72), ("mandelbrot", 96))
    ]
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    inputs = [word for part in parts for word in ("-i", str(part))]
    graph = "[0:v][1:v]concat=n=2:v=1[out]"
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "24")
    assert ffmpeg.run([*QUIET, *inputs, "-filter_complex", graph, "-map", "[out]", *codec, str(path)]).ok
    return path


def encodes(program: Path, film: Path) -> int:
    """Encodes of the film since the last look."""
    calls = program.with_name("calls")
    lines = calls.read_text().splitlines() if calls.exists() else []
    calls.write_text("")
    return sum(film.name in line and " -c:v libx264 " in line for line in lines)


@pytest.fixture
def ask(vmaf_tune: VmafTune, curve_models: tuple[object, ...], film: Path, watched: Path) -> Ask:
    def run(form: str, *options: object) -> Invocation:
        command, *more = FORMS[form]
        asked = (*curve_models, *LINE, *more, "--record", CORPUS, "--ffmpeg-bin", watched, "--format", "json")
        return vmaf_tune(command, film, *asked, *options)

    return run


@pytest.mark.parametrize("form", FORMS)
def test_a_rerun_encodes_nothing_and_answers_alike(
    form: str, ask: Ask, film: Path, watched: Path, vmaf_tune: VmafTune
) -> None:
    first = ask(form)
    assert first.code == ExitCode.OK, first.err
    assert encodes(watched, film) > 0
    before = CORPUS.read_bytes()
    assert vmaf_tune("validate", CORPUS).code == ExitCode.OK
    again = ask(form)
    assert encodes(watched, film) == 0
    assert CORPUS.read_bytes() == before
    records, known = untimed(json.loads(first.out)), untimed(json.loads(again.out))
    assert [record | {"encodes": 0} for record in records] == [record | {"encodes": 0} for record in known]
    assert "encoded " not in again.err
    assert "0 rows added" in again.err


@pytest.mark.slow
def test_rows_of_different_parts_have_different_views(ask: Ask, vmaf_tune: VmafTune) -> None:
    for form in FORMS:
        assert ask(form).code == ExitCode.OK
    rows = read_rows(CORPUS)
    assert json.loads(vmaf_tune("validate", CORPUS, "--json").out)["duplicates"] == 0
    views = {json.dumps([row.get("view"), row["clip_mode"], row["height"]], sort_keys=True) for row in rows}
    # Three windows, two shots, two heights, and the middle.
    assert len(views) == 3 + 2 + 2 + 1
    assert {row["src_sha256"] for row in rows} == {rows[0]["src_sha256"]}


@pytest.mark.slow
def test_one_part_of_another_length_is_measured_anew(ask: Ask, film: Path, watched: Path) -> None:
    ask("windows")
    encodes(watched, film)
    assert ask("windows", "--sample-seconds", 0.75).code == ExitCode.OK
    assert encodes(watched, film) > 0


def test_view_names_the_frames_that_were_scored(ask: Ask, film: Path, ffmpeg: FFmpeg, tmp_path: Path) -> None:
    """The frames of a row's view, read by PyAV, against those of its encode: the same VMAF by hand."""
    ask("windows")
    row = read_rows(CORPUS)[1]
    view = row["view"]
    with av.open(str(film)) as file:
        stream = file.streams.video[0]
        times = [float(frame.pts * stream.time_base) for frame in file.decode(video=0)]
    inside = [
        n
        for n, time in enumerate(times)
        if view["start_s"] <= time - times[0] + 1e-3 < view["start_s"] + view["seconds"]
    ]
    assert len(inside) == len(row["per_frame_vmaf"]) == 12
    first, last = inside[0] - view["frames_before"], inside[-1] + 1 + view["frames_after"]
    assert first >= 0
    assert last <= len(times)
    cut, made, log = tmp_path / "cut.mkv", tmp_path / "made.mp4", tmp_path / "log.json"
    trim = f"trim=start_frame={first}:end_frame={last},setpts=PTS-STARTPTS"
    assert ffmpeg.run([*QUIET, "-i", str(film), "-vf", trim, "-c:v", "ffv1", str(cut)]).ok
    argv = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(row["crf"]), "-threads", "1"]
    assert ffmpeg.run([*QUIET, "-i", str(cut), *argv, str(made)]).ok
    graph = f"[0:v]settb=AVTB,setpts=N[d];[1:v]settb=AVTB,setpts=N[r];[d][r]libvmaf=log_fmt=json:log_path={log}"
    assert ffmpeg.run([*QUIET, "-i", str(made), "-i", str(cut), "-lavfi", graph, "-f", "null", "-"]).ok
    frames = [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]
    own = frames[view["frames_before"] : view["frames_before"] + 12]
    # motion2 of a first frame knows none before it; in the row's score that is the window's first.
    assert own[1:] == pytest.approx(row["per_frame_vmaf"][1:], abs=1.5)


@pytest.mark.slow
def test_scaled_row_has_both_scores(ask: Ask) -> None:
    assert ask("ladder").code == ExitCode.OK
    scaled = [row for row in read_rows(CORPUS) if row["height"] == 48]
    assert scaled
    for row in scaled:
        assert row["view"] == {"source_width": 128, "source_height": 96}
        assert len(row["per_frame_vmaf_source_size"]) == len(row["per_frame_vmaf"])
        assert np.mean(row["per_frame_vmaf_source_size"]) < row["vmaf_score"]
    whole = [row for row in read_rows(CORPUS) if row["height"] == 96]
    assert all("view" not in row and "per_frame_vmaf_source_size" not in row for row in whole)


def test_windows_of_one_source_are_clips_of_their_own_to_training(
    ask: Ask, vmaf_tune: VmafTune, model_dir: Path
) -> None:
    """Rows of one window are scored from that window's probe."""
    probe = json.loads((model_dir / "fr_regressor_v2.json").read_text())["probe"]
    assert probe["encoder"] == "libx264"
    done = ask("windows", "--probe", f"libx264:{probe['preset']}:{probe['crf']}", "--probe", "libx264:veryfast:43")
    assert done.code == ExitCode.OK, done.err
    rows: list[dict[str, Any]] = read_rows(CORPUS)
    starts = {row["view"]["start_s"] for row in rows}
    assert len(starts) == 3
    told = vmaf_tune(
        "predict", "--corpus", CORPUS, "--model", model_dir / "fr_regressor_v2.onnx", "--format", "json"
    )
    scored = json.loads(told.out)
    assert len(scored) == len(rows), told.err
    by_cell: dict[int, set[float]] = {}
    for record in scored:
        by_cell.setdefault(record["crf"], set()).add(record["vmaf_predicted"])
    assert all(len(found) == 3 for crf, found in by_cell.items()), by_cell
    assert len(list(itertools.chain(*by_cell.values()))) == len(rows)


@pytest.mark.slow
def test_heights_of_a_ladder_are_clips_of_their_own(ask: Ask) -> None:
    assert ask("ladder").code == ExitCode.OK
    row = next(row for row in read_rows(CORPUS) if row["height"] == 48)
    other = row | {"height": 64, "width": 86}
    assert len({clip_of(row), clip_of(other), clip_of(row | {"view": None})}) == 3


@pytest.mark.slow
def test_pace_of_another_track_is_not_taken(
    vmaf_tune: VmafTune, curve_models: tuple[object, ...], clip: Clips, ffmpeg: FFmpeg, tmp_path: Path
) -> None:
    """Both tracks have the same windows."""
    tracks = [clip(pattern, size="128x96", frames=144) for pattern in ("mandelbrot", "testsrc2")]
    both = tmp_path / "both.mkv"
    inputs = [word for track in tracks for word in ("-i", str(track))]
    assert ffmpeg.run([*QUIET, *inputs, "-map", "0:v", "-map", "1:v", "-c", "copy", str(both)]).ok
    asked = (*curve_models, *LINE, "--crf", 30, "--samples", 2, "--sample-seconds", 0.5, "--format", "json")
    alone = vmaf_tune("predict", both, "--video-track", 1, *asked)
    for track in (0, 1):
        told = vmaf_tune("predict", both, "--video-track", track, *asked, "--record", CORPUS)
    assert untimed(json.loads(told.out)) == untimed(json.loads(alone.out))
    assert len({json.dumps(row["sample_pace"]) for row in read_rows(CORPUS)}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [{"sample_pace": None}, {"view": None}, {"sample_pace": {"samples": 4}}])
def test_rows_without_a_pace_are_no_obstacle(spoilt: dict[str, Any], ask: Ask) -> None:
    first = ask("windows")
    rows = [row | spoilt for row in read_rows(CORPUS)]
    CORPUS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = ask("windows")
    assert again.code == first.code, again.err


@pytest.mark.parametrize("view", [[1], "x", 5, {"a": None}])
def test_a_view_that_is_none_stops_no_sweep(view: object, ask: Ask, film: Path, vmaf_tune: VmafTune) -> None:
    ask("middle")
    rows = read_rows(CORPUS)
    rows[0]["view"] = view
    CORPUS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    swept = vmaf_tune("corpus", film, *LINE, "--crf", 40, "--output", CORPUS)
    assert swept.code == ExitCode.OK, swept.err
    assert ask("middle").code == ExitCode.OK
    assert vmaf_tune("validate", CORPUS).code == ExitCode.NEGATIVE


@pytest.mark.parametrize(
    "asked",
    [("predict", "--format", "csv"), ("ladder", "--heights", "48"), ("per-shot", "--target-vmaf", 9)],
    ids=lambda asked: asked[0],
)
def test_a_source_that_is_not_there_makes_no_corpus(
    asked: tuple[object, ...], vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    command, *more = asked
    told = vmaf_tune(command, "nowhere.mkv", *curve_models, *LINE, *more, "--record", "new/c.jsonl")
    assert (told.code, told.out) == (ExitCode.INPUT, "")
    assert not Path("new").exists()
