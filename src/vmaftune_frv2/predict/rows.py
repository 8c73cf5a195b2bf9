"""Scoring the rows of a corpus, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.encoders import ENCODERS, canonical_name
from vmaftune_frv2.contract.features import feature_vector
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.reader import corpus_files, read_lines
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.predict.session import Model

BATCH = 1024


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

    def __iter__(self) -> Iterator[tuple[Row, float]]:
        """Rows with their predicted VMAF, in file order.

        Raises:
            InputError: a path does not exist, or no row is the probe of its source.
        """
        probes = self._probe_features() if self.model.sidecar.features_from == FROM_PROBE else None
        if probes is not None and not probes:
            raise InputError(
                f"{self.model.sidecar.id} needs the features of the probe cell {self.model.sidecar.probe};"
                " no row of the corpus is that cell"
            )
        usable = self._usable(probes)
        while batch := list(islice(usable, BATCH)):
            scores = self.model.score(np.asarray([f for _, f, _ in batch]), [cell for _, _, cell in batch])
            yield from zip((row for row, _, _ in batch), map(float, scores), strict=True)

    def _rows(self) -> Iterator[Row]:
        for path in corpus_files(self.paths):
            for line in read_lines(path):
                if line.row is None:
                    raise InputError(f"{line.where}: {line.error}")
                yield line.row

    def _probe_features(self) -> dict[tuple[str, str], list[float]]:
        probes: dict[tuple[str, str], list[float]] = {}
        for row in self._rows():
            try:
                if _cell(row) == self.model.sidecar.probe:
                    probes[_clip(row)] = feature_vector(row, "probe row")
            except (InputError, UsageError, KeyError):
                continue
        return probes

    def _usable(
        self, probes: dict[tuple[str, str], list[float]] | None
    ) -> Iterable[tuple[Row, list[float], Cell]]:
        block = self.model.sidecar.block
        for row in self._rows():
            try:
                cell = _cell(row)
                features = feature_vector(row, "row") if probes is None else probes.get(_clip(row))
            except KeyError as error:
                self.skipped[f"key {error.args[0]} is missing"] += 1
                continue
            except (InputError, UsageError) as error:
                self.skipped[str(error)] += 1
                continue
            if features is None:
                self.skipped[f"its source has no row of the probe cell {self.model.sidecar.probe}"] += 1
            elif block is not None and block.slot(cell.encoder) is None:
                self.skipped[f"vocabulary {block.version} has no slot for {cell.encoder}"] += 1
            else:
                if block is not None and not block.knows(cell.encoder):
                    self.unknown[cell.encoder] += 1
                yield row, features, cell


def _cell(row: Row) -> Cell:
    name = canonical_name(row["encoder"])
    entry = ENCODERS.find(name)
    return Cell(name, entry.resolve_preset(row["preset"]) if entry else row["preset"], row["crf"])


def _clip(row: Row) -> tuple[str, str]:
    return row["src_sha256"] or row["src"], row.get("clip_mode", "full")
