"""What a corpus already has of one source."""

from __future__ import annotations

import contextlib
from pathlib import Path

from vmaftune_frv2.contract.rowcheck import check_line
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.plan import identity


def rows_of_source(path: Path, sha256: str) -> dict[bytes, Row]:
    """{identity: row} of the cells of a source that have a score; of several, the last.

    Args:
        path: a plain corpus; lines that are no valid rows are passed over, a torn last one among them.
        sha256: of the source.
    """
    found: dict[bytes, Row] = {}
    digest = sha256.encode()
    with path.open("rb") as stream:
        for line in stream:
            if digest not in line:  # most lines of a large corpus need not be parsed
                continue
            with contextlib.suppress(ValueError):
                row, violations = check_line(line)
                if not violations and row["exit_status"] == 0 and row["src_sha256"] == sha256:
                    found[identity(row)] = row
    return found
