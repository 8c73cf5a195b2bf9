"""The shell commands that make picks and rungs: bit by bit the encodes that were scored, of the whole source."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.encode import work_argv
from vmaftune_frv2.media.source import Source

if TYPE_CHECKING:
    from vmaftune_frv2.predict.measuring import Measuring
    from vmaftune_frv2.predict.rendition import Rendition, Rung
    from vmaftune_frv2.predict.results import Answer

QUIET = ("-hide_banner", "-nostdin")


def check_names(labels: Sequence[str]) -> None:
    """Checks that no two sources would be encoded to the same name.

    Raises:
        UsageError: two would.
    """
    stems: dict[str, str] = {}
    for label in labels:
        other = stems.setdefault(Path(label).stem, label)
        if other != label:
            raise UsageError(f"--emit would give encodes of {other} and {label} the same names")


def pick_commands(measuring: Measuring, found: Answer) -> list[str]:
    """One command per pick that was found. Each encodes the whole source, whatever window was measured, as a
    measurement would. Existing files are kept.

    Args:
        measuring: the source, and how it was encoded.
        found: the answer.
    """
    setup = measuring.setup
    cells = [pick.prediction.cell for pick in found.picks if pick.prediction is not None]
    return [_command(setup, measuring.source, cell, "") for cell in cells]


def rung_commands(heights: Sequence[Rendition], rungs: Sequence[Rung]) -> list[str]:
    """One command per rung, as ``pick_commands``; it scales the source first.

    Args:
        heights: the source at every height.
        rungs: of ladders.
    """
    at = {rendition.height: rendition for rendition in heights}
    found = [(at[rung.height], rung.cell) for rung in rungs]
    return [_command(r.setup, r.source, cell, f".{r.height}") for r, cell in found]


def _command(setup: Setup, source: Source, cell: Cell, mark: str) -> str:
    whole, encoder = source.whole(), ENCODERS.get(cell.encoder)
    output = Path(f"{whole.path.stem}{mark}.{cell.encoder}.{cell.preset}.crf{cell.crf}.{encoder.container}")
    extra, threads = setup.arguments(whole, encoder), setup.options.threads
    return shlex.join(
        [setup.ffmpeg.path, *QUIET, *work_argv(whole, encoder, cell, output, threads=threads, extra=extra)]
    )
