"""Pairs of cells of one clip: one is measured, the other is predicted from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract import scenarios
from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER, Cell
from vmaftune_frv2.contract.codec import UNKNOWN, CodecBlock
from vmaftune_frv2.contract.descriptor import COMPLEXITY_BLOCK, DESCRIPTOR, block_of
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import Clip
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.fit import Table
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured

USUAL = (40.0, 99.0)
"""Cells with a VMAF between are those that anyone asks for."""
PROBE_SCORE = 84.0
"""Median VMAF that standard probes should have. Lower ones show more of the whole curve, as near 100 curves crowd
together; higher ones show more of what most people ask for."""
NO_COMPLEXITY_SHARE = 0.1
"""Share of the pairs that is shown a second time without the source's complexity."""
SHARED = 0.5
"""Share of the clips that must have a cell for it to be a probe."""
ACROSS_SHARE = 1.0 / 3.0
"""Share of the pairs of two encoders that is learnt, where the probe is not libx264's: they are two thirds of all
pairs, and each adds little to its neighbours."""
STANDARD_WEIGHT, NEAR_WEIGHT, UNUSUAL_WEIGHT = 5.0, 2.0, 0.4
"""Weights of pairs with a standard probe, of those within NEAR, and of those with a VMAF outside of USUAL."""

NO_PAIR = "no source has two usable cells of one encoder, which the curve models need"


@dataclass(frozen=True)
class Pairs:
    """P ordered pairs (probe, cell) of the same clip.

    Args:
        descriptors: [R, D] of the rows that are probes.
        probe_rows: [P] which of them are the probes.
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
        standard: {encoder: {preset: its probe}}, as ``standard_probes``; the first is the encoder's.
        block: what gave the codec vectors.
        dropped: {reason: rows}.
    """

    descriptors: NDArray[np.float64]
    probe_rows: NDArray[np.int64]
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
    standard: dict[str, dict[str, Cell]]
    block: CodecBlock
    dropped: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def again(self) -> NDArray[np.int64]:
        """[K] pairs that are shown a second time, without the source's complexity."""
        return np.flatnonzero(np.random.default_rng(0).random(len(self)) < NO_COMPLEXITY_SHARE)

    @property
    def without_complexity(self) -> NDArray[np.float64]:
        """[R, D] descriptors, the source's complexity unknown."""
        without: NDArray[np.float64] = self.descriptors.copy()
        without[:, block_of(COMPLEXITY_BLOCK)] = np.nan
        return without

    @property
    def probe_scores(self) -> NDArray[np.float64]:
        """[P] VMAF of the probes, whatever is predicted."""
        scores: NDArray[np.float64] = self.descriptors[self.probe_rows, DESCRIPTOR.index("vmaf")]
        return scores

    def inputs(self, space: AnchorSpace) -> tuple[NDArray[np.float32], ...]:
        """[P, ...] inputs of the net beside the descriptor."""
        return self.probe_codec, self.codec, space.enter(self.anchor).astype(np.float32)

    def shown(self, of: NDArray[np.bool_]) -> NDArray[np.int64]:
        """[M] pairs that a net which learns some of the P is shown: all of these, then those of ``again``."""
        return np.concatenate([np.flatnonzero(of), self.again[of[self.again]]])

    def table(self, space: AnchorSpace, of: NDArray[np.bool_]) -> Table:
        """What a net learns from that learns some of the P pairs, in the order of ``shown``."""
        rows, once = self.shown(of), int(of.sum())
        again = rows[once:]
        return Table(
            np.concatenate([self.descriptors, self.without_complexity]),
            tuple(array[rows] for array in self.inputs(space)),
            self.targets[rows],
            repeated=len(again),
            weights=self._weights()[rows],
            shared=np.concatenate([self.probe_rows[rows[:once]], self.probe_rows[again] + len(self.descriptors)]),
        )

    def _weights(self) -> NDArray[np.float64]:
        """[P] standard probes are few; what is asked for mostly lies near the probe, and in the usual range."""
        own = np.asarray([p in self.standard[p.encoder].values() for p in self.probes])
        usual = (self.scores >= USUAL[0]) & (self.scores <= USUAL[1])
        weights: NDArray[np.float64] = np.where(own, STANDARD_WEIGHT, 1.0) * np.where(usual, 1.0, UNUSUAL_WEIGHT)
        return weights * np.where(self.near, NEAR_WEIGHT, 1.0)

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """[P] whether probe and cell lie within NEAR crf steps."""
        steps = [probe.crf - cell.crf for probe, cell in zip(self.probes, self.cells, strict=True)]
        near: NDArray[np.bool_] = np.abs(steps) <= scenarios.NEAR
        return near

    @cached_property
    def same_encoder(self) -> NDArray[np.bool_]:
        """[P] whether probe and cell are of one encoder."""
        return np.asarray([p.encoder == c.encoder for p, c in zip(self.probes, self.cells, strict=True)])

    @cached_property
    def across(self) -> NDArray[np.bool_]:
        """[P] whether the cell is of another encoder than the probe, and the probe not of libx264."""
        universal = np.asarray([p.encoder == UNIVERSAL_ENCODER for p in self.probes])
        across: NDArray[np.bool_] = ~(self.same_encoder | universal)
        return across

    @property
    def learnt_from(self) -> dict[str, tuple[str, ...]]:
        """{encoder: encoders whose cells were learnt from as its probes}."""
        found: dict[str, dict[str, None]] = {}
        for probe, cell in zip(self.probes, self.cells, strict=True):
            found.setdefault(cell.encoder, {})[probe.encoder] = None
        return {encoder: tuple(sorted(probes)) for encoder, probes in found.items()}

    @cached_property
    def scenarios(self) -> dict[str, NDArray[np.bool_]]:
        """[P] masks of the ways a probe is used, judged cells with a true VMAF in ``USUAL`` only."""
        first = {encoder: next(iter(presets.values())) for encoder, presets in self.standard.items()}
        own = np.asarray([p == first[p.encoder] for p in self.probes])
        line = np.asarray(
            [p == self.standard[c.encoder].get(c.preset) for p, c in zip(self.probes, self.cells, strict=True)]
        )
        near, same = self.near, self.same_encoder
        usual = (self.scores >= USUAL[0]) & (self.scores <= USUAL[1]) & self.judged
        universal = np.asarray([p == first.get(UNIVERSAL_ENCODER) for p in self.probes])
        alike = np.abs(self.probe_scores - self.scores) <= scenarios.ALIKE
        return {
            scenarios.OF_ENCODER: usual & same & own,
            scenarios.OF_ENCODER_NEAR: usual & same & own & near,
            scenarios.OF_PRESET: usual & line,
            scenarios.OF_PRESET_NEAR: usual & line & near,
            scenarios.ANY_OWN: usual & same,
            scenarios.ANY_OWN_NEAR: usual & same & near,
            scenarios.UNIVERSAL: usual & universal,
            scenarios.UNIVERSAL_OTHERS: usual & universal & ~same,
            scenarios.ANY_OTHER: usual & ~same,
            scenarios.ANY_OTHER_ALIKE: usual & ~same & alike,
        }


def make_pairs(rows: Sequence[Measured], block: CodecBlock, quantity: str, group_by: str) -> Pairs:
    """All ordered pairs within a (clip, encoder), from every libx264 cell to every other encoder's, and a share of
    the others.

    Args:
        rows: usable rows.
        block: codec block; rows of encoders without a slot of their own are dropped.
        quantity: ``score`` or ``log_bpp``.
        group_by: as ``groups.group_names`` reads it.

    Raises:
        InputError: no pair remains.
    """
    dropped: Counter[str] = Counter()
    clips: dict[Clip, list[int]] = {}
    usable: list[Measured] = []
    for row in rows:
        if (why := _not_on_a_curve(row, block)) is not None:
            dropped[why] += 1
        else:
            clips.setdefault(row.clip, []).append(len(usable))
            usable.append(row)
    if not usable:
        reasons = "; ".join(f"{count} rows: {reason}" for reason, count in dropped.items())
        raise InputError(f"{NO_PAIR} ({reasons})")
    P, C = _ordered([row.cell.encoder for row in usable], list(clips.values()))
    names = group_names(usable, group_by)
    index = {name: position for position, name in enumerate(dict.fromkeys(names))}
    codec = block.matrix([row.cell for row in usable])
    values = np.asarray([getattr(row, quantity) for row in usable], dtype=np.float64)
    descriptors = np.stack([row.descriptor for row in usable if row.descriptor is not None])
    encoders = dict.fromkeys(row.cell.encoder for row in usable)
    return Pairs(
        descriptors=descriptors,
        probe_rows=P,
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
        standard={name: standard_probes([row for row in usable if row.cell.encoder == name]) for name in encoders},
        block=block,
        dropped=dropped,
    )


def _not_on_a_curve(row: Measured, block: CodecBlock) -> str | None:
    """Why a row lies on no curve that can be learnt; None where it does."""
    name, entry = row.cell.encoder, ENCODERS.find(row.cell.encoder)
    if entry is not None and entry.rising:
        return f"encoder {name}: its quality rises with the number, and curves fall"
    if not block.knows(name):
        return f"encoder {name} has no slot in vocabulary {block.version}"
    if row.cell.preset == UNKNOWN:
        return "the preset is not known"
    return "no per-frame VMAF, bitrate or geometry" if row.descriptor is None else None


def _ordered(encoders: Sequence[str], clips: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """[2, P] probes and cells among rows of some encoders, of the same clip.

    Raises:
        InputError: there is none within an encoder or from libx264.
    """
    found = [(p, c) for rows in clips for p in rows for c in rows if p != c]
    pairs = np.asarray(found, dtype=np.int64).reshape(-1, 2).T
    probes, cells = np.asarray(encoders)[pairs]
    across = (probes != cells) & (probes != UNIVERSAL_ENCODER)
    if across.all():
        raise InputError(NO_PAIR)
    kept: NDArray[np.int64] = pairs[:, ~across | (np.random.default_rng(0).random(len(found)) < ACROSS_SHARE)]
    return kept


def standard_probes(rows: Sequence[Measured]) -> dict[str, Cell]:
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
    clips: dict[Cell, set[Clip]] = {}
    scores: dict[Cell, list[float]] = {}
    for row in rows:
        clips.setdefault(row.cell, set()).add(row.clip)
        scores.setdefault(row.cell, []).append(row.score)
    shared = [cell for cell in clips if len(clips[cell]) >= least]
    return min(shared, key=lambda cell: (abs(float(np.median(scores[cell])) - PROBE_SCORE), cell), default=None)
