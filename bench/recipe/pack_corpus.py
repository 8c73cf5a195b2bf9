"""Packs corpora for publication: failed cells left out, sorted by source and cell, zstd.

What is told per frame is rounded to where it still says all that is used of it; means and deviations are not.

    python bench/recipe/pack_corpus.py OUT.jsonl.zst CORPUS...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, Row, dumps
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 19
RATIO_DIGITS, OTHER_DIGITS = 5, 4
"""Decimals per frame: of adm2 and vif, which end at 1, and of motion2 and VMAF."""


def rounded(row: Row) -> Row:
    """The row with what it tells per frame rounded."""
    features, vmaf = row.get(PER_FRAME_FEATURES), row.get(PER_FRAME_VMAF)
    if features:
        features = {
            name: _round(values, OTHER_DIGITS if name == "motion2" else RATIO_DIGITS)
            for name, values in features.items()
        }
    return {**row, PER_FRAME_FEATURES: features, PER_FRAME_VMAF: vmaf and _round(vmaf, OTHER_DIGITS)}


def _round(values: list[float], digits: int) -> list[float]:
    return [round(value, digits) for value in values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("corpora", type=Path, nargs="+")
    arguments = parser.parse_args()
    kept: dict[tuple[object, ...], Row] = {}
    for found in read_rows(corpus_files(arguments.corpora), rounded):
        if isinstance(found, Fault):
            raise SystemExit(f"{found.where}: {found.summary}")
        if found["exit_status"] == 0:
            cell = found["encoder"], found["preset"], found["crf"], tuple(found["extra_params"])
            kept.setdefault((found["src"], *cell), found)
    lines = "".join(dumps(kept[key]) + "\n" for key in sorted(kept))
    arguments.out.write_bytes(zstd.compress(lines.encode(), level=LEVEL))
    print(f"{len(kept)} rows of {len({src for src, *_ in kept})} sources: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
