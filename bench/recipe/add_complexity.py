"""Adds source_complexity to the rows of a corpus that was swept without --complexity.

    python bench/recipe/add_complexity.py CORPUS OUT.jsonl FOLDER...

Sources are looked for in the folders by file name; their digests must be those of the rows.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from vmaftune_frv2.contract.rows import SOURCE_COMPLEXITY, Row, dumps
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows
from vmaftune_frv2.media.complexity import measure_complexity
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.together import together, usable_cpus


def itself(row: Row) -> Row:
    """The row."""
    return row


def complexity_of(row: Row, folders: list[Path]) -> dict[str, float]:
    """Complexity of a row's source."""
    name = Path(row["src"]).name
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise SystemExit(f"{name} is in none of the folders")
    if row["src_sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
        raise SystemExit(f"{path} is not the source that was measured")
    ffmpeg = locate()
    return measure_complexity(ffmpeg, [open_source(ffmpeg, str(path), hash_file=False)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    arguments = parser.parse_args()
    rows = []
    for found in read_rows(corpus_files([arguments.corpus]), itself):
        if isinstance(found, Fault):
            raise SystemExit(f"{found.where}: {found.summary}")
        rows.append(found)
    firsts = {row["src_sha256"]: row for row in reversed(rows)}
    found = together(lambda row: complexity_of(row, arguments.folders), list(firsts.values()), usable_cpus())
    known = dict(zip(firsts, found, strict=True))
    with arguments.out.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(dumps({**row, SOURCE_COMPLEXITY: known[row["src_sha256"]]}) + "\n")
    print(f"{len(rows)} rows of {len(known)} sources")


if __name__ == "__main__":
    main()
