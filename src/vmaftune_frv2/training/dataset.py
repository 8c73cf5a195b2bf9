"""From corpora to training rows: what is used, what is dropped, and why."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.encoders import ENCODERS, canonical_name
from vmaftune_frv2.contract.features import CANONICAL6, feature_vector
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_rows
from vmaftune_frv2.errors import InputError


@dataclass(frozen=True)
class Measured:
    """A usable row: one scored cell of one source.

    Args:
        source: what tells sources apart: digest, else path.
        label: what people call the source: its file name.
        clip: source and window; rows of one clip share their frames.
        cell: what was encoded.
        features: [6] canonical-6 means.
        score: VMAF.
        vmaf_model: libvmaf model of the score.
    """

    source: str
    label: str
    clip: tuple[str, str]
    cell: Cell
    features: tuple[float, ...]
    score: float
    vmaf_model: str


@dataclass
class Corpus:
    """Usable rows of some corpora.

    Attributes:
        rows: in reading order.
        dropped: {reason: count}.
        unknown_encoders: {encoder without a slot of its own: rows}.
        sha256: digest of the files' bytes, in sorted order.
        files: the files read.
    """

    rows: list[Measured] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    unknown_encoders: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Training rows as arrays.

    Args:
        features: [N, 6] raw features, of the probe or of the cell itself.
        codec: [N, C] codec vectors of the cells.
        targets: [N] VMAF.
        sources: [N] index into ``source_names``.
        source_names: file names of the distinct sources.
        cells: N cells.
        probe: the probe cell, None when features are the cell's own.
        dropped: rows without a probe.
    """

    features: NDArray[np.float64]
    codec: NDArray[np.float32]
    targets: NDArray[np.float64]
    sources: NDArray[np.int64]
    source_names: tuple[str, ...]
    cells: tuple[Cell, ...]
    probe: Cell | None
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def cells_seen(self) -> dict[str, dict[str, Any]]:
        """{encoder: presets and crf range} of the rows."""
        seen: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys(cell.encoder for cell in self.cells):
            mine = [cell for cell in self.cells if cell.encoder == name]
            presets = {cell.preset for cell in mine}
            entry = ENCODERS.find(name)
            order = entry.presets if entry else tuple(sorted(presets))
            seen[name] = {
                "presets": [preset for preset in order if preset in presets],
                "crf_min": min(cell.crf for cell in mine),
                "crf_max": max(cell.crf for cell in mine),
            }
        return seen


def load_corpus(paths: Iterable[Path], block: CodecBlock, vmaf_model: str | None = None) -> Corpus:
    """Reads corpora and keeps the rows that can be learnt from.

    Args:
        paths: files or folders.
        block: decides which encoders have a slot.
        vmaf_model: keep only rows scored with this model.

    Raises:
        InputError: nothing is usable, or scores of several models would be mixed.
    """
    corpus = Corpus(files=tuple(corpus_files(paths)))
    seen: set[tuple[Any, ...]] = set()
    for found in read_rows(corpus.files, partial(_learnable, block, vmaf_model)):
        if isinstance(found, (Fault, str)):
            corpus.dropped[found if isinstance(found, str) else found.summary] += 1
            continue
        measured, extra_params = found
        key = (measured.clip, measured.cell, measured.vmaf_model, extra_params)
        if key in seen:
            corpus.dropped["a cell that was measured before"] += 1
            continue
        seen.add(key)
        if not block.knows(measured.cell.encoder):
            corpus.unknown_encoders[measured.cell.encoder] += 1
        corpus.rows.append(measured)
    _refuse_mixture(corpus)
    corpus.sha256 = _digest(corpus.files)
    return corpus


def _learnable(block: CodecBlock, vmaf_model: str | None, row: Row) -> tuple[Measured, tuple[str, ...]] | str:
    """What can be learnt from a valid row, with its extra parameters; else why nothing can."""
    reason = _unusable(row, block, vmaf_model)
    if reason:
        return reason
    try:
        return _measured(row), tuple(row["extra_params"])
    except InputError:  # before version 3 the contract says nothing of features
        return "features are no numbers"


def _unusable(row: Row, block: CodecBlock, vmaf_model: str | None) -> str | None:
    if row["exit_status"] != 0:
        return "the cell failed"
    if any(row.get(f"{feature}_mean") is None for feature in CANONICAL6):
        return "features are null"
    if vmaf_model is not None and row["vmaf_model"] != vmaf_model:
        return f"scored with {row['vmaf_model']}"
    if block.slot(row["encoder"]) is None:
        return f"encoder {row['encoder']} has no slot in vocabulary {block.version}"
    return None


def _measured(row: Row) -> Measured:
    source = row["src_sha256"] or row["src"]
    name = canonical_name(row["encoder"])
    entry = ENCODERS.find(name)
    preset = entry.resolve_preset(row["preset"]) if entry else row["preset"]
    return Measured(
        source=source,
        label=os.path.basename(row["src"]),
        clip=(source, row.get("clip_mode", "full")),
        cell=Cell(name, preset, row["crf"]),
        features=tuple(feature_vector(row, "row")),
        score=float(row["vmaf_score"]),
        vmaf_model=str(row["vmaf_model"]),
    )


def _refuse_mixture(corpus: Corpus) -> None:
    if not corpus.rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in corpus.dropped.items())
        raise InputError(f"no usable row in the corpus ({reasons or 'it is empty'})")
    models = Counter(row.vmaf_model for row in corpus.rows)
    if len(models) > 1:
        counts = ", ".join(f"{model} ({count} rows)" for model, count in models.most_common())
        raise InputError(f"the corpus mixes scores of several VMAF models: {counts}; choose one with --vmaf-model")


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def choose_probe(rows: Sequence[Measured]) -> Cell:
    """The cell that most clips have; among equals the first encoder of the table, then the crf nearest 28."""
    clips: dict[Cell, set[tuple[str, str]]] = {}
    for row in rows:
        clips.setdefault(row.cell, set()).add(row.clip)
    order = {name: index for index, name in enumerate(ENCODERS.names())}
    return min(
        clips,
        key=lambda cell: (-len(clips[cell]), order.get(cell.encoder, len(order)), abs(cell.crf - 28), cell),
    )


def make_dataset(
    rows: Sequence[Measured], block: CodecBlock, features_from: str, probe: Cell | None = None
) -> Dataset:
    """Arrays from usable rows.

    Args:
        rows: usable rows.
        block: codec block.
        features_from: ``probe`` pairs each cell with the features of its clip's probe cell, ``cell`` with
            its own.
        probe: the probe cell; None chooses it.

    Raises:
        InputError: no clip has the probe cell.
    """
    dropped = 0
    inputs = [row.features for row in rows]
    if features_from == FROM_PROBE:
        probe = probe or choose_probe(rows)
        probed = {row.clip: row.features for row in rows if row.cell == probe}
        if not probed:
            raise InputError(
                f"no source in the corpus has the probe cell {probe}; sweep it, or choose another one"
            )
        kept = [row for row in rows if row.clip in probed]
        dropped = len(rows) - len(kept)
        rows, inputs = kept, [probed[row.clip] for row in kept]
    else:
        probe = None
    labels = {row.source: row.label for row in rows}
    index = {source: position for position, source in enumerate(labels)}
    cells = tuple(row.cell for row in rows)
    return Dataset(
        features=np.asarray(inputs, dtype=np.float64),
        codec=block.matrix(cells),
        targets=np.asarray([row.score for row in rows], dtype=np.float64),
        sources=np.asarray([index[row.source] for row in rows], dtype=np.int64),
        source_names=tuple(labels.values()),
        cells=cells,
        probe=probe,
        dropped=dropped,
    )
