"""One row from several windows of a source: each is encoded and scored, their frames count alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder_settings import gop_of
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import CANONICAL6, pool
from vmaftune_frv2.contract.frame_pools import FRAMES, summary_of
from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.contract.rows import PACKETS, PER_FRAME_FEATURES, PER_FRAME_VMAF, VIEW, VMAF_ALSO, Row
from vmaftune_frv2.corpus.measurer import Measured, measure_now
from vmaftune_frv2.corpus.packets import Packets
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together
from vmaftune_frv2.predict.whole import SamplingError, sampling_error, whole_bytes
from vmaftune_frv2.progress import about


@dataclass(frozen=True)
class Pooled:
    """What windows say of their source.

    Args:
        row: as the whole would have it.
        known: whether nothing had to be measured for it.
        error: how wrong it may be; None where what was measured is all that is asked about.
        cpu_seconds: what encoding one frame takes of one CPU; None where nobody knows.
    """

    row: Row
    known: bool
    error: SamplingError | None = None
    cpu_seconds: float | None = None


def measure_windows(
    setup: Setup,
    windows: Sequence[Source],
    cell: Cell,
    *,
    whole_frames: float | None = None,
    pace: float = 1.0,
    jobs: int = 1,
) -> Pooled:
    """Measures one cell of every window.

    Args:
        setup: encodes and scores, or knows.
        windows: parts of one source; those with surroundings stand for the whole, see ``corpus.packets``.
        cell: what to encode.
        whole_frames: how many the whole has that the windows stand for; None where they stand for themselves.
        pace: what a frame of the whole takes over one of the windows, see ``media.pace``.
        jobs: windows at once.

    Raises:
        ToolError: an encode or a scoring failed.
    """

    def one(numbered: tuple[int, Source]) -> Measured:
        number, window = numbered
        with about(**({"window": number, "windows": len(windows)} if len(windows) > 1 else {})):
            return measure_now(setup, window, cell)

    measured = list(together(one, list(enumerate(windows, start=1)), jobs))
    known = all(each.known for each in measured)
    rows = [each.row for each in measured]
    pooled = pool_rows(rows)
    speeds = [each.cpu_seconds for each in measured if each.cpu_seconds is not None]
    speed = sum(speeds) / len(speeds) if speeds else None
    if whole_frames is None:
        return Pooled(pooled, known, None, speed)
    encoder = ENCODERS.get(cell.encoder)
    gop = gop_of(encoder, setup.arguments(windows[0], encoder))
    packets = [Packets(**row[PACKETS]) for row in rows if row.get(PACKETS)]
    if len(packets) == len(rows):
        pooled["bitrate_kbps"] = _kbps(packets, whole_frames, pooled["framerate"], gop, pace)
    rates = [row["bitrate_kbps"] for row in rows]
    share = len(pooled[PER_FRAME_VMAF]) / whole_frames
    error = sampling_error([row["vmaf_score"] for row in rows], rates, share)
    return Pooled(pooled, known, error, speed)


def _kbps(packets: Sequence[Packets], frames: float, rate: float, gop: Gop, pace: float) -> float:
    """kbit/s of the whole encode."""
    return whole_bytes(packets, round(frames), rate, gop, pace) / frames * rate * 8 / 1000


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
    if rows[0].get(VMAF_ALSO):
        pooled[VMAF_ALSO] = {
            model: summary_of([score for row in rows for score in row[VMAF_ALSO][model][FRAMES]])
            for model in rows[0][VMAF_ALSO]
        }
    pooled.pop(VIEW, None)  # that of one window
    return pooled


def _share_a_rate(rows: Sequence[Row]) -> bool:
    return len({row["framerate"] for row in rows}) == 1
