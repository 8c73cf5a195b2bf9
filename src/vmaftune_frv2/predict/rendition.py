"""A source encoded at one height: its measured cells, and what they say of the others.

The curve models learnt encodes scored at their own size. So a scaled encode is scored twice: against the
scaled source, which predicts its bitrate and its own VMAF, and, scaled up, against the source, which is what
viewers see. One curve leads from the first score to the second: it passes through the measured cells and through
what scaling costs without any encode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.rows import FAILURE_REASON, PER_FRAME_VMAF, Row
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.encode import encode_pix_fmt
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.vmaf import Scored, score
from vmaftune_frv2.predict.curves import LEVEL
from vmaftune_frv2.predict.predictor import WIDEN, Predictor, point_of, pooled

PERFECT = 100.0
LOSSY = 85.0
"""VMAF at the encode's own size below which the encode, more than the scaling, shapes a cell's score."""
TYPICAL_BEND = 0.08
"""How far the exponent of a typical scaled encode is above 1, per VMAF point that scaling alone costs."""
EXPONENTS = (0.1, 50.0)
LEFT_AT_TOP = 0.5
"""Share of a probe's loss from scaling that the best encode still has, at least. VMAF saturates: where a source
scores high whatever is done to it, scaling alone seems to cost next to nothing. From 9 clips (docs/ladder.md)."""


@dataclass(frozen=True)
class Rung:
    """One encode that a ladder may have.

    Args:
        height: luma rows of the encode.
        width: luma columns of the encode.
        cell: encoder, preset, crf.
        vmaf: at the source's size; predicted, or measured where ``measured``.
        vmaf_low: lower end of the interval.
        vmaf_high: upper end.
        kbps: bitrate, kbit/s.
        kbps_low: lower end of its interval.
        kbps_high: upper end.
        extrapolated: whether training saw nothing like it; true of all scaled encodes that were not measured.
        measured: whether it was encoded.
    """

    height: int
    width: int
    cell: Cell
    vmaf: float
    vmaf_low: float
    vmaf_high: float
    kbps: float
    kbps_low: float
    kbps_high: float
    extrapolated: bool
    measured: bool


@dataclass
class Rendition:
    """A source at one height.

    Args:
        ffmpeg: encodes and scores.
        full: the source at its own size.
        height: luma rows of the encodes, at most the source's.
        vmaf_model: libvmaf model.
        pool: of the per-frame scores, as ``predictor.pooled``.
        rows: measured cells, scored against the source at ``height``.
        shown: {cell: VMAF at the source's size}.
        threads: of one encode and of one scoring.
    """

    ffmpeg: FFmpeg
    full: Source
    height: int
    vmaf_model: str
    pool: str = "mean"
    rows: dict[Cell, Row] = field(default_factory=dict)
    shown: dict[Cell, float] = field(default_factory=dict)
    threads: int = 1
    _ceiling: float | None = None

    def emptied(self) -> Rendition:
        """The same height with nothing encoded yet."""
        return Rendition(
            self.ffmpeg, self.full, self.height, self.vmaf_model, self.pool,
            threads=self.threads, _ceiling=self.ceiling,
        )  # fmt: skip

    @property
    def source(self) -> Source:
        """The source at this height."""
        return self.full.at_height(self.height)

    @property
    def scaled(self) -> bool:
        """Whether its encodes are smaller than the source."""
        return self.height < self.full.height

    @property
    def ceiling(self) -> float:
        """VMAF of the source scaled to this height and back, without any encode; 100 at its own height.

        Raises:
            ToolError: libvmaf failed.
        """
        if self._ceiling is None:
            self._ceiling = self._seen(self.source, self.source.pix_fmt) if self.scaled else PERFECT
        return self._ceiling

    def measure(self, cell: Cell) -> None:
        """Encodes a cell at this height and scores it, unless it was.

        Raises:
            ToolError: the encode or a scoring failed.
        """
        from vmaftune_frv2.corpus.measure import MeasureOptions, measure
        from vmaftune_frv2.corpus.plan import make_plan

        if cell in self.rows:
            return
        encoder = ENCODERS.get(cell.encoder)
        plan, _ = make_plan(self.ffmpeg, [self.source], [cell], vmaf_model=self.vmaf_model)
        (request,) = plan
        with scratch_dir(None, "ladder-") as folder:
            options = MeasureOptions(scratch=folder, keep_dir=folder, threads=self.threads)
            row = measure(request, encoder, self.ffmpeg, options).row
            if row["exit_status"] != 0:
                raise ToolError(row[FAILURE_REASON], row["exit_status"])
            if self.scaled:
                seen = self._seen(Path(row["encode_path"]), encode_pix_fmt(encoder, self.source))
            else:
                seen = pooled(row, self.pool)
        self.rows[cell], self.shown[cell] = row, seen

    def _seen(self, distorted: Path | Source, pix_fmt: str) -> float:
        """VMAF of something of this height once it is scaled up."""
        from vmaftune_frv2.corpus.measure import LEAST_TIME_LIMIT_S, TIME_LIMIT_FACTOR

        limit = LEAST_TIME_LIMIT_S + TIME_LIMIT_FACTOR * self.full.megapixels
        scored: Scored = score(
            self.ffmpeg,
            distorted,
            self.full,
            pix_fmt=pix_fmt,
            model=self.vmaf_model,
            rescale=True,
            threads=self.threads,
            timeout=limit,
        )
        frames = {"vmaf_score": sum(scored.vmaf) / len(scored.vmaf), PER_FRAME_VMAF: scored.vmaf}
        return pooled(frames, self.pool)

    def predict(self, predictor: Predictor, cells: Sequence[Cell], level: float = LEVEL) -> list[Rung]:
        """What every cell would be at this height.

        Args:
            predictor: predicts encodes at their own size.
            cells: candidates.
            level: nominal coverage of the intervals; those of a scaled encode are widened by ``WIDEN`` besides.
        """
        source, rungs = self.source, []
        points = [point_of(row, self.pool) for row in self.rows.values()]
        said = predictor.predict(points, cells, source.width * source.height, float(source.framerate), level)
        for prediction in said:
            cell, known = prediction.cell, self.shown.get(prediction.cell)
            low, vmaf, high = map(self.seen_as, (prediction.vmaf_low, prediction.vmaf, prediction.vmaf_high))
            widen = WIDEN if self.scaled else 1.0
            rungs.append(
                Rung(
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
                )
            )
        return rungs

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
