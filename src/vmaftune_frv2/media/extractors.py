"""Which libvmaf extractors beyond VMAF's own work on a picture: found out by trying."""

from __future__ import annotations

import signal
from functools import cache

from vmaftune_frv2.contract.full_features import EXTRACTORS
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg

_ROOMY = (512, 512, "yuv420p")
"""A picture that no extractor finds too small."""


@cache
def usable_extractors(ffmpeg: FFmpeg, width: int, height: int, pix_fmt: str) -> tuple[str, ...]:
    """Those of ``EXTRACTORS`` that this ffmpeg's libvmaf has and that take such pictures.

    Some refuse small ones, and one that refuses fails the whole scoring.

    Raises:
        ToolError: ffmpeg was killed or took too long, which says nothing about the extractors.
    """
    known = _known_extractors(ffmpeg)
    if not known or _work(ffmpeg, known, width, height, pix_fmt):
        return known
    return tuple(name for name in known if _work(ffmpeg, (name,), width, height, pix_fmt))


@cache
def _known_extractors(ffmpeg: FFmpeg) -> tuple[str, ...]:
    return tuple(name for name in EXTRACTORS if _work(ffmpeg, (name,), *_ROOMY))


def _work(ffmpeg: FFmpeg, names: tuple[str, ...], width: int, height: int, pix_fmt: str) -> bool:
    """Whether one picture can be scored with these extractors.

    Raises:
        ToolError: ffmpeg was killed.
    """
    pattern = ("-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25:duration=0.04")
    features = "|".join(f"name={name}" for name in names)
    graph = f"[0:v]format={pix_fmt},split[a][b];[a][b]libvmaf=feature='{features}'"
    argv = ("-hide_banner", "-nostdin", "-v", "error", *pattern, "-filter_complex", graph, "-f", "null", "-")
    done = ffmpeg.run(argv, timeout=TRIAL_TIMEOUT_S * max(1.0, width * height / 1e6))
    if done.returncode == -signal.SIGKILL:
        raise ToolError(done.describe("trying libvmaf's extractors was cut short"))
    return done.ok
