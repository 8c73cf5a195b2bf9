"""Checking whole corpora."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.old_rows import OF_FRAMES, Origin, version_of
from vmaftune_frv2.contract.option_groups import CodecOptions
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.codec_of_rows import told_of
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_shapes
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.errors import InputError


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
        rows: lines that are not blank; all frames of an encode are one, where each has a line of its own.
        frame_lines: lines that are a frame of a valid row.
        failed: valid rows of cells that failed.
        duplicates: rows whose request an earlier row with a score already answers.
        shapes: {shape: valid rows of it}.
        refused: {reason: rows that are not valid}, as far as a reason has a name; the others break the contract.
        problems: the first messages, ``problem_count`` of them in all.
        damage: why reading ended before the last line, if it did.
    """

    files: int = 0
    rows: int = 0
    valid: int = 0
    invalid: int = 0
    failed: int = 0
    duplicates: int = 0
    frame_lines: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    damage: InputError | None = None

    @property
    def versions(self) -> Counter[int]:
        """{schema version: valid rows that have it}."""
        found: Counter[int] = Counter()
        for shape, count in self.shapes.items():
            version = version_of(shape)
            if version is not None:
                found[version] += count
        return found

    def as_json(self) -> dict[str, Any]:
        """The report as the object that ``validate --json`` prints."""
        return {
            "files": self.files,
            "rows": self.rows,
            "valid": self.valid,
            "invalid": self.invalid,
            "failed": self.failed,
            "duplicates": self.duplicates,
            "shapes": dict(sorted(self.shapes.items())),
            "frame_lines": self.frame_lines,
            "refused": dict(self.refused),
            "versions": {str(version): count for version, count in sorted(self.versions.items())},
            "problem_count": self.problem_count,
            "problems": [
                {"file": p.path, "line": p.line, "key": p.key, "value": _strict(p.value), "message": p.message}
                for p in self.problems
            ],
        }


def validate_files(
    paths: str | Path | Iterable[str | Path],
    max_problems: int = 100,
    codec: str | None = None,
    codec_from_source: bool = False,
) -> Report:
    """Checks every line of the corpora, up to the first that cannot be read.

    Args:
        paths: files and folders.
        max_problems: that are kept.
        codec: column that names the encoder, or the encoder of all rows without a schema version.
        codec_from_source: look into the file of each row without a schema version.

    Raises:
        InputError: a path does not exist.
    """
    several = [paths] if isinstance(paths, (str, Path)) else paths
    places = [Path(path) for path in several]
    files = corpus_files(places)
    told = told_of(places, CodecOptions(codec=codec, codec_from_source=codec_from_source))
    report = Report(files=len(files))
    seen: set[bytes] = set()
    rows = read_shapes(files, _summary, told)
    while True:
        try:
            found = next(rows, None)
        except InputError as error:
            report.damage = error
            return report
        if found is None:
            return report
        report.rows += 1
        if isinstance(found, Fault):
            report.invalid += 1
            if not found.error and found.reason:
                report.refused[found.reason] += 1
            problems = _problems(found)
            report.problem_count += len(problems)
            report.problems += problems[: max(0, max_problems - len(report.problems))]
            continue
        shape, frames, request = found
        report.valid += 1
        report.frame_lines += frames
        report.shapes[shape] += 1
        if request is None:
            report.failed += 1
        else:
            report.duplicates += request in seen
            seen.add(request)


def _summary(row: Row, line: bytes, origin: Origin) -> tuple[str, int, bytes | None]:
    """What the report needs of a valid row: its shape, its lines if they are frames, the request that it answers.

    That is None of a cell that failed.
    """
    frames = origin.lines if origin.shape in OF_FRAMES else 0
    return origin.shape, frames, identity(row) if row["exit_status"] == 0 else None


def _strict(value: Any) -> Any:
    """The value with text where JSON has no word for a number."""
    return json.loads(json.dumps(value), parse_constant=str)


def _problems(fault: Fault) -> list[Problem]:
    path = str(fault.path)
    if fault.error:
        return [Problem(path, fault.line, None, None, fault.error)]
    return [Problem(path, fault.line, v.key, v.value, str(v)) for v in fault.violations]
