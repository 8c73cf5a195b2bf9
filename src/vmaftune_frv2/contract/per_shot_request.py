"""What a crf for each shot is asked for."""

from __future__ import annotations

from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.option_groups import (
    SAMPLE_SECONDS,
    CurveModelOptions,
    GridOptions,
    JobOptions,
    TargetOptions,
)
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.errors import UsageError


class PerShotRequest(GridOptions, TargetOptions, CurveModelOptions, EncodingOptions, JobOptions):
    """A crf for each shot of a source."""

    source: str = option("", "A video.", argument=True)
    sample_seconds: float = option(
        SAMPLE_SECONDS,
        "Of a shot that is longer than this, encode this much of its middle, seconds.",
        low=0,
        above=True,
    )

    def check(self) -> None:
        """Refuses shots without a source or a target."""
        super().check()
        if not self.source:
            raise UsageError("give one SOURCE")
        if not self.has_target:
            raise UsageError("give --target-vmaf or --target-percentile")
        self.refuse(("max_size",), "is the size of a whole; give --max-bitrate, which holds for every shot")
