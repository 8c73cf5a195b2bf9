"""Everything that can be asked for, as the command line and as Python ask for it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.option_groups import (
    POSITIVE,
    SAMPLE_SECONDS,
    CurveModelOptions,
    GridOptions,
    JobOptions,
    RecordOptions,
    SearchOptions,
    SourceOptions,
    TargetOptions,
)
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.errors import UsageError

LADDER_RANGE = "40:95"
LONGEST_S = 1e6
"""Seconds, about 12 days; beyond a few weeks the system's clocks run over."""


@dataclass(frozen=True, kw_only=True)
class PredictRequest(GridOptions, TargetOptions, CurveModelOptions, SourceOptions, JobOptions):
    """VMAF and bitrate of cells of one or several sources, and the pick that reaches a target."""

    sources: Sequence[str] = option((), "Videos; several are answered one by one.", flag="source", argument=True)
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
    sample_seconds: float = option(SAMPLE_SECONDS, "Length of each window of --samples, seconds.", **POSITIVE)
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
        if self.verify and (not self.sources or self.target_vmaf is None):
            raise UsageError("--verify needs SOURCE and --target-vmaf")
        if self.samples is None:
            self.refuse(("sample_seconds",), "needs --samples")
        elif self.sample_clip_seconds:
            raise UsageError("--samples spreads windows, --sample-clip-seconds takes one; give one of them")
        if self.corpora and (self.encoders or self.presets or self.crfs or self.target_vmaf is not None):
            raise UsageError("--corpus scores the cells of its rows; leave out the grid and --target-vmaf")
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
                "bitrate_model", "record", "confidence", "min_vmaf_frame", "max_bitrate", "pool", "probes", "jobs",
                "tolerance", "max_encodes", "samples", "sample_seconds",
            ),
            needs,
        )  # fmt: skip
        if len(self.sources) > 1:
            raise UsageError("several sources need a curve model (the default is one)")
        if not self.sources:
            self.refuse(
                ("width", "height", "pix_fmt", "framerate", "video_track", "sample_clip_seconds"), "needs SOURCE"
            )


@dataclass(frozen=True, kw_only=True)
class LadderRequest(GridOptions, SearchOptions, CurveModelOptions, SourceOptions, RecordOptions):
    """Heights and crfs of a bitrate ladder, along the convex hull of bitrate and VMAF."""

    source: str = option("", "A video.", argument=True)
    heights: str = option(
        "", "Heights to encode at, none above the source's; scaling is bicubic.", metavar="HEIGHT,HEIGHT"
    )
    rungs: int | None = option(
        None,
        "How many rungs, at equal steps of VMAF.",
        low=1,
        shown="one per 6 VMAF, about a noticeable step",
    )
    vmaf_range: str = option(
        LADDER_RANGE, "VMAF of the lowest and the highest rung, at the source's size.", metavar="LOW:HIGH"
    )
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle.", low=0)

    def check(self) -> None:
        """Refuses a ladder without source, heights or encoder, and a range that is none."""
        super().check()
        if not self.source:
            raise UsageError("give one SOURCE")
        if not self.encoders:
            raise UsageError("give --encoder; each encoder and preset gets a ladder of its own")
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
            if not (word.isascii() and word.isdigit()) or int(word) == 0:
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


@dataclass(frozen=True, kw_only=True)
class PerShotRequest(GridOptions, TargetOptions, CurveModelOptions, SourceOptions, JobOptions):
    """A crf for each shot of a source."""

    source: str = option("", "A video.", argument=True)
    sample_seconds: float = option(
        SAMPLE_SECONDS, "Of a shot that is longer than this, encode this much of its middle, seconds.", **POSITIVE
    )

    def check(self) -> None:
        """Refuses shots without a source or a target."""
        super().check()
        if not self.source:
            raise UsageError("give one SOURCE")
        if self.target_vmaf is None:
            raise UsageError("give --target-vmaf")


@dataclass(frozen=True, kw_only=True)
class SweepRequest(GridOptions, SourceOptions):
    """Every (source, encoder, preset, crf), encoded and scored, one row each."""

    sources: Sequence[str] = option(
        (), "A video to encode; repeatable.", flag="source", argument=True, also_option=True
    )
    duration: float = option(
        0.0, "Duration in seconds that a source should have; one whose frames say otherwise is refused.", low=0
    )
    extra_params: str = option(
        "", "Further ffmpeg arguments for the encoder, quoted as one: '-tune film'.", metavar="ARGS"
    )
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle of each source.", low=0)
    vmaf_model: str | None = option(
        None, "VMAF model to score with.", shown="vmaf_v0.6.1; vmaf_4k_v0.6.1 from 2160 rows on"
    )
    feature_set: str = option(
        "canonical6",
        "Features to keep in each row: the six of VMAF, or libvmaf's further ones as well (full: full_features),"
        " which takes much longer.",
        choices=("canonical6", "full"),
    )
    hdr_mode: str = option(
        "auto",
        "How encodes are labelled: as the source is, or as SDR, HDR PQ or HDR HLG whatever the source says.",
        choices=("auto", "force-sdr", "force-hdr-pq", "force-hdr-hlg"),
        flags=(
            ("auto", "auto-hdr", "Label encodes SDR or HDR as the source is; the default."),
            ("force-sdr", "force-sdr", "Label encodes as SDR, whatever the source says."),
            ("force-hdr-pq", "force-hdr-pq", "Label encodes as HDR, PQ, whatever the source says."),
            ("force-hdr-hlg", "force-hdr-hlg", "Label encodes as HDR, HLG, whatever the source says."),
        ),
    )
    shots: bool = option(False, "Detect the shots of each source: shot_count and shot durations.")
    complexity: bool = option(False, "Measure how hard each source is to encode: source_complexity.")
    encoder_stats: bool = option(
        False, "Add the encoder's own statistics to each row, enc_internal_*; libx264 only."
    )
    jobs: int | None = option(None, "How many encodes are made and scored at once.", low=1, shown="CPUs")
    threads: int | None = option(None, "Threads of each encode and scoring.", low=1, shown="CPUs / jobs")
    timeout: float | None = option(
        None,
        "Time limit of one encode or one scoring.",
        metavar="SECONDS",
        low=0,
        high=LONGEST_S,
        above=True,
        shown="estimated from length, size and encoder",
    )
    cache_dir: Path | None = option(
        None,
        "Folder of results that corpora share; an encode that is found there is not made again.",
        names="folder",
    )
    executor: str = option(
        "local", "Whether encodes run on this machine or on a dask cluster.", choices=("local", "dask")
    )
    scheduler: str | None = option(None, "Address of the cluster's dask scheduler.", metavar="ADDRESS")
    container: str | None = option(
        None, "Container of the encodes.", choices=("mp4", "mkv", "webm"), shown="per encoder"
    )
    keep_encodes: bool = option(False, "Keep the encodes in --encode-dir.")
    encode_dir: Path | None = option(
        None, "Folder where encodes are made, and kept with --keep-encodes.", names="folder"
    )
    output: Path = option(
        Path("corpus.jsonl"),
        "Corpus to append to. What it already has is not encoded again.",
        names="file",
    )
    no_source_hash: bool = option(False, "Identify sources by their path instead of a hash of the file.")

    def check(self) -> None:
        """Refuses a sweep without sources, and an output that cannot be appended to."""
        super().check()
        if not self.sources:
            raise UsageError("give at least one SOURCE")
        if (self.executor == "dask") != (self.scheduler is not None):
            raise UsageError("--executor dask and --scheduler ADDRESS go together")
        if self.output.suffix in (".gz", ".zst"):
            raise UsageError(f"--output {self.output}: append to a .jsonl file and compress it afterwards")
        self.extra_arguments()

    def extra_arguments(self) -> tuple[str, ...]:
        """``extra_params``, split as a shell would.

        Raises:
            UsageError: a quotation has no end.
        """
        try:
            return tuple(shlex.split(self.extra_params))
        except ValueError as error:
            raise UsageError(f"--extra-params {self.extra_params!r}: {error}") from error
