"""Pairs of cells of one clip: what is known of the one, what is wanted of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER, Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.descriptor import OF_SOURCE
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.fit import Table
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured

USUAL = (40.0, 99.0)
"""Cells with a VMAF between are those that anyone asks for."""
PROBE_SCORE = 84.0
"""Median VMAF that pinned probes should have. Lower ones tell more of the whole curve, as near 100 curves crowd
together; higher ones tell more of what most people ask for."""
UNTOLD_SHARE = 0.1
"""Share of the pairs that is shown a second time without the source's complexity."""
SHARED = 0.5
"""Share of the clips that must have a cell for it to be a probe."""
NEAR = 8
"""Crf steps within which a probe is near."""
PINNED_WEIGHT, NEAR_WEIGHT, UNUSUAL_WEIGHT = 5.0, 2.0, 0.4
"""Weights of pairs with a pinned probe, of those within NEAR, and of those with a VMAF outside of USUAL."""


@dataclass(frozen=True)
class Pairs:
    """P ordered pairs (probe, cell) of the same clip.

    Args:
        descriptors: [P, D] of the probes.
        probe_codec: [P, C].
        codec: [P, C] of the cells.
        anchor: [P] the probes' values.
        targets: [P] the cells' values.
        scores: [P] the cells' VMAF, whatever is predicted.
        groups: [P] index into ``group_names``.
        group_names: what is left out together.
        judged: [P].
        references: number of distinct judged sources.
        probes: P probe cells.
        cells: P cells.
        pinned: {encoder: {preset: its probe}}, as ``pinned_probes``; the first is the encoder's.
        dropped: {reason: rows}.
    """

    descriptors: NDArray[np.float64]
    probe_codec: NDArray[np.float32]
    codec: NDArray[np.float32]
    anchor: NDArray[np.float64]
    targets: NDArray[np.float64]
    scores: NDArray[np.float64]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    judged: NDArray[np.bool_]
    references: int
    probes: tuple[Cell, ...]
    cells: tuple[Cell, ...]
    pinned: dict[str, dict[str, Cell]]
    dropped: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def again(self) -> NDArray[np.int64]:
        """[K] pairs that are shown a second time, without the source's complexity."""
        return np.flatnonzero(np.random.default_rng(0).random(len(self)) < UNTOLD_SHARE)

    @property
    def untold(self) -> NDArray[np.float64]:
        """[P, D] descriptors without the source's complexity."""
        told: NDArray[np.float64] = self.descriptors.copy()
        told[:, -len(OF_SOURCE) :] = np.nan
        return told

    def inputs(self, space: AnchorSpace) -> tuple[NDArray[np.float32], ...]:
        """[P, ...] inputs of the net beside the descriptor."""
        return self.probe_codec, self.codec, space.enter(self.anchor).astype(np.float32)

    def table(self, space: AnchorSpace) -> Table:
        """What the net learns from: the P pairs, then those of ``again``."""
        again = self.again
        rows = np.concatenate([np.arange(len(self)), again])
        return Table(
            np.concatenate([self.descriptors, self.untold[again]]),
            tuple(array[rows] for array in self.inputs(space)),
            self.targets[rows],
            repeated=len(again),
            weights=self._weights()[rows],
        )

    def _weights(self) -> NDArray[np.float64]:
        """[P] pinned probes are few; what is asked for mostly lies near the probe, and in the usual range."""
        own = np.asarray([p in self.pinned[p.encoder].values() for p in self.probes])
        usual = (self.scores >= USUAL[0]) & (self.scores <= USUAL[1])
        weights: NDArray[np.float64] = np.where(own, PINNED_WEIGHT, 1.0) * np.where(usual, 1.0, UNUSUAL_WEIGHT)
        return weights * np.where(self.near, NEAR_WEIGHT, 1.0)

    @property
    def near(self) -> NDArray[np.bool_]:
        """[P] whether probe and cell lie within NEAR crf steps."""
        return np.asarray([abs(p.crf - c.crf) <= NEAR for p, c in zip(self.probes, self.cells, strict=True)])

    @property
    def same_encoder(self) -> NDArray[np.bool_]:
        """[P] whether probe and cell are of one encoder."""
        return np.asarray([p.encoder == c.encoder for p, c in zip(self.probes, self.cells, strict=True)])

    def scenarios(self) -> dict[str, NDArray[np.bool_]]:
        """[P] masks of the ways a probe is used, judged cells with a true VMAF in ``USUAL`` only."""
        first = {encoder: next(iter(presets.values())) for encoder, presets in self.pinned.items()}
        own = np.asarray([p == first[p.encoder] for p in self.probes])
        line = np.asarray(
            [p == self.pinned[c.encoder].get(c.preset) for p, c in zip(self.probes, self.cells, strict=True)]
        )
        near, same = self.near, self.same_encoder
        usual = (self.scores >= USUAL[0]) & (self.scores <= USUAL[1]) & self.judged
        universal = np.asarray([p == first.get(UNIVERSAL_ENCODER) for p in self.probes])
        return {
            "pinned probe in the encoder": usual & same & own,
            f"pinned, within {NEAR} crf": usual & same & own & near,
            "pinned probe in the encoder and preset": usual & line,
            f"pinned in the preset, within {NEAR} crf": usual & line & near,
            "any cell of the encoder": usual & same,
            f"any cell, within {NEAR} crf": usual & same & near,
            "universal probe": usual & universal,
            "universal probe, other encoders": usual & universal & ~same,
        }


def make_pairs(rows: Sequence[Measured], block: CodecBlock, quantity: str, group_by: str) -> Pairs:
    """All ordered pairs within a (clip, encoder), and from every libx264 cell to every other encoder's.

    Args:
        rows: usable rows.
        block: codec block; rows of encoders without a slot of their own are dropped.
        quantity: ``score`` or ``log_bpp``.
        group_by: as ``groups.group_names`` reads it.

    Raises:
        InputError: no pair remains.
    """
    dropped: Counter[str] = Counter()
    clips: dict[tuple[str, str], list[int]] = {}
    usable: list[Measured] = []
    for row in rows:
        if not block.knows(row.cell.encoder):
            dropped[f"encoder {row.cell.encoder} has no slot in vocabulary {block.version}"] += 1
        elif row.descriptor is None:
            dropped["no per-frame VMAF, bitrate or geometry"] += 1
        else:
            clips.setdefault(row.clip, []).append(len(usable))
            usable.append(row)
    pairs = [
        (p, c)
        for members in clips.values()
        for p in members
        for c in members
        if p != c and usable[p].cell.encoder in (usable[c].cell.encoder, UNIVERSAL_ENCODER)
    ]
    if not pairs:
        raise InputError("no source has two usable cells of one encoder; the anchored predictors need them")
    names = group_names(usable, group_by)
    index = {name: position for position, name in enumerate(dict.fromkeys(names))}
    P, C = (np.asarray(column) for column in zip(*pairs, strict=True))
    codec = block.matrix([row.cell for row in usable])
    values = np.asarray([getattr(row, quantity) for row in usable], dtype=np.float64)
    told = np.stack([row.descriptor for row in usable if row.descriptor is not None])
    encoders = dict.fromkeys(row.cell.encoder for row in usable)
    return Pairs(
        descriptors=told[P],
        probe_codec=codec[P],
        codec=codec[C],
        anchor=values[P],
        targets=values[C],
        scores=np.asarray([row.score for row in usable])[C],
        groups=np.asarray([index[name] for name in names], dtype=np.int64)[C],
        group_names=tuple(index),
        judged=np.asarray([row.judged for row in usable], dtype=bool)[C],
        references=len({usable[c].source for c in C if usable[c].judged}),
        probes=tuple(usable[p].cell for p in P),
        cells=tuple(usable[c].cell for c in C),
        pinned={name: pinned_probes([row for row in usable if row.cell.encoder == name]) for name in encoders},
        dropped=dropped,
    )


def pinned_probes(rows: Sequence[Measured]) -> dict[str, Cell]:
    """{preset: its probe} of one encoder, the preset with most rows first; at least one.

    Of the cells of a preset that enough of its clips have, see SHARED, the one whose median VMAF is nearest to
    PROBE_SCORE. A preset without such a cell has no probe of its own; where none has one, the most widespread
    cells stand in.
    """
    presets: dict[str, list[Measured]] = {}
    for row in rows:
        presets.setdefault(row.cell.preset, []).append(row)
    found = {}
    for preset in sorted(presets, key=lambda preset: (-len(presets[preset]), preset)):
        clips = len({row.clip for row in presets[preset]})
        probe = _nearest(presets[preset], SHARED * clips)
        if probe is not None:
            found[preset] = probe
    if not found:
        probe = _nearest(rows, SHARED * max(Counter(row.cell for row in rows).values()))
        assert probe is not None
        found[probe.preset] = probe
    return found


def _nearest(rows: Sequence[Measured], least: float) -> Cell | None:
    """Of the cells that so many clips have, the one nearest to PROBE_SCORE."""
    clips: dict[Cell, set[tuple[str, str]]] = {}
    scores: dict[Cell, list[float]] = {}
    for row in rows:
        clips.setdefault(row.cell, set()).add(row.clip)
        scores.setdefault(row.cell, []).append(row.score)
    shared = [cell for cell in clips if len(clips[cell]) >= least]
    return min(shared, key=lambda cell: (abs(float(np.median(scores[cell])) - PROBE_SCORE), cell), default=None)
