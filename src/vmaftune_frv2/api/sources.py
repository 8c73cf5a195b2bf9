"""Opening sources as a request describes them, with notes on what is special about them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.api.folders import with_folders
from vmaftune_frv2.contract.encoding_options import FilterOptions
from vmaftune_frv2.contract.filters import NO_FILTERS
from vmaftune_frv2.contract.option_groups import SourceOptions
from vmaftune_frv2.contract.rows import SOURCE_COMPLEXITY
from vmaftune_frv2.corpus.cache import ResultCache, content_hash
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.complexity import measure_complexity
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.hdr import resolve, signalling_filters
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.shots import detect_shots
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf_models import model_warning
from vmaftune_frv2.progress import about

if TYPE_CHECKING:
    from vmaftune_frv2.contract.sweep_request import SweepRequest

log = get_logger(__name__)


def open_for(
    ffmpeg: FFmpeg,
    label: str,
    request: SourceOptions,
    *,
    seconds: float = 0.0,
    hashed: bool = False,
    trust_header: bool = False,
    hdr_mode: str = "auto",
    cache: ResultCache | None = None,
) -> Source:
    """Opens a source.

    Args:
        ffmpeg: opens it.
        label: path as given.
        request: how it is read.
        seconds: use only so much of the middle; 0 for all.
        hashed: whether to hash it; with ``cache``, files of usual size are hashed anyway.
        trust_header: whether the middle may be where the container says, as ``media.opening.open_source``.
        hdr_mode: what encodes are labelled as.
        cache: remembers hashes.

    Raises:
        UsageError: a raw file without its size, or a size that the file contradicts.
        InputError: the source cannot be used.
    """
    with about(source=label):
        source = open_source(
            ffmpeg,
            label,
            raw=request.raw_format(label),
            sample_seconds=seconds,
            hash_file=False,
            trust_header=trust_header,
            track=request.video_track,
            filters=request.filters() if isinstance(request, FilterOptions) else NO_FILTERS,
        )
        sha256 = content_hash(source, cache, needed=hashed)
    for remark in source.remarks:
        log.info(remark)
    width, height = (source.stored or (source.width, source.height))[:2]
    if request.width is not None and (width, height) != (request.width, request.height):
        raise UsageError(
            f"{label} is {width}x{height}, not {request.width}x{request.height}:"
            " leave --width and --height to raw files"
        )
    hdr = resolve(source, hdr_mode)
    return dataclasses.replace(
        source, sha256=sha256, label_filters=signalling_filters(source, hdr), row_values=dict(hdr.row_values())
    )


def open_for_sweep(ffmpeg: FFmpeg, request: SweepRequest, cache: ResultCache | None = None) -> list[Source]:
    """Opens every source of a sweep, each once, and measures what its rows are to say of it.

    Args:
        ffmpeg: opens them.
        request: how.
        cache: remembers hashes.

    Raises:
        UsageError: as ``open_for``, or a duration that the file contradicts.
        InputError: a source cannot be used.
        ToolError: ffmpeg failed at counting shots or measuring complexity.
    """
    sources = []
    for label in with_folders(request.sources):
        source = open_for(
            ffmpeg,
            label,
            request,
            seconds=request.sample_clip_seconds,
            hashed=not request.no_source_hash,
            hdr_mode=request.hdr_mode,
            cache=None if request.no_source_hash else cache,
        )
        claimed, lasts = request.duration, source.duration_s
        if claimed > 0 and lasts and abs(claimed / lasts - 1) > 0.01:
            raise UsageError(
                f"--duration {claimed:g}: {source.label} lasts {lasts:.3f} s by its frames; leave it out"
            )
        found: dict[str, Any] = dict(source.row_values)
        with about(source=label):
            if request.shots:
                found |= detect_shots(ffmpeg, source).row_values()
            if request.complexity:
                found[SOURCE_COMPLEXITY] = measure_complexity(ffmpeg, [source], threads=usable_cpus())
        sources.append(dataclasses.replace(source, row_values=found))
    return sources


def warn_of_hdr(source: Source, model: str) -> None:
    """Warns of an HDR source, which every VMAF model judges as if it were SDR."""
    warning = model_warning(source.hdr_transfer, model)
    if warning:
        log.warning("%s: %s", source.label, warning)


def note_if_whole(source: Source, seconds: float) -> None:
    """Notes that a source is no longer than the window that was asked for, 0 for none."""
    if seconds and source.window is None:
        log.info(
            "%s lasts %.2f s, no longer than %g s; all of it is used",
            source.label,
            source.encoded_seconds,
            seconds,
        )
