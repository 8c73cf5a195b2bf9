"""``vmaf-tune predict SOURCE``: a probe or more, then every cell's VMAF and bitrate, and the picks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmaftune_frv2.commands._emit import emit
from vmaftune_frv2.commands._sources import open_sources, raw_format
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.grid import candidate_grid
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
from vmaftune_frv2.predict.answer import Answer, Pick, Question, answer
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.predictor import Prediction, Predictor
from vmaftune_frv2.predict.search import Step

CELL_COLUMNS = (
    "encoder", "preset", "crf", "vmaf_predicted", "vmaf_low", "vmaf_high", "kbps", "kbps_low", "kbps_high",
    "extrapolated", "measured",
)  # fmt: skip
PICK_COLUMNS = (*CELL_COLUMNS, "reached", "encodes", "settled")


def run_predict_source(options: Mapping[str, Any]) -> int:
    """Probes, predicts, verifies and prints.

    Returns:
        The exit code: negative when no pick reaches the target.
    """
    predictor = Predictor.open(options["model_ref"])
    if predictor.vmaf.sidecar.smoke:
        click.echo(
            f"Warning: {predictor.vmaf.sidecar.id} is a smoke model: it did not pass the ship gate", err=True
        )
    question = question_of(predictor, options)
    said = answer(predictor, _measuring(predictor, options), question, _say_step)
    if question.target is None:
        emit(options["style"], CELL_COLUMNS, [cell_record(p) for p in said.predictions])
        return ExitCode.OK
    emit(options["style"], PICK_COLUMNS, [pick_record(pick) for pick in said.picks])
    return _verdict(said, question)


def question_of(predictor: Predictor, options: Mapping[str, Any]) -> Question:
    """What the options ask.

    Raises:
        UsageError: a cell that cannot be.
        ModelError: an encoder that was not learnt.
    """
    seen = predictor.vmaf.sidecar.cells
    cells = candidate_grid(seen, options["encoders"], options["presets"], options["crfs"])
    predictor.require(list(dict.fromkeys(cell.encoder for cell in cells)))
    return Question(
        cells=cells,
        target=options["target_vmaf"],
        tolerance=options["tolerance"],
        verify=options["verify"],
        max_encodes=options["max_encodes"],
        confidence=options["confidence"],
        min_frame=options["min_vmaf_frame"],
        max_kbps=options["max_bitrate"],
        probes=tuple(map(Cell.parse, options["probes"])),
    )


def _measuring(predictor: Predictor, options: Mapping[str, Any]) -> Measuring:
    raw = raw_format(options["width"], options["height"], options["pix_fmt"], options["framerate"])
    ffmpeg = locate(options["ffmpeg_bin"])
    (source,) = open_sources(
        ffmpeg,
        [options["source"]],
        raw,
        sample_seconds=options["sample_clip_seconds"],
        hash_files=False,
    )
    return Measuring(ffmpeg, source, predictor.vmaf_model or DEFAULT_MODEL, options["pool"])


def _say_step(step: Step) -> None:
    expected = "" if step.predicted is None else f", expected {step.predicted:.2f}"
    click.echo(f"encoded {step.cell}: VMAF {step.vmaf:.2f}{expected}", err=True)


def cell_record(prediction: Prediction) -> dict[str, Any]:
    """A prediction for output."""
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
    """A pick for output."""
    chosen = (
        {"encoder": pick.encoder, "preset": pick.preset}
        if pick.prediction is None
        else cell_record(pick.prediction)
    )
    return {
        **chosen,
        "reached": pick.prediction is not None,
        "encodes": pick.encodes,
        "settled": pick.settled,
    }


def _verdict(said: Answer, question: Question) -> int:
    for pick in said.picks:
        if pick.prediction is not None:
            continue
        best = pick.best
        there = (
            f"the best is crf {best.cell.crf} with {best.vmaf:.2f}" if best else "every one is above --max-bitrate"
        )
        click.echo(f"{pick.encoder}:{pick.preset}: no candidate reaches {question.target:g}; {there}", err=True)
    return ExitCode.OK if all(pick.prediction for pick in said.picks) else ExitCode.NEGATIVE
