"""``vmaf-tune encode``: what it refuses, what is left when it is broken off, several sources, and once more."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import jsonschema
import pytest

import vmaftune_frv2 as vt
from conftest import Clips, VmafTune, read_rows
from encode_kit import X264, made
from vmaftune_frv2.api.encode_outputs import Job
from vmaftune_frv2.api.encode_placing import finished_before, placed
from vmaftune_frv2.contract.certificate import (
    Certificate,
    Measured,
    Original,
    Promise,
    certificate_path,
    read_certificate,
)
from vmaftune_frv2.contract.containers import MATROSKA
from vmaftune_frv2.errors import ExitCode, OutputError, UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.whole_encode import remarks

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "encode_certificate.json").read_text())
AT_30 = (*X264, "--crf", 30)
Limits = Callable[[], object] | None


@pytest.fixture
def film(clip: Clips, tmp_path: Path) -> Path:
    path = tmp_path / "film.mkv"
    shutil.copy(clip("testsrc2", size="160x96", frames=24), path)
    return path


@pytest.mark.parametrize("how", ["same", "relative", "symbolic", "hard"])
def test_an_output_that_is_its_own_source_is_refused(how: str, film: Path, vmaf_tune: VmafTune) -> None:
    output, before = film.with_name("link.mkv"), film.read_bytes()
    if how == "symbolic":
        output.symlink_to(film)
    elif how == "hard":
        os.link(film, output)
    else:
        output = film if how == "same" else Path("../") / film.parent.name / film.name
    result = vmaf_tune("encode", film, "-o", output, *AT_30, "--overwrite")
    assert (result.code, "is the source" in result.err) == (ExitCode.USAGE, True)
    assert film.read_bytes() == before


def test_an_output_that_exists_is_replaced_only_if_asked(film: Path, vmaf_tune: VmafTune) -> None:
    output = Path("out.mkv")
    output.write_bytes(b"precious")
    refused = vmaf_tune("encode", film, "-o", output, *AT_30)
    assert (refused.code, output.read_bytes()) == (ExitCode.OUTPUT, b"precious")
    assert "out.mkv exists; --overwrite replaces it" in refused.err
    assert "encoded" not in refused.err
    assert vmaf_tune("encode", film, "-o", output, *AT_30, "--overwrite").code == 0
    assert output.read_bytes() != b"precious"


def test_a_link_stays_one(film: Path, vmaf_tune: VmafTune) -> None:
    Path("elsewhere").mkdir()
    Path("out.mkv").symlink_to("elsewhere/real.mkv")
    assert vmaf_tune("encode", film, "-o", "out.mkv", *AT_30, "--overwrite").code == 0
    assert Path("out.mkv").is_symlink()
    assert Path("elsewhere/real.mkv").stat().st_size > 1000


def test_what_was_made_of_the_same_is_not_made_again(film: Path, vmaf_tune: VmafTune) -> None:
    first = vmaf_tune("encode", film, "-o", "out.mkv", *AT_30)
    made_at = Path("out.mkv").stat().st_mtime_ns
    copy = film.rename("renamed.mkv")  # the content counts, not the name
    again = vmaf_tune("encode", copy, "-o", "out.mkv", *AT_30)
    assert (again.code, again.out) == (0, first.out)
    assert "made before" in again.err
    assert "encoded" not in again.err
    assert Path("out.mkv").stat().st_mtime_ns == made_at
    other = vmaf_tune("encode", copy, "-o", "out.mkv", *X264, "--crf", 31)
    assert (other.code, "exists" in other.err) == (ExitCode.OUTPUT, True)
    with copy.open("ab") as stream:
        stream.write(b"\0")
    changed = vmaf_tune("encode", copy, "-o", "out.mkv", *AT_30)
    assert (changed.code, "exists" in changed.err) == (ExitCode.OUTPUT, True)


def test_a_target_out_of_reach_writes_nothing(film: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", film, "-o", "out.mkv", *X264, "--crf", "40:44", "--target-vmaf", 99)
    assert result.code == ExitCode.NEGATIVE
    assert "no crf of libx264:veryfast reaches VMAF 99 (mean); the best is crf 40" in result.err
    assert list(Path().iterdir()) == [Path("film.mkv")]


def test_crfs_that_nobody_learnt_are_told_where_the_target_is_out_of_reach(
    film: Path, vmaf_tune: VmafTune
) -> None:
    result = vmaf_tune("encode", film, "-o", "out.mkv", *X264, "--target-vmaf", 100)
    assert result.code == ExitCode.NEGATIVE
    assert "of libx264:veryfast that the model learnt (--crf names others), none reaches VMAF 100" in result.err


def test_a_limit_alone_gives_the_best_that_keeps_it(film: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", film, "-o", "out.mkv", *X264, "--max-size", "20kB", "--max-encodes", 12, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert 10_000 < found["measured"]["video_bytes"] <= 20_000
    none = vmaf_tune("encode", film, "-o", "none.mkv", *X264, "--max-size", "20kB", "--target-vmaf", 99.9)
    assert none.code == ExitCode.NEGATIVE
    assert "reaches VMAF 99.9 (mean) within --max-size" in none.err
    assert not Path("none.mkv").exists()


def test_too_large_is_refused_before_the_encode(film: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", film, "-o", "out.mkv", *AT_30, "--max-percent", 1)
    assert result.code == ExitCode.NEGATIVE
    assert "more than --max-percent 1; nothing was written" in result.err
    assert "encoding all" not in result.err
    assert list(Path().iterdir()) == [Path("film.mkv")]


@pytest.mark.parametrize(
    ("option", "reason"), [(("--min-vmaf", 99.9), "is below --min-vmaf 99.9"), (("--max-percent", 1), "1 is more")]
)
def test_a_file_that_is_refused_is_kept_under_another_name(
    option: Sequence[object], reason: str, ffmpeg: FFmpeg, film: Path, vmaf_tune: VmafTune
) -> None:
    # Sound without a stated bitrate: nobody knows the size of the file before it is made.
    source = made(
        ffmpeg, film.with_name("a.mkv"), "-i", film, "-f", "lavfi", "-i", "sine", "-shortest", "-c:v", "copy"
    )
    film.unlink()
    asked = ("encode", source, "-o", "out.mkv", *AT_30, "--audio", "-c:a flac", *option)
    result = vmaf_tune(*asked)
    assert result.code == ExitCode.NEGATIVE
    assert reason.replace("1 is more", "% of the source's size is more") in result.err
    assert "the file is kept as out.rejected.mkv" in result.err
    names = {"a.mkv", "out.rejected.mkv", "out.rejected.mkv.vmaf.json"}
    assert {path.name for path in Path().iterdir()} == names
    again = vmaf_tune(*asked)
    assert (again.code, again.out) == (result.code, result.out)
    assert "made before" in again.err


def test_a_refused_file_takes_the_place_of_nothing_else(film: Path, vmaf_tune: VmafTune) -> None:
    Path("out.rejected.mkv").write_bytes(b"precious")
    result = vmaf_tune("encode", film, "-o", "out.mkv", *AT_30, "--min-vmaf", 99.9)
    assert (result.code, "kept as out.rejected-2.mkv" in result.err) == (ExitCode.NEGATIVE, True)
    assert Path("out.rejected.mkv").read_bytes() == b"precious"
    source = film.rename("new.rejected.mkv")
    refused = vmaf_tune("encode", source, "-o", "new.mkv", *AT_30, "--min-vmaf", 99.9)
    assert (refused.code, "would be kept" in refused.err) == (ExitCode.USAGE, True)


@dataclasses.dataclass
class Ended:
    """A command that was broken off, or failed, in a process of its own."""

    code: int
    err: str


def broken_off(arguments: Sequence[object], number: signal.Signals) -> Ended:
    """Sends a signal once the whole is being encoded."""
    work = subprocess.Popen(
        [sys.executable, "-m", "vmaftune_frv2", "encode", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert work.stderr is not None
    said = ""
    for line in work.stderr:
        said += line
        if "encoding all of it" in line:
            break
    work.send_signal(number)
    _, rest = work.communicate(timeout=60)
    return Ended(work.returncode, said + rest)


LAST = ("--encoder", "libx264", "--preset", "slower", "--crf", 30)


def test_broken_off_in_the_last_encode_leaves_the_search_and_nothing_else(
    clip: Clips, vmaf_tune: VmafTune
) -> None:
    source = clip("mandelbrot", size="480x272", frames=40)
    kept = (source, "-o", "out.mkv", *LAST, "--record", "rows.jsonl")
    ended = broken_off(kept, signal.SIGINT)
    assert ended.code == ExitCode.INTERRUPTED
    assert "what was measured is in rows.jsonl" in ended.err
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl"]
    (row,) = read_rows(Path("rows.jsonl"))
    result = vmaf_tune("encode", *kept)
    assert result.code == 0, result.err
    assert "known libx264:slower:30" in result.err
    assert read_rows(Path("rows.jsonl")) == [row]


@pytest.mark.slow
def test_ended_in_the_last_encode_leaves_the_search_in_the_cache(clip: Clips, vmaf_tune: VmafTune) -> None:
    source = clip("mandelbrot", size="480x272", frames=40)
    Path("precious.mkv").write_bytes(b"precious")
    asked = (source, "-o", "precious.mkv", *LAST, "--overwrite", "--cache-dir", "cache")
    assert broken_off(asked, signal.SIGTERM).code == ExitCode.INTERRUPTED
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "precious.mkv"]
    assert Path("precious.mkv").read_bytes() == b"precious"
    result = vmaf_tune("encode", *asked)
    assert (result.code, "known libx264:slower:30" in result.err) == (0, True), result.err


def with_limit(size: int) -> Limits:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run(arguments: Sequence[object], limits: Limits = None) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "vmaftune_frv2", "encode", *map(str, arguments)],
        capture_output=True, text=True, check=False, preexec_fn=limits,
    )  # fmt: skip
    return Ended(done.returncode, done.stderr)


@pytest.fixture
def loud(ffmpeg: FFmpeg, film: Path, tmp_path: Path) -> Path:
    """A second of video with 400 kB of sound, which does not fit where the video alone does."""
    path = made(
        ffmpeg, tmp_path / "loud.mkv", "-i", film, "-f", "lavfi", "-i", "anoisesrc=r=48000:d=4",
        "-map", 0, "-map", 1, "-c:v", "copy", "-c:a", "pcm_s16le",
    )  # fmt: skip
    film.unlink()
    return path


def test_a_file_that_cannot_grow_leaves_nothing(loud: Path) -> None:
    ended = run((loud, "-o", "out.mkv", *AT_30), with_limit(200_000))
    assert ended.code == ExitCode.OUTPUT
    assert "no space is left" in ended.err
    assert [path.name for path in Path().iterdir()] == ["loud.mkv"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    mounting = [mount or "mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(("sound", "when"), [("copy", "before"), ("-c:a flac", "during")])
def test_a_full_disk_leaves_nothing(sound: str, when: str, loud: Path, small: Path) -> None:
    ended = run((loud, "-o", small / "out.mkv", *AT_30, "--audio", sound))
    assert (ended.code, "no space is left" in ended.err) == (ExitCode.OUTPUT, True), ended.err
    assert ("encoding all of it" in ended.err) == (when == "during")
    assert list(small.iterdir()) == []


def test_a_file_without_room_for_its_certificate_does_not_get_its_name(small: Path) -> None:
    job, made = Job("a.mkv", small / "out.mkv", MATROSKA), small / "made"
    made.write_bytes(b"encode")
    job.output.write_bytes(b"precious")
    with (small / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while shutil.disk_usage(small).free:
            filler.write(bytes(4096))
    with pytest.raises(OutputError, match="No space left"):
        placed(job, made, certificate_for("a", job.output, made), True)
    assert job.output.read_bytes() == b"precious"
    assert sorted(path.name for path in small.iterdir()) == ["filler", "made", "out.mkv"]


def test_a_crf_that_cannot_be_is_refused_before_the_source_is_looked_at(vmaf_tune: VmafTune) -> None:
    for crf, words in (("23.", "--crf '23.': write a number"), ("99", "99")):
        result = vmaf_tune("encode", "nowhere.mkv", "-o", "out.mkv", *X264, "--crf", crf)
        assert (result.code, words in result.err, "no such file" in result.err) == (ExitCode.USAGE, True, False)


def test_a_folder_goes_on_where_it_stopped(clip: Clips, vmaf_tune: VmafTune, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, pattern in (("a.mkv", "testsrc2"), ("c.avi", "mandelbrot")):
        shutil.copy(clip(pattern, size="160x96", frames=12, container=name[2:]), folder / name)
    (folder / "b.mp4").write_bytes(b"no video")
    (folder / "notes.txt").write_text("no video either")
    asked = ("encode", folder, "-o", "out", *AT_30, "--json")
    result = vmaf_tune(*asked)
    assert result.code == ExitCode.INPUT
    assert "b.mp4" in result.err
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["output"] for record in records] == ["out/a.mkv", "out/c.mkv"]
    assert sorted(path.name for path in Path("out").glob("*[!n]")) == ["a.mkv", "c.mkv"]
    Path("out/c.mkv").unlink()
    again = vmaf_tune(*asked)
    assert again.code == ExitCode.INPUT
    assert "a.mkv: made before" in again.err
    assert "c.mkv: made before" not in again.err
    assert [json.loads(line)["measured"] for line in again.out.splitlines()] == [r["measured"] for r in records]


def test_names_that_would_meet_are_refused(film: Path, vmaf_tune: VmafTune, tmp_path: Path) -> None:
    other = shutil.copy(film, tmp_path / "film.mp4")
    result = vmaf_tune("encode", film, other, "-o", "out", "--container", "mkv", *AT_30)
    assert (result.code, "would both be written to" in result.err) == (ExitCode.USAGE, True)
    here = vmaf_tune("encode", film, "-o", ".", *AT_30)
    assert (here.code, "is the source" in here.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("name", ["out", "out.avi", "out.mkv/out.mkv"])
def test_names_that_cannot_be_outputs(name: str, film: Path, vmaf_tune: VmafTune) -> None:
    Path("out.mkv").touch()
    result = vmaf_tune("encode", film, "-o", name, *AT_30)
    assert result.code in (ExitCode.USAGE, ExitCode.OUTPUT)
    assert "encoded" not in result.err


@pytest.fixture(scope="module")
def treacherous(ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Just over a minute, hard to encode but where windows look, which see little change."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    calm = "+".join(f"between(t,{(n + 0.5) * 6.2 - 1.9:.2f},{(n + 0.5) * 6.2 + 1.9:.2f})" for n in range(10))
    return made(
        ffmpeg, path, "-f", "lavfi", "-i", "gradients=size=96x64:rate=10:speed=0.01:seed=1:c0=red:c1=navy",
        "-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=10", "-filter_complex",
        f"[1]noise=alls=40:allf=t[n];[0][n]overlay=enable='not({calm})'[v]", "-map", "[v]",
        "-t", 62, "-c:v", "libx264", "-preset", "ultrafast", "-qp", 4,
    )  # fmt: skip


@pytest.mark.slow
def test_a_long_source_is_searched_on_windows_and_measured_whole(treacherous: Path, vmaf_tune: VmafTune) -> None:
    asked = ("encode", treacherous, *X264, "--target-vmaf", 75, "--json")
    missed = vmaf_tune(*asked, "-o", "out.mkv")
    record = json.loads(missed.out)
    assert record["promised"]["windows"] == 10
    assert record["promised"]["vmaf_low"] < record["promised"]["vmaf"] < record["promised"]["vmaf_high"]
    assert (record["measured"]["frames"], len(record["missed"])) == (620, 1)
    assert missed.code == ExitCode.NEGATIVE
    assert "(mean) of the whole file misses the target of 75" in missed.err
    assert Path("out.mkv").is_file()
    mended = json.loads(vmaf_tune(*asked, "-o", "again.mkv", "--retry").out)
    assert mended["retried"] is True
    assert mended["crf"] < record["crf"]
    assert mended["measured"]["vmaf"] > record["measured"]["vmaf"]


def test_what_an_encoder_ignores_is_said(ffmpeg: FFmpeg) -> None:
    pattern = (
        "-hide_banner",
        "-nostdin",
        "-v",
        "level+warning",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=128x128:d=0.2",
    )
    wrong = {
        "libx264": (("-x264-params", "nonsense=1"), "Error parsing option 'nonsense = 1'."),
        "libx265": (("-x265-params", "nonsense=1"), "Unknown option: nonsense."),
        "libsvtav1": (("-preset", "10", "-svtav1-params", "nonsense=1"), "Error parsing option nonsense: 1."),
    }
    for encoder, (options, said) in wrong.items():
        for given, expected in ((options, (said,)), (options[:-2], ())):
            done = ffmpeg.run([*pattern, "-c:v", encoder, *given, "-f", "null", "-"])
            assert remarks(done.stderr) == expected


def test_python_gives_the_certificate_that_is_kept(film: Path) -> None:
    request = vt.EncodeRequest(sources=film, output="out.mkv", encoders="x264", presets="veryfast", crfs=30)
    found = vt.encode(request)
    kept = read_certificate(Path("out.mkv.vmaf.json"))
    assert kept is not None
    assert kept.record() == found.record()
    assert (found.encoder, found.holds) == ("libx264", True)
    with pytest.raises(UsageError, match="give one SOURCE"):
        vt.encode(request.changed(sources=[film, "other.mkv"], output="folder"))


def test_a_request_is_told_from_others_by_the_files_of_its_filters(tmp_path: Path) -> None:
    lut, digests = tmp_path / "look.cube", set[str]()
    for text in ("one", "one", "other"):
        lut.write_text(text)
        digests.add(vt.EncodeRequest(sources="a.mkv", output=Path("b.mkv"), vfilter=f"lut3d={lut}").digest)
    assert len(digests) == 2


def test_a_request_is_told_from_others_by_what_it_makes() -> None:
    request = vt.EncodeRequest(sources="a.mkv", output="b.mkv", encoders="libx264")
    same = request.changed(sources="c.mkv", output="d.mkv", overwrite=True, jobs=3, presets="medium")
    assert same.digest == request.digest
    for change in (
        {"target_vmaf": 94},
        {"audio": "none"},
        {"presets": "slow"},
        {"no_subs": True},
        {"min_vmaf": 9},
    ):
        assert request.changed(**change).digest != request.digest


def test_a_target_that_is_the_default_is_one_where_it_would_not_count() -> None:
    for alone in ({"crfs": "30"}, {"target_percentiles": "1=60"}, {"max_size": "1MB"}):
        request = vt.EncodeRequest(sources="a.mkv", output="b.mkv", **alone)
        assert request.changed(target_vmaf=95).digest != request.digest
    request = vt.EncodeRequest(sources="a.mkv", output="b.mkv")
    assert request.changed(target_vmaf=95).digest == request.digest


def certificate_for(source: str, output: Path, made: Path, **changes: Any) -> Certificate:
    """A certificate of a file that was not really encoded."""
    promised = Promise(90, 90, 90, 100, 100, 100, 9, 9, 9, 0, True, 1)
    measured = Measured(90, 90, 90, 90, 90, 24, 1, 100, 9, made.stat().st_size)
    found = Certificate(
        source, str(output), "libx264", "medium", 30, "vmaf_v0.6.1", {}, promised, measured,
        Original(source, 9, 9, 9), 100, 100, (), (), (), False, 1.0, "", None, "asked",
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


def test_of_two_encodes_to_one_name_the_slower_takes_nothing_of_the_faster(tmp_path: Path) -> None:
    job = Job("a.mkv", tmp_path / "out.mkv", MATROSKA)
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    first = placed(job, tmp_path / "first", certificate_for("a", job.output, tmp_path / "first"), False)
    second = certificate_for("a", job.output, tmp_path / "second", crf=31)
    with pytest.raises(OutputError, match="exists; --overwrite"):
        placed(job, tmp_path / "second", second, False)
    assert job.output.read_text() == "first"
    assert read_certificate(certificate_path(job.output)) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mkv", "out.mkv.vmaf.json", "second"]


def test_a_refused_file_takes_the_place_of_no_finished_one(tmp_path: Path) -> None:
    job, other = Job("a.mkv", tmp_path / "out.mkv", MATROSKA), Job("b", tmp_path / "out.rejected.mkv", MATROSKA)

    def place(job: Job, source: str, text: str, refused: tuple[str, ...]) -> Certificate:
        (tmp_path / "new").write_text(text)
        found = certificate_for(source, job.output, tmp_path / "new", refused=refused)
        return placed(job, tmp_path / "new", found, False)

    place(other, "b", "finished", ())
    kept = place(job, "a", "refused", ("no",))
    assert (other.output.read_text(), kept.output) == ("finished", str(tmp_path / "out.rejected-2.mkv"))
    assert finished_before(job, "a", "asked") == kept
    assert place(job, "a", "again", ("no",)).output == kept.output
    assert Path(kept.output).read_text() == "again"
    assert place(job, "c", "of another", ("no",)).output == str(tmp_path / "out.rejected-3.mkv")


@pytest.mark.parametrize("what", ["data", "folder"])
def test_what_has_the_name_of_a_certificate_is_kept(what: str, film: Path, vmaf_tune: VmafTune) -> None:
    beside = Path("out.mkv.vmaf.json")
    if what == "folder":
        beside.mkdir()
    else:
        beside.write_text('{"mine": 1}')
    result = vmaf_tune("encode", film, "-o", "out.mkv", *AT_30)
    assert (result.code, "out.mkv.vmaf.json" in result.err, "encoded" in result.err) == (5, True, False)
    assert not Path("out.mkv").exists()
    replaced = vmaf_tune("encode", film, "-o", "out.mkv", *AT_30, "--overwrite")
    assert replaced.code == (ExitCode.OUTPUT if what == "folder" else 0)


@pytest.mark.parametrize("length", [300, 255, 246])
def test_names_that_are_too_long_are_refused_before_anything(length: int, film: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", film, "-o", "o" * (length - 4) + ".mkv", *AT_30)
    assert (result.code, len(result.err.splitlines())) == (ExitCode.OUTPUT, 1), result.err
    assert "longer than the 255 bytes" in result.err
    missing = vmaf_tune("encode", "s" * length + ".mkv", "-o", "out.mkv", *AT_30)
    assert (missing.code, "no such file" in missing.err) == (ExitCode.INPUT, True)


def test_the_longest_names_there_are_will_do(film: Path, vmaf_tune: VmafTune) -> None:
    longest = Path("ö" * 120 + "z.mkv")
    result = vmaf_tune("encode", film, "-o", longest, *AT_30)
    assert (result.code, certificate_path(longest).exists()) == (0, True), result.err


def test_names_that_are_no_text_will_do(film: Path, tmp_path: Path) -> None:
    source, output = tmp_path / os.fsdecode(b"f\xff.mkv"), tmp_path / os.fsdecode(b"o\xfe.mkv")
    film.rename(source)
    ended = run((source, "-o", output, *AT_30))
    assert ended.code == 0, ended.err
    found = read_certificate(certificate_path(output))
    assert found is not None
    assert (found.src, found.output) == (str(source), str(output))
    again = run((source, "-o", output, *AT_30))
    assert (again.code, "made before" in again.err) == (0, True), again.err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("how", ["gone", "closed"])
def test_nobody_has_to_listen(stream: str, how: str, film: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    number = {"stdout": 1, "stderr": 2}[stream]
    other = shutil.copy(film, film.with_name("other.mkv"))
    Path("out").mkdir()
    arguments = ("encode", film, other, "-o", "out", *AT_30)
    done = subprocess.run(
        [sys.executable, "-m", "vmaftune_frv2", *map(str, arguments)], check=False, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: writes},
        preexec_fn=(lambda: os.close(number)) if how == "closed" else None,
    )  # fmt: skip
    os.close(writes)
    assert done.returncode == (1 if (stream, how) == ("stdout", "gone") else 0), done.stderr
    assert [read_certificate(Path(f"out/{name}.mkv.vmaf.json")) is None for name in ("film", "other")] == [
        False,
        False,
    ]


@pytest.mark.parametrize("command", ["encode", "predict"])
def test_each_source_that_fails_is_an_error_event(command: str, film: Path, vmaf_tune: VmafTune) -> None:
    rest = ("-o", "out", *AT_30) if command == "encode" else X264
    result = vmaf_tune(command, "no.mkv", film, "none.mkv", *rest, "--progress", "json")
    events = [json.loads(line) for line in result.err.splitlines()]
    errors = [(e["message"], e["exit_code"]) for e in events if e["event"] == "error"]
    assert errors == [(f"{name}: no such file", 3) for name in ("no.mkv", "none.mkv")]
    assert not any("no such file" in e["message"] for e in events if e["event"] == "log")


def test_sound_takes_what_is_about_it(loud: Path, vmaf_tune: VmafTune) -> None:
    sound = "-c:a:0 aac -b:a 64k -ac 1 -ar 44100 -af volume=-3dB -strict -2 -cutoff:a 15000"
    result = vmaf_tune("encode", loud, "-o", "out.mp4", *AT_30, "--audio", sound)
    assert result.code == 0, result.err
    with av.open("out.mp4") as file:
        (stream,) = file.streams.audio
        assert (stream.codec_context.name, stream.channels, stream.rate) == ("aac", 1, 44100)


def test_a_file_that_is_too_large_with_its_sound_is_named(loud: Path, vmaf_tune: VmafTune) -> None:
    result = vmaf_tune("encode", loud, "-o", "out.mkv", *X264, "--max-size", "40kB", "--max-encodes", 12)
    assert result.code == 0, result.err
    (line,) = (line for line in result.err.splitlines() if line.startswith("Warning: "))
    assert f"the file has {Path('out.mkv').stat().st_size:,} bytes: --max-size 40kB limits the video alone" in line


def test_other_models_score_the_file_too(film: Path, vmaf_tune: VmafTune) -> None:
    asked = ("encode", film, "-o", "out.mkv", *AT_30, "--also-model", "vmaf_v0.6.1neg", "--json")
    result = vmaf_tune(*asked)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    jsonschema.validate(found, SCHEMA)
    ((model, scores),) = found["vmaf_also"].items()
    assert model == "vmaf_v0.6.1neg"
    assert 0 < scores["min"] <= scores["mean"] < found["measured"]["vmaf"]
    kept = read_certificate(Path("out.mkv.vmaf.json"))
    assert kept is not None
    assert json.loads(json.dumps(kept.record())) == found
    assert (
        "made before" in vmaf_tune("encode", film, "-o", "out.mkv", *AT_30, "--also-model", "vmaf_v0.6.1neg").err
    )


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1"])
def test_bitrates_of_promise_and_certificate_are_of_the_same_bytes(
    encoder: str, clip: Clips, vmaf_tune: VmafTune
) -> None:
    preset = "12" if encoder == "libsvtav1" else "ultrafast"
    asked = ("--encoder", encoder, "--preset", preset, "--crf", 40, "--samples", 0, "--json")
    found = vmaf_tune("encode", clip("testsrc2", size="160x96", frames=48), "-o", "out.mkv", *asked)
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["promised"]["kbps"] == pytest.approx(told["measured"]["kbps"], rel=0.03)
