"""Scoring the rows of a corpus, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import TypeVar

import numpy as np

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import UNKNOWN, CodecBlock
from vmaftune_frv2.contract.grid import was_seen
from vmaftune_frv2.contract.old_rows import NOTHING, Told
from vmaftune_frv2.contract.rows import Clip, Row
from vmaftune_frv2.contract.sidecar import POOL_FRAME
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_lines
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.rows_to_score import PREDICTED_BY, ToScore, Wanted, of_probe, to_score
from vmaftune_frv2.predict.session import Model

BATCH = 1024
Probe = tuple[Clip, Cell]
Probes = Mapping[Probe, "list[float] | str"]
T = TypeVar("T")


@dataclass(frozen=True)
class Predicted:
    """A row and its prediction.

    Args:
        row: what of a row tells which one it is, as ``ToScore``.
        vmaf: predicted.
        interval: between what its VMAF likely lies; None where the model has no ensemble beside it.
        whole: the row as it was read, one line of strict JSON, without its closing brace and any earlier
            prediction; empty unless it was asked for.
        by: id of the model, where it is not the one that was asked for.
    """

    row: Row
    vmaf: float
    interval: tuple[float, float] | None
    whole: bytes = b""
    by: str = ""

    @property
    def rounded(self) -> tuple[float, float | None, float | None]:
        """VMAF and the ends of its interval, as they are shown."""
        low, high = self.interval or (None, None)
        return (
            round(self.vmaf, 4),
            None if low is None else round(low, 4),
            None if high is None else round(high, 4),
        )

    def line(self) -> bytes:
        """The whole row with what is predicted beside its keys, and a newline."""
        vmaf, low, high = ("null" if value is None else repr(value) for value in self.rounded)
        keys = f', "vmaf_predicted": {vmaf}, "vmaf_low": {low}, "vmaf_high": {high}'
        by = f', "{PREDICTED_BY}": "{self.by}"' if self.by else ""
        return self.whole + f"{keys}{by}}}\n".encode()


class NoProbeError(InputError):
    """No row of the corpora gives the features of a probe."""


class RowScorer:
    """A regressor and the ensemble beside it.

    Args:
        model: the regressor.
        named: its id, where its predictions are to bear it.
    """

    def __init__(self, model: Model, named: str = "") -> None:
        self._model, self._named = model, named
        self._committee = open_committee(model)

    def score(self, rows: Sequence[tuple[ToScore, list[float]]]) -> tuple[list[Predicted], int]:
        """Predictions for [N] rows from their features, and how many of them are unlike training."""
        sidecar = self._model.sidecar
        features = np.asarray([own for _, own in rows])
        cells = [found.cell or Cell(found.encoder, UNKNOWN, 0) for found, _ in rows]
        scores = self._model.score(features, cells)
        for place, (found, _) in enumerate(rows):
            if found.frames is not None and sidecar.pooling == POOL_FRAME:
                scores[place] = self._model.score(found.frames, [cells[place]] * len(found.frames)).mean()
        committee = self._committee
        ends = zip(*committee.interval(features, cells, scores), strict=True) if committee else repeat(None)
        outside = sidecar.scaler.is_far(features)
        if sidecar.block is not None:
            outside |= [not was_seen(sidecar.cells, cell) for cell in cells]
        predicted = []
        for (found, _), score, interval in zip(rows, scores, ends, strict=False):
            between = interval and (float(interval[0]), float(interval[1]))
            predicted.append(Predicted(found.row, float(score), between, found.whole, self._named))
        return predicted, int(outside.sum())


@dataclass
class RowPredictions:
    """Predictions for the rows of some corpora.

    Attributes:
        whole: whether rows are kept as they were read.
        other: a model that takes a row's own features; scores rows that have some where ``model`` cannot.
        told: what is known beside what rows say.
        skipped: {reason: rows that got no prediction}, complete once iteration is.
        by_other: {why the model cannot: rows that the other one scored}.
        unknown: {encoder: rows scored in the unknown slot}.
        extrapolated: rows whose cell or features are unlike training.
    """

    model: Model
    paths: tuple[Path, ...]
    whole: bool = False
    other: Model | None = None
    told: Told = NOTHING
    skipped: Counter[str] = field(default_factory=Counter)
    by_other: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    extrapolated: int = 0

    def __iter__(self) -> Iterator[Predicted]:
        """Rows with their predicted VMAF, in file order.

        Raises:
            InputError: a path does not exist or cannot be read to its end, a line is no row, or no row gives the
                features of a probe, nor its own to the other model.
            ModelError: the model or the ensemble beside it is broken.
        """
        nothing: InputError | None = None
        probes: Probes | None = None
        if self.model.sidecar.features_from == FROM_PROBE:
            try:
                probes = self._probes()
            except NoProbeError as error:
                if self.other is None:
                    raise
                nothing, probes = error, {}
        own = RowScorer(self.model)
        another = None if self.other is None else RowScorer(self.other, self.other.sidecar.id)
        usable = self._usable(probes)
        while batch := list(islice(usable, BATCH)):
            places = [place for place, (_, _, by_other) in enumerate(batch) if not by_other]
            rest = [place for place, (_, _, by_other) in enumerate(batch) if by_other]
            found: dict[int, Predicted] = {}
            for scorer, mine in ((own, places), (another, rest)):
                if scorer is not None and mine:
                    scored, outside = scorer.score([batch[place][:2] for place in mine])
                    self.extrapolated += outside
                    found |= zip(mine, scored, strict=True)
            yield from (found[place] for place in range(len(batch)))
        if nothing is not None and not self.by_other:
            measured = "nor has one features of its own (vmaf-tune attach measures them)"
            raise NoProbeError(f"{nothing}, {measured}") from nothing

    def _read(self, take: Callable[[Row, bytes], T]) -> Iterator[T | Fault]:
        for found in read_lines(corpus_files(self.paths), take, self.told):
            if isinstance(found, Fault) and found.error:
                raise InputError(f"{found.where}: {found.error}")
            yield found

    def _probes(self) -> dict[Probe, list[float] | str]:
        """The features of every clip's probes, or why a probe row gives none.

        Raises:
            NoProbeError: no row gives any.
        """
        sidecar = self.model.sidecar
        probes: dict[Probe, list[float] | str] = {}
        reasons: Counter[str] = Counter()
        for found in self._read(partial(of_probe, frozenset(sidecar.probes), Columns.of(sidecar))):
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
            raise NoProbeError(
                f"{sidecar.id} needs the features of the probe cell {cells}, and no row of the corpus gives them"
                f" ({counts or 'it is empty'})"
            )
        return probes

    def _usable(self, probes: Probes | None) -> Iterator[tuple[ToScore, list[float], bool]]:
        """Rows that can be scored, the features to score them from, and whether by the other model."""
        sidecar = self.model.sidecar
        by_itself = sidecar if probes is None else None if self.other is None else self.other.sidecar
        wanted = Wanted(
            Columns.of(by_itself) if by_itself else None,
            by_itself is not None and by_itself.pooling == POOL_FRAME,
            needed=probes is None,
        )
        for found in self._read(partial(to_score, wanted, sidecar.vmaf_model, self.whole)):
            if isinstance(found, (Fault, str)):
                self.skipped[found if isinstance(found, str) else found.summary] += 1
                continue
            features = self._features(probes, found)
            if isinstance(features, list):
                block = sidecar.block
                if block is not None and not block.knows(found.encoder):
                    self.unknown[found.encoder] += 1
                yield found, features, False
            elif self.other is not None and isinstance(found.features, list):
                self.by_other[features] += 1
                yield found, found.features, True
            else:
                self.skipped[features] += 1

    def _features(self, probes: Probes | None, found: ToScore) -> list[float] | str:
        """What the model scores a row from, or why it cannot."""
        block = self.model.sidecar.block
        if block is not None and block.slot(found.encoder) is None:
            return f"vocabulary {block.version} has no slot for {found.encoder}"
        if block is not None and not _has_a_vector(block, found):
            return "its crf or preset is not known"
        features = found.features if probes is None else self._of_probe(probes, found)
        return features if features is not None else "its features are not known"

    def _of_probe(self, probes: Probes, found: ToScore) -> list[float] | str:
        """The features of a row's probe, or why there are none."""
        cell = self.model.sidecar.probe_for(found.encoder)
        if cell is None:
            return f"the model has no probe cell of {found.encoder}"
        features = probes.get((found.clip, cell))
        if features is None:
            return f"its source has no row of the probe cell {cell}"
        return features if isinstance(features, list) else f"the probe cell {cell} of its source: {features}"


def _has_a_vector(block: CodecBlock, found: ToScore) -> bool:
    """Whether crf and preset are known; the preset of an encoder in the unknown slot need not be."""
    if found.cell is None:
        return False
    return found.cell.preset != UNKNOWN or not block.knows(found.encoder)
