"""What training is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.cells import FEATURE_SOURCES, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import DEFAULT_VOCABULARY, VOCABULARIES
from vmaftune_frv2.contract.kinds import KINDS, REGRESSOR, Kind
from vmaftune_frv2.contract.option_groups import CodecOptions
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.errors import UsageError

MODEL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""What file names and the registry bear, the ensemble's suffixes included."""
ONEHOT = "onehot"
FULL = "full"


class TrainRequest(CodecOptions):
    """What to learn from, what to fit, and how to judge it."""

    corpora: Sequence[Path] = option(
        (), "Corpus file, or folder of such files, to learn from; repeatable.", flag="corpus"
    )
    only_learn: Sequence[Path] = option(
        (), "Further corpus to learn from that is left out of all figures (made-up sources); repeatable."
    )
    smoke: bool = option(
        False, "Train for one epoch on 100 synthetic rows, to check that training works on this machine."
    )
    group_by: str = option(
        "stem-prefix",
        "What is left out of training together when a model is judged: each source alone, sources whose file names"
        " agree up to _<number>, or groups from a CSV file of FILE NAME,GROUP lines.",
        metavar="src|stem-prefix|FILE",
    )
    features_from: str = option(
        FROM_PROBE,
        "Predict from features of one probe encode of the source, or of the very encode whose VMAF is predicted"
        " (cell).",
        choices=FEATURE_SOURCES,
    )
    probes: Sequence[str] = option(
        (),
        "The encode that serves as the probe; given for several encoders, each has its own.",
        flag="probe-cell",
        metavar="ENCODER:PRESET:CRF",
        shown="the one that most sources have",
    )
    feature_set: str = option(
        "canonical6",
        "Inputs: the six features of VMAF, or the 22 of the superseded upstream model (full).",
        choices=("canonical6", FULL),
    )
    codec_block: str = option(
        FULL,
        "What the model knows of an encode: encoder, preset and crf (full), or the encoder alone, as the"
        " superseded upstream model does (onehot).",
        choices=(FULL, ONEHOT),
    )
    vocab: int = option(
        DEFAULT_VOCABULARY,
        "Version of the list of encoders that have an input of their own.",
        low=min(VOCABULARIES),
        high=max(VOCABULARIES),
    )
    emit_variance: bool = option(False, "Predict the log-variance beside the score (output score_logvar).")
    curves: bool = option(
        False, "Also train the curve models of VMAF and bitrate, which predict SOURCE uses (some minutes)."
    )
    vmaf_model: str | None = option(None, "Learn only from rows scored with this VMAF model.")
    seeds: int = option(5, "Nets of the ensemble, one per random seed.", low=1)
    epochs: int = option(60, "Epochs of the regressor.", low=1)
    batch_size: int = option(64, "Rows of a batch.", low=1)
    lr: float = option(5e-3, "Learning rate.", low=0, above=True)
    weight_decay: float = option(1e-4, "Weight decay.", low=0)
    hidden: int = option(32, "Units of a hidden layer.", low=1)
    depth: int = option(2, "Hidden layers.", low=1)
    dropout: float = option(0.0, "Share of hidden units that is dropped.", low=0, high=1, below=True)
    seed: int = option(0, "Random seed of the first net.", low=0, high=2**63 - 1)
    device: str = option("cpu", "torch device: cpu, cuda, cuda:1.")
    model_id: str = option(REGRESSOR.model_id, "Name of the regressor, in file names and in the registry.")

    def check(self) -> None:
        """Refuses a training without rows, probes that are no cells, and an id that is none."""
        super().check()
        if not self.corpora and not self.smoke:
            raise UsageError("give --corpus, or --smoke to see that training works")
        if self.smoke and (self.corpora or self.only_learn):
            raise UsageError("--smoke trains on synthetic rows; leave --corpus out")
        if not MODEL_ID.fullmatch(self.model_id):
            raise UsageError("--model-id takes at most 32 lower-case letters, digits, _ and -")
        if self.smoke:
            self.refuse(("codec", "codec_from_source"), "needs --corpus")
        self.probe_cells()

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of model that are wanted beside the regressor."""
        return tuple(kind for kind in KINDS[1:] if kind.option is None or getattr(self, kind.option))

    def probe_cells(self) -> tuple[Cell, ...]:
        """The probes as cells."""
        return tuple(map(Cell.parse, self.probes))
