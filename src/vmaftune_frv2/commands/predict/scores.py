"""What ``vmaf-tune predict`` prints of a regressor's predictions: cells and picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from vmaftune_frv2.api.scores import CellScores
from vmaftune_frv2.commands.shared.records import emit
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.picks import Pick, ScoredCell

GRID_COLUMNS = ("encoder", "preset", "crf", "vmaf_predicted", "extrapolated")
PICK_COLUMNS = (*GRID_COLUMNS, "reached")
VERIFIED_COLUMNS = (*PICK_COLUMNS, "vmaf_measured", "error", "bitrate_kbps")
SAMPLE = "sample_s"


def print_scores(found: CellScores, request: PredictRequest, style: str) -> int:
    """Candidates or, with a target, picks, as ``schemas/predict_score.json``.

    Returns:
        The exit code: negative when no pick reaches the target.
    """
    sample = {} if found.sample is None else {SAMPLE: round(found.sample.seconds, 3)}
    if request.target_vmaf is None:
        emit(style, (*GRID_COLUMNS, *sample), [_cell_record(cell) | sample for cell in found.predictions])
        return ExitCode.OK
    columns: Sequence[str] = VERIFIED_COLUMNS if request.verify else PICK_COLUMNS
    emit(style, (*columns, *sample), [_pick_record(pick, found) | sample for pick in found.picks])
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
