"""What a sweep is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.option_groups import GridOptions
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.quality_options import ScoringOptions
from vmaftune_frv2.errors import UsageError

LONGEST_S = 1e6
"""Seconds, about 12 days; beyond a few weeks the system's clocks run over."""


class SweepRequest(GridOptions, EncodingOptions, ScoringOptions):
    """Every (source, encoder, preset, crf), encoded and scored, one row each."""

    sources: Sequence[str] = option(
        (), "A video to encode, or a folder of them; repeatable.", flag="source", argument=True, also_option=True
    )
    duration: float = option(
        0.0, "Duration in seconds that a source should have; one whose frames say otherwise is refused.", low=0
    )
    sample_clip_seconds: float = option(0.0, "Use only this many seconds around the middle of each source.", low=0)
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
        refuse_output(self.output, "--output")
