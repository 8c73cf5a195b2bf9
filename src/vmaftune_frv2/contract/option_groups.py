"""Groups of options that several requests share, each with the rules of what goes together in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.cache_options import CacheOptions
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.contract.quality_options import VmafOptions
from vmaftune_frv2.contract.quality_targets import percentile_name, read_percentiles
from vmaftune_frv2.contract.sizes import parse_size
from vmaftune_frv2.errors import UsageError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.contract.raw import RawFormat

POOLS = ("mean", "harmonic_mean")
"""How per-frame VMAF may be pooled into one score."""
SAMPLE_SECONDS = 3.0
"""Length of a window, unless the user says otherwise."""


class SourceOptions(Request):
    """How sources are opened."""

    width: int | None = option(None, "Width of raw YUV.", low=1)
    height: int | None = option(None, "Height of raw YUV.", low=1)
    pix_fmt: str | None = option(None, "Pixel format of raw YUV.", shown="yuv420p")
    framerate: str | None = option(None, "Frame rate of raw YUV: 25, 23.976 or 24000/1001.")
    video_track: int | None = option(
        None,
        "Video track to use, counted from 0; else the one with the default flag, else the one that ffmpeg takes.",
        metavar="N",
        low=0,
    )
    ffmpeg_bin: str | None = option(
        None, "ffmpeg to use; else PATH's if it has libvmaf, else the bundled one.", metavar="PROGRAM"
    )

    def check(self) -> None:
        """Refuses half a raw format."""
        super().check()
        if (self.width is None) != (self.height is None):
            raise UsageError("--width and --height go together")
        if self.framerate is not None:
            from vmaftune_frv2.contract.raw import parse_framerate

            parse_framerate(self.framerate)

    def raw_format(self, label: str) -> RawFormat | None:
        """How a source is read if it is headerless; None where it has a header.

        Raises:
            UsageError: it is raw by its name, and its size was not given.
        """
        from vmaftune_frv2.contract import raw

        if not raw.is_raw(label):
            return None
        if self.width is None or self.height is None:
            raise UsageError(
                f"{label}: {'/'.join(raw.RAW_SUFFIXES)} files have no header; give --width and --height"
            )
        rate = raw.UPSTREAM_FRAMERATE if self.framerate is None else raw.parse_framerate(self.framerate)
        return raw.RawFormat(self.width, self.height, self.pix_fmt or raw.UPSTREAM_PIX_FMT, rate)


class GridOptions(Request):
    """Which (encoder, preset, crf) cells."""

    encoders: Sequence[str] = option((), "Encoder; repeatable.", flag="encoder", metavar="NAME")
    presets: Sequence[str] = option(
        (),
        "An encoder's own preset, or a name that all encoders share (medium); repeatable. ENCODER=PRESET is for"
        " that encoder alone.",
        flag="preset",
        metavar="PRESET",
    )
    crfs: Sequence[str] = option(
        (),
        "Crfs (of libvvenc: qps), one or a range such as 18:40:2 or 20:32:0.25; repeatable. libx264 and libx265"
        " take steps of 0.05, libsvtav1 of 0.25, others of 1. ENCODER=CRF is for that encoder alone.",
        flag="crf",
        metavar="CRF|FIRST:LAST[:STEP]",
    )


class SearchOptions(Request):
    """How encodes are chosen and verified."""

    verify: bool = option(
        False,
        "Encode and score the picks, and pick again from what was measured, until measurements confirm the picks.",
    )
    tolerance: float = option(
        0.5, "How far a verified pick may lie above the target (of a ladder: off its step), VMAF points.", low=0
    )
    max_encodes: int = option(
        6, "Most encodes per encoder and preset, the probe included (of a ladder: per rung).", low=1
    )
    max_bitrate: float | None = option(
        None, "Consider only encodes of at most this bitrate, kbit/s.", low=0, above=True
    )
    pool: str = option("mean", "How per-frame VMAF is pooled into one score.", choices=POOLS)

    def check(self) -> None:
        """Refuses limits of a search that is not made."""
        super().check()
        if not self.verify:
            self.refuse(("tolerance", "max_encodes"), "needs --verify; without it only probes are encoded")


class TargetOptions(SearchOptions):
    """What a pick has to reach."""

    target_vmaf: float | None = option(
        None, "Pick the highest crf that still reaches this VMAF, per encoder and preset.", low=0, high=100
    )
    confidence: float | None = option(
        None,
        "Pick a crf that reaches the target with this probability, instead of one that is expected to reach it.",
        low=0.75,
        high=0.99,
    )
    max_size: str | None = option(
        None,
        "Consider only encodes whose video takes at most this as a whole, as in 700MB or 1.5GiB.",
        metavar="SIZE",
    )
    min_vmaf_frame: float | None = option(
        None, "Also require that 95 % of the frames reach this VMAF (their 5th percentile).", low=0, high=100
    )
    target_percentiles: Sequence[str] = option(
        (),
        "Require that a percentile of the frames' VMAF reaches a score: 1=90 for a 1st percentile of 90 (the worst"
        " frames); repeatable, and with --target-vmaf or alone.",
        flag="target-percentile",
        metavar="P=VMAF",
    )
    probes: Sequence[str] = option(
        (),
        "Make this encode first, and predict the others from it; repeatable.",
        flag="probe",
        metavar="ENCODER:PRESET:CRF",
        shown="per encoder, at the crf where the target is expected",
    )

    def check(self) -> None:
        """Refuses conditions on a pick where none is made, and probes that are no cells."""
        super().check()
        if not self.has_target:
            self.refuse(("confidence", "min_vmaf_frame"), "needs --target-vmaf or --target-percentile")
        if self.max_size is not None:
            parse_size(self.max_size, "--max-size")
        if self.verify and self.confidence is not None:
            raise UsageError("--verify picks by what it measured; leave out --confidence")
        self.probe_cells()
        self.percentiles()

    @property
    def has_target(self) -> bool:
        """Whether there is a quality that a pick has to reach."""
        return self.target_vmaf is not None or bool(self.target_percentiles)

    def percentiles(self) -> dict[float, float]:
        """{percentile of the frames: least VMAF}, ascending.

        Raises:
            UsageError: what was given says no such thing.
        """
        found = read_percentiles(self.target_percentiles)
        if self.min_vmaf_frame is not None:
            if 5.0 in found:
                raise UsageError("--min-vmaf-frame is --target-percentile 5=VMAF; give one of them")
            found[5.0] = self.min_vmaf_frame
        return dict(sorted(found.items()))

    def targets(self) -> dict[str, float]:
        """{pool of the frames' VMAF: least value} of all that a pick has to reach; empty without a pick."""
        found = {} if self.target_vmaf is None else {self.pool: self.target_vmaf}
        return found | {percentile_name(percent): least for percent, least in self.percentiles().items()}

    @property
    def limited(self) -> bool:
        """Whether there is a limit of bitrate or size."""
        return self.max_bitrate is not None or self.max_size is not None

    @property
    def picks(self) -> bool:
        """Whether there is something to pick by: a target, or a limit."""
        return self.has_target or self.limited

    def probe_cells(self) -> tuple[Cell, ...]:
        """The probes as cells."""
        from vmaftune_frv2.contract.cells import Cell

        return tuple(map(Cell.parse, self.probes))


class CurveModelOptions(VmafOptions):
    """Which models predict the cells of a source, and which VMAF."""

    model: str | None = option(None, "Model that predicts VMAF.", metavar="ID|FILE.onnx", shown="vmaf_curve_v2")
    bitrate_model: str | None = option(
        None, "Model that predicts the bitrate.", metavar="ID|FILE.onnx", shown="bitrate_curve_v2"
    )


class RecordOptions(CacheOptions):
    """Where what is measured is kept."""

    record: Path | None = option(
        None,
        "Append every encode that is scored to this corpus (.jsonl), and make none again that it already has.",
        metavar="CORPUS",
        names="file",
    )

    def check(self) -> None:
        """Refuses a file that is not appended to."""
        super().check()
        if self.record is not None:
            refuse_output(self.record, "--record")


class CodecOptions(Request):
    """What tells the encoder of rows without a schema version: tables, sweeps of hardware encoders."""

    codec: str | None = option(
        None,
        "Column that names the encoder, or the encoder of all rows without a schema version.",
        metavar="COLUMN|NAME",
        shown="encoder, else codec",
    )
    codec_from_source: bool = option(
        False,
        "Look into the file of each row without a schema version: its encode if it is there, else its source.",
    )

    def check(self) -> None:
        """Refuses two ways to tell the encoder."""
        super().check()
        if self.codec is not None and self.codec_from_source:
            raise UsageError("--codec and --codec-from-source both say what an encode was made with; give one")


class JobOptions(RecordOptions):
    """How much happens at once."""

    jobs: int | None = option(
        None,
        "How many sources, shots or windows are encoded at once; they share the CPUs.",
        low=1,
        shown="CPUs",
    )
