"""The part of the encoder table that is hardware: what ffmpeg encodes on a device, with constant quality.

Upstream's adapters name presets and axes of NVENC, QSV, AMF and VideoToolbox; a number means the same here.
"""

from __future__ import annotations

from vmaftune_frv2.contract.encoder import SHARED_PRESETS, Encoder
from vmaftune_frv2.contract.gop import Gop

_CRFS = (18, 23, 28, 33, 38, 43)
_AV1_CRFS = (60, 90, 120, 150, 180, 210)
_8, _8_10 = ("yuv420p",), ("yuv420p", "yuv420p10le")
_COST = (0.01, 1.1)
_PACKED = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
_PACKED_10 = {"yuv420p10le": "p010le"}


def _by_shared(*native: str) -> dict[str, str]:
    """Presets of upstream's shared names, slow to fast, where these are not the encoder's own."""
    return {name: own for name, own in zip(SHARED_PRESETS, native, strict=True) if name != own}


def _nvenc(video: str, crf_max: int, crfs: tuple[int, ...], pix_fmts: tuple[str, ...]) -> Encoder:
    name = f"{video}_nvenc"
    return Encoder(
        name=name,
        presets=tuple(f"p{number}" for number in range(1, 8)),
        preset_aliases=_by_shared("p7", "p7", "p6", "p5", "p4", "p3", "p2", "p1", "p1", "p1"),
        crf_min=1,  # 0 leaves the quality to the driver
        crf_max=crf_max,
        # Without -b:v 0 older versions hold the mean at 2 Mbit/s, whatever cq says.
        argv=("-c:v", name, "-preset", "{preset}", "-rc", "vbr", "-cq", "{crf}", "-b:v", "0"),
        pix_fmts=pix_fmts,
        container="mp4",
        version_pattern=r"Loaded Nvenc version (\d\S*)",
        cost=_COST,
        default_presets=("p1", "p4"),
        default_crfs=crfs,
        gop=Gop(keyframe_every=250),
        hardware=True,
        optional=True,
        input_formats=_PACKED_10,
    )


def _qsv(video: str, pix_fmts: tuple[str, ...], gop: Gop) -> Encoder:
    name, slowest, fastest = f"{video}_qsv", "veryslow", "veryfast"
    return Encoder(
        name=name,
        presets=(fastest, "faster", "fast", "medium", "slow", "slower", slowest),
        preset_aliases={
            "placebo": slowest, "slowest": slowest, "superfast": fastest, "ultrafast": fastest,
        },
        crf_min=1,
        crf_max=51,
        argv=("-c:v", name, "-preset", "{preset}", "-global_quality", "{crf}"),
        pix_fmts=pix_fmts,
        container="mp4",
        version_pattern=r"create MFX session, API version is ([\d.]+)",
        cost=_COST,
        default_presets=(fastest, "medium"),
        default_crfs=_CRFS,
        gop=gop,
        hardware=True,
        optional=True,
        input_formats=_PACKED,
    )  # fmt: skip


def _amf(video: str, crf_max: int, crfs: tuple[int, ...], pix_fmts: tuple[str, ...]) -> Encoder:
    name = f"{video}_amf"
    return Encoder(
        name=name,
        presets=("speed", "balanced", "quality"),
        preset_aliases=_by_shared(*["quality"] * 4, "balanced", *["speed"] * 5),
        crf_min=0,
        crf_max=crf_max,
        argv=("-c:v", name, "-quality", "{preset}", "-rc", "cqp", "-qp_i", "{crf}", "-qp_p", "{crf}"),
        pix_fmts=pix_fmts,
        container="mp4",
        version_pattern=r"AMF (?:runtime )?version:? (\d\S*)",
        cost=_COST,
        default_presets=("speed", "balanced"),
        default_crfs=crfs,
        hardware=True,
        optional=True,
        input_formats=_PACKED_10,
    )


def _videotoolbox(video: str, pix_fmts: tuple[str, ...]) -> Encoder:
    name = f"{video}_videotoolbox"
    return Encoder(
        name=name,
        presets=("1", "0"),  # real time, or not
        preset_aliases={**_by_shared(*["0"] * 5, *["1"] * 5), "veryslow": "0"},
        crf_min=0,
        crf_max=100,
        argv=("-c:v", name, "-realtime", "{preset}", "-q:v", "{crf}"),
        pix_fmts=pix_fmts,
        container="mp4",
        version_pattern=r"VideoToolbox version (\d\S*)",
        cost=_COST,
        default_presets=("1", "0"),
        default_crfs=(30, 40, 50, 60, 70, 80),
        hardware=True,
        optional=True,
        rising=True,
        input_formats=_PACKED_10,
    )


def _vaapi(video: str, crf_max: int, crfs: tuple[int, ...], pix_fmts: tuple[str, ...]) -> Encoder:
    name = f"{video}_vaapi"
    return Encoder(
        name=name,
        presets=tuple(str(level) for level in range(7, 0, -1)),
        preset_aliases=_by_shared("1", "1", "2", "3", "4", "5", "6", "7", "7", "7"),
        crf_min=1,  # 0 leaves the quality to the driver
        crf_max=crf_max,
        argv=(
            "-c:v", name, "-compression_level", "{preset}", "-rc_mode", "CQP", "-global_quality", "{crf}",
        ),
        pix_fmts=pix_fmts,
        container="mp4",
        version_pattern=r"VAAPI driver: ([^\n]+?)\.?(?:\n|$)",
        cost=_COST,
        default_presets=("7", "4"),
        default_crfs=crfs,
        gop=Gop(keyframe_every=120),
        hardware=True,
        optional=True,
        input_formats=_PACKED,
        device=("-init_hw_device", "vaapi=hw", "-filter_hw_device", "hw"),
    )  # fmt: skip


HARDWARE = (
    _nvenc("h264", 51, _CRFS, (*_8, "yuv444p")),
    _nvenc("hevc", 51, _CRFS, (*_8_10, "yuv444p")),
    _nvenc("av1", 63, (23, 30, 37, 44, 51, 58), _8_10),
    _qsv("h264", _8, Gop(keyframe_every=250)),
    _qsv("hevc", _8_10, Gop(keyframe_every=248)),
    _qsv("av1", _8_10, Gop()),
    _amf("h264", 51, _CRFS, _8),
    _amf("hevc", 51, _CRFS, _8_10),
    _amf("av1", 255, _AV1_CRFS, _8_10),
    _vaapi("h264", 51, _CRFS, _8),
    _vaapi("hevc", 51, _CRFS, _8_10),
    _vaapi("av1", 255, _AV1_CRFS, _8_10),
    _videotoolbox("h264", _8),
    _videotoolbox("hevc", _8_10),
)
