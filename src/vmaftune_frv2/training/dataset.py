"""Training rows of the regressor as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import UNKNOWN, CodecBlock
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.rows import Clip
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.training.fit import Table
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured

BLIND_SHARE = 0.1
"""Share of rows that are shown a second time as an unknown encoder's, so that the unknown slot means something."""


@dataclass(frozen=True)
class Dataset:
    """Training rows as arrays.

    Args:
        features: [N, F] raw features, of the probe or of the cell itself.
        codec: [N, C] codec vectors of the cells.
        targets: [N] VMAF.
        groups: [N] index into ``group_names``: what is left out together.
        group_names: in order of appearance.
        references: number of distinct judged sources.
        judged: [N] False for rows that are only learnt from.
        cells: N cells.
        feature_names: F names.
        probes: the probe cells: one for all encoders, or one of each; none when features are the cell's own.
        dropped: {reason: rows}.
        unknown_encoders: {encoder without a slot of its own: rows}.
    """

    features: NDArray[np.float64]
    codec: NDArray[np.float32]
    targets: NDArray[np.float64]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    references: int
    judged: NDArray[np.bool_]
    cells: tuple[Cell, ...]
    feature_names: tuple[str, ...] = CANONICAL6
    probes: tuple[Cell, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)
    unknown_encoders: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def encoders(self) -> NDArray[np.str_]:
        """[N] encoder names."""
        return np.asarray([cell.encoder for cell in self.cells])

    def unique_encoders(self) -> list[str]:
        """Encoder names in order of appearance."""
        return list(dict.fromkeys(cell.encoder for cell in self.cells))

    def table(self, block: CodecBlock) -> Table:
        """What the codec-aware net learns from: every row, and some again as an unknown encoder's."""
        again = self.shown_blind(block)
        codec = np.concatenate([self.codec, blind_codec(block, len(again))])
        rows = np.concatenate([np.arange(len(self)), again])
        return Table(self.features[rows], (codec,), self.targets[rows], repeated=len(again))

    def shown_blind(self, block: CodecBlock) -> NDArray[np.int64]:
        """Indices of the rows that are shown a second time, always the same; none without an unknown slot."""
        if UNKNOWN not in block.vocab:
            return np.empty(0, dtype=np.int64)
        chosen = np.random.default_rng(0).random(len(self)) < BLIND_SHARE
        return np.flatnonzero(chosen)

    def constant_features(self) -> list[str]:
        """Names of features that never vary."""
        spreads = np.ptp(self.features, axis=0)
        return [name for name, spread in zip(self.feature_names, spreads, strict=True) if spread < 1e-9]

    def cells_seen(self) -> dict[str, dict[str, Any]]:
        """{encoder: presets and crf range} of the rows."""
        return cells_seen(self.cells)


def cells_seen(cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """{encoder: presets and crf range} of cells."""
    seen: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(cell.encoder for cell in cells):
        mine = [cell for cell in cells if cell.encoder == name]
        presets = {cell.preset for cell in mine}
        entry = ENCODERS.find(name)
        order = entry.presets if entry else tuple(sorted(presets))
        seen[name] = {
            "presets": [preset for preset in order if preset in presets],
            "crf_min": min(cell.crf for cell in mine),
            "crf_max": max(cell.crf for cell in mine),
        }
    return seen


def blind_codec(block: CodecBlock, count: int) -> NDArray[np.float32]:
    """[count, C] codec vectors of the unknown slot."""
    return block.matrix([Cell(UNKNOWN, UNKNOWN, 0)] * count)


def choose_probe(rows: Sequence[Measured]) -> Cell:
    """The cell that most clips have; among equals the first encoder of the table, then the crf nearest 28."""
    clips: dict[Cell, set[Clip]] = {}
    for row in rows:
        clips.setdefault(row.cell, set()).add(row.clip)
    order = {name: index for index, name in enumerate(ENCODERS.names())}
    return min(
        clips,
        key=lambda cell: (-len(clips[cell]), order.get(cell.encoder, len(order)), abs(cell.crf - 28), cell),
    )


def _without_vector(cell: Cell, block: CodecBlock) -> str | None:
    """Why a cell has no codec vector; None where it has one."""
    name = cell.encoder
    if block.slot(name) is None:
        return f"encoder {name} has no slot in vocabulary {block.version}"
    if block.knows(name) and ENCODERS.find(name) is None:
        return f"encoder {name} has a slot, but no plugin names its presets"
    return "the preset is not known" if block.knows(name) and cell.preset == UNKNOWN else None


def make_dataset(
    rows: Sequence[Measured],
    block: CodecBlock,
    features_from: str,
    probes: Sequence[Cell] = (),
    group_by: str = "src",
    feature_names: tuple[str, ...] = CANONICAL6,
) -> Dataset:
    """Arrays from usable rows.

    Args:
        rows: usable rows.
        block: codec block.
        features_from: ``probe`` pairs each cell with the features of its clip's probe cell, ``cell`` with
            its own.
        probes: one probe cell for every encoder, or one of each encoder; none chooses one.
        group_by: what is left out together, as ``groups.group_names`` reads it.
        feature_names: the columns; beyond the canonical-6 from rows that have them.

    Raises:
        InputError: no clip has the probe cell, or no row an encoder with a slot.
        UsageError: two probe cells of one encoder, or probes where features are the cell's own.
    """
    _check_probes(features_from, probes)
    dropped: Counter[str] = Counter()
    slotted = []
    for row in rows:
        if (why := _without_vector(row.cell, block)) is not None:
            dropped[why] += 1
        else:
            slotted.append(row)
    if not slotted:
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in dropped.items())
        raise InputError(
            f"no row is of an encoder in vocabulary {block.version}; --vocab chooses another one ({reasons})"
        )
    if features_from == FROM_PROBE:
        probes = tuple(probes) or (choose_probe([row for row in slotted if row.judged] or slotted),)
        kept, inputs = _pair_with_probes(slotted, probes, dropped)
    else:
        kept, inputs, probes = slotted, slotted, ()
    names = group_names(kept, group_by)
    index = {name: position for position, name in enumerate(dict.fromkeys(names))}
    cells = tuple(row.cell for row in kept)
    return Dataset(
        features=np.asarray([_columns(row, feature_names) for row in inputs], dtype=np.float64),
        codec=block.matrix(cells),
        targets=np.asarray([row.score for row in kept], dtype=np.float64),
        groups=np.asarray([index[name] for name in names], dtype=np.int64),
        group_names=tuple(index),
        references=len({row.source for row in kept if row.judged}),
        judged=np.asarray([row.judged for row in kept], dtype=bool),
        cells=cells,
        feature_names=feature_names,
        probes=tuple(probes),
        dropped=dropped,
        unknown_encoders=Counter(cell.encoder for cell in cells if not block.knows(cell.encoder)),
    )


def _check_probes(features_from: str, probes: Sequence[Cell]) -> None:
    if probes and features_from != FROM_PROBE:
        raise UsageError("--probe-cell goes with --features-from probe")
    twice = [encoder for encoder, count in Counter(probe.encoder for probe in probes).items() if count > 1]
    if twice:
        raise UsageError(f"--probe-cell: two probe cells of {twice[0]}; give one per encoder")


def _pair_with_probes(
    rows: Sequence[Measured], probes: Sequence[Cell], dropped: Counter[str]
) -> tuple[list[Measured], list[Measured]]:
    """Rows that have a probe, and their probes."""
    own = {probe.encoder: probe for probe in probes} if len(probes) > 1 else {}
    probed = {(row.clip, row.cell): row for row in rows if row.cell in set(probes)}
    kept, inputs = [], []
    for row in rows:
        probe = own.get(row.cell.encoder) if own else probes[0]
        if probe is None:
            dropped[f"no probe cell of {row.cell.encoder} was named"] += 1
        elif (row.clip, probe) not in probed:
            dropped[f"the source has no probe cell {probe}"] += 1
        else:
            kept.append(row)
            inputs.append(probed[row.clip, probe])
    if not kept:
        named = ", ".join(map(str, probes))
        raise InputError(f"no source in the corpus has the probe cell {named}; sweep it, or choose another one")
    return kept, inputs


def _columns(row: Measured, names: tuple[str, ...]) -> list[float]:
    own = dict(zip(CANONICAL6, row.features, strict=True))
    values = [own.get(name, row.full.get(name)) for name in names]
    return [0.0 if value is None else float(value) for value in values]
