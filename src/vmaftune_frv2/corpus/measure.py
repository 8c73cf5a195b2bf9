"""One cell, measured: encode, score, and the row that says so."""

from __future__ import annotations

import datetime
import os
import uuid
from dataclasses import asdict
from pathlib import Path

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoder_settings import gop_of
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import pool
from vmaftune_frv2.contract.frame_pools import summary_of
from vmaftune_frv2.contract.full_features import pool_full
from vmaftune_frv2.contract.rows import (
    FAILURE_REASON,
    FULL_FEATURES,
    PACKETS,
    PER_FRAME_FEATURES,
    PER_FRAME_VMAF,
    SOURCE_COMPLEXITY,
    VMAF_ALSO,
    VMAF_AT_SOURCE_SIZE,
    Row,
)
from vmaftune_frv2.corpus.packets import count_packets
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import MeasureOptions, Outcome
from vmaftune_frv2.errors import TimeoutToolError, ToolError
from vmaftune_frv2.media.encode import Encoded, encode
from vmaftune_frv2.media.encoder_stats import read_stats, stats_argv, stats_file
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.opening import check_unchanged
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.trial import compared_format
from vmaftune_frv2.media.vmaf import Scored, score
from vmaftune_frv2.progress import about

_STATS = "stats"


def is_complete(shots: bool, complexity: bool, encoder_stats: bool, row: Row) -> bool:
    """Whether a row has what these options add to it, as far as its encoder can give it."""
    if shots and row.get("shot_count") is None:
        return False
    if complexity and row.get(SOURCE_COMPLEXITY) is None:
        return False
    encoder = ENCODERS.find(row["encoder"])
    noted = encoder_stats and encoder is not None and encoder.pass_log
    return not (noted and row.get("enc_internal_qp_mean") is None)


def measure(request: CellRequest, encoder: Encoder, ffmpeg: FFmpeg, options: MeasureOptions) -> Outcome:
    """Encodes and scores one cell. A tool that fails gives a row that says so, not an exception.

    Raises:
        InputError: the source is not the file any more that was planned with; nothing may go on.
        OutputError: there is no place for intermediate files.
    """
    cell = request.cell
    with about(source=request.source.label, encoder=cell.encoder, preset=cell.preset, crf=cell.crf):
        return _measure(request, encoder, ffmpeg, options)


def _measure(request: CellRequest, encoder: Encoder, ffmpeg: FFmpeg, options: MeasureOptions) -> Outcome:
    check_unchanged(request.source)
    row = request.base_row()
    row["run_id"] = uuid.uuid4().hex
    try:
        with scratch_dir(options.scratch, "vmaftune-") as folder:
            encoded = _encode(request, encoder, ffmpeg, options, folder)
            scored = score(
                ffmpeg,
                encoded.path,
                request.source,
                pix_fmt=_compared(request, encoded, ffmpeg),
                model=request.vmaf_model,
                full_features=request.full_features,
                also=request.also_models,
                threads=options.threads,
                scratch=folder,
                timeout=options.time_limit(request, encoder),
            )
            if request.source.view.scaled_from:
                row[VMAF_AT_SOURCE_SIZE] = _upscaled(request, encoder, ffmpeg, options, encoded)
            check_unchanged(request.source)
            _fill(row, request, encoded, scored)
            if request.source.margins is not None:
                gop = gop_of(encoder, request.extra_params)
                row[PACKETS] = asdict(count_packets(request.source, encoded, gop))
            if options.encoder_stats and encoder.pass_log:
                row.update(read_stats(stats_file(folder / _STATS), request.source.frames))
            row["encode_path"] = _keep(request, encoded, options)
    except ToolError as error:
        row.pop(VMAF_AT_SOURCE_SIZE, None)
        row.update({"timestamp": _now(), "exit_status": error.status, FAILURE_REASON: str(error)})
        return Outcome(row, None)
    row.update(timestamp=_now(), exit_status=0)
    return Outcome(row, scored.payload)


def _encode(
    request: CellRequest, encoder: Encoder, ffmpeg: FFmpeg, options: MeasureOptions, folder: Path
) -> Encoded:
    output = folder / f"encode.{options.container or encoder.container}"
    stats = stats_argv(encoder, folder / _STATS) if options.encoder_stats else None
    for attempt in range(1, options.attempts + 1):
        try:
            return encode(
                ffmpeg,
                request.source,
                encoder,
                request.cell,
                output,
                threads=options.threads,
                extra=(*(stats or ()), *request.extra_params),
                timeout=options.time_limit(request, encoder),
            )
        except TimeoutToolError:
            raise
        except ToolError as error:
            if attempt == options.attempts:
                raise ToolError(f"{error}\n  tried {attempt} times", error.status) from error
    raise AssertionError("attempts is at least 1")


def _compared(request: CellRequest, encoded: Encoded, ffmpeg: FFmpeg) -> str:
    """The pixel format of the score; further parameters may have changed the encode's."""
    if not request.extra_params:
        return encoded.pix_fmt
    return compared_format(ffmpeg, request.source, str(encoded.path))


def _upscaled(
    request: CellRequest, encoder: Encoder, ffmpeg: FFmpeg, options: MeasureOptions, encoded: Encoded
) -> list[float]:
    """VMAF of each frame of a scaled encode once it is brought back to the source's size, as viewers see it."""
    return score(
        ffmpeg,
        encoded.path,
        request.source.unscaled(),
        pix_fmt=_compared(request, encoded, ffmpeg),
        model=request.vmaf_model,
        rescale=True,
        threads=options.threads,
        timeout=options.time_limit(request, encoder),
    ).vmaf


def _fill(row: Row, request: CellRequest, encoded: Encoded, scored: Scored) -> None:
    size = _size_of(encoded, request.source)
    row.update(
        encode_size_bytes=size,
        bitrate_kbps=size * 8 / 1000 / request.source.encoded_seconds,
        encode_time_ms=encoded.seconds * 1000,
        score_time_ms=scored.seconds * 1000,
        vmaf_score=sum(scored.vmaf) / len(scored.vmaf),
        vmaf_binary_version=scored.version,
        **pool(scored.features),
    )
    row[PER_FRAME_FEATURES] = dict(scored.features)
    row[PER_FRAME_VMAF] = scored.vmaf
    if scored.also:
        row[VMAF_ALSO] = {model: summary_of(frames) for model, frames in scored.also.items()}
    if request.full_features:
        row[FULL_FEATURES] = pool_full(frame["metrics"] for frame in scored.payload["frames"])


def _size_of(encoded: Encoded, source: Source) -> int:
    """Bytes of the frames in use: of the file, or of their packets where others were encoded besides."""
    margins, frames = source.margins, encoded.frame_sizes
    if margins is None or frames is None:
        return encoded.size_bytes
    return sum(frames.sizes[margins.before : margins.before + source.frames])


def _keep(request: CellRequest, encoded: Encoded, options: MeasureOptions) -> str | None:
    if options.keep_dir is None:
        return None
    cell = request.cell
    digest = request.identity.hex()[:8]
    stem = f"{request.source.path.stem}__{cell.encoder}__{cell.preset}__crf{cell.crf}__{digest}"
    kept = options.keep_dir / f"{stem}{encoded.path.suffix}"
    os.replace(encoded.path, kept)
    return str(kept)


def _now() -> str:
    return datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="seconds")
