"""Packs corpora for publication: failed cells left out, sorted by source and cell, gzip without a time stamp.

python bench/pack_corpus.py OUT.jsonl.gz CORPUS...
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

from vmaftune_frv2.contract.rows import Row, dumps
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows


def keep(row: Row) -> Row:
    """The row itself."""
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("corpora", type=Path, nargs="+")
    arguments = parser.parse_args()
    kept: dict[tuple[str, str, str, int], Row] = {}
    for found in read_rows(corpus_files(arguments.corpora), keep):
        if isinstance(found, Fault):
            raise SystemExit(f"{found.where}: {found.summary}")
        if found["exit_status"] == 0:
            kept.setdefault((found["src"], found["encoder"], found["preset"], found["crf"]), found)
    with arguments.out.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        for key in sorted(kept):
            stream.write((dumps(kept[key]) + "\n").encode())
    print(f"{len(kept)} rows of {len({src for src, *_ in kept})} sources: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
