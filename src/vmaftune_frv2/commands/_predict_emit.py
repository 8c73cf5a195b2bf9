"""``vmaf-tune predict --emit ffmpeg``: the commands that make the picks."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.encode import work_argv
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.predict.answer import Pick
from vmaftune_frv2.predict.measuring import Measuring


def ffmpeg_commands(measuring: Measuring, picks: Sequence[Pick]) -> list[str]:
    """One shell command per pick that was found.

    Each encodes the whole source, whatever window was looked at, as a measurement would: bit by bit the encode
    that was scored where all of it was. Existing files are kept.

    Args:
        measuring: the source, and how it was encoded.
        picks: the answer.
    """
    whole = dataclasses.replace(measuring.source, window=None)
    return [_command(measuring, whole, pick) for pick in picks if pick.prediction is not None]


def _command(measuring: Measuring, whole: Source, pick: Pick) -> str:
    assert pick.prediction is not None
    cell = pick.prediction.cell
    encoder = ENCODERS.get(cell.encoder)
    output = Path(f"{whole.path.stem}.{cell.encoder}.{cell.preset}.crf{cell.crf}.{encoder.container}")
    argv = work_argv(whole, encoder, cell, output, threads=measuring.threads)
    return shlex.join([measuring.ffmpeg.path, "-hide_banner", "-nostdin", *argv])
