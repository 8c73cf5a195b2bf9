"""A source that changes on the way is refused before the first encode; a change of colour tags alone is none."""

from __future__ import annotations

import pytest

from odd_sources import CHANGE_AT, CHANGES, Lab, changing, names_frame
from vmaftune_frv2.errors import ExitCode

NAMED = {
    "size": ("96x64", "160x96"),
    "depth": ("yuv420p", "yuv420p10le"),
    "chroma": ("yuv420p", "yuv444p"),
    "range": ("range",),
    "orientation": ("orientation",),
}
"""What the line that refuses a change has to say."""


@pytest.fixture(scope="session")
def lab(ffmpeg, tmp_path_factory) -> Lab:
    return Lab(ffmpeg, tmp_path_factory.mktemp("changes"))


@pytest.mark.parametrize(("what", "container"), CHANGES)
def test_change_is_refused_before_the_first_encode(what, container, lab, vmaf_tune, tmp_path):
    source = changing(lab, what, container)
    result = vmaf_tune("corpus", source, "--preset", "ultrafast", "--crf", 40, "--output", tmp_path / "c.jsonl")
    assert result.code == ExitCode.INPUT, result.err
    assert not (tmp_path / "c.jsonl").exists()
    (line,) = (line for line in result.err.splitlines() if line.startswith("Error: "))
    assert source.name in line
    assert all(word in line for word in NAMED[what]), line
    assert names_frame(line, CHANGE_AT), line


@pytest.mark.parametrize("container", ["ts", "mkv", "mp4", "h264"])
def test_colour_tags_that_change_are_scored_as_the_first_frame_says(container, lab, vmaf_tune, rows_of, tmp_path):
    changed = changing(lab, "colour", container)
    result = vmaf_tune("corpus", changed, "--preset", "ultrafast", "--crf", 40, "--output", tmp_path / "c.jsonl")
    assert result.code == ExitCode.OK, result.err
    (row,) = rows_of(tmp_path / "c.jsonl")
    assert len(row["per_frame_vmaf"]) == 2 * CHANGE_AT
    assert min(row["per_frame_vmaf"]) > 20  # no frame was paired with another one
    assert row["duration_s"] == pytest.approx(2.0, rel=1e-3)
