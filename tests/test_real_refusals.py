"""What cannot be measured is refused before the first encode, by a line that names the cause."""

from __future__ import annotations

import re

import pytest

from odd_sources import REFUSED, Lab
from vmaftune_frv2.errors import ExitCode


@pytest.fixture(scope="session")
def lab(ffmpeg, tmp_path_factory) -> Lab:
    return Lab(ffmpeg, tmp_path_factory.mktemp("refused"))


def refusal(result) -> str:
    (line,) = (line for line in result.err.splitlines() if line.startswith("Error: "))
    assert "Traceback" not in result.err
    return line


@pytest.mark.parametrize("what", REFUSED)
def test_refusal_names_the_cause(what, lab, vmaf_tune, tmp_path):
    make, said = REFUSED[what]
    source = make(lab)
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 40, "--output", tmp_path / "c.jsonl")
    assert result.code == ExitCode.INPUT, result.err
    assert not (tmp_path / "c.jsonl").exists()
    line = refusal(result)
    assert source.name in line
    # The name of the file must not be what makes the line fit.
    assert re.search(said, line.replace(str(source), ""), re.IGNORECASE), line


def test_raw_file_cut_short_names_the_bytes_that_are_missing(vmaf_tune, tmp_path):
    frame = 96 * 64 * 3 // 2
    (tmp_path / "cut.yuv").write_bytes(bytes([128]) * (4 * frame + frame // 2))
    options = ("--width", 96, "--height", 64, "--preset", "ultrafast", "--crf", 40)
    result = vmaf_tune("corpus", tmp_path / "cut.yuv", *options, "--output", tmp_path / "c.jsonl")
    assert result.code in (ExitCode.INPUT, ExitCode.USAGE), result.err
    assert not (tmp_path / "c.jsonl").exists()
    assert re.search(rf"\b({frame // 2}|{4 * frame + frame // 2})\b", refusal(result))
