"""Trying out an ffmpeg: every encoder of the table, libvmaf, the features."""

from __future__ import annotations

from dataclasses import dataclass

from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.errors import TuneError
from vmaftune_frv2.media.ffmpeg import FFmpeg, probe_encoder
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL, libvmaf_version

MODELS = (DEFAULT_MODEL, "vmaf_4k_v0.6.1", "vmaf_v0.6.1neg")


@dataclass(frozen=True)
class Finding:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


def check_up(ffmpeg: FFmpeg, table: EncoderTable = ENCODERS) -> list[Finding]:
    """Runs a few frames through every encoder and every VMAF model."""
    findings = []
    for encoder in table:
        try:
            probe = probe_encoder(ffmpeg, encoder, encoder.presets[0])
        except TuneError as error:
            findings.append(Finding(encoder.name, False, _first_line(error)))
        else:
            findings.append(Finding(encoder.name, True, f"version {probe.version or 'unknown'}"))
    for model in MODELS:
        try:
            version = libvmaf_version(ffmpeg, model)
        except TuneError as error:
            findings.append(Finding(f"libvmaf {model}", False, _first_line(error)))
        else:
            detail = f"libvmaf {version}, features {' '.join(CANONICAL6)}"
            findings.append(Finding(f"libvmaf {model}", True, detail))
    return findings


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
