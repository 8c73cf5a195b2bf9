"""The kinds of model: what goes in, what comes out, and what each is called. A new kind begins with an entry here.

What trains a kind is a file of ``training``, see ``Kind.trained_in``; what asks it, a file of ``predict``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmaftune_frv2.errors import ModelError

SCORE = "score"
LOG_BITS_PER_PIXEL = "log_bits_per_pixel"
SCORE_LOGVAR = "score_logvar"
"""The output of a regressor that gives the log-variance of its score too."""
MEMBERS = "members"
"""The output of a curve model that has what each net of its ensemble predicts."""
FEATURES, CODEC, NUMBER = "features", "codec", "number"
"""What an input holds: the feature vector, a codec block, or one number per cell."""


CURVES = "curves"
OPTIONS = {CURVES: "Train the curve models of VMAF and bitrate too (some minutes)."}
"""{flag of ``train-v2``: its help}."""


@dataclass(frozen=True, eq=False)
class Kind:
    """What all models of a kind have in common.

    Args:
        name: what people call one.
        model_id: registry id of the one that is trained by default.
        description: in the registry.
        inputs: {input: FEATURES, CODEC or NUMBER}, in the graph's order.
        outputs: of the graph; the first one is the prediction.
        quantity: what is predicted.
        plausible: least and largest value of it that a net may give; a regressor's is then held within 0 to 100.
        trained_in: the file of ``training`` whose ``learn`` fits one.
        option: the flag of ``train-v2`` that asks for one; None where it is trained anyway.
        choose_by: the option of ``predict`` that names one.
        unit: of errors, in reports.
        error_scale: what errors are multiplied by, so that intervals of all quantities weigh alike.
    """

    name: str
    model_id: str
    description: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...] = (SCORE,)
    quantity: str = SCORE
    plausible: tuple[float, float] = (-100.0, 200.0)
    trained_in: str = ""
    option: str | None = None
    choose_by: str = "--model"
    unit: str = ""
    error_scale: float = 1.0

    @property
    def codec_aware(self) -> bool:
        """Whether it sees which cell it is asked for."""
        return CODEC in self.inputs.values()

    @property
    def is_curve(self) -> bool:
        """Whether it starts from the measured value of a cell."""
        return NUMBER in self.inputs.values()

    @property
    def made_by(self) -> str:
        """The command that makes one."""
        return f"train-v2 --{self.option}" if self.option else "train-v2"

    def widths(self, features: int, codec: int) -> dict[str, int | None]:
        """{input: elements per cell; None where it is one number}.

        Args:
            features: length of the feature order.
            codec: width of the codec block; not looked at where no input holds one.
        """
        of: dict[str, int | None] = {FEATURES: features, CODEC: codec, NUMBER: None}
        return {name: of[what] for name, what in self.inputs.items()}


REGRESSOR = Kind(
    name="regressor",
    model_id="fr_regressor_v2",
    description="Codec-aware VMAF regressor: canonical-6 features and a codec block to a score",
    inputs={"features": FEATURES, "codec": CODEC},
)
PER_FRAME = Kind(
    name="codec-blind regressor",
    model_id="fr_regressor_v1",
    description="Codec-blind VMAF regressor: canonical-6 features of a frame to its score",
    inputs={"features": FEATURES},
    trained_in="frames",
)
_FROM_A_CELL = {"features": FEATURES, "probe_codec": CODEC, "codec": CODEC, "anchor": NUMBER}
VMAF_CURVE = Kind(
    name="curve model of VMAF",
    model_id="vmaf_curve_v2",
    description="Anchored VMAF predictor: one measured cell of a source to any other",
    inputs=_FROM_A_CELL,
    outputs=(SCORE, MEMBERS),
    plausible=(-1.0, 101.0),
    trained_in="curve_models",
    option=CURVES,
)
BITRATE_CURVE = Kind(
    name="curve model of bitrate",
    model_id="bitrate_curve_v2",
    description="Anchored bitrate predictor: log bits per pixel of any other cell",
    inputs=_FROM_A_CELL,
    outputs=(LOG_BITS_PER_PIXEL, MEMBERS),
    quantity=LOG_BITS_PER_PIXEL,
    plausible=(-30.0, 10.0),
    trained_in="curve_models",
    option=CURVES,
    choose_by="--bitrate-model",
    unit=" (log)",
    error_scale=100.0,
)
KINDS = (REGRESSOR, PER_FRAME, VMAF_CURVE, BITRATE_CURVE)


def kind_of(codec_aware: bool, curve_of: str | None) -> Kind:
    """The kind of a model.

    Args:
        codec_aware: whether it has a codec block.
        curve_of: the quantity whose measured value it starts from; None where it starts from none.

    Raises:
        ModelError: there is no such kind.
    """
    for kind in KINDS:
        if kind.codec_aware == codec_aware and (kind.quantity if kind.is_curve else None) == curve_of:
            return kind
    raise ModelError(
        f"no kind of model {'has' if codec_aware else 'lacks'} a codec block and starts from {curve_of}"
    )
