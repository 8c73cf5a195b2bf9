"""What ``vmaf-tune compare`` prints."""

from __future__ import annotations

from typing import Any

import click

from vmaftune_frv2.api.comparison import Comparison, Contender, Overall
from vmaftune_frv2.commands.shared.predictions import (
    CELL_COLUMNS,
    PLAIN,
    cell_record,
    costs,
    duration_text,
    state_of,
    styled_table,
)
from vmaftune_frv2.commands.shared.progress import say_failure
from vmaftune_frv2.commands.shared.records import emit
from vmaftune_frv2.commands.shared.table import Style, coloured
from vmaftune_frv2.contract.compare_request import CompareRequest
from vmaftune_frv2.contract.sizes import size_text
from vmaftune_frv2.errors import ExitCode

COLUMNS = (
    "src", "sources", *CELL_COLUMNS, "reached", "encodes", "verified", "confirmed", "kbps_at_target",
    "rate_change", "bd_rate", "fps",
)  # fmt: skip
HEADERS = (
    "encoder",
    "preset",
    "crf",
    "VMAF",
    "kbit/s",
    "at target",
    "bitrate",
    "BD-rate",
    "size",
    "time",
    "fps",
    "",
)
ALL = "all"


def print_comparison(found: Comparison, style: str) -> None:
    """Each line on each source, then over all of them; records as ``schemas/compare_line.json``."""
    if style != "table":
        records = [_record(each.found.label, one) for each in found.sources for one in each.contenders]
        emit(style, COLUMNS, [*records, *map(_overall_record, found.overall)])
        return
    rows: list[list[str]] = []
    styles: list[Style] = []
    lead: list[str] = []
    for each in found.sources:
        for one in each.contenders:
            state, colour = state_of(one.pick)
            rows.append([*_figures(one), state])
            styles.append(colour)
            lead.append(each.found.label)
    if len(found.sources) > 1:
        rows += map(_overall_figures, found.overall)
        styles += [PLAIN] * len(found.lines)
        lead += [ALL] * len(found.lines)
    click.echo(styled_table(HEADERS, rows, styles, lead if len(found.sources) > 1 else None), color=coloured())


def say_failures(found: Comparison, request: CompareRequest) -> int:
    """Names on stderr the sources without an answer, and the lines without a pick.

    Returns:
        The exit code: the highest of the sources'; negative where a target is out of reach.
    """
    codes = [int(ExitCode.OK if found.reached else ExitCode.NEGATIVE)]
    for failure in found.failures:
        first = str(failure.error).splitlines()[0]
        line = first if first.startswith(failure.label) else f"{failure.label}: {first}"
        say_failure(line, line, failure.error.exit_code)
        codes.append(int(failure.error.exit_code))
    for each in found.sources:
        for one in each.contenders:
            if one.pick.prediction is None:
                best = one.pick.best
                there = "" if best is None else f"; the best is crf {best.cell.crf:g} with {best.vmaf:.2f}"
                why = f"no candidate within its limits reaches {request.target_vmaf:g}{there}"
                click.echo(f"{each.found.label}: {':'.join(one.line)}: {why}", err=True)
    return max(codes)


def _record(label: str, one: Contender) -> dict[str, Any]:
    chosen = one.pick.prediction
    return {
        "src": label,
        "sources": 1,
        "encoder": one.line.encoder,
        "preset": one.line.preset,
        **({} if chosen is None else cell_record(chosen)),
        "reached": chosen is not None,
        "encodes": one.pick.encodes,
        "verified": one.pick.verified,
        "confirmed": one.pick.confirmed,
        "kbps_at_target": _rounded(one.kbps_at_target, 2),
        "rate_change": _rounded(one.rate_change, 5),
        "bd_rate": _rounded(one.bd_rate, 5),
        "fps": _rounded(one.fps, 2),
    }


def _overall_record(whole: Overall) -> dict[str, Any]:
    return {
        "src": None,
        "sources": whole.sources,
        "encoder": whole.line.encoder,
        "preset": whole.line.preset,
        "size_bytes": round(whole.size_bytes),
        "encode_s": round(whole.encode_s, 3),
        "rate_change": _rounded(whole.rate_change, 5),
        "bd_rate": _rounded(whole.bd_rate, 5),
        "fps": _rounded(whole.fps, 2),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _figures(one: Contender) -> list[str]:
    chosen, at = one.pick.prediction, one.kbps_at_target
    cell = ["-"] * 3 if chosen is None else [f"{chosen.cell.crf:g}", f"{chosen.vmaf:.2f}", f"{chosen.kbps:.0f}"]
    taken = ["-"] * 2 if chosen is None else costs(chosen)
    rate = "-" if at is None else f"{at:.0f}"
    return [*one.line, *cell, rate, _change(one.rate_change), _change(one.bd_rate), *taken, _speed(one.fps)]


def _overall_figures(whole: Overall) -> list[str]:
    taken = [size_text(whole.size_bytes), f"~{duration_text(whole.encode_s)}"]
    changes = _change(whole.rate_change), _change(whole.bd_rate)
    return [*whole.line, *[""] * 4, *changes, *taken, _speed(whole.fps), f"{whole.sources} sources"]


def _change(share: float | None) -> str:
    return "-" if share is None else f"{share:+.1%}"


def _speed(fps: float | None) -> str:
    return "-" if fps is None else f"~{fps:.3g}" if fps < 100 else f"~{fps:.0f}"
