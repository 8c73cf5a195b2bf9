"""The shell commands that make picks and rungs: those that ``encode`` runs for them."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.api.gathering import gather, roomy_container
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.carrying import Wanted
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.streams import list_streams
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.whole_encode import Whole, final_argv

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
    """One command per pick that was found: the one that ``encode`` runs, with everything that goes along.

    Each encodes the whole source, whatever part of it was measured; of a part, all frames are listed first, which
    decodes the source once. Existing files are kept.

    Args:
        measuring: the source, and how it was encoded.
        found: the answer.
    """
    setup = measuring.setup
    cells = [pick.prediction.cell for pick in found.picks if pick.prediction is not None]
    gathered = Gathered(setup, measuring.source)
    return [_command(setup, gathered.for_encoder(cell.encoder), cell, "") for cell in cells]


def rung_commands(heights: Sequence[Rendition], rungs: Sequence[Rung]) -> list[str]:
    """One command per rung, as ``pick_commands``; it scales the source first.

    Args:
        heights: the source at every height.
        rungs: of ladders.
    """
    if not rungs:
        return []
    at = {rendition.height: rendition for rendition in heights}
    first = heights[0]
    gathered = Gathered(first.setup, first.source.unscaled())
    commands = []
    for rung in rungs:
        whole = gathered.for_encoder(rung.cell.encoder)
        scaled = dataclasses.replace(whole, source=whole.source.at_height(rung.height))
        commands.append(_command(at[rung.height].setup, scaled, rung.cell, f".{rung.height}"))
    return commands


class Gathered:
    """All of a source, and what goes along into the container of each encoder."""

    def __init__(self, setup: Setup, source: Source) -> None:
        self._ffmpeg, self._source = setup.ffmpeg, source
        self._streams = list_streams(setup.ffmpeg, source.path, source.raw)
        self._found: dict[str, Whole] = {}

    def for_encoder(self, name: str) -> Whole:
        """What goes along beside the video of an encoder, into its own container if that holds all of it."""
        if name not in self._found:
            container = roomy_container(self._ffmpeg, self._source, self._streams, ENCODERS.get(name))
            whole = gather(self._ffmpeg, self._source, container, Wanted(), self._streams)
            self._source, self._found[name] = whole.source, whole  # listed once
        return self._found[name]


def _command(setup: Setup, whole: Whole, cell: Cell, mark: str) -> str:
    name = f"{whole.source.path.stem}{mark}.{cell.encoder}.{cell.preset}.crf{cell.crf}"
    output = Path(f"{name}.{whole.carried.container.name}")
    encoder = ENCODERS.get(cell.encoder)
    extra = setup.arguments(whole.source, encoder)
    argv = final_argv(whole, encoder, cell, output, threads=usable_cpus(), extra=extra)
    return shlex.join([setup.ffmpeg.path, *QUIET, *argv])
