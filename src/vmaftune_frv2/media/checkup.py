"""Trying out an ffmpeg: every encoder of the table, libvmaf, the features."""

from __future__ import annotations

from dataclasses import dataclass

from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import TuneError
from vmaftune_frv2.media.ffmpeg import FFmpeg, try_encoder
from vmaftune_frv2.media.vmaf import libvmaf_version
from vmaftune_frv2.media.vmaf_models import MODELS, V1_MODELS


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Args:
        name: what.
        ok: whether it works.
        detail: its version, or why it does not work.
        needed: whether an ffmpeg without it lacks something; few builds have VMAF v1 yet.
    """

    name: str
    ok: bool
    detail: str
    needed: bool = True


def check_up(ffmpeg: FFmpeg, table: EncoderTable = ENCODERS) -> list[Finding]:
    """Runs a few frames through every encoder and every VMAF model."""
    findings = []
    for encoder in table:
        try:
            probe = try_encoder(ffmpeg, encoder, encoder.presets[0])
        except TuneError as error:
            findings.append(Finding(encoder.name, False, _first_line(error)))
        else:
            findings.append(Finding(encoder.name, True, f"version {probe.version or 'unknown'}"))
    return findings + [_try_model(ffmpeg, model, use) for model, use in {**MODELS, **V1_MODELS}.items()]


def _try_model(ffmpeg: FFmpeg, model: str, use: str) -> Finding:
    name, needed = f"libvmaf {model}", model in MODELS
    try:
        version = libvmaf_version(ffmpeg, model)
    except TuneError as error:
        return Finding(name, False, f"{use}: {_first_line(error)}", needed)
    return Finding(name, True, f"{use}; libvmaf {version}, features {' '.join(CANONICAL6)}", needed)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
