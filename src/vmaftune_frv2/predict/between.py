"""Crfs between the candidates of a search, on the steps of the encoder."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vmaftune_frv2.contract.cells import Cell, Line
from vmaftune_frv2.contract.crf import Crf, crf_range
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.corpus.plan import fraction_step
from vmaftune_frv2.media.ffmpeg import FFmpeg


def between(ffmpeg: FFmpeg, lines: Mapping[Line, list[Crf]], encoders: Collection[str]) -> dict[Line, list[Crf]]:
    """The candidates of lines and every step between them; none of an encoder that this build rounds.

    Args:
        ffmpeg: whose encoders.
        lines: ascending candidates.
        encoders: whose lines are wanted.
    """
    found = {}
    for line, crfs in lines.items():
        step = fraction_step(ffmpeg, ENCODERS.get(line.encoder)) if line.encoder in encoders else 1
        if step < 1:
            found[line] = sorted({*crfs, *crf_range(crfs[0], crfs[-1], step)})
    return found


def with_measured(
    lines: Mapping[Line, list[Crf]], searched: Mapping[Line, list[Crf]], measured: Collection[Cell]
) -> list[Cell]:
    """The candidates of lines, and of what was searched between them that which was measured."""
    found = []
    for line, crfs in lines.items():
        steps = [crf for crf in searched.get(line, ()) if Cell(*line, crf) in measured]
        found += [Cell(*line, crf) for crf in sorted({*crfs, *steps})]
    return found
