"""What a whole encode will take: bytes from its bitrate, time from how fast encodes were made so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.predict.results import Prediction

P = TypeVar("P", bound=Prediction)


def with_costs(
    predictions: Sequence[P], speeds: Mapping[Cell, float], megapixels: float, seconds: float, framerate: float
) -> list[P]:
    """Predictions with duration and encoding time of the whole.

    Args:
        predictions: of one source at one size.
        speeds: {measured cell: CPU seconds per frame}, at that size.
        megapixels: millions of pixels per frame.
        seconds: duration of the whole.
        framerate: its frames per second.
    """
    frames, cpus = seconds * framerate, usable_cpus()
    return [
        replace(p, seconds=seconds, encode_s=frames * cpu_seconds(p.cell, speeds, megapixels) / cpus)
        for p in predictions
    ]


def cpu_seconds(cell: Cell, speeds: Mapping[Cell, float], megapixels: float) -> float:
    """CPU seconds that a frame takes: as measured, interpolated over the crf; else as the encoder table has it.

    What the table says of another preset or encoder is scaled by how far measured ones lie from it.

    Args:
        cell: to be encoded.
        speeds: {measured cell: CPU seconds per frame}.
        megapixels: millions of pixels per frame.
    """
    same = sorted((each.crf, math.log(speed)) for each, speed in speeds.items() if each.line == cell.line)
    if same:
        crfs, logs = zip(*same, strict=True)
        return math.exp(float(np.interp(cell.crf, crfs, logs)))
    related = [each for each in speeds if each.encoder == cell.encoder] or list(speeds)
    off = [math.log(speeds[each] / _of_table(each, megapixels)) for each in related]
    return _of_table(cell, megapixels) * math.exp(sum(off) / len(off) if off else 0.0)


def _of_table(cell: Cell, megapixels: float) -> float:
    return ENCODERS.get(cell.encoder).seconds_per_megapixel(cell.preset) * megapixels
