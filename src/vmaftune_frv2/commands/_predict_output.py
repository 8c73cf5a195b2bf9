"""What ``vmaf-tune predict SOURCE`` prints: records for programs, short tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from vmaftune_frv2.commands._emit import emit
from vmaftune_frv2.commands._table import Style, coloured, format_table
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.answer import Answer, Pick, Question
from vmaftune_frv2.predict.predictor import Prediction

CELL_COLUMNS = (
    "encoder", "preset", "crf", "vmaf_predicted", "vmaf_low", "vmaf_high", "kbps", "kbps_low", "kbps_high",
    "extrapolated", "measured",
)  # fmt: skip
PICK_COLUMNS = (*CELL_COLUMNS, "reached", "encodes", "settled")
TARGETED = ("encoder", "preset", "crf")
GOOD: Style = {"fg": "green"}
DOUBTFUL: Style = {"fg": "yellow"}
BAD: Style = {"fg": "red"}
PLAIN: Style = {}


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
    }


def pick_record(pick: Pick) -> dict[str, Any]:
    """A pick for programs, as ``schemas/predict_pick.json``; nothing of a cell where no candidate reaches."""
    empty = {"encoder": pick.encoder, "preset": pick.preset}
    return {
        **(empty if pick.prediction is None else cell_record(pick.prediction)),
        "reached": pick.prediction is not None,
        "encodes": pick.encodes,
        "settled": pick.settled,
    }


def print_cells(style: str, predictions: Sequence[Prediction]) -> None:
    """Every candidate, in the ``--format`` asked for."""
    if style == "table":
        click.echo(cell_table(predictions), color=coloured())
    else:
        emit(style, CELL_COLUMNS, [cell_record(prediction) for prediction in predictions])


def print_picks(style: str, picks: Sequence[Pick]) -> None:
    """The picks, in the ``--format`` asked for."""
    if style == "table":
        click.echo(pick_table(picks), color=coloured())
    else:
        emit(style, PICK_COLUMNS, [pick_record(pick) for pick in picks])


def cell_table(predictions: Sequence[Prediction]) -> str:
    """Candidates for people: what is predicted, between what it likely lies, and what is special about it."""
    headers = [*TARGETED, "VMAF", "likely", "kbit/s", "likely", ""]
    styles = [_style(p.measured, p.extrapolated) for p in predictions]
    return format_table(headers, [[*_figures(p), _kind(p)] for p in predictions], left=(0, 1, 7), styles=styles)


def pick_table(picks: Sequence[Pick]) -> str:
    """Picks for people, cheapest first; how sure each is in words."""
    headers = [*TARGETED, "VMAF", "likely", "kbit/s", "likely", "encodes", ""]
    rows: list[list[str]] = []
    styles: list[Style] = []
    for pick in picks:
        found = pick.prediction
        if found is None:
            figures, said, style = [pick.encoder, pick.preset, *["-"] * 5], "out of reach", BAD
        else:
            figures, said, style = (
                _figures(found),
                _kind(found) or "predicted",
                _style(found.measured, found.extrapolated),
            )
            if found.measured:
                said, style = ("proven", GOOD) if pick.settled else ("measured", DOUBTFUL)
        rows.append([*figures, str(pick.encodes), said])
        styles.append(style)
    return format_table(headers, rows, left=(0, 1, 8), styles=styles)


def _figures(found: Prediction) -> list[str]:
    cell = found.cell
    sure = found.measured
    return [
        cell.encoder,
        cell.preset,
        str(cell.crf),
        f"{found.vmaf:.2f}",
        "" if sure else f"{found.vmaf_low:.1f}-{found.vmaf_high:.1f}",
        f"{found.kbps:.0f}",
        "" if sure else f"{found.kbps_low:.0f}-{found.kbps_high:.0f}",
    ]


def _kind(found: Prediction) -> str:
    return "measured" if found.measured else "extrapolated" if found.extrapolated else ""


def _style(measured: bool, doubtful: bool) -> Style:
    return GOOD if measured else DOUBTFUL if doubtful else PLAIN


def verdict(said: Answer, question: Question, where: str = "") -> int:
    """Says on stderr what is out of reach, each line after ``where``.

    Returns:
        The exit code: negative when a line has no pick.
    """
    for pick in said.picks:
        if pick.prediction is None:
            click.echo(f"{where}{pick.encoder}:{pick.preset}: {_why(pick, question)}", err=True)
    return ExitCode.OK if all(pick.prediction for pick in said.picks) else ExitCode.NEGATIVE


def _why(pick: Pick, question: Question) -> str:
    if pick.best is None:
        return "every candidate is above --max-bitrate"
    best = f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}"
    if question.verify and not pick.settled:
        return f"none of {pick.encodes} encodes reaches {question.target:g}, allow more with --max-encodes; {best}"
    if question.max_kbps is not None:
        best = f"within --max-bitrate {best}"
    return f"no candidate reaches {question.target:g}; {best}"
