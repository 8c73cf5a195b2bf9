"""Reading corpora: compressed, cut short, in blocks, by several processes; the verdicts are always the same."""

from __future__ import annotations

import copy
import gzip
import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmaftune_frv2.contract import rows
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.old_rows import OldRowError, is_ours, shape_of, upgraded
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.corpus import blocks, helpers, reader
from vmaftune_frv2.corpus.reader import Fault, read_rows
from vmaftune_frv2.errors import ExitCode

PACKERS = {".jsonl": bytes, ".jsonl.gz": gzip.compress, ".jsonl.zst": zstd.compress}


def packed(name: str, *lines: object) -> str:
    """Writes a corpus in the working folder, compressed as its name says."""
    data = b"".join(
        (line if isinstance(line, bytes) else rows.dumps(line).encode("utf-8")) + b"\n" for line in lines
    )
    suffix = next(suffix for suffix in reversed(PACKERS) if name.endswith(suffix))
    Path(name).write_bytes(PACKERS[suffix](data))
    return name


@pytest.fixture
def small_blocks(monkeypatch):
    """A few lines per block, so that a small corpus has many."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4096)


@pytest.fixture
def helped(monkeypatch, small_blocks):
    """Two helper processes, even for a small corpus."""
    monkeypatch.setattr(reader, "ALONE_BYTES", 0)
    monkeypatch.setattr(helpers, "spare_cpus", lambda: 2)


def crf_of(row):
    return row["crf"]


def id_of(row):
    return row["run_id"]


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_corpora_are_read_like_plain_ones(suffix, good_row, vmaf_tune):
    name = packed(f"c{suffix}", good_row, {**good_row, "crf": 52}, b"{torn", {**good_row, "crf": 29}, good_row)
    result = vmaf_tune("validate", name)
    assert result.code == ExitCode.NEGATIVE
    first, second = result.out.splitlines()
    assert first.startswith(f"c{suffix}:2: crf = 52: ")
    assert second.startswith(f"c{suffix}:3: not JSON")
    assert "5 rows in 1 files (v3: 3): 3 valid, 2 invalid, 0 failed cells, 1 duplicates" in result.err


def test_folder_is_searched_for_compressed_corpora(good_row, vmaf_tune):
    Path("all/deep").mkdir(parents=True)
    for number, suffix in enumerate(PACKERS):
        packed(f"all/deep/c{suffix}", {**good_row, "crf": 20 + number})
    packed("all/c.jsonl.vetoed.jsonl", {**good_row, "crf": 30})
    Path("all/c.jsonl.quarantine").write_text("{torn\n")
    result = vmaf_tune("validate", "all")
    assert (result.code, result.out) == (ExitCode.OK, "")
    assert "4 rows in 4 files" in result.err


def test_compressed_corpus_is_known_under_any_name(good_row, vmaf_tune):
    for name, pack in (("rows", gzip.compress), ("rows.txt", zstd.compress)):
        Path(name).write_bytes(pack(rows.dumps(good_row).encode()))
        assert vmaf_tune("validate", name).code == ExitCode.OK


def test_parts_that_were_compressed_one_by_one_are_one_corpus(good_row, vmaf_tune):
    line = rows.dumps(good_row).encode() + b"\n"
    for suffix, pack in list(PACKERS.items())[1:]:
        Path(f"c{suffix}").write_bytes(pack(line * 2) + pack(line))
        assert "3 rows in 1 files" in vmaf_tune("validate", f"c{suffix}").err


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_corpus_cut_short_is_named_after_the_rows_before_the_damage(suffix, good_row, vmaf_tune):
    # Digests do not compress, so that the cut falls between whole lines.
    name = packed(f"c{suffix}", *({**good_row, "crf": 52, "src": f"{i}.mkv"} for i in range(2000)))
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: len(data) * 9 // 10])
    result = vmaf_tune("validate", name, "--max-messages", 3000)
    assert result.code == ExitCode.INPUT
    told = result.out.splitlines()
    assert 0 < len(told) < 2000
    assert all(line.startswith(f"c{suffix}:{number}: crf") for number, line in enumerate(told, start=1))
    assert f"Error: c{suffix}: cannot be read beyond line {len(told)}: " in result.err
    assert f"{len(told)} rows in 1 files" in result.err


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"plain text\n"], ids=["empty", "begun", "plain"])
@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_file_that_is_not_compressed_as_its_name_says_is_named(suffix, content, vmaf_tune):
    Path(f"c{suffix}").write_bytes(content)
    result = vmaf_tune("validate", f"c{suffix}")
    assert result.code == ExitCode.INPUT
    assert f"Error: c{suffix}: " in result.err


def test_damaged_corpus_is_not_trained_on(corpus_path, vmaf_tune):
    data = gzip.compress(corpus_path.read_bytes())
    Path("c.jsonl.gz").write_bytes(data[:-9])
    result = vmaf_tune("train-v2", "--corpus", "c.jsonl.gz", "--epochs", 1, "--no-export")
    assert result.code == ExitCode.INPUT
    assert "c.jsonl.gz: cannot be read beyond line" in result.err


def test_compressed_corpus_trains_and_predicts_like_the_plain_one(corpus_path, model_dir, vmaf_tune):
    Path("c.jsonl.zst").write_bytes(zstd.compress(corpus_path.read_bytes()))
    answers = []
    for name in (corpus_path, "c.jsonl.zst"):
        trained = vmaf_tune("train-v2", "--corpus", name, "--epochs", 1, "--no-export")
        assert trained.code == 0, trained.err
        model = model_dir / "fr_regressor_v2.onnx"
        predicted = vmaf_tune("predict", "--corpus", name, "--model", model, "--format", "json")
        assert predicted.code == 0, predicted.err
        answers.append((trained.out, predicted.out))
    assert answers[0] == answers[1]


def test_rows_that_break_the_contract_get_no_prediction(corpus_path, model_dir, vmaf_tune):
    lines = corpus_path.read_text().splitlines()
    broken = json.dumps({**json.loads(lines[-1]), "crf": 99})
    Path("c.jsonl").write_text("\n".join([*lines, broken]))
    command = (
        "predict",
        "--corpus",
        "c.jsonl",
        "--model",
        model_dir / "fr_regressor_v2.onnx",
        "--format",
        "jsonl",
    )
    result = vmaf_tune(*command)
    assert result.code == ExitCode.NEGATIVE
    assert len(result.out.splitlines()) == len(lines)
    assert "1 rows got no prediction: breaks the row contract (vmaf-tune validate says how)" in result.err


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("how", ["small_blocks", "helped"])
def test_lines_keep_their_numbers_across_blocks_and_processes(how, suffix, good_row, request):
    request.getfixturevalue(how)
    lines = [
        b"" if number % 7 == 0
        else b"{torn" if number % 11 == 0
        else {**good_row, "crf": 52} if number % 13 == 0
        else {**good_row, "run_id": str(number), "src": "x" * (number * 40)}
        for number in range(1, 301)
    ]  # fmt: skip
    names = [Path(packed(f"{which}{suffix}", *lines)) for which in "ab"]
    found = list(read_rows(names, id_of))
    expected = [
        (name, number) if number % 11 == 0 or number % 13 == 0 else str(number)
        for name in names for number in range(1, 301) if number % 7
    ]  # fmt: skip
    assert [(f.path, f.line) if isinstance(f, Fault) else f for f in found] == expected
    for fault in found:
        if isinstance(fault, Fault):
            assert bool(fault.error) == (fault.line % 11 == 0)
            assert [v.key for v in fault.violations] == ([] if fault.error else ["crf"])


def test_line_longer_than_a_block_is_one_line(small_blocks, good_row):
    packed("c.jsonl", good_row, {**good_row, "src": "x" * 50_000}, {**good_row, "crf": 30})
    Path("c.jsonl").write_bytes(Path("c.jsonl").read_bytes()[:-1])
    assert list(read_rows([Path("c.jsonl")], crf_of)) == [good_row["crf"], good_row["crf"], 30]


def test_helpers_know_the_encoders_that_plugins_register(helped, good_row, monkeypatch):
    monkeypatch.setattr(ENCODERS, "_by_name", dict(ENCODERS._by_name))
    ENCODERS.register(
        Encoder(
            name="libnew", presets=("quick", "good"), crf_min=0, crf_max=9, argv=(), pix_fmts=("yuv420p",),
            container="mkv", version_pattern="x",
        )
    )  # fmt: skip
    row = {**good_row, "encoder": "libnew", "preset": "good", "crf": 9}
    packed("c.jsonl", *[row, {**row, "crf": 10}, {**row, "preset": "best"}] * 100)
    found = list(read_rows([Path("c.jsonl")], crf_of))
    assert found[::3] == [9] * 100
    assert all([v.key for v in f.violations] == [k] for i, k in ((1, "crf"), (2, "preset")) for f in found[i::3])


def test_helpers_take_part(helped, good_row):
    packed("c.jsonl", *[good_row] * 600)
    assert len(set(read_rows([Path("c.jsonl")], slow_process))) > 1


def slow_process(row):
    time.sleep(0.01)
    return os.getpid()


def test_what_a_helper_leaves_undone_is_done_here(helped, good_row):
    packed("c.jsonl", *({**good_row, "run_id": str(number)} for number in range(400)))
    assert list(read_rows([Path("c.jsonl")], ends_other_processes)) == [str(number) for number in range(400)]


def ends_other_processes(row):
    if multiprocessing.parent_process() is not None:
        os._exit(1)
    return row["run_id"]


def test_large_corpus_is_checked_by_the_program_as_it_is_installed(good_row):
    packed("c.jsonl", *({**good_row, "src": f"{number}" + "x" * 9000} for number in range(2000)), b"{torn")
    program = Path(sys.executable).parent / "vmaf-tune-frv2"
    done = subprocess.run([program, "validate", "c.jsonl"], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.NEGATIVE
    assert done.stdout.startswith("c.jsonl:2001: not JSON")
    assert done.stderr.splitlines() == [
        "2001 rows in 1 files (v3: 2000): 2000 valid, 1 invalid, 0 failed cells, 1999 duplicates"
    ]


NUMBERS = st.one_of(
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 0, -0.0, 1e15, -1e15, 999999999999999, 10**30, 2**64, 10**400, 3.0, 1e308]
    ),
    st.floats(),
    st.integers(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=3), st.sampled_from(["\ud800", "\n", "full\n"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def edits(draw):
    """Changes to a row: (path of keys, new value)."""
    arrays = [("per_frame_features", feature) for feature in ("adm2", "motion2", "psnr_y")]
    paths = st.one_of(
        st.sampled_from([(key,) for key in (*rows.CORPUS_ROW_KEYS, *rows.OPTIONAL_KEYS, "new")]),
        st.sampled_from([*arrays, *((*array, 1) for array in arrays[:2]), ("per_frame_vmaf", 0)]),
    )
    changes = draw(st.lists(st.tuples(paths, VALUES), min_size=0, max_size=2))
    return changes, draw(st.sampled_from([1, 2, 3, 3.0, True, None, [3]]) | st.just(3))


def edited(row, changes, version):
    row = copy.deepcopy(row)
    row["schema_version"] = version
    for (*folders, key), value in changes:
        place = row
        for folder in folders:
            place = place[folder] if isinstance(place, dict) and folder in place else None
        if isinstance(place, dict) or (isinstance(place, list) and len(place) > int(key)):
            place[key] = value
    return row


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits(), min_size=1, max_size=8))
def test_verdicts_and_messages_are_those_of_the_single_row(good_row, tmp_path, corpus_edits):
    lines = [json.dumps(edited(good_row, *edit)).encode("utf-8") for edit in corpus_edits]
    path = Path(packed(str(tmp_path / "c.jsonl"), *lines))
    assert list(map(said, read_rows([path], dict))) == list(map(to_be_said, lines))


def said(found):
    return (found.error or list(map(str, found.violations))) if isinstance(found, Fault) else repr(found)


def to_be_said(line):
    try:
        row = rows.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    said = list(map(str, check_row(row)))
    if said or is_ours(row):
        return said or repr(row)
    shape = shape_of(row)
    try:
        new, _ = upgraded(row, shape)
    except OldRowError as error:
        return [f"{shape} row: {error}"]
    return list(map(str, check_row(new))) or repr(new)


def test_verdicts_of_helpers_are_those_of_one_process(helped, good_row, monkeypatch):
    changes = [
        ([(("crf",), 99)], 3), ([(("vmaf_score",), math.nan)], 3), ([(("new",), 10**30)], 3), ([], 3.0), ([], 1),
        ([(("src",), "\ud800")], 3), ([(("per_frame_features", "adm2", 1), 0.1)], 3),
        ([(("adm2_std",), 1e999)], 2), ([(("hdr_transfer",), math.nan)], 3),
    ]  # fmt: skip
    path = Path(packed("c.jsonl", *[json.dumps(edited(good_row, *c)).encode() for c in changes] * 60))
    together = list(read_rows([path], dict))
    monkeypatch.setattr(helpers, "spare_cpus", lambda: 0)
    assert together == list(read_rows([path], dict))
    assert {type(found) for found in together} == {dict, Fault}


def test_deep_nesting_is_a_violation_or_no_json_and_no_crash(good_row, vmaf_tune):
    line = rows.dumps({**good_row, "new": 0})
    deep = [
        line.replace('"new": 0', '"new": ' + "[" * n + "]" * n).encode() for n in (100, 700, 980, 5000, 100_000)
    ]
    result = vmaf_tune("validate", packed("c.jsonl", *deep))
    assert result.code == ExitCode.NEGATIVE
    assert "5 rows in 1 files" in result.err
    assert all("nested too deeply" in message for message in result.out.splitlines())
