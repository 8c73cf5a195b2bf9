"""Scoring the rows of a corpus, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.encoders import ENCODERS, canonical_name
from vmaftune_frv2.contract.rows import Row, dumps, loads
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_lines
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.session import Model

BATCH = 1024
TOLD = ("src", "encoder", "preset", "crf", "vmaf_score")
"""What is told of a row beside its prediction, unless it is kept whole."""
PREDICTED = ("vmaf_predicted", "vmaf_low", "vmaf_high")
"""What is added to a row."""

Clip = tuple[str, str]
"""Source and window; rows of one clip share their probe."""
T = TypeVar("T")


@dataclass(frozen=True)
class Predicted:
    """A row and its prediction.

    Args:
        row: what of a row tells which one it is (TOLD).
        vmaf: predicted.
        interval: between what its VMAF likely lies; None where the model has no ensemble beside it.
        whole: the row as it was read, one line of strict JSON, without its closing brace and any earlier
            prediction; empty unless it was asked for.
    """

    row: Row
    vmaf: float
    interval: tuple[float, float] | None
    whole: bytes = b""

    @property
    def rounded(self) -> tuple[float, float | None, float | None]:
        """The values of PREDICTED, as they are shown."""
        low, high = self.interval or (None, None)
        return (
            round(self.vmaf, 4),
            None if low is None else round(low, 4),
            None if high is None else round(high, 4),
        )

    def line(self) -> bytes:
        """The whole row with PREDICTED beside its keys, and a newline."""
        vmaf, low, high = ("null" if value is None else repr(value) for value in self.rounded)
        keys = f', "vmaf_predicted": {vmaf}, "vmaf_low": {low}, "vmaf_high": {high}}}\n'
        return self.whole + keys.encode()


@dataclass
class RowPredictions:
    """Predictions for the rows of some corpora.

    Attributes:
        whole: whether rows are kept as they were read.
        skipped: {reason: rows that got no prediction}, complete once iteration is.
        unknown: {encoder: rows scored in the unknown slot}.
    """

    model: Model
    paths: tuple[Path, ...]
    whole: bool = False
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Predicted]:
        """Rows with their predicted VMAF, in file order.

        Raises:
            InputError: a path does not exist or cannot be read to its end, a line is no row, or no row is the
                probe of its source.
            ModelError: the ensemble beside the model is broken.
        """
        committee = open_committee(self.model)
        probes = self._probe_features() if self.model.sidecar.features_from == FROM_PROBE else None
        if probes is not None and not probes:
            raise InputError(
                f"{self.model.sidecar.id} needs the features of the probe cell {self.model.sidecar.probe};"
                " no row of the corpus is that cell"
            )
        usable = self._usable(probes)
        while batch := list(islice(usable, BATCH)):
            features, cells = np.asarray([own for _, own in batch]), [found.cell for found, _ in batch]
            scores = self.model.score(features, cells)
            ends = zip(*committee.interval(features, cells, scores), strict=True) if committee else repeat(None)
            for (found, _), score, interval in zip(batch, scores, ends, strict=False):
                between = interval and (float(interval[0]), float(interval[1]))
                yield Predicted(found.row, float(score), between, found.whole)

    def _read(self, take: Callable[[Row, bytes], T]) -> Iterator[T | Fault]:
        for found in read_lines(corpus_files(self.paths), take):
            if isinstance(found, Fault) and found.error:
                raise InputError(f"{found.where}: {found.error}")
            yield found

    def _probe_features(self) -> dict[Clip, list[float]]:
        found = self._read(partial(_probe, self.model.sidecar.probe, Columns.of(self.model.sidecar)))
        return dict(probe for probe in found if isinstance(probe, tuple))

    def _usable(self, probes: dict[Clip, list[float]] | None) -> Iterator[tuple[ToScore, list[float]]]:
        block = self.model.sidecar.block
        columns = Columns.of(self.model.sidecar) if probes is None else None
        for found in self._read(partial(to_score, columns, self.whole)):
            if isinstance(found, (Fault, str)):
                self.skipped[found if isinstance(found, str) else found.summary] += 1
                continue
            encoder = found.cell.encoder
            features = found.features if probes is None else probes.get(found.clip)
            if features is None:
                self.skipped[f"its source has no row of the probe cell {self.model.sidecar.probe}"] += 1
            elif block is not None and block.slot(encoder) is None:
                self.skipped[f"vocabulary {block.version} has no slot for {encoder}"] += 1
            else:
                if block is not None and not block.knows(encoder):
                    self.unknown[encoder] += 1
                yield found, features


class ToScore(NamedTuple):
    """What scoring needs of a row; ``whole`` as in ``Predicted``, ``features`` unless the probe's serve."""

    row: Row
    cell: Cell
    clip: Clip
    features: list[float] | None
    whole: bytes


def _probe(cell: Cell | None, columns: Columns, row: Row, line: bytes) -> tuple[Clip, list[float]] | None:
    """The features of a row that is the probe of its clip."""
    if _cell(row) != cell:
        return None
    try:
        return _clip(row), columns.read(row, "probe row")
    except InputError:
        return None


def to_score(columns: Columns | None, whole: bool, row: Row, line: bytes) -> ToScore | str:
    """What scoring needs of a row, or why it cannot be scored.

    Args:
        columns: what to read of the row's own features; None where they are not needed.
        whole: whether to keep the row as it was read.
        row: a valid one.
        line: that it was read from.
    """
    try:
        features = columns.read(row, "row") if columns else None
    except InputError as error:
        return str(error)
    told = {key: row.get(key) for key in TOLD}
    return ToScore(told, _cell(row), _clip(row), features, _unclosed(row, line) if whole else b"")


def _unclosed(row: Row, line: bytes) -> bytes:
    """A row's line as strict JSON without its closing brace and PREDICTED; as it stands, wherever it can be."""
    line = line.strip()
    if not line.startswith(b"{") or b"NaN" in line or not row.keys().isdisjoint(PREDICTED):
        bare = {key: value for key, value in loads(line).items() if key not in PREDICTED}
        line = dumps(bare).encode()
    return line[:-1].rstrip()


def _cell(row: Row) -> Cell:
    name = canonical_name(row["encoder"])
    entry = ENCODERS.find(name)
    return Cell(name, entry.resolve_preset(row["preset"]) if entry else row["preset"], row["crf"])


def _clip(row: Row) -> Clip:
    return row["src_sha256"] or row["src"], row.get("clip_mode", "full")
