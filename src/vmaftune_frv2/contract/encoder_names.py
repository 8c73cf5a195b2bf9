"""Names of encoders: what people type, what programs write, and ffmpeg's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

APIS: Mapping[str, str] = {
    "nvenc": "nvenc",
    "qsv": "qsv", "quicksync": "qsv",
    "amf": "amf", "vce": "amf",
    "vaapi": "vaapi",
    "videotoolbox": "videotoolbox", "vt": "videotoolbox",
}  # fmt: skip
"""{name of an interface to hardware: ffmpeg's name of it}."""
_FORMATS = {"h264": "h264", "avc": "h264", "hevc": "hevc", "h265": "hevc", "av1": "av1"}
_LACKING = ("av1_videotoolbox",)
"""ffmpeg has no such encoder."""


def _hardware_names() -> dict[str, str]:
    """``nvenc_h265``, ``hevc-qsv``, ``vt-h264`` and their like: format and interface, in either order."""
    names = {}
    for (typed, video), (also, api), sign in product(_FORMATS.items(), APIS.items(), "_-"):
        if f"{video}_{api}" not in _LACKING:
            names[f"{typed}{sign}{also}"] = names[f"{also}{sign}{typed}"] = f"{video}_{api}"
    return names


ALIASES: Mapping[str, str] = {
    "h264": "libx264", "avc": "libx264", "x264": "libx264",
    "hevc": "libx265", "h265": "libx265", "x265": "libx265",
    "av1": "libsvtav1", "svt-av1": "libsvtav1", "svtav1": "libsvtav1", "svt_av1": "libsvtav1", "svt": "libsvtav1",
    "vp9": "libvpx-vp9", "vpx": "libvpx-vp9", "vpx-vp9": "libvpx-vp9",
    "vvc": "libvvenc", "h266": "libvvenc", "vvenc": "libvvenc",
    "aom": "libaom-av1", "aomenc": "libaom-av1", "aom-av1": "libaom-av1", "libaom": "libaom-av1",
    "rav1e": "librav1e",
    **_hardware_names(),
}  # fmt: skip
"""Other names of an encoder, read at ingest and on the command line."""


def canonical_name(name: str) -> str:
    """The ffmpeg name of an encoder given by any of its names; unknown names come back as they are."""
    return ALIASES.get(name.lower(), name)


def condensed(names: Iterable[str]) -> str:
    """Names in few words: ``h264_nvenc, hevc_nvenc, h264_qsv, hevc_qsv`` as ``{h264,hevc}_{nvenc,qsv}``."""
    found: dict[str, list[str]] = {}
    plain = []
    for name in names:
        video, _, api = name.partition("_")
        if video in _FORMATS.values() and api in APIS.values():
            found.setdefault(api, []).append(video)
        else:
            plain.append(name)
    together: dict[tuple[str, ...], list[str]] = {}
    for api, videos in found.items():
        together.setdefault(tuple(videos), []).append(api)
    return ", ".join([*plain, *(f"{_braced(videos)}_{_braced(apis)}" for videos, apis in together.items())])


def _braced(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{{{','.join(words)}}}"
