"""Benches that take minutes, on a corpus that takes seconds."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from training_kit import made_row, write_rows
from vmaftune_frv2.media.process import run

BENCH = Path(__file__).parents[1] / "bench" / "quality"


LINES = (("libx264", "medium"), ("libsvtav1", "10"))


def bench(name: str, folder: Path, *options: str, lines: Sequence[tuple[str, str]] = LINES) -> str:
    """What a bench prints of six titles, some encoders, five crfs."""
    rows = [
        made_row(f"title{title}_1.mp4", title, encoder, preset, crf)
        for title in range(6)
        for encoder, preset in lines
        for crf in (20, 26, 32, 38, 44)
    ]
    corpus = write_rows(folder / "corpus.jsonl", rows)
    asked = ["--corpus", str(corpus), "--only-learn", "--seeds", "1", *options]
    done = run([sys.executable, str(BENCH / name), *asked], timeout=300)
    assert done.ok, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_shared_cell_is_judged_as_the_probe(tmp_path: Path) -> None:
    out = bench("probe.py", tmp_path)
    heard = [line.rsplit(maxsplit=5) for line in out.splitlines()[1:5]]
    assert [name.strip() for name, *_ in heard][-1] == "and the source's complexity (all)"
    assert all(0 < float(value) < 100 for _, *values in heard for value in values)
    cells = re.findall(r"^(\S+:\S+:\d+) +([\d.]+) ", out, re.MULTILINE)
    # Rows have no complexity, so hearing it changes nothing.
    assert heard[-1][1:] == heard[-2][1:]
    assert {name for name, _ in cells} == {
        f"{line}:{crf}" for line in ("libx264:medium", "libsvtav1:10") for crf in (20, 26, 32, 38, 44)
    }


@pytest.mark.slow
def test_coverage_is_told_by_what_is_known(tmp_path: Path) -> None:
    out = bench("coverage.py", tmp_path)
    assert out.startswith("12 lines of 6 titles, nominal 90 %")
    told = re.findall(r"^(\d) +(\S+) +(\d+) +([\d.]+) % +([\d.]+) +([\d.]+) +([\d.]+)$", out, re.MULTILINE)
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


@pytest.mark.slow
def test_further_probes_are_judged_in_every_order(tmp_path: Path) -> None:
    lines = (("libx264", "veryfast"), ("libsvtav1", "10"), ("libx265", "ultrafast"))
    out = bench("encoders.py", tmp_path, "--target-vmaf", "80", lines=lines)
    count = int(re.match(r"(\d) clips, target 80", out)[1])
    assert count > 2
    with_x264, without, pairs = out.split("\n\n")[1:]
    assert [line.split()[0] for line in with_x264.splitlines()[2:]] == ["libx265", "libsvtav1", "all"]
    # After libx264 alone, and after libx264 and the other one; without libx264, after the other one.
    assert with_x264.splitlines()[1].split()[3:5] == ["1", "2"]
    assert without.splitlines()[1].split()[3:5] == ["1", "all"]
    assert re.search(r"^libx264 +- +[\d.]+ +[\d.]+ ", pairs, re.MULTILINE)


@pytest.mark.slow
def test_upstreams_recipe_stands_beside_our_own_nets(tmp_path: Path) -> None:
    lines = (("libx264", "medium"), ("libaom-av1", "6"), ("libsvtav1", "10"))
    asked = ("--probe-cell", "libx264:medium:32", "--upstream-learnt", "title5")
    out = bench("side_by_side.py", tmp_path, *asked, lines=lines)
    assert out.startswith("75 rows of 5 clips of 5 titles; 90 rows to learn from, 5 folds by title, 1 seeds\n")
    assert "upstream's model as shipped is left out" in out
    rows = [[part.strip() for part in line.split("|")[1:5]] for line in out.splitlines() if line.startswith("| ")]
    probe = "of the probe libx264:medium:32"
    assert [(row[0].split()[0], row[1]) for row in rows[1:]] == [
        *[("upstream's", "of the encode itself")] * 2,
        ("the", "of the encode itself"),
        ("our", "of the encode itself, per frame"),
        *[("upstream's", probe)] * 2,
        ("our", probe),
    ]
    assert all(-1 <= float(plcc) <= 1 and 0 < float(mae) < 100 for *_, plcc, mae in rows[1:])
