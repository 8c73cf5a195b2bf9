"""Scoring the rows of a corpus, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import TypeVar

import numpy as np

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.encoders import ENCODERS, canonical_name
from vmaftune_frv2.contract.features import feature_vector
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, Row
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.session import Model

BATCH = 1024

Clip = tuple[str, str]
"""Source and window; rows of one clip share their probe."""
T = TypeVar("T")


@dataclass(frozen=True)
class Predicted:
    """A row and its prediction.

    Args:
        row: without per-frame values.
        vmaf: predicted.
        interval: between what its VMAF likely lies; None where the model has no ensemble beside it.
    """

    row: Row
    vmaf: float
    interval: tuple[float, float] | None


@dataclass
class RowPredictions:
    """Predictions for the rows of some corpora.

    Attributes:
        skipped: {reason: rows that got no prediction}, complete once iteration is.
        unknown: {encoder: rows scored in the unknown slot}.
    """

    model: Model
    paths: tuple[Path, ...]
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Predicted]:
        """Rows, without their per-frame values, with their predicted VMAF, in file order.

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
            features, cells = np.asarray([f for _, f, _ in batch]), [cell for _, _, cell in batch]
            scores = self.model.score(features, cells)
            ends = zip(*committee.interval(features, cells, scores), strict=True) if committee else repeat(None)
            for (row, _, _), score, interval in zip(batch, scores, ends, strict=False):
                yield Predicted(row, float(score), interval and (float(interval[0]), float(interval[1])))

    def _read(self, take: Callable[[Row], T]) -> Iterator[T | Fault]:
        for found in read_rows(corpus_files(self.paths), take):
            if isinstance(found, Fault) and found.error:
                raise InputError(f"{found.where}: {found.error}")
            yield found

    def _probe_features(self) -> dict[Clip, list[float]]:
        found = self._read(partial(_probe, self.model.sidecar.probe))
        return dict(probe for probe in found if isinstance(probe, tuple))

    def _usable(self, probes: dict[Clip, list[float]] | None) -> Iterator[tuple[Row, list[float], Cell]]:
        block = self.model.sidecar.block
        for found in self._read(partial(_to_score, probes is None)):
            if isinstance(found, (Fault, str)):
                self.skipped[found if isinstance(found, str) else found.summary] += 1
                continue
            row, cell, own = found
            features = own if probes is None else probes.get(_clip(row))
            if features is None:
                self.skipped[f"its source has no row of the probe cell {self.model.sidecar.probe}"] += 1
            elif block is not None and block.slot(cell.encoder) is None:
                self.skipped[f"vocabulary {block.version} has no slot for {cell.encoder}"] += 1
            else:
                if block is not None and not block.knows(cell.encoder):
                    self.unknown[cell.encoder] += 1
                yield row, features, cell


def _probe(cell: Cell | None, row: Row) -> tuple[Clip, list[float]] | None:
    """The features of a row that is the probe of its clip."""
    if _cell(row) != cell:
        return None
    try:
        return _clip(row), feature_vector(row, "probe row")
    except InputError:
        return None


def _to_score(by_own_features: bool, row: Row) -> tuple[Row, Cell, list[float] | None] | str:
    """What scoring needs of a row, or why it cannot be scored."""
    try:
        features = feature_vector(row, "row") if by_own_features else None
    except InputError as error:
        return str(error)
    slim = {key: value for key, value in row.items() if key not in (PER_FRAME_FEATURES, PER_FRAME_VMAF)}
    return slim, _cell(row), features


def _cell(row: Row) -> Cell:
    name = canonical_name(row["encoder"])
    entry = ENCODERS.find(name)
    return Cell(name, entry.resolve_preset(row["preset"]) if entry else row["preset"], row["crf"])


def _clip(row: Row) -> Clip:
    return row["src_sha256"] or row["src"], row.get("clip_mode", "full")
