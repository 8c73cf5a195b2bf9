"""Frames for a row that lacks them: its kept encode scored, or its cell encoded once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.features import CANONICAL6, pool
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.contract.rows import (
    ATTACHED,
    PER_FRAME_FEATURES,
    PER_FRAME_VMAF,
    SOURCE_COMPLEXITY,
    UPGRADED_FROM,
    VARIABLE_FRAME_RATE,
    Row,
)
from vmaftune_frv2.corpus.measurer import measure_now
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.corpus.setup import Setup, time_limit
from vmaftune_frv2.errors import InputError, ToolError, UsageError
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.trial import compared_format
from vmaftune_frv2.media.vmaf import Scored, score

SCORED, ENCODED = "scored", "encoded"
"""How frames came to a row: its encode was kept, or was made again."""
_OF_SOURCE = ("shot_count", "shot_avg_duration_sec", "shot_duration_std_sec", SOURCE_COMPLEXITY)
"""What a row says of its source, whichever encode it is of."""


class RefusedRowError(Exception):
    """A row that gets no frames.

    Args:
        reason: why, the same for all of a kind.
        detail: what was found, of this one.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def has_frames(row: Row) -> bool:
    """Whether a row has features and VMAF of each frame."""
    features = row.get(PER_FRAME_FEATURES) or {}
    return bool(row.get(PER_FRAME_VMAF)) and all(isinstance(features.get(name), list) for name in CANONICAL6)


def key_of(row: Row) -> str:
    """What tells that a row of an output answers for a row of a corpus: the digest of that one's request."""
    attached = row.get(ATTACHED)
    return str(attached["row"]) if attached else identity(row).hex()


def key_if_whole(row: Row) -> str | None:
    """``key_of`` a row that has frames; None for others, which answer for nothing."""
    return key_of(row) if has_frames(row) else None


def with_frames(row: Row, source: Source, setup: Setup, kept: Path | None, tolerance: float) -> Row:
    """A row with features and VMAF of each frame.

    Args:
        row: a valid one with a score, and without frames.
        source: what it is of, through its window.
        setup: measures; the model and parameters are the row's.
        kept: its encode, None to encode its cell again.
        tolerance: VMAF points that the score may lie off the row's.

    Raises:
        RefusedRowError: source, cell or encode are not what the row says, or the score is another one.
        OutputError: there is no place for intermediate files.
    """
    _refuse_another_source(row, source)
    try:
        new = _encoded(row, source, setup) if kept is None else _scored(row, source, setup, kept)
    except (InputError, UsageError, ToolError) as error:
        what = "its cell cannot be encoded again" if kept is None else "its kept encode cannot be scored"
        raise RefusedRowError(what, str(error).splitlines()[0]) from error
    off = new["vmaf_score"] - row["vmaf_score"]
    if abs(off) > tolerance:
        found = f"{new['vmaf_score']:.3f}, and the row says {row['vmaf_score']:.3f}"
        raise RefusedRowError("its score is another one", found)
    how = ENCODED if kept is None else SCORED
    new[ATTACHED] = {"how": how, "row": identity(row).hex(), "vmaf_score": row["vmaf_score"]}
    broken = check_row(new)
    if broken:
        raise RefusedRowError("the row with its frames breaks the contract", str(broken[0]))
    return new


def _refuse_another_source(row: Row, source: Source) -> None:
    said = (row["width"], row["height"])
    if None not in said and said != (source.width, source.height):
        raise RefusedRowError(
            "its source is of another size",
            f"{source.width}x{source.height}, and the row says {said[0]}x{said[1]}",
        )
    if source.view.clip_mode != row["clip_mode"]:
        raise RefusedRowError("its source has no such window", f"{row['clip_mode']} of {source.duration_s} s")


def _scored(row: Row, source: Source, setup: Setup, kept: Path) -> Row:
    """The row with what scoring its encode gives; all else that it says is of that encode, too."""
    model = setup.model_for(source)
    scored: Scored = score(
        setup.ffmpeg,
        kept,
        source,
        pix_fmt=compared_format(setup.ffmpeg, source, str(kept)),
        model=model,
        threads=setup.options.threads,
        timeout=time_limit(source.megapixels),
    )
    found: dict[str, Any] = {
        "vmaf_score": sum(scored.vmaf) / len(scored.vmaf),
        "vmaf_model": model,
        "vmaf_binary_version": scored.version,
        "score_time_ms": scored.seconds * 1000,
        VARIABLE_FRAME_RATE: source.variable,
        **pool(scored.features),
        PER_FRAME_FEATURES: dict(scored.features),
        PER_FRAME_VMAF: scored.vmaf,
    }
    return row | found


def _encoded(row: Row, source: Source, setup: Setup) -> Row:
    """A row of the same cell, all of it of the new encode."""
    if row["crf"] is None or row["preset"] is None:
        raise UsageError("its crf or preset is not known")
    cell = Cell.resolve(row["encoder"], row["preset"], row["crf"])
    new = measure_now(setup, source, cell).row
    known = {key: row[key] for key in _OF_SOURCE if new.get(key) is None and row.get(key) is not None}
    came_from = {UPGRADED_FROM: row[UPGRADED_FROM]} if row.get(UPGRADED_FROM) else {}
    return new | known | {"src": row["src"]} | came_from
