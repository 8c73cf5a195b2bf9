"""Checking whole corpora."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.corpus.plan import identity
from vmaftune_frv2.corpus.reader import Line, corpus_files, read_lines


@dataclass(frozen=True)
class Problem:
    """One message about one line."""

    path: str
    line: int
    key: str | None
    value: Any
    message: str

    @property
    def where(self) -> str:
        """``FILE:LINE``."""
        return f"{self.path}:{self.line}"


@dataclass
class Report:
    """What validation found.

    Attributes:
        rows: lines that are not blank.
        failed: valid rows of cells that failed.
        duplicates: rows whose request an earlier row with a score already answers.
        problems: the first messages, ``problem_count`` of them in all.
    """

    files: int = 0
    rows: int = 0
    valid: int = 0
    invalid: int = 0
    failed: int = 0
    duplicates: int = 0
    versions: Counter[int] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def as_json(self) -> dict[str, Any]:
        """The report as the object that ``validate --json`` prints."""
        return {
            "files": self.files,
            "rows": self.rows,
            "valid": self.valid,
            "invalid": self.invalid,
            "failed": self.failed,
            "duplicates": self.duplicates,
            "versions": {str(version): count for version, count in sorted(self.versions.items())},
            "problem_count": self.problem_count,
            "problems": [
                {"file": p.path, "line": p.line, "key": p.key, "value": _strict(p.value), "message": p.message}
                for p in self.problems
            ],
        }


def validate_files(paths: Iterable[Path], max_problems: int) -> Report:
    """Checks every line of the corpora.

    Raises:
        InputError: a path does not exist or cannot be read.
    """
    report = Report()
    seen: set[bytes] = set()
    for path in corpus_files(paths):
        report.files += 1
        for line in read_lines(path):
            report.rows += 1
            problems = _problems(line)
            report.problem_count += len(problems)
            report.problems += problems[: max(0, max_problems - len(report.problems))]
            if line.row is None or problems:
                report.invalid += 1
                continue
            report.valid += 1
            report.versions[line.row["schema_version"]] += 1
            if line.row["exit_status"] != 0:
                report.failed += 1
                continue
            digest = identity(line.row)
            report.duplicates += digest in seen
            seen.add(digest)
    return report


def _strict(value: Any) -> Any:
    """The value with text where JSON has no word for a number."""
    return json.loads(json.dumps(value), parse_constant=str)


def _problems(line: Line) -> list[Problem]:
    path = str(line.path)
    if line.row is None:
        return [Problem(path, line.number, None, None, line.error)]
    return [Problem(path, line.number, v.key, v.value, str(v)) for v in check_row(line.row)]
