"""Benches that take minutes, on a corpus that takes seconds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from training_kit import made_row, write_rows
from vmaftune_frv2.media.process import run

BENCH = Path(__file__).parents[1] / "bench"


def test_coverage_is_told_by_what_is_known(tmp_path: Path) -> None:
    rows = [
        made_row(f"title{title}_1.mp4", title, encoder, preset, crf)
        for title in range(6)
        for encoder, preset in (("libx264", "medium"), ("libsvtav1", "10"))
        for crf in (20, 26, 32, 38, 44)
    ]
    corpus = write_rows(tmp_path / "corpus.jsonl", rows)
    asked = ["--corpus", str(corpus), "--only-learn", "--seeds", "1"]
    done = run([sys.executable, str(BENCH / "coverage.py"), *asked], timeout=300)
    assert done.ok, done.stderr
    assert done.stdout.startswith("12 lines of 6 titles, nominal 90 %")
    told = re.findall(r"^(\d) +(\S+) +(\d+) +([\d.]+) % +([\d.]+) +([\d.]+) +([\d.]+)$", done.stdout, re.MULTILINE)
    kinds = [(known, what) for known, what, *_ in told]
    assert kinds[:6] == [
        ("1", "all"),
        ("2", "all"),
        ("3", "all"),
        ("2", "between"),
        ("3", "between"),
        ("1", "beyond"),
    ]
    # Of five cells, four are asked from one known (5 choices), three from two and two from three (6 of 10).
    assert [int(count) for _, what, count, *_ in told if what == "all"] == [12 * 5 * 4, 12 * 6 * 3, 12 * 6 * 2]
    assert all(0 <= float(row[3]) <= 100 for row in told)
