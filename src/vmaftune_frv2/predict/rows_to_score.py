"""What scoring needs of the rows of a corpus: their cells, their features, and the rows themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import UNKNOWN
from vmaftune_frv2.contract.crf import tidy
from vmaftune_frv2.contract.encoder_names import canonical_name
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import PER_FRAME_FEATURES, Clip, Row, clip_of, dumps, loads
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.predict.columns import Columns

SHOWN = ("src", "encoder", "preset", "crf", "vmaf_score")
"""Keys that are kept of a row beside its prediction, unless it is kept whole."""
PREDICTED = ("vmaf_predicted", "vmaf_low", "vmaf_high")
"""What is added to a row."""
PREDICTED_BY = "vmaf_predicted_by"
"""Added, too, where another model than the one that was asked for predicts."""
_REPLACED = (*PREDICTED, PREDICTED_BY)


class ToScore(NamedTuple):
    """What scoring needs of a row.

    Args:
        row: as in ``Predicted``.
        encoder: its name.
        cell: None where crf or preset is not known.
        clip: what tells its frames from others.
        features: the row's own, or why it has none; None where nobody asked.
        frames: [T, F] the same of each frame, where they are wanted and known.
        whole: as in ``Predicted``.
    """

    row: Row
    encoder: str
    cell: Cell | None
    clip: Clip
    features: list[float] | str | None
    frames: NDArray[np.float64] | None
    whole: bytes


class Wanted(NamedTuple):
    """What is wanted of a row's own features.

    Args:
        columns: which; None where they are not.
        frames: whether those of each frame, too.
        needed: whether a row without them cannot be scored.
    """

    columns: Columns | None
    frames: bool = False
    needed: bool = False


def of_probe(
    cells: frozenset[Cell], columns: Columns, row: Row, line: bytes
) -> tuple[tuple[Clip, Cell], list[float] | str] | None:
    """The features of a row that is a probe of its clip, or why it has none."""
    cell = _cell(row)
    if cell is None or cell not in cells:
        return None
    if row["exit_status"] != 0:
        return (clip_of(row), cell), "the cell failed"
    try:
        return (clip_of(row), cell), columns.read(row, "row")
    except InputError as error:
        return (clip_of(row), cell), str(error)


def to_score(wanted: Wanted, vmaf_model: str | None, whole: bool, row: Row, line: bytes) -> ToScore | str:
    """What scoring needs of a row, or why it cannot be scored.

    Args:
        wanted: what to read of the row's own features.
        vmaf_model: whose scores are predicted; a score of another one is not to stand beside them. None where the
            model does not say.
        whole: whether to keep the row as it was read.
        row: a valid one.
        line: that it was read from.
    """
    if vmaf_model is not None and row["vmaf_model"] not in (None, vmaf_model):
        return f"scored with {row['vmaf_model']}, and the model predicts {vmaf_model}"
    features: list[float] | str | None = None
    try:
        features = wanted.columns.read(row, "row") if wanted.columns else None
    except InputError as error:
        if wanted.needed:
            return str(error)
        features = str(error)
    shown = {key: row.get(key) for key in SHOWN}
    frames = _frames(row, wanted.columns) if wanted.frames and wanted.columns else None
    kept = _unclosed(row, line) if whole else b""
    return ToScore(shown, canonical_name(row["encoder"]), _cell(row), clip_of(row), features, frames, kept)


def _frames(row: Row, columns: Columns) -> NDArray[np.float64] | None:
    """[T, F] the columns of each frame; None where the row has them for none."""
    per_frame = row.get(PER_FRAME_FEATURES) or {}
    found = [per_frame.get(name) for name in columns.names]
    return np.asarray(found, dtype=np.float64).T if all(isinstance(each, list) for each in found) else None


def _unclosed(row: Row, line: bytes) -> bytes:
    """A row's line as strict JSON without its closing brace and PREDICTED; as it stands, wherever it can be."""
    line = line.strip()
    if not line.startswith(b"{") or b"NaN" in line or not row.keys().isdisjoint(_REPLACED):
        bare = {key: value for key, value in loads(line).items() if key not in _REPLACED}
        line = dumps(bare).encode()
    return line[:-1].rstrip()


def _cell(row: Row) -> Cell | None:
    name, preset = canonical_name(row["encoder"]), row["preset"]
    entry = ENCODERS.find(name)
    if row["crf"] is None or (preset is None and entry is not None and not entry.optional):
        return None
    native = entry.resolve_preset(preset) if entry and preset is not None else preset or UNKNOWN
    return Cell(name, native, tidy(row["crf"]))
