"""One point from several windows of a source: each is encoded and scored, their frames count alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.features import CANONICAL6, pool
from vmaftune_frv2.contract.rows import FAILURE_REASON, PER_FRAME_FEATURES, PER_FRAME_VMAF, Row
from vmaftune_frv2.errors import InputError, ToolError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.contract.gop import Gop
    from vmaftune_frv2.corpus.measure import Outcome
    from vmaftune_frv2.media.ffmpeg import FFmpeg
    from vmaftune_frv2.media.source import Source
    from vmaftune_frv2.predict.whole import Counted, SamplingError


@dataclass(frozen=True)
class Pooled:
    """What windows say of their source.

    Args:
        row: as the whole would have it.
        error: how wrong it may be; None where what was measured is all that is asked about.
    """

    row: Row
    error: SamplingError | None = None


def measure_windows(
    ffmpeg: FFmpeg,
    windows: Sequence[Source],
    cell: Cell,
    vmaf_model: str,
    *,
    whole_frames: float | None = None,
    pace: float = 1.0,
    jobs: int = 1,
    threads: int = 1,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Pooled:
    """Encodes and scores one cell of every window.

    Args:
        ffmpeg: does both.
        windows: parts of one source; those with surroundings stand for the whole, see ``predict.whole``.
        cell: what to encode.
        vmaf_model: libvmaf model.
        pace: what a frame of the whole takes over one of the windows, see ``media.pace``.
        whole_frames: how many the whole has that the windows stand for; None where they stand for themselves.
        jobs: windows at once.
        threads: of one encode and of one scoring.
        on_outcome: given each window's row with libvmaf's log, in the caller's thread, before it is used.

    Raises:
        ToolError: an encode or a scoring failed.
    """
    from vmaftune_frv2.contract.encoders import ENCODERS
    from vmaftune_frv2.corpus.measure import MeasureOptions, measure
    from vmaftune_frv2.corpus.plan import CellRequest, make_plan
    from vmaftune_frv2.media.together import together
    from vmaftune_frv2.predict.whole import count, with_margins

    encoder = ENCODERS.get(cell.encoder)
    gop = encoder.gop
    around = [with_margins(window, gop) for window in windows]
    plan, _ = make_plan(ffmpeg, around, [cell], vmaf_model=vmaf_model)
    options = MeasureOptions(threads=threads)

    def one(request: CellRequest) -> Outcome:
        return measure(request, encoder, ffmpeg, options)

    rows, counted = [], []
    for outcome, window in zip(together(one, list(plan), jobs), around, strict=True):
        on_outcome(outcome)
        if outcome.row["exit_status"] != 0:
            raise ToolError(outcome.row[FAILURE_REASON], outcome.row["exit_status"])
        rows.append(outcome.row)
        if window.margins is not None and outcome.encoded is not None:
            counted.append(count(window, outcome.encoded, gop))
    return _of_whole(rows, counted, gop, whole_frames, pace)


def _of_whole(
    rows: Sequence[Row], counted: Sequence[Counted], gop: Gop, whole_frames: float | None, pace: float
) -> Pooled:
    """What the rows of windows say; those without counted frames stand for themselves."""
    from vmaftune_frv2.predict.whole import sampling_error, whole_bytes

    pooled = pool_rows(rows)
    if whole_frames is None:
        return Pooled(pooled)
    if len(counted) == len(rows):
        rate = pooled["framerate"]
        size = whole_bytes(counted, round(whole_frames), rate, gop, pace)
        pooled["bitrate_kbps"] = size / whole_frames * rate * 8 / 1000
    rates = [row["bitrate_kbps"] for row in rows]
    share = len(pooled[PER_FRAME_VMAF]) / whole_frames
    return Pooled(pooled, sampling_error([row["vmaf_score"] for row in rows], rates, share))


def pool_rows(rows: Sequence[Row]) -> Row:
    """The row of all windows' frames.

    Args:
        rows: successful rows of one cell, of windows of one source, with per-frame values.

    Returns:
        Frames in order; size and times summed; VMAF, features, frame rate and bitrate over all of them. A single
        row comes back as it is.

    Raises:
        InputError: there is no row.
    """
    if not rows:
        raise InputError("no window was measured")
    if len(rows) == 1:
        return dict(rows[0])
    pooled = dict(rows[0])
    for key in ("encode_size_bytes", "encode_time_ms", "score_time_ms"):
        pooled[key] = sum(row[key] for row in rows)
    scores = [score for row in rows for score in row[PER_FRAME_VMAF]]
    features = {
        feature: [value for row in rows for value in row[PER_FRAME_FEATURES][feature]] for feature in CANONICAL6
    }
    seconds = sum(len(row[PER_FRAME_VMAF]) / row["framerate"] for row in rows)
    pooled.update(
        framerate=rows[0]["framerate"] if _share_a_rate(rows) else len(scores) / seconds,
        bitrate_kbps=pooled["encode_size_bytes"] * 8 / 1000 / seconds,
        vmaf_score=sum(scores) / len(scores),
        clip_mode=f"sample_{seconds:g}s",
        **pool(features),
    )
    pooled[PER_FRAME_FEATURES], pooled[PER_FRAME_VMAF] = features, scores
    return pooled


def _share_a_rate(rows: Sequence[Row]) -> bool:
    return len({row["framerate"] for row in rows}) == 1
