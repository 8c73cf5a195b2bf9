"""Encoding and scoring cells of one source, each once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.rows import SOURCE_COMPLEXITY, Row
from vmaftune_frv2.contract.source_complexity import complexity_vector
from vmaftune_frv2.corpus.measure import Outcome
from vmaftune_frv2.corpus.plan import Remap, make_plan
from vmaftune_frv2.errors import InputError, ToolError
from vmaftune_frv2.media.complexity import measure_complexity
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.pace import measure_pace
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.windows import spread_windows
from vmaftune_frv2.predict.curve_model import Point, Vector
from vmaftune_frv2.predict.predictor import point_of
from vmaftune_frv2.predict.whole import SamplingError
from vmaftune_frv2.predict.windows import measure_windows

SAMPLE_SECONDS = 3.0
"""Length of a window, unless the user says otherwise."""


@dataclass
class Measuring:
    """A source, and what was measured of it.

    Args:
        ffmpeg: encodes and scores.
        source: what.
        vmaf_model: libvmaf model.
        pool: of the per-frame scores, as ``predictor.pooled``.
        on_encode: told of every encode before it starts.
        on_remap: told of a preset that this ffmpeg runs as another one.
        on_outcome: given every row with libvmaf's log, before it is used.
        known: gives the row that answers the request of an identity, if it was measured before; None asks nobody.
        reused: cells whose rows ``known`` gave.
        rows: what was measured, in order.
        errors: of cells that were measured on windows, how wrong they may be.
        windows: the parts of the source that stand for it; none means all of its frames in use.
        whole_frames: how many frames it has that the windows stand for; None for those of the windows.
        jobs: windows encoded at once.
        threads: of one encode and of one scoring.
    """

    ffmpeg: FFmpeg
    source: Source
    vmaf_model: str
    pool: str = "mean"
    on_encode: Callable[[Cell], None] = lambda cell: None
    rows: dict[Cell, Row] = field(default_factory=dict)
    on_remap: Callable[[Remap], None] = lambda remap: None
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    windows: tuple[Source, ...] = ()
    whole_frames: float | None = None
    jobs: int = 1
    threads: int = 1
    known: Callable[[bytes], Row | None] | None = None
    reused: set[Cell] = field(default_factory=set)
    errors: dict[Cell, SamplingError] = field(default_factory=dict)

    @property
    def sampling_error(self) -> SamplingError:
        """Typical errors of what was measured, as windows have them; none where all frames in use were."""
        errors = self.errors.values()
        if not errors:
            return SamplingError(0.0, 0.0)
        count = len(errors)
        return SamplingError(sum(e.vmaf for e in errors) / count, sum(e.log_rate for e in errors) / count)

    def real(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """The cells that really run: every encoder and preset is tried once.

        Raises:
            UsageError: ffmpeg lacks an encoder, or the source is too deep for one.
            ToolError: an encoder or the VMAF model does not work.
        """
        if not cells:
            return ()
        plan, remaps = make_plan(self.ffmpeg, [self.source], cells, vmaf_model=self.vmaf_model)
        for remap in remaps:
            self.on_remap(remap)
        return plan.cells

    def measure(self, cell: Cell) -> Point:
        """The point of a cell, encoded unless it was, or is known.

        Raises:
            ToolError: the encode or its scoring failed.
            InputError: the source is too short to tell anything.
        """
        row = None if cell in self.rows else self._known_row(cell)
        if row is not None:
            self.rows[cell] = row
            self.reused.add(cell)
        if cell not in self.rows:
            self.on_encode(cell)
            pooled = measure_windows(
                self.ffmpeg,
                self.windows or (self.source,),
                cell,
                self.vmaf_model,
                whole_frames=self.whole_frames,
                pace=self._pace,
                jobs=self.jobs,
                threads=self.threads,
                on_outcome=self.on_outcome,
            )
            self.rows[cell] = pooled.row
            if pooled.error is not None:
                self.errors[cell] = pooled.error
        if self.rows[cell].get(SOURCE_COMPLEXITY) is None:
            self.rows[cell] = {**self.rows[cell], SOURCE_COMPLEXITY: self._complexity}
        return point_of(self.rows[cell], self.pool)

    def _known_row(self, cell: Cell) -> Row | None:
        """The row of a cell that was measured before, if it tells all that a new one would."""
        if self.known is None or self.windows:
            return None
        plan, _ = make_plan(self.ffmpeg, [self.source], [cell], vmaf_model=self.vmaf_model)
        (request,) = plan
        row = self.known(request.identity)
        with contextlib.suppress(InputError):  # rows of other tools need not have frames
            return row if row is not None and point_of(row, self.pool).cell == cell else None
        return None

    @property
    def complexity(self) -> Vector | None:
        """[23] how hard the source is to encode, measured when first asked for; None where that cannot be told."""
        source, values = self.source, self._complexity
        if values is None:
            return None
        return complexity_vector(values, source.width * source.height, self.framerate)

    @property
    def framerate(self) -> float:
        """Average frames per second of the frames in use."""
        parts = self.windows or (self.source,)
        if len(parts) == 1:
            return float(parts[0].framerate)
        return sum(part.frames for part in parts) / sum(part.encoded_seconds for part in parts)

    @cached_property
    def _pace(self) -> float:
        """What a frame of the whole takes over one of its windows."""
        if not self.windows or self.windows[0].surroundings is None:
            return 1.0
        return measure_pace(self.ffmpeg, self.windows, self.jobs)

    @cached_property
    def _complexity(self) -> dict[str, float] | None:
        try:
            return measure_complexity(self.ffmpeg, self.windows or (self.source,), self.jobs, self.threads)
        except ToolError:  # a few frames only: the search begins where the typical source's would
            return None

    def points(self, pool: str | None = None) -> list[Point]:
        """Everything measured, its frames pooled as the question asks or otherwise."""
        return [point_of(row, pool or self.pool) for row in self.rows.values()]


def start_measuring(
    ffmpeg: FFmpeg,
    source: Source,
    vmaf_model: str,
    pool: str = "mean",
    *,
    samples: int = 0,
    sample_seconds: float = SAMPLE_SECONDS,
    jobs: int = 1,
    beside: int = 1,
) -> Measuring:
    """A source of which nothing was measured yet, or windows spread over it; each program gets its share of CPUs.

    Args:
        ffmpeg: encodes and scores.
        source: opened, at its middle where ``samples`` are wanted (``open_source`` with ``trust_header``).
        vmaf_model: libvmaf model.
        pool: as ``predictor.pooled``.
        samples: windows; 0 for what was opened.
        sample_seconds: of each.
        jobs: windows at work at once.
        beside: sources at work at once, this one among them.

    Raises:
        InputError: a window cannot be decoded, or none of them holds frames.
    """
    windows: tuple[Source, ...] = ()
    whole_frames = None
    if samples:
        windows = tuple(spread_windows(ffmpeg, source, samples, sample_seconds, jobs))
        source = windows[0]
        if source.surroundings is not None and source.duration_s is not None:
            whole_frames = source.duration_s * float(source.framerate)
    jobs = min(jobs, max(len(windows), 1))
    threads = max(1, usable_cpus() // (beside * jobs))
    return Measuring(
        ffmpeg, source, vmaf_model, pool, windows=windows, whole_frames=whole_frames, jobs=jobs, threads=threads
    )
