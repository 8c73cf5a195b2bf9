"""What ``vmaf-tune predict --corpus`` prints."""

from __future__ import annotations

from typing import Any

import click

from vmaftune_frv2.commands.shared.records import emit, emit_lines
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.row_scores import Predicted, RowPredictions

ROW_COLUMNS = ("src", "encoder", "preset", "crf", "vmaf_score", "vmaf_predicted", "vmaf_low", "vmaf_high")


def print_rows(predictions: RowPredictions, style: str) -> int:
    """Rows and their predictions, as ``schemas/predict_row.json``; jsonl prints whole rows.

    Returns:
        The exit code: negative when a row got none.
    """
    if style == "jsonl":
        emit_lines(found.line() for found in predictions)
    else:
        emit(style, ROW_COLUMNS, map(_row_record, predictions))
    for encoder, count in predictions.unknown.items():
        click.echo(
            f"{count} rows of {encoder} were scored in the unknown slot, where preset and crf are not looked at",
            err=True,
        )
    if predictions.extrapolated:
        click.echo(
            f"{predictions.extrapolated} predictions are extrapolated: training saw no such cell or features",
            err=True,
        )
    for reason, count in predictions.skipped.items():
        click.echo(f"{count} rows got no prediction: {reason}", err=True)
    return ExitCode.NEGATIVE if predictions.skipped else ExitCode.OK


def _row_record(found: Predicted) -> dict[str, Any]:
    return {**found.row, **dict(zip(ROW_COLUMNS[-3:], found.rounded, strict=True))}
