"""A curve model, opened and ready: from measured cells of a source to any other cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import SCORE_MAX, AnchorSpace
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.features import FAR
from vmaftune_frv2.contract.intervals import Intervals, curve_covariates
from vmaftune_frv2.contract.sidecar import LOG_BITS_PER_PIXEL, SCORE, Sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.session import find_model, open_session, require_numbers

Vector = NDArray[np.float64]
PERCENT = 100.0
"""Log bits per pixel enter the interval's covariates in hundredths."""
LOG_BPP_RANGE = (-30.0, 10.0)
"""No encode has fewer or more bits per pixel."""
LENGTH, LENGTH_REACH = DESCRIPTOR.index("log_frames"), 1.0
"""Training clips last about a second; what their lengths teach says nothing of a film a hundred times as long."""


Shift = Callable[..., NDArray[np.float32]]
"""What a stack of S nets says: scaled descriptors [N, D], codec blocks of probe and cell [N, C], anchors [N] to
[S, N]."""


@dataclass(frozen=True)
class Point:
    """A measured cell of a source.

    Args:
        cell: what was encoded.
        vmaf: measured.
        log_bpp: natural log of bits per pixel, measured.
        descriptor: [45] what it tells of the source.
    """

    cell: Cell
    vmaf: float
    log_bpp: float
    descriptor: Vector

    def value(self, quantity: str) -> float:
        """VMAF or log bits per pixel."""
        return self.vmaf if quantity == SCORE else self.log_bpp


@dataclass(frozen=True)
class CurveModel:
    """A curve model of one quantity.

    Args:
        sidecar: its order, scaling, vocabulary, anchor space and intervals.
        shift: runs the net.
    """

    sidecar: Sidecar
    shift: Shift

    @property
    def space(self) -> AnchorSpace:
        """Where predictions are combined."""
        return AnchorSpace(self.sidecar.anchor_pad)

    @property
    def block(self) -> CodecBlock:
        """Its codec block."""
        assert self.sidecar.block is not None
        return self.sidecar.block

    @property
    def intervals(self) -> Intervals:
        """Its intervals."""
        assert self.sidecar.intervals is not None
        return self.sidecar.intervals

    def _told(self, point: Point) -> NDArray[np.float32]:
        """[1, 45] scaled descriptor, held where the net can know anything."""
        scaled = np.clip(self.sidecar.scaler.transform(point.descriptor[None, :]), -FAR, FAR)
        scaled[:, LENGTH] = np.clip(scaled[:, LENGTH], -LENGTH_REACH, LENGTH_REACH)
        return scaled

    def is_like_training(self, point: Point) -> bool:
        """Whether what a measured cell tells, its length aside, lies within FAR deviations of training."""
        off = np.abs(self.sidecar.scaler.transform(point.descriptor[None, :])[0])
        return bool((np.delete(off, LENGTH) <= FAR).all())

    def hears(self, encoder: str, point: Point) -> bool:
        """Whether a measured cell tells anything of an encoder's cells: only what was learnt does."""
        return self.sidecar.hears(encoder, point.cell.encoder)

    def from_point(self, point: Point, cells: Sequence[Cell]) -> tuple[Vector, Vector]:
        """What one measured cell says of others.

        Returns:
            [N] predictions and [N] typical errors, 0 at the measured cell itself.

        Raises:
            ModelError: what the net gives cannot be.
        """
        count = len(cells)
        anchor = point.value(str(self.sidecar.quantity))
        scaled = np.repeat(self._told(point), count, axis=0)
        probe = self.block.matrix([point.cell])
        members = self.shift(
            scaled,
            np.repeat(probe, count, axis=0),
            self.block.matrix(cells),
            np.full(count, self.space.enter(anchor), dtype=np.float32),
        ).astype(np.float64)
        low, high = LOG_BPP_RANGE if self.sidecar.quantity == LOG_BITS_PER_PIXEL else (-1.0, SCORE_MAX + 1.0)
        require_numbers(members, low, high, self.sidecar.id, str(self.sidecar.quantity))
        mean, spread = members.mean(axis=0), members.std(axis=0)
        bounded = self.sidecar.anchor_pad is not None
        scale = 1.0 if bounded else PERCENT
        other = np.asarray([cell.encoder != point.cell.encoder for cell in cells])
        anchors = np.full(count, anchor * scale)
        covariates = curve_covariates(mean * scale, spread * scale, anchors, other, scaled, bounded)
        typical = self.intervals.typical_error(covariates)
        itself = np.asarray([cell == point.cell for cell in cells])
        return np.where(itself, anchor, mean), np.where(itself, 0.0, typical)


def open_curve_model(reference: str, production: bool = False, option: str = "--model") -> CurveModel:
    """Opens a curve model by registry id or by path.

    Args:
        reference: an id, or the path of an ``.onnx`` file.
        production: pass smoke models over.
        option: the command-line option that names it, for an error.

    Raises:
        ModelError: there is none, it is no curve model, or its bytes are not those that were registered.
    """
    registered = find_model(reference, production, option, "train-v2 --curves")
    sidecar = registered.sidecar
    if sidecar.quantity is None or sidecar.block is None or sidecar.intervals is None:
        raise ModelError(f"{registered.path} is no curve model; {option} takes one, as train-v2 --curves makes it")
    session, names = open_session(registered), sidecar.input_names

    def shift(*inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        members: NDArray[np.float32] = session.run(["members"], dict(zip(names, inputs, strict=True)))[0]
        return members

    return CurveModel(sidecar, shift)
