"""The rows of corpora that can be learnt from, and why the others cannot."""

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

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import UNKNOWN
from vmaftune_frv2.contract.crf import tidy
from vmaftune_frv2.contract.descriptor import descriptor, log_bits_per_pixel
from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, feature_vector
from vmaftune_frv2.contract.old_rows import NOTHING, Origin, Told
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, PER_FRAME_VMAF, SOURCE_COMPLEXITY, Clip, Row, clip_of
from vmaftune_frv2.contract.source_complexity import complexity_vector
from vmaftune_frv2.corpus.reader import Fault, corpus_files, read_shapes
from vmaftune_frv2.errors import InputError


@dataclass(frozen=True)
class Measured:
    """A usable row: one scored cell of one source.

    Args:
        source: what tells sources apart: digest, else path.
        label: what people call the source: its file name.
        clip: source, window and encoder settings; rows of one clip differ in their cell only.
        cell: what was encoded.
        features: [F] canonical-6 means.
        score: VMAF.
        vmaf_model: libvmaf model of the score; None where the row does not name it.
        descriptor: [D] of the row as a probe, in the order of DESCRIPTOR; None where it lacks something.
        log_bpp: natural log of bits per pixel; None where unknown.
        frames: [T, F + 1] canonical-6 and then VMAF of every frame; None where unknown.
        full: {name: mean} of features beyond the canonical-6.
        complexity: [K] how hard the source is to encode, in the order of COMPLEXITY; None where unknown.
        judged: False for rows that are only learnt from.
    """

    source: str
    label: str
    clip: Clip
    cell: Cell
    features: tuple[float, ...]
    score: float
    vmaf_model: str | None
    descriptor: NDArray[np.float64] | None = None
    log_bpp: float | None = None
    frames: NDArray[np.float32] | None = None
    full: dict[str, float | None] = field(default_factory=dict)
    complexity: NDArray[np.float64] | None = None
    judged: bool = True


@dataclass
class Corpus:
    """Usable rows of some corpora.

    Attributes:
        rows: in reading order.
        dropped: {reason: count}.
        shapes: {shape that a usable row was read as: count}.
        sha256: digest of the files' bytes, in sorted order.
        files: the files read.
    """

    rows: list[Measured] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    files: tuple[Path, ...] = ()


def load_corpus(
    paths: Iterable[Path],
    vmaf_model: str | None = None,
    only_learn: Iterable[Path] = (),
    told: Told = NOTHING,
) -> Corpus:
    """Reads corpora and keeps the rows that can be learnt from.

    Args:
        paths: files or folders.
        vmaf_model: keep only rows scored with this model.
        only_learn: files or folders whose rows are learnt from and never judged.
        told: what is known beside what rows say.

    Raises:
        InputError: nothing is usable, or scores of several models would be mixed.
    """
    judged, learnt = tuple(corpus_files(paths)), tuple(corpus_files(only_learn))
    corpus = Corpus(files=(*judged, *learnt))
    seen: set[tuple[Any, ...]] = set()
    for files, judge in ((judged, True), (learnt, False)):
        for found in read_shapes(files, partial(_learnable, vmaf_model, judge), told):
            if isinstance(found, (Fault, str)):
                corpus.dropped[found if isinstance(found, str) else found.summary] += 1
                continue
            measured, shape = found
            key = (measured.clip, measured.cell, measured.vmaf_model)
            if key in seen:
                corpus.dropped["a cell that was measured before"] += 1
                continue
            seen.add(key)
            corpus.rows.append(measured)
            corpus.shapes[shape] += 1
    _refuse_mixture(corpus)
    corpus.sha256 = _digest(corpus.files)
    return corpus


def _learnable(
    vmaf_model: str | None, judged: bool, row: Row, line: bytes, origin: Origin
) -> tuple[Measured, str] | str:
    """What can be learnt from a valid row, with its shape; else why nothing can."""
    if row["exit_status"] != 0:
        return "the cell failed"
    if any(row.get(f"{feature}_mean") is None for feature in CANONICAL6):
        return "features are null (vmaf-tune attach measures them)"
    if vmaf_model is not None and row["vmaf_model"] != vmaf_model:
        return f"scored with {row['vmaf_model'] or 'a VMAF model that the row does not name'}"
    if row["crf"] is None:
        return "the crf is not known"
    entry = ENCODERS.find(row["encoder"])
    if row["preset"] is None and entry is not None and not entry.optional:
        return "the preset is not known"  # of an optional one it is only needed where the encoder has a slot
    try:
        return _measured(row, judged), origin.shape
    except InputError:  # before version 3 the contract says nothing of features
        return "a feature is not a number that libvmaf can give"


def _measured(row: Row, judged: bool) -> Measured:
    source = row["src_sha256"] or row["src"]
    name = canonical_name(row["encoder"])
    entry = ENCODERS.find(name)
    given = row["preset"]
    preset = entry.resolve_preset(given) if entry and given is not None else given or UNKNOWN
    features = tuple(feature_vector(row, "row"))
    try:
        log_bpp = log_bits_per_pixel(row)
        described = descriptor(row, "row")
    except InputError:
        log_bpp, described = None, None
    return Measured(
        source=source,
        label=os.path.basename(row["src"]),
        clip=(*clip_of(row), *row["extra_params"]),
        cell=Cell(name, preset, tidy(row["crf"])),
        features=features,
        score=float(row["vmaf_score"]),
        vmaf_model=row["vmaf_model"] or None,
        descriptor=described,
        log_bpp=log_bpp,
        frames=_frames(row),
        full=row.get("full_features") or {},
        complexity=_complexity(row),
        judged=judged,
    )


def _complexity(row: Row) -> NDArray[np.float64] | None:
    values, rate = row.get(SOURCE_COMPLEXITY), row.get("framerate")
    if not values or not rate or not row["width"] or not row["height"]:
        return None
    return complexity_vector(values, row["width"] * row["height"], rate)


def _frames(row: Row) -> NDArray[np.float32] | None:
    per_frame, vmaf = row.get(PER_FRAME_FEATURES) or {}, row.get(PER_FRAME_VMAF)
    columns = [per_frame.get(feature) for feature in CANONICAL6]
    if not isinstance(vmaf, list) or not all(isinstance(column, list) for column in columns):
        return None
    frames: NDArray[np.float32] = np.asarray([*columns, vmaf], dtype=np.float32).T
    return frames


def _refuse_mixture(corpus: Corpus) -> None:
    if not corpus.rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in corpus.dropped.items())
        raise InputError(f"no usable row in the corpus ({reasons or 'it is empty'})")
    models = Counter(row.vmaf_model for row in corpus.rows)
    if len(models) > 1:
        counts = ", ".join(f"{model or 'not named'} ({count} rows)" for model, count in models.most_common())
        raise InputError(f"the corpus mixes scores of several VMAF models: {counts}; choose one with --vmaf-model")


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
