"""What is shown of the work: a live line on a terminal, lines elsewhere, events for programs and for Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, VmafTune
from terminal_kit import Seen, in_terminal
from training_kit import faults
from vmaftune_frv2 import (
    PredictRequest,
    SweepRequest,
    predict_source,
    predict_sources,
    sweep,
    watch_progress,
)
from vmaftune_frv2.commands.shared.live_line import clock, cut, describe
from vmaftune_frv2.errors import ExitCode, TimeoutToolError
from vmaftune_frv2.media import process
from vmaftune_frv2.media.frame_count import FrameCount
from vmaftune_frv2.progress import about, count, current_step, step, tell

X264 = ("--encoder", "libx264", "--preset", "ultrafast")
SEARCH = (*X264, "--target-vmaf", 80, "--verify")
Event = dict[str, Any]


@pytest.fixture
def film(clip: Clips, tmp_path: Path) -> Path:
    """Long enough for a live line to be seen at work."""
    return Path(shutil.copy(clip("testsrc2", size="640x384", frames=192), tmp_path / "film.mkv"))


@pytest.fixture
def source(clip: Clips) -> Path:
    """Two shots of a few frames."""
    cut = "trim=end_frame=12,setpts=N/FRAME_RATE/TB[a];[b]trim=end_frame=12,setpts=N/FRAME_RATE/TB,negate,hflip[c]"
    return clip("testsrc2", size="128x96", frames=24, filters=f"split[d][b];[d]{cut};[a][c]concat")


def events_of(err: str) -> list[Event]:
    """The lines of stderr, all of which are events."""
    events: list[Event] = [json.loads(line) for line in err.splitlines()]
    assert [(event, faults(event, "progress_event")) for event in events if faults(event, "progress_event")] == []
    return events


def steps_of(events: Sequence[Event], what: str) -> list[list[Event]]:
    """The events of each step of a kind."""
    numbers = dict.fromkeys(event["step"] for event in events if event.get("what") == what)
    return [[event for event in events if event.get("step") == number] for number in numbers]


def without_times(event: Event) -> Event:
    return {k: v for k, v in event.items() if k not in ("at_s", "elapsed_s", "fps", "eta_s")}


# Events


COMMANDS: dict[str, tuple[tuple[object, ...], set[str]]] = {
    "predict": (
        ("predict", "SOURCE", "MODELS", *SEARCH),
        {"models", "reading", "complexity", "encoding", "scoring"},
    ),
    "predict windows": (
        ("predict", "LONG", "MODELS", *SEARCH, "--samples", 2, "--sample-seconds", 0.5, "--record", "kept.jsonl"),
        {"models", "reading", "hashing", "pace", "complexity", "encoding", "scoring"},
    ),
    "ladder": (
        ("ladder", "SOURCE", "MODELS", *X264, "--heights", "96,64", "--rungs", 2, "--verify"),
        {"models", "reading", "encoding", "scoring"},
    ),
    "per-shot": (
        ("per-shot", "SOURCE", "MODELS", *X264, "--target-vmaf", 80),
        {"models", "reading", "shots", "complexity", "encoding", "scoring", "answers"},
    ),
    "corpus": (
        ("corpus", "SOURCE", *X264, "--crf", "30,40", "--shots", "--complexity"),
        {"reading", "hashing", "shots", "complexity", "sweep", "encoding", "scoring"},
    ),
    "encode": (
        ("encode", "SOURCE", "-o", "out.mkv", "MODELS", *X264, "--target-vmaf", 80),
        {"models", "reading", "complexity", "encoding", "scoring", "counting"},
    ),
    "train-v2": (("train-v2", "--smoke", "--no-export"), {"training"}),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_event_is_as_the_schema_says(
    name: str, vmaf_tune: VmafTune, clip: Clips, source: Path, request: pytest.FixtureRequest
) -> None:
    arguments, whats = COMMANDS[name]
    given: list[object] = []
    for argument in arguments:
        if argument == "MODELS":
            given += request.getfixturevalue("curve_models")
        elif argument == "LONG":
            given.append(clip("mandelbrot", size="128x96", frames=240))
        else:
            given.append(source if argument == "SOURCE" else "30:40:10" if argument == "30,40" else argument)
    told = vmaf_tune(*given, "--progress", "json")
    assert told.code == ExitCode.OK, told.err
    events = events_of(told.err)
    # Each encoder and VMAF model is tried once per process.
    assert {event["what"] for event in events if "what" in event} - {"trying"} == whats
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    for number in {event["step"] for event in events if "step" in event}:
        of_step = [event for event in events if event.get("step") == number]
        assert [of_step[0]["event"], of_step[-1]["event"]] == ["started", "finished"]
        assert {event["event"] for event in of_step[1:-1]} <= {"progress"}
        assert not of_step[-1]["failed"]


def test_events_count_the_frames_of_each_encode_and_score(
    vmaf_tune: VmafTune, source: Path, curve_models: Sequence[object]
) -> None:
    events = events_of(vmaf_tune("predict", source, *curve_models, *SEARCH, "--progress", "json").err)
    measured = [event for event in events if event["event"] == "measured"]
    for what in ("encoding", "scoring"):
        steps = steps_of(events, what)
        assert [each[-1]["encode"] for each in steps] == list(range(1, len(measured) + 1))
        for each, cell in zip(steps, measured, strict=True):
            last = each[-1]
            assert (last["unit"], last["done"], last["total"]) == ("frames", 24, 24)
            assert last["fps"] == pytest.approx(24 / last["elapsed_s"], rel=0.05)
            assert (last["encoder"], last["preset"], last["crf"]) == ("libx264", "ultrafast", cell["crf"])
            assert last["max_encodes"] == 6
            assert last["source"] == str(source)
    (reading,), (complexity,) = steps_of(events, "reading"), steps_of(events, "complexity")
    assert reading[-1]["done"] == complexity[-1]["done"] == 24
    assert steps_of(events, "encoding")[0][-1]["size_bytes"] > 0


def test_windows_and_shots_are_numbered(
    vmaf_tune: VmafTune, clip: Clips, source: Path, curve_models: Sequence[object]
) -> None:
    long = clip("mandelbrot", size="128x96", frames=240)
    options = (*X264, "--target-vmaf", 80, "--progress", "json")
    windows = ("--samples", 2, "--sample-seconds", 0.5)
    events = events_of(vmaf_tune("predict", long, *curve_models, *options, *windows).err)
    assert {(each[0]["window"], each[0]["windows"]) for each in steps_of(events, "encoding")} == {(1, 2), (2, 2)}
    events = events_of(vmaf_tune("per-shot", source, *curve_models, *options).err)
    assert {(each[0]["shot"], each[0]["shots"]) for each in steps_of(events, "encoding")} == {(1, 2), (2, 2)}
    (answers,) = steps_of(events, "answers")
    assert (answers[-1]["unit"], answers[-1]["done"], answers[-1]["total"]) == ("shots", 2, 2)


def test_a_sweep_counts_its_cells_and_tells_which_are_at_work(vmaf_tune: VmafTune, source: Path) -> None:
    told = vmaf_tune("corpus", source, *X264, "--crf", "30:50:10", "--jobs", 2, "--progress", "json")
    events = events_of(told.err)
    (swept,) = steps_of(events, "sweep")
    assert (swept[0]["done"], swept[0]["total"]) == (0, 3)
    assert (swept[-1]["unit"], swept[-1]["done"], swept[-1]["total"]) == ("cells", 3, 3)
    assert sorted(each[0]["crf"] for each in steps_of(events, "encoding")) == [30, 40, 50]
    assert {each[0]["source"] for each in steps_of(events, "encoding")} == {str(source)}


def test_training_counts_epochs(vmaf_tune: VmafTune) -> None:
    events = events_of(vmaf_tune("train-v2", "--smoke", "--no-export", "--progress", "json").err)
    for each in steps_of(events, "training"):
        assert each[-1]["unit"] == "epochs"
        assert each[-1]["done"] == each[-1]["total"] > 0
        assert each[-1]["model"] == "fr_regressor_v2"


def test_an_error_is_the_last_event(vmaf_tune: VmafTune, source: Path, curve_models: Sequence[object]) -> None:
    told = vmaf_tune("predict", "missing.mkv", *curve_models, *X264, "--progress", "json")
    last = events_of(told.err)[-1]
    assert (told.code, last["event"], last["exit_code"]) == (ExitCode.INPUT, "error", ExitCode.INPUT)
    assert last["message"] == "missing.mkv: no such file"


def test_an_interruption_is_the_last_event(film: Path, curve_models: Sequence[object]) -> None:
    command = [sys.executable, "-m", "vmaftune_frv2", "predict", film, *curve_models, *X264, "--progress", "json"]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines = []
        for line in running.stderr:
            lines.append(line)
            if '"started"' in line and '"encoding"' in line:
                running.terminate()
    events = events_of("".join(lines))
    assert running.returncode == ExitCode.INTERRUPTED
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("error", ExitCode.INTERRUPTED)
    assert events[-1]["message"] == "interrupted"


def test_notes_of_a_command_are_events_too(
    vmaf_tune: VmafTune, source: Path, curve_models: Sequence[object]
) -> None:
    told = vmaf_tune("predict", source, *curve_models, *X264, "--target-vmaf", 100, "--progress", "json")
    notes = [event for event in events_of(told.err) if event["event"] == "log"]
    assert told.code == ExitCode.NEGATIVE
    assert [note["level"] for note in notes if "smoke model" in note["message"]] == ["warning", "warning"]
    assert [note["level"] for note in notes if "no candidate reaches 100" in note["message"]] == ["info"]


def test_several_sources_are_counted_and_told_apart(
    vmaf_tune: VmafTune, source: Path, clip: Clips, curve_models: Sequence[object]
) -> None:
    other = clip("mandelbrot", size="128x96", frames=12)
    told = vmaf_tune("predict", source, other, "missing.mkv", *curve_models, *X264, "--progress", "json")
    events = events_of(told.err)
    (answers,) = steps_of(events, "answers")
    assert (answers[-1]["unit"], answers[-1]["done"], answers[-1]["total"]) == ("sources", 3, 3)
    assert {each[0]["source"] for each in steps_of(events, "encoding")} == {str(source), str(other)}


def test_a_reader_that_goes_ends_nothing(source: Path, curve_models: Sequence[object]) -> None:
    command = [sys.executable, "-m", "vmaftune_frv2", "predict", source, *curve_models, *SEARCH, "--format", "csv"]
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as gone:
        done = subprocess.run(
            [*map(str, command), "--progress", "json"], stdout=subprocess.PIPE, stderr=gone, check=False, text=True
        )
    assert done.returncode == ExitCode.OK
    assert done.stdout.splitlines()[1].startswith("libx264,ultrafast,")


# Other ways


def test_off_a_terminal_each_encode_is_a_line_and_nothing_is_rewritten(
    vmaf_tune: VmafTune, source: Path, curve_models: Sequence[object]
) -> None:
    shown = {
        mode: vmaf_tune("predict", source, *curve_models, *SEARCH, "--progress", mode)
        for mode in ("auto", "plain", "none", "json")
    }
    lines = shown["auto"].err.splitlines()
    assert shown["plain"].err == shown["auto"].err
    assert "\r" not in shown["auto"].err
    assert "\x1b" not in shown["auto"].err
    assert [
        bool(re.match(r"(Warning: \S+ is a smoke model|encoded libx264:ultrafast:[\d.]+: VMAF )", line))
        for line in lines
    ] == [True] * len(lines)
    assert shown["none"].err.splitlines() == [line for line in lines if line.startswith("Warning: ")]
    # How long an encode would take is measured anew.
    assert len({re.sub(r"~\S+ s", "", each.out) for each in shown.values()}) == 1


def test_no_such_way_to_show_progress(vmaf_tune: VmafTune) -> None:
    told = vmaf_tune("corpus", "a.mkv", "--progress", "loud")
    assert told.code == ExitCode.USAGE
    assert "--progress 'loud': it is one of auto, plain, json, none" in told.err


# The live line


def test_the_live_line_says_what_is_at_work_and_leaves_nothing(film: Path, curve_models: Sequence[object]) -> None:
    seen = in_terminal("predict", film, *curve_models, *SEARCH)
    assert seen.code == ExitCode.OK
    pictures = seen.pictures
    assert re.fullmatch(r"0:00  predict", pictures[0])
    encoding = re.compile(r"0:\d\d  encode 1 of at most 6, libx264 ultrafast crf [\d.]+: \d+/192")
    scoring = re.compile(r"0:\d\d  encode \d of at most 6, scoring libx264 ultrafast crf [\d.]+: ")
    assert any(map(encoding.match, pictures))
    assert any(map(scoring.match, pictures))
    assert any(re.search(r"\d+/192 at [\d.]+ fps, ETA 0:\d\d", each) for each in pictures)
    words = [line.split()[0] for line in seen.left]
    assert words == ["Warning:", "Warning:", *["encoded"] * (len(words) - 4), "encoder", "libx264"]


def test_lines_are_cut_to_the_terminal(film: Path, curve_models: Sequence[object]) -> None:
    seen = in_terminal("predict", film, *curve_models, *X264, "--target-vmaf", 80, columns=24)
    rewritten = [each for each in seen.pictures if re.match(r"\d+:\d\d  ", each)]
    assert max(map(len, rewritten)) == 23
    assert any(each.endswith("...") for each in rewritten)


def test_nothing_but_the_answer_is_on_stdout(source: Path, curve_models: Sequence[object], tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        seen = in_terminal("predict", source, *curve_models, *SEARCH, "--format", "csv", stdout=out.fileno())
    assert len(seen.pictures) > 2
    assert [line.split(",")[0] for line in (tmp_path / "out").read_text().splitlines()] == ["encoder", "libx264"]


@pytest.mark.parametrize(
    ("term", "options"), [("dumb", ()), ("xterm", ("--progress", "plain"))], ids=["dumb terminal", "plain"]
)
def test_no_live_line_where_none_can_be_or_none_is_wanted(
    term: str, options: Sequence[str], source: Path, curve_models: Sequence[object]
) -> None:
    seen = in_terminal("predict", source, *curve_models, *X264, "--format", "csv", *options, term=term)
    assert "\x1b" not in seen.text
    assert "\r" not in seen.text.replace("\r\n", "\n")
    assert any(line.startswith("encoded libx264") for line in seen.left)


def test_colours_can_be_left_out(
    source: Path, curve_models: Sequence[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    seen = in_terminal("predict", source, *curve_models, *SEARCH)
    assert set(re.findall(r"\x1b\[[^A-Za-z]*[A-Za-z]", seen.text)) == {"\x1b[K"}


def test_ctrl_c_takes_the_line_away(film: Path, curve_models: Sequence[object]) -> None:
    seen = in_terminal("predict", film, *curve_models, *SEARCH, interrupt=lambda text: "encode 1 of" in text)
    assert seen.code == ExitCode.INTERRUPTED
    assert seen.left[-1] == "Error: interrupted"
    assert not any("encode 1 of" in line for line in seen.left)


def test_an_error_takes_the_line_away(curve_models: Sequence[object]) -> None:
    seen = in_terminal("predict", "missing.mkv", *curve_models, *X264)
    assert seen.code == ExitCode.INPUT
    assert seen.left[-1] == "Error: missing.mkv: no such file"
    assert len(seen.pictures) > 1


def test_a_sweep_shows_the_cells_at_work(film: Path) -> None:
    seen: Seen = in_terminal("corpus", film, *X264, "--crf", "20:40:10", "--jobs", 2)
    assert seen.code == ExitCode.OK
    at_work = [each for each in seen.pictures if re.match(r"0:\d\d  \d/3 cells.* \| ", each)]
    assert any("libx264 ultrafast crf " in each for each in at_work)
    assert any("(+1 more)" in each for each in at_work)
    assert seen.left == ["corpus.jsonl: 3 cells, 3 measured"]


# From Python


def test_events_come_to_a_function(source: Path, curve_models: Sequence[Any]) -> None:
    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = PredictRequest(sources=str(source), encoders="libx264", presets="ultrafast", crfs="30", **models)
    events: list[Event] = []
    with watch_progress(events.append):
        predict_source(request)
    predict_source(request)  # nobody watches any more
    assert [faults(event, "progress_event") for event in events if faults(event, "progress_event")] == []
    assert [event["event"] for event in events].count("measured") == 1
    assert len(steps_of(events, "encoding")) == 1


def test_watchers_in_different_threads_do_not_hear_each_other(tmp_path: Path, clip: Clips) -> None:
    heard: dict[str, list[Event]] = {}

    def work(name: str) -> None:
        made = clip(name, size="128x96", frames=12)
        with watch_progress(heard.setdefault(str(made), []).append):
            sweep(
                SweepRequest(sources=str(made), presets="ultrafast", crfs="40", output=tmp_path / f"{name}.jsonl")
            )

    threads = [threading.Thread(target=work, args=(name,)) for name in ("testsrc2", "mandelbrot")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(heard) == 2
    for made, events in heard.items():
        assert {event["source"] for event in events if "source" in event} == {made}
        assert len(steps_of(events, "scoring")) == 1


def test_what_a_watcher_raises_ends_the_work(source: Path, curve_models: Sequence[Any]) -> None:
    class EnoughError(Exception):
        pass

    def watcher(event: Event) -> None:
        if event.get("what") == "encoding":
            raise EnoughError

    models = {"model": str(curve_models[1]), "bitrate_model": str(curve_models[3])}
    request = PredictRequest(sources=str(source), encoders="libx264", presets="ultrafast", **models)
    with pytest.raises(EnoughError), watch_progress(watcher):
        predict_source(request)
    assert current_step() is None


def test_failed_steps_say_so(tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"nothing")
    events: list[Event] = []
    request = PredictRequest(sources=["broken.mkv"], encoders="libx264")
    with watch_progress(events.append):
        list(predict_sources(request))
    assert [event["done"] for event in events if event.get("what") == "answers"][-1] == 1
    with pytest.raises(ValueError), watch_progress(events.append), step("scoring", 3):
        raise ValueError
    assert events[-1]["failed"]


# Parts


def test_steps_are_told_of_at_a_bounded_rate() -> None:
    events: list[Event] = []
    with watch_progress(events.append), about(source="a.mkv", encode=None), step("encoding", 1000) as work:
        begun = time.monotonic()
        for number in range(1000):
            work.at(number + 1)
        took = time.monotonic() - begun
    told = [event for event in events if event["event"] == "progress"]
    assert 1 <= len(told) <= 1 + took / 0.2
    assert events[-1]["done"] == 1000
    assert without_times(events[0]) == {
        "event": "started", "step": 1, "what": "encoding", "source": "a.mkv", "unit": "frames", "done": 0,
        "total": 1000,
    }  # fmt: skip


def test_time_left_follows_from_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    events: list[Event] = []
    with watch_progress(events.append), step("scoring", 300) as work:
        for done in (50, 100):
            now[0] += 2.0
            work.at(done)
    assert [(event["fps"], event["eta_s"]) for event in events if event["event"] == "progress"] == [
        (25.0, 10.0), (25.0, 8.0)
    ]  # fmt: skip


def test_nobody_watching_costs_nothing_and_says_nothing() -> None:
    with about(source="a.mkv"), step("encoding", 3) as work, count("sweep", "cells", 2) as cells:
        work.at(1)
        cells.add()
        tell("measured", vmaf=1.0)
        assert current_step() is None


def test_frames_are_counted_from_whatever_comes_of_a_line() -> None:
    events: list[Event] = []
    with watch_progress(events.append), step("encoding", 9, size_bytes=0) as work:
        counted = FrameCount(work)
        for piece in (
            b"fra",
            b"me=3\ntotal_si",
            b"ze=500\nprogress=continue\nframe=",
            b"  7\n",
            b"frame:8 pts:3\n",
        ):
            counted.feed(piece)
    assert (events[-1]["done"], events[-1]["size_bytes"]) == (9, 500)


def test_programs_that_print_much_on_both_streams_are_read_to_the_end() -> None:
    script = "import sys; sys.stdout.write('a' * 300000); sys.stderr.write('b' * 300000)"
    done = process.run([sys.executable, "-c", script])
    assert (len(done.stdout), len(done.stderr)) == (300000, 300000)


def test_a_program_that_closes_its_streams_and_stays_is_ended_in_time() -> None:
    script = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    begun = time.monotonic()
    with pytest.raises(TimeoutToolError):
        process.run([sys.executable, "-c", script], timeout=1.0)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ([], ""),
        ([{"what": "models"}], "loading models"),
        ([{"what": "trying", "encoder": "libx264", "preset": "slow"}], "trying libx264 slow"),
        ([{"what": "reading", "unit": "frames", "done": 5, "total": None}], "reading: 5 frames"),
        ([{"what": "hashing", "unit": "bytes", "done": 5_000_000, "total": 9_000_000}], "hashing: 5/9 MB"),
        (
            [
                {
                    "what": "encoding", "unit": "frames", "done": 50, "total": 100, "fps": 12.5, "eta_s": 4.0,
                    "encoder": "libx264", "preset": "slow", "crf": 23.5, "encode": 2, "max_encodes": 6,
                    "window": 1, "windows": 3, "size_bytes": 5_000_000, "predicted_bytes": 9_000_000,
                }
            ],
            "encode 2 of at most 6, window 1 of 3, libx264 slow crf 23.5: 50/100 at 12 fps, 5.0 of about 9.0 MB,"
            " ETA 0:04",
        ),
        (
            [
                {"what": "sweep", "unit": "cells", "done": 3, "total": 12, "eta_s": 3723.0},
                {
                    "what": "scoring", "unit": "frames", "done": 0, "total": 9, "source": "x/film.mkv",
                    "encoder": "libx265", "preset": "fast", "crf": 30,
                },
                {"what": "encoding", "unit": "frames", "done": 0, "total": 9, "source": "x/b.mkv"},
            ],
            "3/12 cells, ETA 1:02:03 | film.mkv: scoring libx265 fast crf 30: 0/9 frames (+1 more)",
        ),
        ([{"what": "answers", "unit": "sources", "done": 1, "total": 3, "eta_s": 9.0}], "1/3 sources"),
        (
            [{"what": "training", "unit": "epochs", "done": 1, "total": 60, "model": "a_model", "eta_s": 9.0}],
            "training a_model: 1/60 epochs, ETA 0:09",
        ),
    ],
)  # fmt: skip
def test_live_lines(steps: list[Event], line: str) -> None:
    assert describe(steps) == line


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("film.mkv", 8, "film.mkv"),
        ("film.mkv: scoring", 10, "film.mk..."),
        ("a\x1b[2Jb\n", 20, "a?[2Jb?"),
        ("映画.mkv: scoring", 10, "映画.mk..."),
        ("映画", 4, "映画"),
        ("abcdef", 2, ".."),
        ("abcdef", 0, ""),
    ],
)
def test_lines_take_no_more_columns_than_there_are(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown


def test_clocks() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3599, 3600)] == ["0:00", "1:00", "59:59", "1:00:00"]
