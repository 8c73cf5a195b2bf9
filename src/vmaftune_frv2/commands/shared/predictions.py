"""Predictions as records for programs and as lines of tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from vmaftune_frv2.commands.shared.table import Style, format_table
from vmaftune_frv2.contract.option_groups import SearchOptions, TargetOptions
from vmaftune_frv2.contract.quality_options import AlsoOptions, VmafOptions
from vmaftune_frv2.contract.quality_targets import ordinal, percentile_name
from vmaftune_frv2.contract.sizes import size_text
from vmaftune_frv2.contract.vmaf_names import short_name
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Prediction, Sample

COST_COLUMNS = ("size_bytes", "size_low", "size_high", "encode_s")
CELL_COLUMNS = (
    "encoder", "preset", "crf", "vmaf_predicted", "vmaf_low", "vmaf_high", "kbps", "kbps_low", "kbps_high",
    "extrapolated", "measured", "windows", "sample_s", "extra_params", *COST_COLUMNS,
)  # fmt: skip
COST_HEADERS = ("size", "time")
POOL, MODEL, ALSO = "vmaf_pool", "vmaf_model", "vmaf_also"
"""Keys of what is told only where it is not as usual."""
HEADERS = ("encoder", "preset", "crf", "VMAF", "VMAF 90%", "kbit/s", "kbit/s 90%")
GOOD: Style = {"fg": "green"}
DOUBTFUL: Style = {"fg": "yellow"}
BAD: Style = {"fg": "red"}
PLAIN: Style = {}


@dataclass(frozen=True)
class Further:
    """What is shown of predictions beyond what all have: nothing, unless it was asked for.

    Args:
        percents: percentiles of the frames' VMAF.
        pool: how VMAF is pooled, where that is not the mean.
        model: VMAF model that was asked for.
        also: further VMAF models.
    """

    percents: tuple[float, ...] = ()
    pool: str | None = None
    model: str | None = None
    also: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: SearchOptions) -> Further:
        """What a request asks for."""
        percents = tuple(request.percentiles()) if isinstance(request, TargetOptions) else ()
        model = request.scored_with() if isinstance(request, VmafOptions) else None
        also = request.also_scored_with() if isinstance(request, AlsoOptions) else ()
        return cls(percents, None if request.pool == "mean" else request.pool, model, also)

    @property
    def columns(self) -> tuple[str, ...]:
        """Keys of records, besides those that all have."""
        lows = [f"vmaf_{percentile_name(percent)}" for percent in self.percents]
        told = {POOL: self.pool, MODEL: self.model, ALSO: self.also}
        ends = ("", "_low", "_high")
        return (*(low + end for low in lows for end in ends), *(key for key, value in told.items() if value))

    def record(self, prediction: Prediction | None) -> dict[str, Any]:
        """What ``columns`` are of a prediction; null of none, and of no measurement."""
        found: dict[str, Any] = dict.fromkeys(self.columns)
        if prediction is None:
            return found
        for each in prediction.percentiles:
            name = f"vmaf_{each.pool}"
            for end, value in (("", each.vmaf), ("_low", each.low), ("_high", each.high)):
                found[name + end] = round(value, 4)
        scores = {
            model: {pool: round(value, 4) for pool, value in pools.items()}
            for model, pools in prediction.also.items()
        }
        told = {POOL: self.pool, MODEL: self.model, ALSO: scores or None}
        return found | {key: value for key, value in told.items() if key in found}

    @property
    def headers(self) -> tuple[str, ...]:
        """Headings of a table, besides HEADERS."""
        lows = [(f"{percent:g}% low", f"{percent:g}% low 90%") for percent in self.percents]
        return (*(header for pair in lows for header in pair), *map(short_name, self.also))

    def figures(self, prediction: Prediction | None) -> list[str]:
        """What stands under ``headers``."""
        if prediction is None:
            return ["-"] * len(self.headers)
        found = []
        for each in prediction.percentiles:
            sure = prediction.measured and each.low == each.high
            found += [f"{each.vmaf:.2f}", "" if sure else f"{each.low:.1f}-{each.high:.1f}"]
        pool = self.pool or "mean"
        return found + [f"{prediction.also[m][pool]:.2f}" if m in prediction.also else "" for m in self.also]

    @property
    def vmaf_headers(self) -> tuple[str, ...]:
        """HEADERS, VMAF called what it is."""
        words = (
            (self.pool or "").replace("_mean", ""),
            "VMAF",
            "" if self.model is None else short_name(self.model),
        )
        vmaf = " ".join(filter(None, words))
        return tuple(header.replace("VMAF", vmaf) for header in HEADERS)


def cell_record(prediction: Prediction) -> dict[str, Any]:
    """A prediction for programs, as ``schemas/predict_cell.json``."""
    cell = prediction.cell
    return {
        "encoder": cell.encoder,
        "preset": cell.preset,
        "crf": cell.crf,
        "vmaf_predicted": round(prediction.vmaf, 4),
        "vmaf_low": round(prediction.vmaf_low, 4),
        "vmaf_high": round(prediction.vmaf_high, 4),
        "kbps": round(prediction.kbps, 2),
        "kbps_low": round(prediction.kbps_low, 2),
        "kbps_high": round(prediction.kbps_high, 2),
        "extrapolated": prediction.extrapolated,
        "measured": prediction.measured,
        **sample_record(prediction.sample),
        "extra_params": list(prediction.extra_params),
        **cost_record(prediction),
    }


def target_words(request: TargetOptions) -> str:
    """What a pick has to reach, in words."""
    words = [] if request.target_vmaf is None else [f"{request.target_vmaf:g}"]
    lows = [f"a {ordinal(percent)} percentile of {least:g}" for percent, least in request.percentiles().items()]
    return " with ".join([*words, " and ".join(lows)] if lows else words)


def sample_record(sample: Sample | None) -> dict[str, Any]:
    """What of a source was encoded and scored, for programs; nulls say all of it."""
    if sample is None:
        return {"windows": None, "sample_s": None}
    return {"windows": sample.windows, "sample_s": round(sample.seconds, 3)}


def note_sample(sample: Sample | None, source: str) -> None:
    """Says on stderr what commands that are printed rest on, where that is not all of a source."""
    if sample is not None:
        click.echo(f"{source}: chosen by {sample}, not by all of it", err=True)


def cost_record(prediction: Prediction) -> dict[str, Any]:
    """What the whole encode will take, for programs: bytes with their interval, and seconds."""
    sizes = prediction.size_bytes, prediction.size_low, prediction.size_high
    seconds = prediction.encode_s
    figures = [*(None if size is None else round(size) for size in sizes), seconds and round(seconds, 3)]
    return dict(zip(COST_COLUMNS, figures, strict=True))


def costs(found: Prediction) -> list[str]:
    """What stands under COST_HEADERS: estimates, as the sign says, but for the size of what was encoded whole."""
    size = "-" if found.size_bytes is None else size_text(found.size_bytes)
    return [size, "-" if found.encode_s is None else f"~{duration_text(found.encode_s)}"]


def duration_text(seconds: float) -> str:
    """Seconds for people, two digits of them: ``12 min``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{0 if seconds >= 9.95 * length else 1}f} {unit}"
    return f"{seconds:.{0 if seconds >= 9.95 else 1}f} s"


def state_of(pick: Pick[Prediction]) -> tuple[str, Style]:
    """How sure a pick is, in words and in a colour; only what holds of the whole source is verified."""
    found = pick.prediction
    if found is None:
        sample = None if pick.best is None else pick.best.sample
        return "out of reach" + (f" on {sample}" if sample else ""), BAD
    if pick.verified:
        return "verified", GOOD
    if found.measured:
        unsure = ", unconfirmed" if found.sample and not pick.confirmed else ""
        return kind(found) + unsure, GOOD if pick.confirmed else DOUBTFUL
    return (kind(found) if found.extrapolated else f"predicted {_basis(found)}".rstrip()), style_of(found)


def styled_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Sequence[Style],
    lead: Sequence[str] | None = None,
) -> str:
    """A table whose words are aligned left and figures right, perhaps after a column of sources."""
    names = ("encoder", "preset", "zone", "")
    left = [index for index, header in enumerate(headers) if header in names]
    if lead is None:
        return format_table(headers, rows, left=left, styles=styles)
    lines = [[source, *row] for source, row in zip(lead, rows, strict=True)]
    return format_table(["source", *headers], lines, left=[0, *(index + 1 for index in left)], styles=styles)


def figures(found: Prediction) -> list[str]:
    """What stands under HEADERS; no interval where all frames were measured, one where windows stand for them."""
    cell = found.cell
    sure = found.measured and found.vmaf_low == found.vmaf_high
    return [
        cell.encoder,
        cell.preset,
        str(cell.crf),
        f"{found.vmaf:.2f}",
        "" if sure else f"{found.vmaf_low:.1f}-{found.vmaf_high:.1f}",
        f"{found.kbps:.0f}",
        "" if sure else f"{found.kbps_low:.0f}-{found.kbps_high:.0f}",
    ]


def kind(found: Prediction) -> str:
    """What is special about a prediction, in words: what it is, and of what, where not of all of the source."""
    if found.measured:
        return f"measured on {found.sample}" if found.sample else "measured"
    return f"{'extrapolated' if found.extrapolated else ''} {_basis(found)}".strip()


def _basis(found: Prediction) -> str:
    """What a prediction rests on, where that is not all of the source."""
    return f"from {found.sample}" if found.sample else ""


def style_of(found: Prediction) -> Style:
    """The colour of a prediction."""
    return GOOD if found.measured else DOUBTFUL if found.extrapolated else PLAIN
