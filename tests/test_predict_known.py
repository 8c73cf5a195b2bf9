"""``vmaf-tune predict --record`` into a corpus that has cells of the source: they are not encoded again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, Invocation, VmafTune, read_rows, untimed
from training_kit import write_rows

X264 = ("--encoder", "libx264", "--preset", "veryfast")
SEARCH = (*X264, "--target-vmaf", 70, "--verify", "--tolerance", 0, "--crf", "23:43")
STEP = re.compile(r"^(encoded|known) (\S+): VMAF ([\d.]+), ([\d.]+) kbit/s(?:, expected VMAF ([\d.]+))?$", re.M)
CORPUS = Path("c.jsonl")
Search = Callable[..., Invocation]


@pytest.fixture
def search(vmaf_tune: VmafTune, curve_models: Sequence[object], source: Path) -> Search:
    """A verified search of a source."""

    def run(*options: object, of: Path = source) -> Invocation:
        return vmaf_tune("predict", of, *curve_models, *SEARCH, "--format", "json", *options)

    return run


def steps(told: Invocation) -> list[tuple[str, ...]]:
    """(what, cell, VMAF, kbit/s, expected) of each."""
    assert told.code == 0, told.err
    return STEP.findall(told.err)


def pick(told: Invocation) -> dict[str, Any]:
    (record,) = untimed(json.loads(told.out))
    return record


def test_steps_tell_vmaf_and_bitrate_as_measured(search: Search) -> None:
    told = search("--record", CORPUS)
    rows = read_rows(CORPUS)
    assert len(rows) >= 2
    for row, (what, cell, vmaf, kbps, expected) in zip(rows, steps(told), strict=True):
        assert (what, cell) == ("encoded", f"libx264:veryfast:{row['crf']}")
        assert (vmaf, kbps) == (f"{row['vmaf_score']:.2f}", f"{row['bitrate_kbps']:.1f}")
        assert bool(expected) == (row is not rows[0])


def test_the_same_search_again_encodes_nothing(search: Search) -> None:
    first = search("--record", CORPUS)
    before = CORPUS.read_bytes()
    again = search("--record", CORPUS)
    assert [step[0] for step in steps(again)] == ["known"] * len(steps(first))
    assert [step[1:] for step in steps(again)] == [step[1:] for step in steps(first)]
    assert pick(again) == pick(first) | {"encodes": 0}
    assert CORPUS.read_bytes() == before
    assert again.err.splitlines()[-1] == f"c.jsonl: 0 rows added, {len(steps(first))} already there"


def test_only_what_is_missing_is_encoded_and_counted(search: Search) -> None:
    first = search("--record", CORPUS)
    rows = read_rows(CORPUS)
    write_rows(CORPUS, rows[1:])
    again = search("--record", CORPUS, "--max-encodes", 2)
    assert [step[0] for step in steps(again)] == ["encoded", *["known"] * (len(rows) - 1)]
    assert pick(again) == pick(first) | {"encodes": 1}
    assert f"c.jsonl: 1 rows added, {len(rows) - 1} already there" in again.err
    assert [row["crf"] for row in read_rows(CORPUS)] == [*(row["crf"] for row in rows[1:]), rows[0]["crf"]]


def test_without_record_nothing_is_known(search: Search) -> None:
    assert search("--record", CORPUS).code == 0
    assert {step[0] for step in steps(search())} == {"encoded"}


def test_rows_of_a_copy_are_known_too(search: Search, source: Path, tmp_path: Path) -> None:
    search("--record", CORPUS)
    copy = tmp_path / f"copy{source.suffix}"
    shutil.copy(source, copy)
    assert {step[0] for step in steps(search("--record", CORPUS, of=copy))} == {"known"}


OTHERS = {
    "another ffmpeg": {"ffmpeg_version": "n1.0"},
    "another encoder": {"encoder_version": "1"},
    "another model": {"vmaf_model": "vmaf_4k_v0.6.1"},
    "other parameters": {"extra_params": ["-tune", "film"]},
    "another source": {"src_sha256": "6b" * 32},
    "a failed cell": {
        **dict.fromkeys(("vmaf_score", "per_frame_vmaf", "per_frame_features")), "exit_status": 1,
        **{f"{f}_mean": None for f in ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")},
        **{f"{f}_std": None for f in ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")},
    },
    "no frames": {"per_frame_vmaf": None, "per_frame_features": None},
    "no true row": {"bitrate_kbps": 1e9},
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_rows_of_another_request_are_not_used(what: str, search: Search) -> None:
    search("--record", CORPUS)
    write_rows(CORPUS, [row | OTHERS[what] for row in read_rows(CORPUS)])
    assert {step[0] for step in steps(search("--record", CORPUS))} == {"encoded"}


def test_a_window_is_not_the_whole(search: Search, clip: Clips) -> None:
    long = clip("testsrc2", size="128x96", frames=48)
    search("--record", CORPUS, of=long)
    middle = ("--record", CORPUS, "--sample-clip-seconds", 0.5)
    assert {step[0] for step in steps(search(*middle, of=long))} == {"encoded"}
    assert {step[0] for step in steps(search(*middle, of=long))} == {"known"}


@pytest.mark.parametrize("jobs", [1, 3])
def test_several_sources_know_their_own_rows(
    jobs: int, vmaf_tune: VmafTune, curve_models: Sequence[object], clip: Clips, search: Search, source: Path
) -> None:
    other = clip("mandelbrot", size="128x96", frames=12)
    search("--record", CORPUS)
    count = len(read_rows(CORPUS))
    asked = ("predict", source, other, *curve_models, *SEARCH, "--record", CORPUS, "--jobs", jobs)
    told = vmaf_tune(*asked)
    assert len(re.findall(rf"^{re.escape(str(source))}: known libx264", told.err, re.M)) == count
    assert f"{other}: known" not in told.err
    assert f"{other}: encoded" in told.err
