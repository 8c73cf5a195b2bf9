"""Encoding and scoring cells of one source, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.predict.anchored import Point
from vmaftune_frv2.predict.inputs import measure_cell
from vmaftune_frv2.predict.predictor import point_of


@dataclass
class Measuring:
    """A source, and what was measured of it.

    Args:
        ffmpeg: encodes and scores.
        source: what.
        vmaf_model: libvmaf model.
        pool: of the per-frame scores, as ``predictor.pooled``.
        on_encode: told of every encode before it starts.
        rows: what was measured, in order.
    """

    ffmpeg: FFmpeg
    source: Source
    vmaf_model: str
    pool: str = "mean"
    on_encode: Callable[[Cell], None] = lambda cell: None
    rows: dict[Cell, Row] = field(default_factory=dict)

    def measure(self, cell: Cell) -> Point:
        """The point of a cell, encoded unless it was.

        Raises:
            ToolError: the encode or its scoring failed.
            InputError: the source is too short to tell anything.
        """
        if cell not in self.rows:
            self.on_encode(cell)
            self.rows[cell] = measure_cell(self.ffmpeg, self.source, cell, self.vmaf_model)
        return point_of(self.rows[cell], self.pool)

    def points(self, pool: str | None = None) -> list[Point]:
        """Everything measured, its frames pooled as the question asks or otherwise."""
        return [point_of(row, pool or self.pool) for row in self.rows.values()]
