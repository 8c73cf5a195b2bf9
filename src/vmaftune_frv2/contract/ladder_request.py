"""What a bitrate ladder is asked for."""

from __future__ import annotations

import math

from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.option_groups import (
    CurveModelOptions,
    GridOptions,
    RecordOptions,
    SearchOptions,
)
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.errors import UsageError

LADDER_RANGE = "40:95"
LONGEST_HEIGHT = 6
"""Digits of a height."""
MOST_RUNGS = 100
MIN_STEP = 1.5
"""Players switch between rungs by how much bitrate is there; closer ones cost storage and serve nobody."""


class LadderRequest(GridOptions, SearchOptions, CurveModelOptions, EncodingOptions, RecordOptions):
    """Heights and crfs of a bitrate ladder, along the convex hull of bitrate and VMAF."""

    source: str = option("", "A video.", argument=True)
    heights: str = option(
        "", "Heights to encode at, none above the source's; scaling is bicubic.", metavar="HEIGHT,HEIGHT"
    )
    rungs: int | None = option(
        None,
        "How many rungs, at equal steps of VMAF.",
        low=1,
        high=MOST_RUNGS,
        shown="one per 6 VMAF, about a noticeable step",
    )
    vmaf_range: str = option(
        LADDER_RANGE,
        "VMAF of the lowest and the highest rung, at the source's size; no rung lies below.",
        metavar="LOW:HIGH",
    )
    min_step: float = option(
        MIN_STEP,
        "How many times the bitrate of a rung is that of the next lower one, at least.",
        metavar="FACTOR",
        low=1,
    )
    min_bitrate: float | None = option(None, "No rung below this bitrate, kbit/s.", low=0, above=True)
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle.", low=0)

    def check(self) -> None:
        """Refuses a ladder without source, heights or encoder, and a range that is none."""
        super().check()
        if not self.source:
            raise UsageError("give one SOURCE")
        if not self.encoders:
            raise UsageError("give --encoder; each encoder and preset gets a ladder of its own")
        if not self.heights:
            raise UsageError("give --heights, as in 1080,720,480")
        if (self.min_bitrate or 0.0) > (math.inf if self.max_bitrate is None else self.max_bitrate):
            raise UsageError("--min-bitrate is above --max-bitrate")
        self.rows()
        self.ends()

    def rows(self) -> tuple[int, ...]:
        """The heights, highest first.

        Raises:
            UsageError: one is no number, or odd.
        """
        heights = set()
        for part in self.heights.split(","):
            word = part.strip()
            if not (word.isascii() and word.isdigit() and len(word) <= LONGEST_HEIGHT) or int(word) == 0:
                raise UsageError(f"--heights {self.heights!r}: {word!r} is not a height; write 1080,720,480")
            if int(word) % 2:
                raise UsageError(f"--heights: {word} is odd; 4:2:0 video has even heights")
            heights.add(int(word))
        return tuple(sorted(heights, reverse=True))

    def ends(self) -> tuple[float, float]:
        """VMAF of the lowest and of the highest rung.

        Raises:
            UsageError: not two numbers, or out of order or range.
        """
        try:
            low, high = map(float, self.vmaf_range.split(":"))
        except ValueError:
            raise UsageError(f"--vmaf-range {self.vmaf_range!r}: write LOW:HIGH, as in 40:95") from None
        if not 0.0 <= low < high <= 100.0:
            raise UsageError(f"--vmaf-range {self.vmaf_range!r}: VMAF runs from 0 to 100, the lower end first")
        return low, high
