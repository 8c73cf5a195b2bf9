"""What one source will look like in any cell: VMAF and bitrate from the cells of it that were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.descriptor import descriptor, kbps, log_bits_per_pixel
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.frame_pools import MEAN, pool_frames
from vmaftune_frv2.contract.grid import candidate_grid, was_seen
from vmaftune_frv2.contract.kinds import BITRATE_CURVE, VMAF_CURVE
from vmaftune_frv2.contract.option_groups import GridOptions
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF, Row
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.curve_model import CurveModel, Point, Vector, open_curve_model
from vmaftune_frv2.predict.curves import LEVEL, Curve, predict_curve
from vmaftune_frv2.predict.results import Prediction
from vmaftune_frv2.predict.vmaf_scales import SAME, Scale
from vmaftune_frv2.predict.whole import SamplingError

EXACT = SamplingError(0.0, 0.0)
WIDEN = 1.5
"""Factor of an interval where a cell or a source lies outside of training."""


def point_of(row: Row, pool: str = MEAN, scale: Scale = SAME) -> Point:
    """A measured row as a point.

    Args:
        row: with per-frame VMAF.
        pool: of the per-frame scores, as ``frame_pools.pool_frames``.
        scale: of the row's scores.

    Raises:
        InputError: the row lacks something.
    """
    cell = Cell.resolve(row["encoder"], row["preset"], row["crf"])
    if scale is SAME:
        return Point(cell, pooled(row, pool), log_bits_per_pixel(row), descriptor(row, str(cell)))
    vmaf, told = pooled(row, pool), descriptor(scale.row(row), str(cell))
    return Point(cell, vmaf, log_bits_per_pixel(row), told, float(scale.learnt(vmaf)))


def pooled(row: Row, pool: str) -> float:
    """A clip's VMAF from its frames', by a pool as ``frame_pools.pool_frames`` takes it."""
    return float(row["vmaf_score"]) if pool == MEAN else pool_frames(row[PER_FRAME_VMAF], pool)


@dataclass(frozen=True)
class Predictor:
    """Predicts the cells of a source from its measured ones.

    Args:
        vmaf: curve model of VMAF.
        bitrate: curve model of log bits per pixel.
    """

    vmaf: CurveModel
    bitrate: CurveModel

    @classmethod
    def open(cls, vmaf: str | None = None, bitrate: str | None = None) -> Predictor:
        """Opens both by registry id or path; by default the production ones.

        Raises:
            ModelError: one is missing, altered, or of another quantity, or each learnt from its own VMAF model.
        """
        opened = cls(open_curve_model(VMAF_CURVE, vmaf), open_curve_model(BITRATE_CURVE, bitrate))
        learnt = opened.bitrate.sidecar.vmaf_model
        if None not in (opened.vmaf_model, learnt) and opened.vmaf_model != learnt:
            raise ModelError(  # the probe's VMAF is an input of both
                f"{opened.vmaf.sidecar.id} learnt from scores of {opened.vmaf_model}, {opened.bitrate.sidecar.id}"
                f" from those of {learnt}; name two that were trained together (--model, --bitrate-model)"
            )
        return opened

    @property
    def vmaf_model(self) -> str | None:
        """The libvmaf model whose scores are predicted."""
        return self.vmaf.sidecar.vmaf_model

    def require(self, encoders: Sequence[str]) -> None:
        """Checks that every encoder was learnt.

        Raises:
            ModelError: one was not.
        """
        for sidecar, block in ((model.sidecar, model.block) for model in (self.vmaf, self.bitrate)):
            known = [name for name in block.vocab if name in sidecar.cells]
            for encoder in encoders:
                if encoder in known:
                    continue
                raise ModelError(
                    f"{sidecar.id} was not trained on {encoder} (it knows {', '.join(known)});"
                    " leave it out, or train with a corpus that has it"
                )

    def cells(self, grid: GridOptions) -> tuple[Cell, ...]:
        """The candidates that a grid names; what it leaves open comes from training.

        Raises:
            UsageError: a cell that cannot be.
            ModelError: an encoder that was not learnt.
        """
        found = candidate_grid(self.vmaf.sidecar.cells, grid.encoders, grid.presets, grid.crfs)
        self.require(list(dict.fromkeys(cell.encoder for cell in found)))
        return found

    def probe_cell(
        self,
        encoder: str,
        preset: str,
        target: float | None,
        crfs: Sequence[Crf],
        complexity: Vector | None = None,
    ) -> Cell:
        """The cell to encode first.

        Args:
            encoder: one that was learnt.
            preset: native preset.
            target: VMAF that is looked for; None for the middle of the range.
            crfs: candidates.
            complexity: [K] of the source, in the order of COMPLEXITY; None where it was not measured.

        Returns:
            Where the source should meet the target by its complexity, else where the typical curve does; without
            a target or a curve, at the crf of the preset's standard probe.
        """
        guess = self._first_crf(encoder, preset, target, complexity)
        if guess is not None:
            return Cell(encoder, preset, min(crfs, key=lambda crf: abs(crf - guess)))
        curve = self._typical(encoder, preset)
        if target is None or curve is None:
            standard = self.vmaf.sidecar.probe_for(encoder, preset)
            crf = standard.crf if standard else sorted(crfs)[len(crfs) // 2]
            return Cell(encoder, preset, crf)
        reaching = [crf for crf in crfs if np.interp(crf, *curve) >= target]
        return Cell(encoder, preset, max(reaching, default=min(crfs)))

    def learns_from(self, encoder: str, points: Sequence[Point]) -> bool:
        """Whether both models can predict an encoder's cells from measured ones."""
        models = (self.vmaf, self.bitrate)
        return all(any(model.learns_from(encoder, point) for point in points) for model in models)

    @property
    def wants_complexity(self) -> bool:
        """Whether the first crf is chosen by the source's complexity."""
        return self.vmaf.sidecar.first_crf is not None

    def _first_crf(
        self, encoder: str, preset: str, target: float | None, complexity: Vector | None
    ) -> float | None:
        learnt = self.vmaf.sidecar.first_crf
        if learnt is None or target is None or complexity is None:
            return None
        return learnt.crf(encoder, preset, target, complexity)

    def _typical(self, encoder: str, preset: str) -> tuple[list[float], list[float]] | None:
        curves: Mapping[str, Any] | None = self.vmaf.sidecar.cells[encoder].get("typical")
        if not curves:
            return None
        entry = ENCODERS.get(encoder)
        ordinal = entry.preset_ordinal(preset)
        nearest = min(curves, key=lambda other: abs(entry.preset_ordinal(other) - ordinal))
        crfs, vmaf = zip(*curves[nearest], strict=True)
        return list(crfs), list(vmaf)

    def predict(
        self,
        points: Sequence[Point],
        cells: Sequence[Cell],
        pixels: int,
        framerate: float,
        level: float = LEVEL,
        sampled: SamplingError = EXACT,
        further: Mapping[str, tuple[str, ...]] | None = None,
        scale: Scale = SAME,
        wider: float = 1.0,
    ) -> list[Prediction]:
        """Predicts cells.

        Args:
            points: measured cells of the source, at least one.
            cells: candidates.
            pixels: of a frame.
            framerate: of the source.
            level: nominal coverage of the intervals.
            sampled: how wrong the measured cells may be themselves, as those of windows.
            further: {encoder: ffmpeg arguments beside preset and crf} that all of these cells are encoded with.
            scale: of the points' VMAF, and of the predictions'.
            wider: factor of the intervals of VMAF besides, and of how wrong measured cells may be in it.
        """
        score = predict_curve(self.vmaf, points, cells, level)
        rate = predict_curve(self.bitrate, points, cells, level)
        measured = {point.cell: point.vmaf for point in points}
        strange = self.unlike_training(points)
        # Half-width of a normal variable's interval over its mean absolute value.
        normal = NormalDist().inv_cdf((1.0 + level) / 2.0) * math.sqrt(math.pi / 2.0)
        found = []
        for index, cell in enumerate(cells):
            outside = cell not in measured and (strange or not was_seen(self.vmaf.sidecar.cells, cell))
            widen = WIDEN if outside else 1.0
            extra = (further or {}).get(cell.encoder, ())
            stretch = widen * scale.wider * wider
            besides = sampled.vmaf * wider, 0.0 if cell in measured else scale.error
            vmaf, vmaf_low, vmaf_high = _interval(
                _shown(score, index, scale, measured.get(cell)), stretch, normal * math.hypot(*besides)
            )
            bits, bits_low, bits_high = _interval(_at(rate, index), widen, normal * sampled.log_rate)
            found.append(
                Prediction(
                    cell=cell,
                    vmaf=vmaf,
                    vmaf_low=max(vmaf_low, 0.0),
                    vmaf_high=min(vmaf_high, 100.0),
                    kbps=kbps(bits, pixels, framerate),
                    kbps_low=kbps(bits_low, pixels, framerate),
                    kbps_high=kbps(bits_high, pixels, framerate),
                    extrapolated=outside or (bool(extra) and cell not in measured),
                    extra_params=extra,
                    measured=cell in measured,
                    typical_error=math.hypot(stretch * _typical(score, index, scale), *besides),
                )
            )
        return found

    def unlike_training(self, points: Sequence[Point]) -> bool:
        """Whether a probe's descriptor lies far from every training source's."""
        return not all(self.vmaf.is_like_training(point) for point in points)


def _at(curve: Curve, index: int) -> tuple[float, float, float]:
    """Mean and ends of the interval of a cell."""
    return float(curve.mean[index]), float(curve.low[index]), float(curve.high[index])


def _shown(score: Curve, index: int, scale: Scale, measured: float | None) -> tuple[float, float, float]:
    """The same of VMAF on the scale that is asked about."""
    if measured is not None:
        return measured, measured, measured
    if scale is SAME:
        return _at(score, index)
    mean, low, high = map(float, scale.shown(_at(score, index)))
    return mean, low, high


def _typical(score: Curve, index: int, scale: Scale) -> float:
    """Typical error of a cell's VMAF on the scale that is asked about."""
    typical = float(score.typical[index])
    if scale is SAME:
        return typical
    low, high = scale.shown([score.mean[index] - typical, score.mean[index] + typical])
    return float(high - low) / 2.0


def _interval(found: tuple[float, float, float], widen: float, besides: float) -> tuple[float, float, float]:
    """Mean and interval of a cell: its half-widths stretched by a factor, and an independent one added."""
    mean, low, high = found
    down, up = (math.hypot(widen * distance, besides) for distance in (mean - low, high - mean))
    return mean, mean - down, mean + up
