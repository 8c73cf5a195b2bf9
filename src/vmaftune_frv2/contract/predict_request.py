"""What ``predict`` is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.option_groups import (
    SAMPLE_SECONDS,
    CodecOptions,
    CurveModelOptions,
    GridOptions,
    JobOptions,
    TargetOptions,
)
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.contract.quality_options import AlsoOptions
from vmaftune_frv2.errors import UsageError


class PredictRequest(
    GridOptions, TargetOptions, CurveModelOptions, AlsoOptions, EncodingOptions, CodecOptions, JobOptions
):
    """VMAF and bitrate of cells of one or several sources, and the pick that reaches a target."""

    sources: Sequence[str] = option(
        (), "Videos, or folders of them; several are answered one by one.", flag="source", argument=True
    )
    features: Path | None = option(
        None,
        "Predict from the features in a JSON file, which may be a corpus row or a libvmaf log; encodes nothing.",
    )
    corpora: Sequence[Path] = option(
        (), "Predict the VMAF of every row of a corpus; repeatable; encodes nothing.", flag="corpus"
    )
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle.", low=0)
    samples: int | None = option(
        None,
        "Encode this many short windows spread over SOURCE instead of all of it; for long sources.",
        low=1,
    )
    sample_seconds: float = option(
        SAMPLE_SECONDS, "Length of each window of --samples, seconds.", low=0, above=True
    )
    model: str | None = option(
        None,
        "Model that predicts VMAF.",
        metavar="ID|FILE.onnx",
        shown="vmaf_curve_v2 for SOURCE, else fr_regressor_v2",
    )

    def check(self) -> None:
        """Refuses what does not go together in any kind of question."""
        super().check()
        if sum((bool(self.sources), self.features is not None, bool(self.corpora))) != 1:
            raise UsageError("give one of SOURCE, --features and --corpus")
        if self.verify and not (self.sources and self.picks):
            targets = "--target-vmaf, --target-percentile, --max-bitrate or --max-size"
            raise UsageError(f"--verify needs SOURCE and {targets}")
        if self.samples is None:
            self.refuse(("sample_seconds",), "needs --samples")
        elif self.sample_clip_seconds:
            raise UsageError("--samples spreads windows, --sample-clip-seconds takes one; give one of them")
        if self.corpora and (self.encoders or self.presets or self.crfs or self.has_target):
            raise UsageError("--corpus scores the cells of its rows; leave out the grid and --target-vmaf")
        if not self.corpora:
            self.refuse(("codec", "codec_from_source"), "needs --corpus")
        if not self.sources:
            self.check_regressor()

    def check_regressor(self) -> None:
        """Refuses what a model cannot answer that does not start from a measured cell.

        Raises:
            UsageError: something of it was asked for.
        """
        needs = "needs SOURCE and a curve model (the default is one)"
        self.refuse(
            (
                "bitrate_model", "record", "confidence", "min_vmaf_frame", "target_percentiles", "max_bitrate",
                "max_size", "pool", "probes", "jobs", "tolerance", "max_encodes", "samples", "sample_seconds",
                "vmaf_model", "also_models", "extra_params", "keyint", "tunes", "film_grain", "threads", "vfilter",
                "reference_vfilter", "crop", "scale",
            ),
            needs,
        )  # fmt: skip
        if len(self.sources) > 1:
            raise UsageError("several sources need a curve model (the default is one)")
        if not self.sources:
            of_source = "width", "height", "pix_fmt", "framerate", "video_track", "sample_clip_seconds"
            self.refuse((*of_source, "cache_dir", "cache_size", "no_cache"), "needs SOURCE")
