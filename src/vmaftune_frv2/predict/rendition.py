"""A source encoded at one height: its measured cells, and what they say of the others.

Curve models learnt encodes scored at their own size. So a scaled encode is scored twice: against the scaled
source, which predicts its bitrate and its own VMAF, and, scaled up, against the source, which is what viewers see.
One curve leads from the first score to the second: it passes through the measured cells and through what scaling
costs without any encode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF, VMAF_AT_SOURCE_SIZE, Row
from vmaftune_frv2.corpus.cache import frames_key
from vmaftune_frv2.corpus.measurer import is_known, measure_now
from vmaftune_frv2.corpus.setup import Setup, time_limit
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.vmaf import score
from vmaftune_frv2.predict.costs import with_costs
from vmaftune_frv2.predict.pool_figures import wider
from vmaftune_frv2.predict.predictor import WIDEN, Predictor, point_of, pooled
from vmaftune_frv2.predict.results import Prediction, Sample
from vmaftune_frv2.predict.vmaf_scales import scale_of
from vmaftune_frv2.progress import about

PERFECT = 100.0
LOSSY = 85.0
"""VMAF at the encode's own size below which the encode, more than the scaling, shapes a cell's score."""
TYPICAL_BEND = 0.08
"""How far the exponent of a typical scaled encode is above 1, per VMAF point that scaling alone costs."""
EXPONENTS = (0.1, 50.0)
LEFT_AT_TOP = 0.5
"""Share of a probe's loss from scaling that the best encode still has, at least. VMAF saturates: where a source
scores high whatever is done to it, scaling alone seems to cost next to nothing. From 9 clips (docs/ladder.md)."""


@dataclass(frozen=True, kw_only=True)
class Rung(Prediction):
    """One encode that a ladder may have: a prediction at the source's size; extrapolated where it is scaled.

    Args:
        height: luma rows of the encode.
        width: luma columns of the encode.
    """

    height: int
    width: int


@dataclass
class Rendition:
    """A source at one height.

    Args:
        setup: encodes and scores, or knows.
        full: the source at its own size.
        height: luma rows of the encodes, at most the source's.
        pool: of the per-frame scores, as ``predictor.pooled``.
        rows: measured cells, scored against the source at ``height``.
        shown: {cell: VMAF at the source's size}.
        known: cells that were measured before.
        speeds: of measured cells, CPU seconds per frame, where they are known.
    """

    setup: Setup
    full: Source
    height: int
    pool: str = "mean"
    rows: dict[Cell, Row] = field(default_factory=dict)
    shown: dict[Cell, float] = field(default_factory=dict)
    known: set[Cell] = field(default_factory=set)
    speeds: dict[Cell, float] = field(default_factory=dict)
    _ceiling: float | None = None

    def emptied(self) -> Rendition:
        """The same height with nothing encoded yet."""
        return Rendition(self.setup, self.full, self.height, self.pool, _ceiling=self.ceiling)

    @property
    def source(self) -> Source:
        """The source at this height."""
        return self.full.at_height(self.height)

    @property
    def scaled(self) -> bool:
        """Whether its encodes are smaller than the source."""
        return self.height < self.full.height

    @property
    def sample(self) -> Sample | None:
        """The part of the source that is encoded, None for all of it."""
        return None if self.full.window is None else Sample(1, self.full.encoded_seconds)

    @property
    def ceiling(self) -> float:
        """VMAF of the source scaled to this height and back, without any encode; 100 at its own height.

        Raises:
            ToolError: libvmaf failed.
        """
        if self._ceiling is None:
            self._ceiling = self._scaling_alone() if self.scaled else PERFECT
        return self._ceiling

    def measure(self, cell: Cell) -> None:
        """Encodes a cell at this height and scores it, unless it was.

        Raises:
            ToolError: the encode or a scoring failed.
        """
        if cell in self.rows:
            return
        with about(height=self.height):
            measured = measure_now(self.setup, self.source, cell)
        row = measured.row
        self.rows[cell] = row
        self.shown[cell] = self._pooled(row[VMAF_AT_SOURCE_SIZE]) if self.scaled else pooled(row, self.pool)
        if measured.cpu_seconds is not None:
            self.speeds[cell] = measured.cpu_seconds
        if measured.known:
            self.known.add(cell)

    def recall(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those of some cells that were measured before, and are measured now without an encode.

        Raises:
            ToolError: an encoder or the VMAF model does not work.
        """
        found = [cell for cell in cells if cell not in self.rows and is_known(self.setup, self.source, cell)]
        for cell in found:
            self.measure(cell)
        return found

    def _scaling_alone(self) -> float:
        source, setup, model = self.source, self.setup, self.setup.model_for(self.full)
        key = "scaling", setup.ffmpeg.version, model, self.pool, frames_key(source)
        known = setup.cache.recall(*key) if setup.cache is not None else None
        if isinstance(known, float):
            return known
        with about(height=self.height):
            scored = score(
                setup.ffmpeg,
                source,
                self.full,
                pix_fmt=source.pix_fmt,
                model=model,
                rescale=True,
                threads=setup.options.threads,
                timeout=time_limit(self.full.megapixels),
            )
        found = self._pooled(scored.vmaf)
        if setup.cache is not None:
            setup.cache.note(found, *key)
        return found

    def _pooled(self, frames: Sequence[float]) -> float:
        return pooled({"vmaf_score": sum(frames) / len(frames), PER_FRAME_VMAF: frames}, self.pool)

    def predict(self, predictor: Predictor, cells: Sequence[Cell]) -> list[Rung]:
        """What every cell would be at this height.

        Args:
            predictor: predicts encodes at their own size.
            cells: candidates; the intervals of a scaled encode are widened by ``WIDEN`` besides.
        """
        source = self.source
        scale = scale_of(self.setup.model_for(self.full), predictor.vmaf_model)
        points = [point_of(row, self.pool, scale) for row in self.rows.values()]
        names = dict.fromkeys(cell.encoder for cell in cells)
        further = {name: self.setup.arguments(source, ENCODERS.get(name)) for name in names}
        pixels, rate = source.width * source.height, float(source.framerate)
        predicted = predictor.predict(
            points, cells, pixels, rate, further=further, scale=scale, wider=wider(self.pool)
        )
        found = [self._at_source_size(source, prediction) for prediction in predicted]
        return with_costs(found, self.speeds, pixels / 1e6, source.whole_seconds, rate)

    def _at_source_size(self, source: Source, prediction: Prediction) -> Rung:
        cell, known = prediction.cell, self.shown.get(prediction.cell)
        low, vmaf, high = map(self.seen_as, (prediction.vmaf_low, prediction.vmaf, prediction.vmaf_high))
        widen = WIDEN if self.scaled else 1.0
        return Rung(
            height=source.height,
            width=source.width,
            cell=cell,
            vmaf=vmaf if known is None else known,
            vmaf_low=max(vmaf - widen * (vmaf - low), 0.0) if known is None else known,
            vmaf_high=min(vmaf + widen * (high - vmaf), PERFECT) if known is None else known,
            kbps=prediction.kbps,
            kbps_low=prediction.kbps_low,
            kbps_high=prediction.kbps_high,
            extrapolated=known is None and (prediction.extrapolated or self.scaled),
            measured=known is not None,
            extra_params=prediction.extra_params,
            sample=self.sample,
        )

    def seen_as(self, vmaf: float) -> float:
        """VMAF at the source's size of an encode with ``vmaf`` at its own.

        The share of the best that is left is a power of the share of 100 that the encode leaves. Measured cells
        give the exponent, which is interpolated between them.
        """
        if not self.scaled:
            return vmaf
        known, exponents = zip(*sorted(self._exponents().items()), strict=True)
        exponent = float(np.interp(vmaf, np.asarray(known), np.asarray(exponents)))
        return float(self._best() * (max(vmaf, 0.0) / PERFECT) ** exponent)

    def _best(self) -> float:
        """VMAF at the source's size of the best encode of this height."""
        own, seen = max((pooled(row, self.pool), self.shown[cell]) for cell, row in self.rows.items())
        return min(self.ceiling, PERFECT - LEFT_AT_TOP * max(own - seen, 0.0))

    def _exponents(self) -> dict[float, float]:
        """{VMAF at the encode's own size: exponent}."""
        found, best = {}, self._best()
        for cell, row in self.rows.items():
            own, seen = pooled(row, self.pool), self.shown[cell]
            if 0.0 < own < PERFECT and seen > 0.0:
                exponent = math.log(seen / best) / math.log(own / PERFECT)
                found[own] = min(max(exponent, EXPONENTS[0]), EXPONENTS[1])
        # Near 100 the quotient of two small losses says little of what a stronger encode will do.
        if not any(own <= LOSSY for own in found):
            found[LOSSY] = 1.0 + TYPICAL_BEND * (PERFECT - best)
        return found
