"""Trying out an ffmpeg: every encoder of the table, libvmaf, the features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import TuneError
from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg, try_encoder
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.media.vmaf import libvmaf_version
from vmaftune_frv2.media.vmaf_models import MODELS, V1_MODELS

DEVICE_TIMEOUT_S = 15.0
"""For a few frames on a device: a driver that hangs is one that does not work."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Args:
        name: what.
        ok: whether it works.
        detail: its version, or why it does not work.
        needed: whether an ffmpeg without it lacks something; few builds have VMAF v1 yet, few machines a device.
    """

    name: str
    ok: bool
    detail: str
    needed: bool = True


def check_up(ffmpeg: FFmpeg, table: EncoderTable = ENCODERS) -> list[Finding]:
    """Runs a few frames through every encoder and every VMAF model, some at a time."""
    models = {**MODELS, **V1_MODELS}
    tries: list[Callable[[], Finding]] = [partial(_try_encoder, ffmpeg, encoder) for encoder in table]
    tries += [partial(_try_model, ffmpeg, model, use) for model, use in models.items()]
    return list(together(lambda attempt: attempt(), tries, usable_cpus()))


def _try_encoder(ffmpeg: FFmpeg, encoder: Encoder) -> Finding:
    needed = not encoder.optional
    if encoder.name not in ffmpeg.encoders:
        return Finding(encoder.name, False, "not in this ffmpeg", needed)
    try:
        limit = DEVICE_TIMEOUT_S if encoder.hardware else TRIAL_TIMEOUT_S
        probe = try_encoder(ffmpeg, encoder, encoder.presets[0], limit)
    except TuneError as error:
        reason = _first_line(error).removeprefix(f"{encoder.name} does not work on this machine: ")
        return Finding(encoder.name, False, reason, needed)
    return Finding(encoder.name, True, f"version {probe.version or 'unknown'}", needed)


def _try_model(ffmpeg: FFmpeg, model: str, use: str) -> Finding:
    name, needed = f"libvmaf {model}", model in MODELS
    try:
        version = libvmaf_version(ffmpeg, model)
    except TuneError as error:
        return Finding(name, False, f"{use}: {_first_line(error)}", needed)
    return Finding(name, True, f"{use}; libvmaf {version}, features {' '.join(CANONICAL6)}", needed)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
