"""What a corpus that rows are written to may be called."""

from __future__ import annotations

from pathlib import Path

from vmaftune_frv2.errors import UsageError

COMPRESSED = (".gz", ".zst")
TABLES = (".csv", ".parquet")


def refuse_output(path: Path, spelled: str) -> None:
    """Refuses the name of a corpus that rows cannot be written to as lines.

    Args:
        path: of the corpus.
        spelled: the option that gives it.

    Raises:
        UsageError: it is one of a compressed file or a table.
    """
    if path.suffix in COMPRESSED:
        raise UsageError(f"{spelled} {path}: write to a .jsonl file and compress it afterwards")
    if path.suffix in TABLES:
        raise UsageError(f"{spelled} {path}: rows are written as .jsonl")
