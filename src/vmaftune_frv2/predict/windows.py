"""One point from several windows of a source: each is encoded and scored, their frames count alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.features import CANONICAL6, pool
from vmaftune_frv2.contract.rows import FAILURE_REASON, PER_FRAME_FEATURES, PER_FRAME_VMAF, Row
from vmaftune_frv2.errors import InputError, ToolError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.corpus.measure import Outcome
    from vmaftune_frv2.media.ffmpeg import FFmpeg
    from vmaftune_frv2.media.source import Source


def measure_windows(
    ffmpeg: FFmpeg,
    windows: Sequence[Source],
    cell: Cell,
    vmaf_model: str,
    *,
    jobs: int = 1,
    threads: int = 1,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Row:
    """Encodes and scores one cell of every window.

    Args:
        ffmpeg: does both.
        windows: parts of one source.
        cell: what to encode.
        vmaf_model: libvmaf model.
        jobs: windows at once.
        threads: of one encode and of one scoring.
        on_outcome: given each window's row with libvmaf's log, in the caller's thread, before it is used.

    Returns:
        The pooled row.

    Raises:
        ToolError: an encode or a scoring failed.
    """
    from vmaftune_frv2.contract.encoders import ENCODERS
    from vmaftune_frv2.corpus.measure import MeasureOptions, measure
    from vmaftune_frv2.corpus.plan import CellRequest, make_plan
    from vmaftune_frv2.media.together import together

    plan, _ = make_plan(ffmpeg, windows, [cell], vmaf_model=vmaf_model)
    options = MeasureOptions(threads=threads)

    def one(request: CellRequest) -> Outcome:
        return measure(request, ENCODERS.get(cell.encoder), ffmpeg, options)

    rows = []
    for outcome in together(one, list(plan), jobs):
        on_outcome(outcome)
        if outcome.row["exit_status"] != 0:
            raise ToolError(outcome.row[FAILURE_REASON], outcome.row["exit_status"])
        rows.append(outcome.row)
    return pool_rows(rows)


def pool_rows(rows: Sequence[Row]) -> Row:
    """The row that one encode of all windows' frames would have given, but for what each encode begins with.

    Args:
        rows: successful rows of one cell, of windows of one source, with per-frame values.

    Returns:
        Frames in order; size and times summed; VMAF, features and bitrate over all of them. A single row
        comes back as it is.

    Raises:
        InputError: there is no row.
    """
    if not rows:
        raise InputError("no window was measured")
    if len(rows) == 1:
        return rows[0]
    pooled = dict(rows[0])
    for key in ("encode_size_bytes", "encode_time_ms", "score_time_ms"):
        pooled[key] = sum(row[key] for row in rows)
    scores = [score for row in rows for score in row[PER_FRAME_VMAF]]
    features = {
        feature: [value for row in rows for value in row[PER_FRAME_FEATURES][feature]] for feature in CANONICAL6
    }
    seconds = len(scores) / pooled["framerate"]
    pooled.update(
        bitrate_kbps=pooled["encode_size_bytes"] * 8 / 1000 / seconds,
        vmaf_score=sum(scores) / len(scores),
        clip_mode=f"sample_{seconds:g}s",
        **pool(features),
    )
    pooled[PER_FRAME_FEATURES], pooled[PER_FRAME_VMAF] = features, scores
    return pooled
