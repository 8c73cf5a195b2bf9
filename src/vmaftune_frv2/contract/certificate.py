"""The certificate of a finished encode: what was measured of the whole file, against what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.errors import OutputError

CERTIFICATE_VERSION = 1
SUFFIX = ".vmaf.json"
"""What follows the name of a file in that of its certificate."""


@dataclass(frozen=True)
class Promise:
    """What was expected of the whole file before it was made.

    Args:
        vmaf: pooled as the request asks; measured where ``measured``.
        vmaf_low: lower end of its 90 % interval.
        vmaf_high: upper end.
        kbps: bitrate of the video, kbit/s.
        kbps_low: lower end of its 90 % interval.
        kbps_high: upper end.
        size_bytes: of the whole file, None where sound is encoded anew without a stated bitrate.
        size_low: lower end, by that of the bitrate.
        size_high: upper end.
        windows: short parts that it rests on, 0 where it rests on all of the source.
        measured: whether an encode at this crf was scored, rather than predicted.
        encodes: that were made for it.
    """

    vmaf: float
    vmaf_low: float
    vmaf_high: float
    kbps: float
    kbps_low: float
    kbps_high: float
    size_bytes: int | None
    size_low: int | None
    size_high: int | None
    windows: int
    measured: bool
    encodes: int


@dataclass(frozen=True)
class Measured:
    """What was measured of the whole file.

    Args:
        vmaf: arithmetic mean of the frames' VMAF.
        vmaf_harmonic_mean: libvmaf's harmonic mean, 1 / mean(1 / (v + 1)) - 1.
        vmaf_p05: 5th percentile of the frames (the "5 % low").
        vmaf_p01: 1st percentile.
        vmaf_min: of the worst frame.
        frames: how many.
        seconds: that they last.
        kbps: bitrate of the video, kbit/s.
        video_bytes: of its packets.
        size_bytes: of the file.
    """

    vmaf: float
    vmaf_harmonic_mean: float
    vmaf_p05: float
    vmaf_p01: float
    vmaf_min: float
    frames: int
    seconds: float
    kbps: float
    video_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class Original:
    """The source, to compare with.

    Args:
        fingerprint: of its content, see ``media.fingerprint``.
        size_bytes: of the file.
        video_bytes: of the packets of the video track in use.
        kbps: their bitrate.
    """

    fingerprint: str
    size_bytes: int
    video_bytes: int
    kbps: float


@dataclass(frozen=True)
class Certificate:
    """A finished encode.

    Args:
        src: the source as given.
        output: the file that was made.
        encoder: ffmpeg's name.
        preset: the encoder's own.
        crf: constant quality.
        vmaf_model: that scored.
        targets: {pool of the frames' VMAF: least value} that were asked for; empty for one crf.
        promised: before.
        measured: after.
        source: what it was made from.
        video_percent: share of the source's video, in bytes.
        size_percent: share of the source's file.
        missed: targets that the file is further below than the tolerance, a line each.
        refused: why the file does not have its name, a line each; empty where it has.
        notes: what was left out, changed or lost on the way, and what the encoder ignored.
        retried: whether it is the second encode of the whole.
        encode_seconds: wall time of the encode.
        ffmpeg_version: that made it.
        encoder_version: of the encoder's library, None where it does not say.
        request: digest of what was asked for.
        vmaf_also: {further VMAF model: its ``mean``, ``harmonic_mean``, ``p01``, ``p05`` and ``min``}, with
            ``also_models``.
    """

    src: str
    output: str
    encoder: str
    preset: str
    crf: float
    vmaf_model: str
    targets: Mapping[str, float]
    promised: Promise
    measured: Measured
    source: Original
    video_percent: float
    size_percent: float
    missed: tuple[str, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]
    retried: bool
    encode_seconds: float
    ffmpeg_version: str
    encoder_version: str | None
    request: str
    vmaf_also: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether nothing of it is a no: it was not refused, and misses no target."""
        return not self.refused and not self.missed

    def record(self) -> dict[str, Any]:
        """For programs, as ``schemas/encode_certificate.json``."""
        found = {"certificate_version": CERTIFICATE_VERSION, **_rounded(asdict(self))}
        if not self.vmaf_also:
            del found["vmaf_also"]
        return found


def certificate_path(output: Path) -> Path:
    """Where the certificate of a file lies."""
    return output.with_name(output.name + SUFFIX)


def read_certificate(path: Path) -> Certificate | None:
    """A certificate; None where there is none, or none of this version."""
    try:
        return certificate_of(read_json(path, OutputError))
    except OutputError:
        return None


def certificate_of(record: dict[str, Any]) -> Certificate | None:
    """A certificate from its ``record``, whose figures are rounded; None where it is none of this version."""
    if record.get("certificate_version") != CERTIFICATE_VERSION:
        return None
    try:
        record = {key: value for key, value in record.items() if key != "certificate_version"}
        parts = {"promised": Promise, "measured": Measured, "source": Original}
        record |= {name: kind(**record[name]) for name, kind in parts.items()}
        record |= {name: tuple(record[name]) for name in ("missed", "refused", "notes")}
        return Certificate(**record)
    except (TypeError, AttributeError, KeyError):
        return None


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value
