"""The codec-blind regressor: as libvmaf does, from features of each frame to its VMAF, pooled over the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.cells import FROM_CELL
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.kinds import Kind
from vmaftune_frv2.contract.sidecar import POOL_FRAME
from vmaftune_frv2.contract.train_request import TrainRequest
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.training.export import to_onnx
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, Progress, Table, fit
from vmaftune_frv2.training.gate import judge
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Corpus, Measured
from vmaftune_frv2.training.learnt import Described
from vmaftune_frv2.training.loso import MIN_GROUPS
from vmaftune_frv2.training.metrics import Agreement, agreement
from vmaftune_frv2.training.net import FRRegressor, NetConfig

FOLDS = 10
HIDDEN = 64
FIT = FitOptions(epochs=20, batch_size=256, lr=1e-2, beta=1.0)
MAX_FRAMES = 60_000
"""Frames that are learnt from; more teach nothing new."""


@dataclass(frozen=True)
class FrameModel:
    """A fitted net and its figures on left-out groups.

    Args:
        kind: its entry in the table.
        net: fitted on every row.
        clips: agreement of clip means.
        frames: agreement of single frames.
        by_fold: agreement of clip means, fold by fold.
        rows: judged rows with per-frame values.
        references: sources of these rows.
        encoders: encoders of these rows.
    """

    kind: Kind
    net: Fitted[FRRegressor]
    clips: Agreement
    frames: Agreement
    by_fold: tuple[Agreement, ...]
    rows: int
    references: int
    encoders: int

    @property
    def folds(self) -> int:
        """How many."""
        return len(self.by_fold)

    def as_json(self) -> dict[str, Any]:
        """Figures, for the sidecar and ``--metrics-out``."""
        figures = {"clips": asdict(self.clips), "frames": asdict(self.frames)}
        return {**figures, "rows": self.rows, "folds": self.folds}

    def to_onnx(self, name: str) -> bytes:
        """The graph, checked against the net."""
        return to_onnx(self.net.net, name)

    def described(self) -> Described:
        """What the sidecar says."""
        clips = self.clips
        return Described(
            kind=self.kind,
            scaler=self.net.scaler,
            gate=judge([fold.plcc for fold in self.by_fold], None, self.references, self.encoders),
            notes=f"Features of the encode itself, frame by frame. {self.folds} folds by group, clip means: PLCC"
            f" {clips.plcc:.5f}, RMSE {clips.rmse:.3f}, MAE {clips.mae:.3f} VMAF.",
            rows=self.rows,
            references=self.references,
            training={"loso": self.as_json()},
            sidecar={"features_from": FROM_CELL, "pooling": POOL_FRAME},
        )


def learn(kind: Kind, request: TrainRequest, corpus: Corpus, progress: Progress | None) -> FrameModel | None:
    """Fits and judges; None where too few sources have per-frame values."""
    if judged_groups(corpus.rows, request.group_by) < MIN_GROUPS:
        return None
    return fit_frames(kind, corpus.rows, replace(FIT, device=request.device), request.group_by, progress)


def judged_groups(rows: Sequence[Measured], group_by: str) -> int:
    """How many groups have judged rows with per-frame values."""
    framed = [row for row in rows if row.frames is not None and row.judged]
    return len(set(group_names(framed, group_by)))


def fit_frames(
    kind: Kind, rows: Sequence[Measured], options: FitOptions, group_by: str, progress: Progress | None = None
) -> FrameModel:
    """Fits on frames, ten folds by group and on everything; judges by the mean over each clip's frames.

    Args:
        kind: its entry in the table.
        rows: usable rows; those without per-frame values are passed over.
        options: how to fit.
        group_by: as ``groups.group_names`` reads it.
        progress: advanced by every epoch.

    Raises:
        InputError: fewer than two judged groups have per-frame values.
    """
    if judged_groups(rows, group_by) < MIN_GROUPS:
        raise InputError("the per-frame model needs per-frame features and VMAF of at least two sources")
    framed = [row for row in rows if row.frames is not None]
    row_fold = _folds(framed, group_by)
    folds = int(row_fold.max()) + 1
    lengths = np.asarray([len(row.frames) for row in framed if row.frames is not None])
    frames = np.concatenate([row.frames for row in framed if row.frames is not None]).astype(np.float64)
    row_of = np.repeat(np.arange(len(framed)), lengths)
    chosen = np.random.default_rng(0).permutation(len(frames))[:MAX_FRAMES]
    features, vmaf = frames[:, : len(CANONICAL6)], frames[:, len(CANONICAL6)]
    table = Table(features[chosen], (), vmaf[chosen])
    fold_of = row_fold[row_of[chosen]]
    members = [Member(fold_of != fold, options.seed) for fold in range(folds)]
    members.append(Member(np.ones(len(chosen), dtype=bool), options.seed))
    nets = fit(lambda: FRRegressor(NetConfig(num_codecs=0, hidden=HIDDEN)), table, members, options, progress)
    predicted = np.full(len(frames), np.nan)
    for fold, net in enumerate(nets[:-1]):
        mine = row_fold[row_of] == fold
        predicted[mine] = net.predict(features[mine])
    judged = np.asarray([row.judged for row in framed])
    pooled = np.bincount(row_of, weights=predicted) / lengths
    true = np.asarray([row.score for row in framed])
    return FrameModel(
        kind=kind,
        net=nets[-1],
        clips=agreement(pooled[judged], true[judged]),
        frames=agreement(predicted[judged[row_of]], vmaf[judged[row_of]]),
        by_fold=tuple(
            agreement(pooled[mine], true[mine]) for mine in (judged & (row_fold == fold) for fold in range(folds))
        ),
        rows=int(judged.sum()),
        references=len({row.source for row in framed if row.judged}),
        encoders=len({row.cell.encoder for row in framed if row.judged}),
    )


def _folds(rows: Sequence[Measured], group_by: str) -> NDArray[np.int64]:
    """[N] folds; -1 for groups that are only learnt from, in every fold."""
    names = group_names(rows, group_by)
    judged = sorted({name for name, row in zip(names, rows, strict=True) if row.judged})
    shuffled = np.random.default_rng(0).permutation(len(judged)) % min(FOLDS, len(judged))
    fold_of = dict(zip(judged, shuffled.tolist(), strict=True))
    return np.asarray([fold_of.get(name, -1) for name in names])
