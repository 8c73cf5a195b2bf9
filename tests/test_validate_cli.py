"""``vmaf-tune validate``: which line, which key, which value, and how many."""

from __future__ import annotations

import json

import pytest

from vmaftune_frv2.contract.rows import dumps
from vmaftune_frv2.errors import ExitCode


@pytest.fixture
def corpus(tmp_path):
    """Writes lines (rows or text) to a corpus and returns its name."""

    def write(*lines, name="corpus.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((line if isinstance(line, str) else dumps(line)) + "\n" for line in lines))
        return name

    return write


def test_valid_rows_are_counted_by_version(corpus, good_row, vmaf_tune):
    older = {key: value for key, value in good_row.items() if not key.startswith("per_frame")}
    result = vmaf_tune("validate", corpus(good_row, {**older, "schema_version": 1, "crf": 30}))
    assert (result.code, result.out) == (ExitCode.OK, "")
    assert "2 rows in 1 files (v1: 1, v3: 1): 2 valid, 0 invalid, 0 failed cells, 0 duplicates" in result.err


def test_message_names_file_line_key_and_value(corpus, good_row, vmaf_tune):
    result = vmaf_tune("validate", corpus(good_row, {**good_row, "crf": 52}, {**good_row, "width": "wide"}))
    assert result.code == ExitCode.NEGATIVE
    first, second = result.out.splitlines()
    assert first.startswith("corpus.jsonl:2: crf = 52: ")
    assert "0..51" in first
    assert second.startswith('corpus.jsonl:3: width = "wide": ')
    assert "1 valid, 2 invalid" in result.err


@pytest.mark.parametrize("line", ["{torn", "not a row", "[1, 2]", '{"crf": Infinity}', '"text"'])
def test_line_that_is_no_row_is_named_by_its_number(line, corpus, good_row, vmaf_tune):
    result = vmaf_tune("validate", corpus(good_row, "", line, good_row))
    assert result.code == ExitCode.NEGATIVE
    (message,) = result.out.splitlines()
    assert message.startswith("corpus.jsonl:3: not JSON")
    assert "3 rows" in result.err
    assert "1 invalid" in result.err


def test_line_that_is_not_utf_8_is_named(corpus, good_row, vmaf_tune, tmp_path):
    name = corpus(good_row)
    with (tmp_path / name).open("ab") as stream:
        stream.write(b'{"src": "caf\xe9"}\n')
    result = vmaf_tune("validate", name)
    assert result.out.splitlines() == ["corpus.jsonl:2: not UTF-8"]


def test_failed_cells_are_valid_and_counted(corpus, good_row, vmaf_tune):
    unknown = [key for key in good_row if key.endswith(("_mean", "_std")) or key.startswith("per_frame")]
    failed = {
        **good_row,
        **dict.fromkeys([*unknown, "vmaf_score"]),
        "exit_status": 1,
        "failure_reason": "exit code 1",
    }
    result = vmaf_tune("validate", corpus(good_row, failed, failed))
    assert result.code == ExitCode.OK
    assert "3 valid, 0 invalid, 2 failed cells, 0 duplicates" in result.err


def test_row_that_answers_a_request_again_is_a_duplicate(corpus, good_row, vmaf_tune):
    same_request = {**good_row, "run_id": "another", "encode_time_ms": 1.0}
    result = vmaf_tune("validate", corpus(good_row, same_request, {**good_row, "crf": 29}))
    assert "3 valid, 0 invalid, 0 failed cells, 1 duplicates" in result.err


def test_json_report_says_the_same(corpus, good_row, vmaf_tune):
    result = vmaf_tune("validate", corpus(good_row, {**good_row, "vmaf_score": None}, "{"), "--json")
    assert result.code == ExitCode.NEGATIVE
    report = json.loads(result.out)
    problems = report.pop("problems")
    assert report == {
        "files": 1, "rows": 3, "valid": 1, "invalid": 2, "failed": 0, "duplicates": 0, "versions": {"3": 1},
        "shapes": {"v3": 1}, "frame_lines": 0, "refused": {},
        "problem_count": len(problems),
    }  # fmt: skip
    assert {(p["file"], p["line"], p["key"], p["value"]) for p in problems} == {
        ("corpus.jsonl", 2, "vmaf_score", None), ("corpus.jsonl", 3, None, None),
    }  # fmt: skip
    assert all(problem["message"] for problem in problems)


def test_json_report_stays_json_for_values_json_has_no_word_for(corpus, good_row, vmaf_tune):
    text = dumps({**good_row, "adm2_mean": 0}).replace('"adm2_mean": 0', '"adm2_mean": 1e999')
    result = vmaf_tune("validate", corpus(text), "--json")
    assert result.code == ExitCode.NEGATIVE

    def refuse(name):
        raise AssertionError(f"the report holds a bare {name}")

    assert "adm2_mean" in [p["key"] for p in json.loads(result.out, parse_constant=refuse)["problems"]]


def test_messages_can_be_limited_and_the_rest_is_counted(corpus, good_row, vmaf_tune):
    name = corpus(*[{**good_row, "crf": crf} for crf in range(52, 62)])
    result = vmaf_tune("validate", name, "--max-messages", 3)
    assert len(result.out.splitlines()) == 4
    assert "7 more" in result.out
    assert "10 invalid" in result.err
    report = json.loads(vmaf_tune("validate", name, "--max-messages", 3, "--json").out)
    assert (len(report["problems"]), report["problem_count"]) == (3, 10)


def test_folder_is_searched_for_corpora(corpus, good_row, vmaf_tune):
    corpus(good_row, name="all/a.jsonl")
    corpus({**good_row, "crf": 99}, name="all/deep/b.jsonl")
    corpus("these are notes", name="all/notes.txt")
    result = vmaf_tune("validate", "all")
    assert result.code == ExitCode.NEGATIVE
    assert "2 rows in 2 files" in result.err
    (message,) = result.out.splitlines()
    assert message.startswith("all/deep/b.jsonl:1: crf = 99")


def test_several_corpora_are_one_report(corpus, good_row, vmaf_tune):
    names = [corpus(good_row, name="a.jsonl"), corpus({**good_row, "crf": 29}, name="b.jsonl")]
    result = vmaf_tune("validate", *names)
    assert result.code == ExitCode.OK
    assert "2 rows in 2 files" in result.err


def test_corpus_without_a_row_is_not_valid(corpus, vmaf_tune):
    assert vmaf_tune("validate", corpus("")).code == ExitCode.NEGATIVE
