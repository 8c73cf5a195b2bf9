"""A curve model, opened and ready: from measured cells of a source to any other cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.anchor import AnchorSpace, CurveStart
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.features import FAR
from vmaftune_frv2.contract.intervals import Intervals, curve_covariates
from vmaftune_frv2.contract.kinds import MEMBERS, SCORE, Kind
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.session import find_model, open_session, require_numbers

Vector = NDArray[np.float64]
LENGTH, LENGTH_REACH = DESCRIPTOR.index("log_frames"), 1.0
"""Training clips last about a second; what their lengths teach says nothing of a film a hundred times as long."""


Shift = Callable[..., NDArray[np.float32]]
"""A stack of S nets: scaled descriptors [N, D], codec blocks of probe and cell [N, C], anchors [N] to [S, N]."""


@dataclass(frozen=True)
class Point:
    """A measured cell of a source.

    Args:
        cell: what was encoded.
        vmaf: measured.
        log_bpp: natural log of bits per pixel, measured.
        descriptor: [D], in the order of DESCRIPTOR.
        learnt: ``vmaf`` on the scale of the VMAF model that was learnt; None where it is of that model.
    """

    cell: Cell
    vmaf: float
    log_bpp: float
    descriptor: Vector
    learnt: float | None = None

    def value(self, quantity: str) -> float:
        """What predictions start from: VMAF on the learnt scale, or log bits per pixel."""
        if quantity != SCORE:
            return self.log_bpp
        return self.vmaf if self.learnt is None else self.learnt


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
    def start(self) -> CurveStart:
        """What it starts from."""
        assert self.sidecar.curve is not None
        return self.sidecar.curve

    @property
    def quantity(self) -> str:
        """What it predicts."""
        return self.start.quantity

    @property
    def space(self) -> AnchorSpace:
        """Where predictions are combined."""
        return self.start.space

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

    def _scaled(self, point: Point) -> NDArray[np.float32]:
        """[1, D] scaled descriptor, clipped to the range that training covered."""
        scaled = np.clip(self.sidecar.scaler.transform(point.descriptor[None, :]), -FAR, FAR)
        scaled[:, LENGTH] = np.clip(scaled[:, LENGTH], -LENGTH_REACH, LENGTH_REACH)
        return scaled

    def is_like_training(self, point: Point) -> bool:
        """Whether a cell's descriptor, its length aside, lies within FAR deviations of training's mean."""
        off = np.abs(self.sidecar.scaler.transform(point.descriptor[None, :])[0])
        return bool((np.delete(off, LENGTH) <= FAR).all())

    def learns_from(self, encoder: str, point: Point) -> bool:
        """Whether an encoder's cells can be predicted from a measured cell."""
        return self.start.learns_from(encoder, point.cell.encoder)

    def from_point(self, point: Point, cells: Sequence[Cell]) -> tuple[Vector, Vector]:
        """Predicts cells from one measured cell.

        Returns:
            [N] predictions and [N] typical errors, 0 at the measured cell itself.

        Raises:
            ModelError: the net gives something that no score or bitrate can be.
        """
        count = len(cells)
        anchor, kind = point.value(self.quantity), self.sidecar.kind
        scaled = np.repeat(self._scaled(point), count, axis=0)
        probe = self.block.matrix([point.cell])
        members = self.shift(
            scaled,
            np.repeat(probe, count, axis=0),
            self.block.matrix(cells),
            np.full(count, self.space.enter(anchor), dtype=np.float32),
        ).astype(np.float64)
        require_numbers(members, *kind.plausible, self.sidecar.id, self.quantity)
        mean, spread, scale = members.mean(axis=0), members.std(axis=0), kind.error_scale
        other = np.asarray([cell.encoder != point.cell.encoder for cell in cells])
        anchors = np.full(count, anchor * scale)
        covariates = curve_covariates(mean * scale, spread * scale, anchors, other, scaled, self.space.bounded)
        typical = self.intervals.typical_error(covariates)
        itself = np.asarray([cell == point.cell for cell in cells])
        return np.where(itself, anchor, mean), np.where(itself, 0.0, typical)


def open_curve_model(kind: Kind, reference: str | None = None) -> CurveModel:
    """Opens a curve model by registry id or by path.

    Args:
        kind: of which quantity.
        reference: an id, or the path of an ``.onnx`` file; None for the kind's own id, smoke models passed over.

    Raises:
        ModelError: there is none, it is of another kind, or its bytes are not those that were registered.
    """
    registered = find_model(
        kind.model_id if reference is None else reference, reference is None, kind.choose_by, kind.made_by
    )
    sidecar = registered.sidecar
    if not sidecar.kind.is_curve or sidecar.intervals is None:
        raise ModelError(
            f"{registered.path} is not a curve model; {kind.choose_by} takes one, as {kind.made_by} makes it"
        )
    if sidecar.kind is not kind:
        raise ModelError(f"{sidecar.id} is a {sidecar.kind.name}; {kind.choose_by} takes a {kind.name}")
    session, names = open_session(registered), sidecar.input_names

    def shift(*inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        members: NDArray[np.float32] = session.run([MEMBERS], dict(zip(names, inputs, strict=True)))[0]
        return members

    return CurveModel(sidecar, shift)
