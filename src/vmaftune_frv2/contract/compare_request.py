"""What a comparison of encoders is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.option_groups import (
    SAMPLE_SECONDS,
    CurveModelOptions,
    GridOptions,
    JobOptions,
    TargetOptions,
)
from vmaftune_frv2.contract.options import option, options_of
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.errors import UsageError

DEFAULT_PRESET = "medium"


class CompareRequest(GridOptions, TargetOptions, CurveModelOptions, EncodingOptions, JobOptions):
    """Encoders and presets side by side, at the same VMAF of the same sources."""

    sources: Sequence[str] = option((), "Videos, or folders of them.", flag="source", argument=True)
    encoders: Sequence[str] = option(
        (), "Encoder; repeatable. The others are held against the first.", flag="encoder", metavar="NAME"
    )
    presets: Sequence[str] = option(
        (),
        "An encoder's own preset, or a name that all encoders share; repeatable. ENCODER=PRESET is for that"
        " encoder alone.",
        flag="preset",
        metavar="PRESET",
        shown=DEFAULT_PRESET,
    )
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle.", low=0)
    samples: int | None = option(
        None, "Encode this many short windows spread over each source instead of all of it.", low=1
    )
    sample_seconds: float = option(
        SAMPLE_SECONDS, "Length of each window of --samples, seconds.", low=0, above=True
    )

    def check(self) -> None:
        """Refuses a comparison of nothing, or of one thing."""
        super().check()
        if not self.sources:
            raise UsageError("give at least one SOURCE")
        if self.target_vmaf is None:
            raise UsageError("give --target-vmaf")
        if not self.encoders:
            raise UsageError("give --encoder, two of them or one with two presets")
        self.as_predict()

    def as_predict(self) -> PredictRequest:
        """The same cells as a question of ``predict``."""
        given = {
            each.name: getattr(self, each.name) for each in options_of(type(self)) if each.name in self._given
        }
        return PredictRequest(**{"presets": (DEFAULT_PRESET,), **given})
