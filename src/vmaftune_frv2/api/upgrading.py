"""Rows of older shapes, written as rows of version 3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.files import write_new
from vmaftune_frv2.contract.old_rows import Origin
from vmaftune_frv2.contract.rows import Row, dumps
from vmaftune_frv2.contract.upgrade_request import UpgradeRequest
from vmaftune_frv2.corpus.codec_of_rows import told_of
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_shapes
from vmaftune_frv2.errors import NegativeError, UsageError


@dataclass
class Upgraded:
    """What became of the rows of a corpus.

    Attributes:
        output: the corpus that was written.
        shapes: {shape: rows of it that were written}.
        left_out: {reason: rows that were not}.
        renamed: {(what rows called an encoder, its ffmpeg name): rows}.
        new: False where the output stood there already as it would have been written.
    """

    output: Path
    shapes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    renamed: Counter[tuple[str, str]] = field(default_factory=Counter)
    new: bool = True

    @property
    def written(self) -> int:
        """How many rows."""
        return sum(self.shapes.values())


def upgrade(request: UpgradeRequest) -> Upgraded:
    """Writes every row of a corpus or table that can become one of version 3.

    Raises:
        UsageError: half a request.
        InputError: the corpus cannot be read to its end.
        NegativeError: no row can become one of version 3.
        OutputError: another file stands in the place of the output, or it cannot be written.
        ToolError: a parquet file, or a look into files, without what that needs.
    """
    if request.corpus is None or request.output is None:
        raise UsageError("give IN and OUT")
    found = Upgraded(request.output)
    found.new = write_new(request.output, _lines(request, request.corpus, found))
    return found


def _lines(request: UpgradeRequest, corpus: Path, found: Upgraded) -> Iterator[bytes]:
    told = told_of([corpus], request, request.ffmpeg_bin, request.vmaf_model)
    for each in read_shapes(corpus_files([corpus]), _taken, told):
        if isinstance(each, Fault):
            found.left_out[_why(each)] += 1
            continue
        line, shape, spelled, encoder = each
        found.shapes[shape] += 1
        if spelled:
            found.renamed[spelled, encoder] += 1
        yield line
    if not found.written:
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in found.left_out.items())
        raise NegativeError(f"{corpus}: no row can be written as version 3 ({reasons or 'it is empty'})")


def _taken(row: Row, line: bytes, origin: Origin) -> tuple[bytes, str, str, str]:
    """The line that is written, the row's shape, and both names of its encoder if it has two."""
    spelled, encoder = origin.encoder or row["encoder"], canonical_name(row["encoder"])
    another = spelled if spelled != encoder else ""
    return dumps(row | {"encoder": encoder}).encode() + b"\n", origin.shape, another, encoder


def _why(fault: Fault) -> str:
    if fault.reason:
        return fault.reason
    keys = ", ".join(dict.fromkeys(each.key or "all of it" for each in fault.violations))
    return f"{keys}: {fault.summary}"
