"""Measured curves of clips, and nets that never saw the clip's title: what search.py, coverage.py and encoders.py
judge on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vmaftune_frv2.contract.anchor import CurveStart
from vmaftune_frv2.contract.descriptor import DESCRIPTOR
from vmaftune_frv2.contract.kinds import SCORE, VMAF_CURVE
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.predict.curve_model import CurveModel
from vmaftune_frv2.training.curve_models import SCORE_FIT, SCORE_NET, FittedCurves, block_for, fit_curve_model
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured, load_corpus
from vmaftune_frv2.training.pairs import make_pairs

GROUP_BY = "stem-prefix"
LINES = (
    ("libx264", "medium"),
    ("libx265", "medium"),
    ("libsvtav1", "10"),
    ("libvpx-vp9", "5"),
    ("libvvenc", "faster"),
)
MIN_POINTS = 5


@dataclass(frozen=True)
class Unseen:
    """Rows of corpora, the group (title) of each, and nets that left each group out."""

    rows: list[Measured]
    groups: list[str]
    model: FittedCurves

    def lines(self, lines: Sequence[tuple[str, str]] = LINES) -> list[tuple[str, list[Measured]]]:
        """(group, measured cells by crf) of every judged clip on each (encoder, preset), if measured densely."""
        found: dict[tuple[str, str, str, str], list[Measured]] = {}
        for row, group in zip(self.rows, self.groups, strict=True):
            if row.judged and row.descriptor is not None and (row.cell.encoder, row.cell.preset) in lines:
                found.setdefault((group, row.source, row.cell.encoder, row.cell.preset), []).append(row)
        return [
            (key[0], sorted(measured, key=lambda row: row.cell.crf))
            for key, measured in found.items()
            if len(measured) >= MIN_POINTS
        ]

    def predictor(self, group: str) -> CurveModel:
        """The nets that never saw a group, as ``predict`` would open them."""
        nets = self.model.folded[group]
        sidecar = Sidecar(
            id="fold", onnx="", sha256="", opset=17, input_names=(), output_names=(), scaler=nets[0].scaler,
            block=self.model.pairs.block, notes="", feature_order=DESCRIPTOR, intervals=self.model.intervals,
            curve=CurveStart(SCORE, self.model.config.pad, self.model.pairs.learnt_from),
        )  # fmt: skip

        def shift(features, probe_codec, codec, anchor):  # type: ignore[no-untyped-def]
            return np.stack([net.run_scaled(features, probe_codec, codec, anchor) for net in nets])

        return CurveModel(sidecar, shift)


def add_arguments(parser: argparse.ArgumentParser, seeds: int = 5) -> argparse.ArgumentParser:
    """The options that say what is learnt from."""
    corpora = Path(__file__).parents[1] / "corpus"
    learnt = [corpora / name for name in ("made.jsonl.zst", "packaged.jsonl.zst")]
    parser.add_argument("--corpus", type=Path, nargs="+", default=[corpora / "clips.jsonl.zst"])
    parser.add_argument("--only-learn", type=Path, nargs="*", default=learnt)
    parser.add_argument("--seeds", type=int, default=seeds)
    return parser


def read(arguments: argparse.Namespace) -> list[Measured]:
    """The rows of what the options name."""
    return load_corpus(arguments.corpus, None, arguments.only_learn).rows


def fit_unseen(description: str) -> Unseen:
    """Reads the command line and fits."""
    return fit(add_arguments(argparse.ArgumentParser(description=description.splitlines()[0])).parse_args())


def fit(arguments: argparse.Namespace) -> Unseen:
    """Fits on what the options name."""
    rows = read(arguments)
    pairs = make_pairs(rows, block_for(rows), "score", GROUP_BY)
    model = fit_curve_model(VMAF_CURVE, SCORE_NET, pairs, SCORE_FIT, arguments.seeds)
    return Unseen(rows, list(group_names(rows, GROUP_BY)), model)
