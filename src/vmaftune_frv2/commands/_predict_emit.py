"""``vmaf-tune predict --emit ffmpeg``: the commands that make the picks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.encode import work_argv
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.predict.answer import Pick
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.rendition import Rendition, Rung


def check_names(labels: Sequence[str]) -> None:
    """Checks that no two sources would be encoded to the same name.

    Raises:
        click.UsageError: two would.
    """
    stems: dict[str, str] = {}
    for label in labels:
        other = stems.setdefault(Path(label).stem, label)
        if other != label:
            raise click.UsageError(f"--emit would give encodes of {other} and {label} the same names")


def ffmpeg_commands(measuring: Measuring, picks: Sequence[Pick]) -> list[str]:
    """One shell command per pick that was found.

    Each encodes the whole source, whatever window was looked at, as a measurement would: bit by bit the encode
    that was scored where all of it was. Existing files are kept.

    Args:
        measuring: the source, and how it was encoded.
        picks: the answer.
    """
    program, threads = measuring.ffmpeg.path, measuring.threads
    cells = [pick.prediction.cell for pick in picks if pick.prediction is not None]
    return [_command(program, measuring.source, cell, threads, "") for cell in cells]


def rung_commands(heights: Sequence[Rendition], rungs: Sequence[Rung]) -> list[str]:
    """One shell command per rung, as ``ffmpeg_commands``; it scales the source first.

    Args:
        heights: the source at every height.
        rungs: of ladders.
    """
    at = {rendition.height: rendition for rendition in heights}
    found = [(at[rung.height], rung.cell) for rung in rungs]
    return [_command(r.ffmpeg.path, r.source, cell, r.threads, f".{r.height}") for r, cell in found]


def _command(program: str, source: Source, cell: Cell, threads: int, mark: str) -> str:
    whole, encoder = source.whole(), ENCODERS.get(cell.encoder)
    output = Path(f"{whole.path.stem}{mark}.{cell.encoder}.{cell.preset}.crf{cell.crf}.{encoder.container}")
    argv = work_argv(whole, encoder, cell, output, threads=threads)
    return shlex.join([program, "-hide_banner", "-nostdin", *argv])
