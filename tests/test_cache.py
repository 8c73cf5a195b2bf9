"""What is measured is kept by default: further questions of the same source encode nothing anew."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clips, Invocation, VmafTune, read_rows, untimed
from vmaftune_frv2 import PredictRequest, predict_source
from vmaftune_frv2.api.caching import CACHE_VARIABLE, default_folder
from vmaftune_frv2.contract.sizes import parse_size, size_text
from vmaftune_frv2.corpus import cache as cache_module
from vmaftune_frv2.corpus.cache_folder import ABANDONED_S, CacheFolder
from vmaftune_frv2.errors import ExitCode, UsageError

LINE = ("--encoder", "libx264", "--preset", "veryfast", "--format", "json")
TARGET = ("--target-vmaf", 80, "--verify")
FORMS: dict[str, tuple[object, ...]] = {
    "predict": ("predict", *TARGET),
    "windows": ("predict", "--samples", 2, "--sample-seconds", 0.5, *TARGET),
    "shots": ("per-shot", "--sample-seconds", 0.5, "--max-encodes", 20, *TARGET),
    "ladder": ("ladder", "--heights", "96,48", "--rungs", 2, "--vmaf-range", "5:90", "--verify"),
}
Ask = Callable[..., Invocation]


@pytest.fixture(autouse=True)
def _cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of the test's own, where nobody names one."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cached"))


@pytest.fixture
def film(clip: Clips, tmp_path: Path) -> Path:
    """A file of this test alone, changed long ago."""
    path = tmp_path / "film.mkv"
    shutil.copy(clip("testsrc2", size="128x96", frames=96), path)
    os.utime(path, (1e9, 1e9))
    return path


@pytest.fixture
def ask(vmaf_tune: VmafTune, curve_models: tuple[object, ...], watched: Path, film: Path) -> Ask:
    """Asks about the film, or another file."""

    def run(form: str, *options: object, source: Path = film) -> Invocation:
        watched.with_name("calls").write_text("")
        command, *more = FORMS[form]
        return vmaf_tune(command, source, *curve_models, *LINE, *more, "--ffmpeg-bin", watched, *options)

    return run


@pytest.fixture
def work(watched: Path, film: Path) -> Callable[[], list[str]]:
    """What the last question had done with the film: encodes, scores, complexity, pace."""

    def calls() -> list[str]:
        lines = watched.with_name("calls").read_text().splitlines()
        return [line for line in lines if film.stem in line and re.search("libvmaf|-c:v libx264", line)]

    return calls


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json.gz"))


def told(answer: Invocation) -> object:
    """The answer, apart from how many encodes it took, and how long they did."""
    assert answer.code == ExitCode.OK, answer.err
    return [{**record, "encodes": 0} for record in untimed(json.loads(answer.out))]


def known(answer: Invocation) -> int:
    """How many encodes were known, each named or many counted."""
    counted = re.findall(r"(\d+) encodes known from the cache", answer.err)
    return answer.err.count("known libx264") + sum(map(int, counted))


def test_many_known_encodes_take_one_line(ask: Ask) -> None:
    for crf in (26, 29, 32, 35):
        ask("predict", "--probe", f"libx264:veryfast:{crf}", "--crf", "24:40")
    answer = ask("predict", "--crf", "24:40")
    assert "known libx264" not in answer.err
    assert known(answer) >= 4


@pytest.mark.parametrize("form", FORMS)
def test_the_same_question_again_needs_neither_encodes_nor_scores(form: str, ask: Ask, work) -> None:
    first = ask(form)
    assert work()
    again = ask(form)
    assert told(again) == told(first)
    assert [r.get("encode_s") for r in json.loads(again.out)] == [r.get("encode_s") for r in json.loads(first.out)]
    assert work() == []
    assert "encoded" not in again.err
    assert known(again) == first.err.count("encoded libx264")


def test_no_cache_measures_anew_and_keeps_nothing(ask: Ask, work, tmp_path: Path) -> None:
    first = ask("predict", "--no-cache")
    before = work()
    assert not (tmp_path / "cached").exists()
    assert told(ask("predict", "--no-cache")) == told(first)
    assert len(work()) == len(before) > 0


def test_another_target_is_answered_from_what_is_known(ask: Ask, work) -> None:
    ask("predict", "--crf", "24:40", "--target-vmaf", "80")
    (pick,) = json.loads(ask("predict", "--crf", "24:40", "--target-vmaf", "80").out)
    lower = pick["vmaf_predicted"] - 0.01
    (found,) = json.loads(ask("predict", "--crf", "24:40", "--target-vmaf", lower).out)
    assert (found["crf"], found["measured"], found["encodes"]) == (pick["crf"], True, 0)
    assert work() == []


def predicted(ask: Ask, target: float, crfs: str) -> dict[str, object]:
    """The pick of a prediction that is not verified."""
    FORMS["plain"] = ("predict",)
    try:
        (pick,) = json.loads(ask("plain", "--target-vmaf", target, "--crf", crfs).out)
    finally:
        del FORMS["plain"]
    return pick


def test_a_cell_far_from_the_target_does_not_spare_a_probe(ask: Ask) -> None:
    assert predicted(ask, 20, "50")["encodes"] == 1
    assert predicted(ask, 20, "44:50")["encodes"] == 0
    assert predicted(ask, 20, "20")["encodes"] == 1


def test_a_copy_is_known_by_its_content(ask: Ask, film: Path, work) -> None:
    first = ask("predict")
    again = ask("predict", source=film.rename(film.with_name("film-2.mkv")))
    assert told(again) == told(first)
    assert work() == []


@pytest.mark.parametrize("largest", [cache_module.HASHED_BYTES, 0], ids=["hashed", "too large to be hashed"])
@pytest.mark.slow
def test_another_file_of_the_same_name_is_measured(
    largest: int, ask: Ask, film: Path, clip: Clips, work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "HASHED_BYTES", largest)
    first = ask("predict")
    assert told(ask("predict")) == told(first)
    assert work() == []
    shutil.copy(clip("mandelbrot", size="128x96", frames=96), film)
    os.utime(film, (2e9, 1.1e9))
    assert told(ask("predict")) != told(first)
    assert work()


def test_content_of_the_same_size_and_time_is_measured(ask: Ask, film: Path, work) -> None:
    first = ask("predict")
    assert work()
    stat, data = film.stat(), bytearray(film.read_bytes())
    data[-1] ^= 1
    film.write_bytes(data)
    os.utime(film, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ask("predict").code == first.code == ExitCode.OK
    assert work()


def test_threads_that_are_named_belong_to_what_is_known(ask: Ask, work) -> None:
    ask("predict", "--threads", 1)
    assert work()
    ask("predict", "--threads", 1)
    assert work() == []
    ask("predict", "--threads", 2)
    assert work()
    ask("predict")
    assert work()


def test_a_hash_is_not_computed_twice(ask: Ask, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("predict", "--record", "c.jsonl")
    monkeypatch.setattr(cache_module, "sha256_file", lambda path: pytest.fail(f"{path} is hashed again"))
    assert ask("predict", "--record", "d.jsonl").code == ExitCode.OK
    assert {row["src_sha256"] for row in read_rows(Path("d.jsonl"))} == {
        row["src_sha256"] for row in read_rows(Path("c.jsonl"))
    }


def test_a_record_gets_what_the_cache_knows(ask: Ask, work, vmaf_tune: VmafTune) -> None:
    first = ask("predict")
    again = ask("predict", "--record", "c.jsonl")
    assert told(again) == told(first)
    assert work() == []
    rows = read_rows(Path("c.jsonl"))
    assert len(rows) == first.err.count("encoded")
    assert {row["vmaf_score"] for row in rows} >= {json.loads(first.out)[0]["vmaf_predicted"]} or rows
    assert vmaf_tune("validate", "c.jsonl").code == ExitCode.OK


def test_sweeps_and_questions_share_a_folder(ask: Ask, film: Path, vmaf_tune: VmafTune, work, watched) -> None:
    ask("predict", "--cache-dir", "shared")
    (pick,) = json.loads(ask("predict", "--cache-dir", "shared").out)
    cell = ("--encoder", "libx264", "--preset", "veryfast", "--crf", pick["crf"])
    swept = vmaf_tune("corpus", film, *cell, "--cache-dir", "shared", "--ffmpeg-bin", watched)
    assert "1 measured (1 from shared)" in swept.err
    (row,) = read_rows(Path("corpus.jsonl"))
    assert row["vmaf_score"] == pytest.approx(pick["vmaf_predicted"], abs=1e-4)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "flipped": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "no gzip": lambda data: gzip.decompress(data),
    "no JSON": lambda data: gzip.compress(b"{"),
    "of another kind": lambda data: gzip.compress(
        json.dumps({**json.loads(gzip.decompress(data)), "value": []}).encode()
    ),
    "of another question": lambda data: gzip.compress(
        json.dumps({**json.loads(gzip.decompress(data)), "key": "00" * 16}).encode()
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_damaged_entries_are_made_again(spoil: Callable[[bytes], bytes], ask: Ask, work, tmp_path: Path) -> None:
    first = ask("predict")
    done, kept = work(), entries(tmp_path / "cached")
    for entry in kept:
        entry.write_bytes(spoil(entry.read_bytes()))
    again = ask("predict")
    assert told(again) == told(first)
    assert len(work()) == len(done)
    assert told(ask("predict")) == told(first)
    assert work() == []
    assert entries(tmp_path / "cached") == kept


def test_a_folder_that_cannot_be_written_is_warned_of_once(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "in-the-way").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "in-the-way"))
    answer = ask("predict")
    assert answer.code == ExitCode.OK
    assert json.loads(answer.out)[0]["verified"]
    assert len(re.findall("the cache is not used: .*cannot be written", answer.err)) == 1


@pytest.mark.slow
def test_doctor_says_where_it_lies_and_how_large_it_is(ask: Ask, vmaf_tune: VmafTune, tmp_path: Path) -> None:
    folder = tmp_path / "cached"
    assert f"cache: {folder}: 0 results, 0 B of at most 1.00 GB" in vmaf_tune("doctor").out
    ask("predict")
    said = json.loads(vmaf_tune("doctor", "--json").out)["cache"]
    files = entries(folder)
    assert said == {
        "path": str(folder), "entries": len(files), "size_bytes": sum(f.stat().st_size for f in files),
        "limit_bytes": 10**9,
    }  # fmt: skip


def test_the_default_lies_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    if sys.platform == "linux":
        assert default_folder() == tmp_path / "home" / "vmaftune-frv2"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert default_folder() == tmp_path / ".cache" / "vmaftune-frv2"
    monkeypatch.setenv(CACHE_VARIABLE, "elsewhere")
    assert default_folder() == Path.cwd() / "elsewhere"


@pytest.mark.slow
def test_an_empty_variable_turns_it_off(ask: Ask, vmaf_tune: VmafTune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert [json.loads(ask("predict").out)[0]["encodes"] > 0 for _ in range(2)] == [True, True]
    assert "cache: none, as VMAFTUNE_CACHE_DIR is empty" in vmaf_tune("doctor").out
    assert json.loads(vmaf_tune("doctor", "--json").out)["cache"] is None


@pytest.mark.slow
def test_python_keeps_the_same(
    film: Path, curve_models: tuple[object, ...], watched: Path, ask: Ask, work
) -> None:
    ask("predict")
    request = PredictRequest(
        sources=film, encoders="libx264", presets="veryfast", target_vmaf=80, verify=True,
        model=str(curve_models[1]), bitrate_model=str(curve_models[3]), ffmpeg_bin=str(watched),
    )  # fmt: skip
    assert [pick.encodes for pick in predict_source(request).answer.picks] == [0]
    assert [pick.encodes for pick in predict_source(request.changed(no_cache=True)).answer.picks] != [0]


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def noise(number: int) -> list[str]:
    """A value of some 2 kB that does not compress."""
    return [os.urandom(1000).hex(), str(number)]


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "c", limit=20_000)
    values = {}
    for number in range(40):
        values[number] = noise(number)
        folder.write(key(number), values[number])
        for entry in entries(tmp_path / "c"):  # a file system may tell times by the second only
            os.utime(entry, ns=(0, entry.stat().st_mtime_ns - 10**9))
        assert folder.read(key(0)) == values[0]
        assert folder.usage().size_bytes <= 20_000
    left = {number for number in range(40) if folder.has(key(number))}
    assert left == {0, *range(min(left - {0}), 40)}
    assert len(left) >= 10


def test_only_its_own_files_are_deleted(tmp_path: Path) -> None:
    mine = [tmp_path / "film.mkv", tmp_path / "ab" / "notes.json.gz", tmp_path / "ab" / f"{'0' * 31}.json.gz"]
    (tmp_path / "ab").mkdir()
    for path in mine:
        path.write_bytes(bytes(50_000))
        os.utime(path, (1, 1))
    torn = [tmp_path / "ab" / f".{'0' * 32}.json.gz.{end}" for end in ("old", "new")]
    for path in torn:
        path.write_bytes(b"half")
    os.utime(torn[0], (torn[1].stat().st_mtime - 2 * ABANDONED_S,) * 2)
    folder = CacheFolder(tmp_path, limit=5_000)
    for number in range(20):
        folder.write(key(number), noise(number))
    assert all(path.stat().st_size == 50_000 for path in mine)
    assert [path.exists() for path in torn] == [False, True]
    assert folder.usage().size_bytes <= 5_000


WRITER = """
import sys
from pathlib import Path
from vmaftune_frv2.corpus.cache_folder import CacheFolder
folder = CacheFolder(Path(sys.argv[1]), limit=100_000)
for turn in range(3):
    for number in range(100):
        found = folder.read(number.to_bytes(16, "big"))
        assert found in (None, [number] * 300), found
        folder.write(number.to_bytes(16, "big"), [number] * 300)
"""


def test_several_processes_share_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", WRITER, str(tmp_path / "c")]
    running = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    assert CacheFolder(tmp_path / "c").usage().entries == 100


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("700MB", 700_000_000), ("700 mb", 700_000_000), ("1.5GiB", 3 << 29), ("1kib", 1024), ("12", 12),
        ("12B", 12), ("2TB", 2 * 10**12), (".5kB", 500), ("4.GB", 4 * 10**9),
    ],
)  # fmt: skip
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text, "--max-size") == size


@pytest.mark.parametrize("text", ["", "MB", "7 apples", "-1MB", "1e9", "0", "0.2B", "1iB", "1G", "nanMB", "1MBB"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size"):
        parse_size(text, "--max-size")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (999.7, "1.00 kB"), (12_340, "12.3 kB"), (123_456_789, "123 MB"),
     (9.996e6, "10.0 MB"), (4e9, "4.00 GB")],
)  # fmt: skip
def test_sizes_are_shown_with_three_digits(size: float, text: str) -> None:
    assert size_text(size) == text
