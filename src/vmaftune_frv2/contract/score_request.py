"""What the score of a pair of videos is asked for."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from vmaftune_frv2.contract.filters import Filters
from vmaftune_frv2.contract.option_groups import RecordOptions, SourceOptions
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.contract.quality_options import ScoringOptions
from vmaftune_frv2.errors import UsageError

AUTO, NONE = "auto", "none"
_CROP = re.compile(r"[1-9]\d*:[1-9]\d*:\d+:\d+")


class ScoreRequest(SourceOptions, ScoringOptions, RecordOptions):
    """A video that somebody encoded, and what it was made from."""

    distorted: str = option("", "The encode.", argument=True)
    reference: str = option("", "The video that it was made from.", argument=True)
    offset: str = option(
        AUTO,
        "Number of the reference's frame that the first of DISTORTED shows; below 0 if DISTORTED begins with"
        " frames that the reference lacks. auto: found by comparing small pictures of both.",
        metavar="auto|FRAMES",
    )
    max_offset: int = option(120, "How far off --offset auto looks, frames to either side.", low=0, high=5000)
    vfilter: str | None = option(
        None, "ffmpeg filters for the reference, as yadif if DISTORTED was deinterlaced.", metavar="FILTERS"
    )
    crop: str = option(
        AUTO,
        "Part of the reference's picture that DISTORTED shows. auto: all of it, or what is within black bars, as"
        " the shape of DISTORTED says. none: all of it, whatever the shapes are.",
        metavar="auto|none|WIDTH:HEIGHT:X:Y",
    )
    encoder: str | None = option(
        None, "Encoder that made DISTORTED, for the row.", metavar="NAME", shown="as the file says"
    )
    preset: str | None = option(None, "Preset that it was made with, for the row.", metavar="PRESET")
    crf: str | None = option(None, "Its crf, for the row.", metavar="CRF", shown="as the file says")
    extra_params: str = option(
        "", "Further ffmpeg arguments that it was made with, for the row.", metavar="ARGS", shown="none"
    )
    record: Path | None = option(
        None,
        "Append the score as a row to this corpus (.jsonl); encoder, preset and crf have to be known.",
        metavar="CORPUS",
        names="file",
    )
    threads: int | None = option(None, "Threads of libvmaf.", low=1, shown="CPUs")

    def check(self) -> None:
        """Refuses half a pair, and values that cannot be read."""
        super().check()
        if not (self.distorted and self.reference):
            raise UsageError("give DISTORTED and REFERENCE")
        if self.offset != AUTO and not re.fullmatch(r"[+-]?\d{1,9}", self.offset):
            raise UsageError(f"--offset {self.offset!r}: write a number of frames, as in 12 or -3, or auto")
        if self.offset != AUTO:
            self.refuse(("max_offset",), "is for --offset auto")
        Filters(self.vfilter or "").check()
        if self.crop not in (AUTO, NONE):
            if not _CROP.fullmatch(self.crop):
                raise UsageError(
                    f"--crop {self.crop!r}: write WIDTH:HEIGHT:X:Y, as in 1920:800:0:140, auto or none"
                )
            if any(int(number) % 2 for number in self.crop.split(":")):
                raise UsageError(f"--crop {self.crop}: 4:2:0 video can be cropped by even numbers only")
        self._check_cell()

    def _check_cell(self) -> None:
        from vmaftune_frv2.contract.cells import Cell
        from vmaftune_frv2.contract.crf import parse_crf
        from vmaftune_frv2.contract.encoders import ENCODERS

        entry = None if self.encoder is None else ENCODERS.get(self.encoder)
        if self.crf is not None:
            found = parse_crf(self.crf)
            if found is None:
                raise UsageError(f"--crf {self.crf!r}: not a crf")
            if entry is not None:
                entry.check_crf(found)
        if entry is not None and self.preset is not None:
            Cell.resolve(entry.name, self.preset, entry.crf_min)
        try:
            shlex.split(self.extra_params)
        except ValueError as error:
            raise UsageError(f"--extra-params {self.extra_params!r}: {error}") from error
