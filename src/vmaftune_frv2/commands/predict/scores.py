"""What ``vmaf-tune predict`` prints of a regressor's predictions: cells, picks, rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from vmaftune_frv2.api.scores import CellScores
from vmaftune_frv2.commands.shared.records import emit, emit_lines
from vmaftune_frv2.contract.requests import PredictRequest
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.results import Pick, ScoredCell
from vmaftune_frv2.predict.row_scores import Predicted, RowPredictions

GRID_COLUMNS = ("encoder", "preset", "crf", "vmaf_predicted", "extrapolated")
PICK_COLUMNS = (*GRID_COLUMNS, "reached")
VERIFIED_COLUMNS = (*PICK_COLUMNS, "vmaf_measured", "error", "bitrate_kbps")
ROW_COLUMNS = ("src", "encoder", "preset", "crf", "vmaf_score", "vmaf_predicted", "vmaf_low", "vmaf_high")


def print_scores(found: CellScores, request: PredictRequest, style: str) -> int:
    """Candidates or, with a target, picks, as ``schemas/predict_score.json``.

    Returns:
        The exit code: negative when no pick reaches the target.
    """
    if request.target_vmaf is None:
        emit(style, GRID_COLUMNS, map(_cell_record, found.predictions))
        return ExitCode.OK
    columns: Sequence[str] = VERIFIED_COLUMNS if request.verify else PICK_COLUMNS
    emit(style, columns, [_pick_record(pick, found) for pick in found.picks])
    code = ExitCode.OK
    for pick in found.picks:
        if pick.prediction is None and pick.best is not None:
            code = ExitCode.NEGATIVE
            click.echo(
                f"{':'.join(pick.line)}: no candidate reaches {request.target_vmaf:g}; "
                f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}",
                err=True,
            )
    return code


def _cell_record(prediction: ScoredCell) -> dict[str, Any]:
    cell = prediction.cell
    return {
        "encoder": cell.encoder,
        "preset": cell.preset,
        "crf": cell.crf,
        "vmaf_predicted": round(prediction.vmaf, 4),
        "extrapolated": prediction.extrapolated,
    }


def _pick_record(pick: Pick[ScoredCell], found: CellScores) -> dict[str, Any]:
    if pick.prediction is None:
        nothing = {"crf": None, "vmaf_predicted": None}
        return {"encoder": pick.encoder, "preset": pick.preset, **nothing, "reached": False}
    record = {**_cell_record(pick.prediction), "reached": True}
    row = found.measured.get(pick.prediction.cell)
    if row is None:
        return record
    return {
        **record,
        "vmaf_measured": round(row["vmaf_score"], 4),
        "error": round(pick.prediction.vmaf - row["vmaf_score"], 4),
        "bitrate_kbps": round(row["bitrate_kbps"], 2),
    }


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
    for reason, count in predictions.by_other.items():
        name = predictions.other.sidecar.id if predictions.other else ""
        click.echo(f"{count} rows were scored by {name}, from their own features: {reason}", err=True)
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
