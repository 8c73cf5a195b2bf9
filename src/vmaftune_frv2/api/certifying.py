"""What is promised of a whole encode, and what was measured of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.contract.certificate import Certificate, Measured, Original, Promise
from vmaftune_frv2.contract.encode_request import EncodeRequest
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.frame_pools import FRAMES, HARMONIC_MEAN, MEAN, pool_frames, summary_of
from vmaftune_frv2.contract.sizes import parse_size
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.hdr_metadata import read_signalling
from vmaftune_frv2.media.source import input_argv
from vmaftune_frv2.media.streams import AUDIO, Packets, Streams, count_stream_packets
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.trial import compared_format
from vmaftune_frv2.media.vmaf import Scored, score
from vmaftune_frv2.media.whole_encode import Made, Whole
from vmaftune_frv2.predict.results import Prediction

_AUDIO_BITRATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)$")
NOTED = 10
"""Bytes that a container notes of a packet of sound, about."""
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6}


@dataclass(frozen=True)
class Sizes:
    """What the parts of a source take.

    Args:
        video: bytes of the packets of the video track in use.
        along: bytes of what goes along into the new file, None where nobody can know.
    """

    video: int
    along: int | None


def sizes_of(ffmpeg: FFmpeg, whole: Whole, streams: Streams) -> Sizes:
    """Counts the bytes of a source's parts; reads all of it, decodes nothing.

    Args:
        ffmpeg: reads it.
        whole: the source, and what goes along.
        streams: all of its streams.
    """
    source, carried = whole.source, whole.carried
    packets = count_stream_packets(ffmpeg, source.path, source.raw)
    video = packets.get(0 if whole.video is None else whole.video.index, Packets()).size
    kept = {stream.index for stream in carried.streams}
    along: float = sum(p.size + NOTED * p.count for index, p in packets.items() if index in kept)
    if any(stream.index not in packets for stream in carried.streams):
        # Attached files have no packets; they are most of what is left of the file.
        along += max(source.size_bytes - sum(p.size + NOTED * p.count for p in packets.values()), 0)
    sound = [stream.index for stream in carried.streams if stream.kind == AUDIO]
    if carried.audio_argv and sound:
        bitrate = audio_bitrate(carried.audio_argv)
        if bitrate is None:
            return Sizes(video, None)
        along -= sum(packets[index].size for index in sound if index in packets)
        along += bitrate / 8 * (streams.seconds or source.encoded_seconds) * len(sound)
    return Sizes(video, round(along))


def audio_bitrate(argv: Sequence[str]) -> float | None:
    """Bits per second of one sound track that is encoded so, None where the arguments do not say."""
    for option, value in itertools.pairwise(argv):
        found = _AUDIO_BITRATE.match(value) if option in ("-b:a", "-ab", "-b") else None
        if found is not None:
            return float(found[1]) * _UNITS[found[2].lower()]
    return None


def promise(whole: Whole, sizes: Sizes, prediction: Prediction, windows: int, encodes: int) -> Promise:
    """What is expected of the whole file.

    Args:
        whole: the source, and what goes along.
        sizes: of the source's parts.
        prediction: of the cell that is encoded.
        windows: that it rests on, 0 for all of the source.
        encodes: that were made for it.
    """
    seconds = whole.source.encoded_seconds

    def size(kbps: float) -> int | None:
        return None if sizes.along is None else round(kbps * 1000 / 8 * seconds + sizes.along)

    p = prediction
    # Rows count the file of an encode; a certificate counts packets.
    gop = ENCODERS.get(p.cell.encoder).gop
    container = (gop.container_bytes * whole.source.frames + gop.header_bytes) * 8 / 1000 / seconds
    video, low, high = (max(kbps - container, 0.0) for kbps in (p.kbps, p.kbps_low, p.kbps_high))
    return Promise(
        p.vmaf, p.vmaf_low, p.vmaf_high, video, low, high,
        size(p.kbps), size(p.kbps_low), size(p.kbps_high), windows, p.measured, encodes,
    )  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A finished encode that is not yet certified.

    Args:
        request: what was asked for.
        output: the name that it is to have.
        fingerprint: of the source.
        whole: the source, and what went along.
        sizes: of the source's parts.
        prediction: of the cell.
        made: the file.
        expected: what was promised.
        encoder_version: of the encoder's library.
        retried: whether it is the second encode.
    """

    request: EncodeRequest
    output: str
    fingerprint: str
    whole: Whole
    sizes: Sizes
    prediction: Prediction
    made: Made
    expected: Promise
    encoder_version: str | None
    retried: bool


def certify(setup: Setup, finished: Finished) -> Certificate:
    """Scores a whole encode against its source and counts its bytes.

    Args:
        setup: scores as it scored what was promised.
        finished: the encode.

    Raises:
        ToolError: libvmaf failed, or not every frame could be paired.
    """
    request, whole, made = finished.request, finished.whole, finished.made
    source, model, cell = whole.source, setup.model_for(whole.source), finished.prediction.cell
    scored = _scores(setup, model, finished)
    frames = scored.vmaf
    measured, missed = _measured(setup, frames, finished), _missed(frames, request)
    video, file = finished.sizes.video, source.size_bytes
    percent = 100 * measured.size_bytes / file
    seconds = source.encoded_seconds
    return Certificate(
        src=source.label,
        output=finished.output,
        encoder=cell.encoder,
        preset=cell.preset,
        crf=cell.crf,
        vmaf_model=model,
        targets=request.targets(),
        promised=finished.expected,
        measured=measured,
        source=Original(finished.fingerprint, file, video, video * 8 / 1000 / seconds),
        video_percent=100 * measured.video_bytes / video if video else 100.0,
        size_percent=percent,
        missed=tuple(missed),
        refused=tuple(_refusals(request, measured, percent)),
        notes=(
            *whole.carried.notes,
            *_lost(setup, finished),
            *too_large(request, measured.size_bytes),
            *(f"the encoder says: {w}" for w in made.remarks),
        ),
        retried=finished.retried,
        encode_seconds=made.seconds,
        ffmpeg_version=setup.ffmpeg.version,
        encoder_version=finished.encoder_version,
        request=request.digest,
        vmaf_also={other: _pooled(each) for other, each in scored.also.items()},
    )


def _scores(setup: Setup, model: str, finished: Finished) -> Scored:
    """VMAF of each frame, by all models."""
    ffmpeg, source, path = setup.ffmpeg, finished.whole.source, finished.made.path
    pix_fmt = compared_format(ffmpeg, source, str(path))
    also = setup.also_for(source)
    return score(ffmpeg, path, source, pix_fmt=pix_fmt, model=model, also=also, threads=usable_cpus())


def _pooled(frames: Sequence[float]) -> dict[str, float]:
    """VMAF by a further model, without its frames."""
    return {pool: value for pool, value in summary_of(frames).items() if pool != FRAMES}


def _measured(setup: Setup, frames: Sequence[float], finished: Finished) -> Measured:
    source, path = finished.whole.source, finished.made.path
    video, seconds = count_stream_packets(setup.ffmpeg, path)[0].size, source.encoded_seconds
    return Measured(
        vmaf=pool_frames(frames, MEAN),
        vmaf_harmonic_mean=pool_frames(frames, HARMONIC_MEAN),
        vmaf_p05=pool_frames(frames, "p05"),
        vmaf_p01=pool_frames(frames, "p01"),
        vmaf_min=min(frames),
        frames=len(frames),
        seconds=seconds,
        kbps=video * 8 / 1000 / seconds,
        video_bytes=video,
        size_bytes=path.stat().st_size,
    )


def _missed(frames: Sequence[float], request: EncodeRequest) -> list[str]:
    """The targets that the file is further below than the tolerance, a line each."""
    found = [(pool, pool_frames(frames, pool), least) for pool, least in request.targets().items()]
    return [
        f"VMAF {value:.2f} ({pool.replace('_', ' ')}) of the whole file misses the target of {least:g}"
        for pool, value, least in found
        if value < least - request.tolerance
    ]


def _refusals(request: EncodeRequest, measured: Measured, percent: float) -> list[str]:
    refused = []
    if request.min_vmaf is not None and measured.vmaf < request.min_vmaf:
        refused.append(f"VMAF {measured.vmaf:.2f} is below --min-vmaf {request.min_vmaf:g}")
    if request.max_percent is not None and percent > request.max_percent:
        refused.append(f"{percent:.1f} % of the source's size is more than --max-percent {request.max_percent:g}")
    return refused


def too_large(request: EncodeRequest, size_bytes: int) -> list[str]:
    """What there is to say of a file that is larger than the limit of its video."""
    if request.max_size is None or size_bytes <= parse_size(request.max_size, "--max-size"):
        return []
    limit = f"--max-size {request.max_size}"
    return [f"with sound and all else the file has {size_bytes:,} bytes: {limit} limits the video alone"]


def _lost(setup: Setup, finished: Finished) -> list[str]:
    """What the encode lacks of what the source says of its light and colours."""
    source = finished.whole.source
    before = read_signalling(setup.ffmpeg, source.input_argv(), source.stream, source.filters)
    return before.lost_in(read_signalling(setup.ffmpeg, input_argv(finished.made.path), "v:0"))
