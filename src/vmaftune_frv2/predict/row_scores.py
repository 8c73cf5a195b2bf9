"""Scoring the rows of a corpus, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.encoders import ENCODERS, canonical_name
from vmaftune_frv2.contract.grid import was_seen
from vmaftune_frv2.contract.rows import Clip, Row, clip_of, dumps, loads
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_lines
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.session import Model

BATCH = 1024
SHOWN = ("src", "encoder", "preset", "crf", "vmaf_score")
"""Keys that are kept of a row beside its prediction, unless it is kept whole."""
PREDICTED = ("vmaf_predicted", "vmaf_low", "vmaf_high")
"""What is added to a row."""

Probe = tuple[Clip, Cell]
T = TypeVar("T")


@dataclass(frozen=True)
class Predicted:
    """A row and its prediction.

    Args:
        row: what of a row tells which one it is (SHOWN).
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
        extrapolated: rows whose cell or features are unlike training.
    """

    model: Model
    paths: tuple[Path, ...]
    whole: bool = False
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    extrapolated: int = 0

    def __iter__(self) -> Iterator[Predicted]:
        """Rows with their predicted VMAF, in file order.

        Raises:
            InputError: a path does not exist or cannot be read to its end, a line is no row, or no row gives the
                features of a probe.
            ModelError: the model or the ensemble beside it is broken.
        """
        committee = open_committee(self.model)
        scaler, seen = self.model.sidecar.scaler, self.model.sidecar.cells
        probes = self._probes() if self.model.sidecar.features_from == FROM_PROBE else None
        usable = self._usable(probes)
        while batch := list(islice(usable, BATCH)):
            features, cells = np.asarray([own for _, own in batch]), [found.cell for found, _ in batch]
            scores = self.model.score(features, cells)
            ends = zip(*committee.interval(features, cells, scores), strict=True) if committee else repeat(None)
            outside = scaler.is_far(features) | [not was_seen(seen, cell) for cell in cells]
            self.extrapolated += int(outside.sum())
            for (found, _), score, interval in zip(batch, scores, ends, strict=False):
                between = interval and (float(interval[0]), float(interval[1]))
                yield Predicted(found.row, float(score), between, found.whole)

    def _read(self, take: Callable[[Row, bytes], T]) -> Iterator[T | Fault]:
        for found in read_lines(corpus_files(self.paths), take):
            if isinstance(found, Fault) and found.error:
                raise InputError(f"{found.where}: {found.error}")
            yield found

    def _probes(self) -> dict[Probe, list[float] | str]:
        """The features of every clip's probes, or why a probe row gives none.

        Raises:
            InputError: no row gives any.
        """
        sidecar = self.model.sidecar
        probes: dict[Probe, list[float] | str] = {}
        reasons: Counter[str] = Counter()
        for found in self._read(partial(_probe, frozenset(sidecar.probes), Columns.of(sidecar))):
            if not isinstance(found, tuple):
                reasons[found.summary if isinstance(found, Fault) else "of other cells"] += 1
                continue
            probe, features = found
            if isinstance(features, str):
                reasons[f"of the probe cell, but {features}"] += 1
                probes.setdefault(probe, features)
            else:
                probes[probe] = features
        if not any(isinstance(features, list) for features in probes.values()):
            counts = "; ".join(f"{count} rows: {reason}" for reason, count in reasons.items())
            cells = " or ".join(map(str, sidecar.probes))
            raise InputError(
                f"{sidecar.id} needs the features of the probe cell {cells}, and no row of the corpus gives them"
                f" ({counts or 'it is empty'})"
            )
        return probes

    def _usable(self, probes: dict[Probe, list[float] | str] | None) -> Iterator[tuple[ToScore, list[float]]]:
        sidecar, block = self.model.sidecar, self.model.sidecar.block
        columns = Columns.of(sidecar) if probes is None else None
        for found in self._read(partial(to_score, columns, sidecar.vmaf_model, self.whole)):
            if isinstance(found, (Fault, str)):
                self.skipped[found if isinstance(found, str) else found.summary] += 1
                continue
            encoder = found.cell.encoder
            features = found.features if probes is None else self._of_probe(probes, found)
            if not isinstance(features, list):
                self.skipped[str(features)] += 1
            elif block is not None and block.slot(encoder) is None:
                self.skipped[f"vocabulary {block.version} has no slot for {encoder}"] += 1
            else:
                if block is not None and not block.knows(encoder):
                    self.unknown[encoder] += 1
                yield found, features

    def _of_probe(self, probes: Mapping[Probe, list[float] | str], found: ToScore) -> list[float] | str:
        """The features of a row's probe, or why there are none."""
        cell = self.model.sidecar.probe_for(found.cell.encoder)
        if cell is None:
            return f"the model has no probe cell of {found.cell.encoder}"
        features = probes.get((found.clip, cell))
        if features is None:
            return f"its source has no row of the probe cell {cell}"
        return features if isinstance(features, list) else f"the probe cell {cell} of its source: {features}"


class ToScore(NamedTuple):
    """What scoring needs of a row; ``whole`` as in ``Predicted``, ``features`` unless the probe's serve."""

    row: Row
    cell: Cell
    clip: Clip
    features: list[float] | None
    whole: bytes


def _probe(
    cells: frozenset[Cell], columns: Columns, row: Row, line: bytes
) -> tuple[Probe, list[float] | str] | None:
    """The features of a row that is a probe of its clip, or why it has none."""
    cell = _cell(row)
    if cell not in cells:
        return None
    if row["exit_status"] != 0:
        return (clip_of(row), cell), "the cell failed"
    try:
        return (clip_of(row), cell), columns.read(row, "row")
    except InputError as error:
        return (clip_of(row), cell), str(error)


def to_score(columns: Columns | None, vmaf_model: str | None, whole: bool, row: Row, line: bytes) -> ToScore | str:
    """What scoring needs of a row, or why it cannot be scored.

    Args:
        columns: what to read of the row's own features; None where they are not needed.
        vmaf_model: whose scores are predicted; a score of another one is not to stand beside them. None where the
            model does not say.
        whole: whether to keep the row as it was read.
        row: a valid one.
        line: that it was read from.
    """
    if vmaf_model is not None and row["vmaf_model"] not in (None, vmaf_model):
        return f"scored with {row['vmaf_model']}, and the model predicts {vmaf_model}"
    try:
        features = columns.read(row, "row") if columns else None
    except InputError as error:
        return str(error)
    shown = {key: row.get(key) for key in SHOWN}
    return ToScore(shown, _cell(row), clip_of(row), features, _unclosed(row, line) if whole else b"")


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
