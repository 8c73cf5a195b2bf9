"""A source, and the cells of it that were measured, each once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.option_groups import SAMPLE_SECONDS
from vmaftune_frv2.contract.rows import SAMPLE_PACE, SOURCE_COMPLEXITY, VIDEO_TRACK, VIEW, Row
from vmaftune_frv2.contract.source_complexity import COMPLEXITY_KEYS, complexity_vector
from vmaftune_frv2.corpus.cache import frames_key
from vmaftune_frv2.corpus.measurer import is_known
from vmaftune_frv2.corpus.plan import make_plan
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.complexity import measure_complexity
from vmaftune_frv2.media.pace import measure_pace
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.spread import spread_windows
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.predict.curve_model import Point, Vector
from vmaftune_frv2.predict.pooling import Pooled, measure_windows
from vmaftune_frv2.predict.predictor import point_of
from vmaftune_frv2.predict.results import Sample
from vmaftune_frv2.predict.vmaf_scales import SAME, Scale
from vmaftune_frv2.predict.whole import SamplingError

log = get_logger(__name__)


@dataclass
class Measuring:
    """A source, and what was measured of it.

    Args:
        setup: encodes and scores, or knows.
        source: what.
        windows: the parts of the source that stand for it; none means all of its frames in use.
        whole_frames: how many frames it has that the windows stand for; None for those of the windows.
        pool: of the per-frame scores, as ``predictor.pooled``.
        jobs: windows encoded at once.
        rows: what was measured, in order.
        known: cells that were measured before.
        errors: of cells that were measured on windows, how wrong they may be.
        speeds: of measured cells, CPU seconds per frame, where they are known.
        scale: of the scores of the VMAF model that cells are scored with.
        prefix: what log lines about it begin with, where several sources or shots are at work.
    """

    setup: Setup
    source: Source
    windows: tuple[Source, ...] = ()
    whole_frames: float | None = None
    pool: str = "mean"
    jobs: int = 1
    rows: dict[Cell, Row] = field(default_factory=dict)
    known: set[Cell] = field(default_factory=set)
    errors: dict[Cell, SamplingError] = field(default_factory=dict)
    speeds: dict[Cell, float] = field(default_factory=dict)
    scale: Scale = SAME
    prefix: str = ""

    @property
    def parts(self) -> tuple[Source, ...]:
        """What is encoded."""
        return self.windows or (self.source,)

    @property
    def sample(self) -> Sample | None:
        """What the parts are of the whole; None where they are all of it."""
        frames, parts = sum(part.frames for part in self.parts), self.parts
        everything = parts[0].window is None if self.whole_frames is None else frames >= self.whole_frames
        return None if everything else Sample(len(parts), sum(part.encoded_seconds for part in parts))

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
        plan, remaps = make_plan(self.setup, [self.source], cells)
        for remap in remaps:
            log.info("%s%s runs preset %s as %s", self.prefix, remap.encoder, remap.asked, remap.runs_as)
        return plan.cells

    def measure(self, cell: Cell) -> Point:
        """The point of a cell, measured unless it was.

        Raises:
            ToolError: the encode or its scoring failed.
            InputError: the source is too short to tell anything.
        """
        if cell not in self.rows:
            pooled = self._pooled(cell)
            self.rows[cell] = pooled.row
            if pooled.known:
                self.known.add(cell)
            if pooled.cpu_seconds is not None:
                self.speeds[cell] = pooled.cpu_seconds
            if pooled.error is not None:
                self.errors[cell] = pooled.error
        if self.rows[cell].get(SOURCE_COMPLEXITY) is None:
            self.rows[cell] = {**self.rows[cell], SOURCE_COMPLEXITY: self._complexity}
        return point_of(self.rows[cell], self.pool, self.scale)

    def recall(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those of some cells that were measured before, and are measured now without an encode.

        Raises:
            ToolError: an encoder or the VMAF model does not work.
        """
        found = [
            cell
            for cell in cells
            if cell not in self.rows and all(is_known(self.setup, part, cell) for part in self.parts)
        ]
        for cell in found:
            self.measure(cell)
        return found

    def _pooled(self, cell: Cell) -> Pooled:
        if self.whole_frames is None or not self.windows:
            return measure_windows(self.setup, self.parts, cell, whole_frames=self.whole_frames, jobs=self.jobs)
        pace = self._pace
        found = {SAMPLE_PACE: {"samples": len(self.windows), "pace": pace}}
        windows = [dataclasses.replace(w, row_values={**w.row_values, **found}) for w in self.windows]
        return measure_windows(
            self.setup, windows, cell, whole_frames=self.whole_frames, pace=pace, jobs=self.jobs
        )

    @property
    def complexity(self) -> Vector | None:
        """[C] how hard the source is to encode, in the order of COMPLEXITY, measured when first asked for; None
        where it cannot be measured.
        """
        source, values = self.source, self._complexity
        if values is None:
            return None
        return complexity_vector(values, source.width * source.height, self.framerate)

    @property
    def framerate(self) -> float:
        """Average frames per second of the frames in use."""
        parts = self.parts
        if len(parts) == 1:
            return float(parts[0].framerate)
        return sum(part.frames for part in parts) / sum(part.encoded_seconds for part in parts)

    @property
    def whole_seconds(self) -> float:
        """How long the whole lasts that is to be encoded in the end."""
        source = self.source
        if self.whole_frames is not None:
            return self.whole_frames / float(source.framerate)
        return source.whole_seconds

    @cached_property
    def _pace(self) -> float:
        """What a frame of the whole takes over one of its windows."""
        if not self.windows or self.windows[0].surroundings is None:
            return 1.0
        known, cache = self._known_pace(), self.setup.cache
        if known is not None:
            return known
        key = "pace", self.setup.ffmpeg.version, *map(frames_key, self.windows)
        found = cache.recall(*key) if cache is not None else None
        if isinstance(found, float):
            return found
        pace = measure_pace(self.setup.ffmpeg, self.windows, self.jobs)
        if cache is not None:
            cache.note(pace, *key)
        return pace

    def _known_pace(self) -> float | None:
        """The pace that a row of the same windows has."""
        ledger, digest = self.setup.ledger, self.source.sha256
        if ledger is None or digest is None:
            return None
        first = self.windows[0]
        same = {
            "width": first.width, "height": first.height, "pix_fmt": first.pix_fmt,
            "ffmpeg_version": self.setup.ffmpeg.version,
        }  # fmt: skip
        for row in ledger.rows(digest):
            note, view = row.get(SAMPLE_PACE) or {}, row.get(VIEW) or {}
            alike = same.items() <= row.items() and (row.get(VIDEO_TRACK) or 0) == first.track
            window = {key: value for key, value in view.items() if not key.startswith("frames_")}  # margins
            if alike and note.get("samples") == len(self.windows) and first.view.identity == window:
                return float(note["pace"])
        return None

    @cached_property
    def _complexity(self) -> dict[str, float] | None:
        setup, cache = self.setup, self.setup.cache
        key = "complexity", setup.ffmpeg.version, *map(frames_key, self.parts)
        known = cache.recall(*key) if cache is not None else None
        if isinstance(known, dict) and known.keys() == set(COMPLEXITY_KEYS):
            return known
        try:
            found = measure_complexity(setup.ffmpeg, self.parts, self.jobs, setup.options.threads)
        except ToolError:  # a few frames only: the search begins where the typical source's would
            return None
        if cache is not None:
            cache.note(found, *key)
        return found

    def arguments(self, encoder: str) -> tuple[str, ...]:
        """The further arguments that an encoder is given beside preset and crf."""
        return self.setup.arguments(self.source, ENCODERS.get(encoder))

    def points(self, pool: str | None = None) -> list[Point]:
        """Everything measured, its frames pooled as the question asks or otherwise."""
        return [point_of(row, pool or self.pool, self.scale) for row in self.rows.values()]


def start_measuring(
    setup: Setup,
    source: Source,
    pool: str = "mean",
    *,
    samples: int = 0,
    sample_seconds: float = SAMPLE_SECONDS,
    jobs: int = 1,
    beside: int = 1,
    threads: int | None = None,
) -> Measuring:
    """A source of which nothing was measured yet, or windows spread over it; each program gets its share of CPUs.

    Args:
        setup: encodes and scores.
        source: opened, at its middle where ``samples`` are wanted (``open_source`` with ``trust_header``).
        pool: as ``predictor.pooled``.
        samples: windows; 0 for what was opened.
        sample_seconds: of each.
        jobs: windows at work at once.
        beside: sources at work at once, this one among them.
        threads: of each program; None for its share of the CPUs.

    Raises:
        InputError: a window cannot be decoded, or none of them holds frames.
    """
    windows: tuple[Source, ...] = ()
    whole_frames = None
    if samples:
        windows = tuple(spread_windows(setup.ffmpeg, source, samples, sample_seconds, jobs))
        source = windows[0]
        if source.surroundings is not None and source.duration_s is not None:
            whole_frames = source.duration_s * float(source.framerate)
    jobs = min(jobs, max(len(windows), 1))
    setup = setup.with_threads(threads, usable_cpus() // (beside * jobs))
    return Measuring(setup, source, windows, whole_frames, pool, jobs)
