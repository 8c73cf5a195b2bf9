"""What ``vmaf-tune predict`` does once its options are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from vmaftune_frv2.commands._emit import emit, emit_lines
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.candidates import Pick, Prediction, candidate_cells, pick_cells, predict_cells
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.session import Model, open_model

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.media.ffmpeg import FFmpeg
    from vmaftune_frv2.media.source import Source
    from vmaftune_frv2.predict.rows import Predicted

GRID_COLUMNS = ("encoder", "preset", "crf", "vmaf_predicted", "extrapolated")
PICK_COLUMNS = ("encoder", "preset", "crf", "vmaf_predicted", "extrapolated", "reached")
VERIFIED_COLUMNS = (*PICK_COLUMNS, "vmaf_measured", "error", "bitrate_kbps")
ROW_COLUMNS = ("src", "encoder", "preset", "crf", "vmaf_score", "vmaf_predicted", "vmaf_low", "vmaf_high")


def run_predict(options: Mapping[str, Any]) -> int:
    """Predicts and prints.

    Returns:
        The exit code: negative when no pick reaches the target.
    """
    model = open_model(options["model_ref"])
    if model.sidecar.smoke:
        click.echo(f"Warning: {model.path} is a smoke model: {model.sidecar.notes}", err=True)
    if options["corpora"]:
        return _predict_rows(model, options)
    cells = candidate_cells(model, options["encoders"], options["presets"], options["crfs"])
    if options["features"] is not None:
        from vmaftune_frv2.predict.inputs import read_features

        features, prober = read_features(options["features"], Columns.of(model.sidecar)), None
    else:
        prober = _Prober(model, options)
        features = prober.features()
    predictions = predict_cells(model, features, cells)
    target = options["target_vmaf"]
    if target is None:
        emit(options["style"], GRID_COLUMNS, [_grid_record(p) for p in predictions])
        return ExitCode.OK
    picks = pick_cells(predictions, target)
    columns: Sequence[str] = PICK_COLUMNS
    records = [_pick_record(pick) for pick in picks]
    if options["verify"] and prober is not None:
        columns = VERIFIED_COLUMNS
        for record, pick in zip(records, picks, strict=True):
            record.update(prober.verify(pick))
    emit(options["style"], columns, records)
    return _verdict(picks, target)


def _verdict(picks: Sequence[Pick], target: float) -> int:
    for pick in picks:
        if pick.prediction is None:
            click.echo(
                f"{pick.encoder}:{pick.preset}: no candidate reaches {target:g}; "
                f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}",
                err=True,
            )
    return ExitCode.OK if all(pick.prediction for pick in picks) else ExitCode.NEGATIVE


class _Prober:
    """Encodes the probe and the picks of one source."""

    def __init__(self, model: Model, options: Mapping[str, Any]) -> None:
        from vmaftune_frv2.commands._measuring import say_hdr
        from vmaftune_frv2.commands._sources import open_sources, raw_format
        from vmaftune_frv2.media.ffmpeg import locate
        from vmaftune_frv2.media.vmaf import DEFAULT_MODEL

        self._model = model
        self._vmaf_model = model.sidecar.vmaf_model or DEFAULT_MODEL
        raw = raw_format(options["width"], options["height"], options["pix_fmt"], options["framerate"])
        self._probe = self._probe_cell()
        self._ffmpeg: FFmpeg = locate(options["ffmpeg_bin"])
        sources = open_sources(
            self._ffmpeg,
            [options["source"]],
            raw,
            sample_seconds=options["sample_clip_seconds"],
            hash_files=False,
            track=options["video_track"],
        )
        self._source: Source = sources[0]
        say_hdr(self._source, self._vmaf_model)

    def _probe_cell(self) -> Cell:
        probe = self._model.sidecar.probe
        if probe is None:
            from vmaftune_frv2.errors import ModelError

            several = ", ".join(map(str, self._model.sidecar.probes))
            why = f"has a probe per encoder ({several})" if several else "scores an encode from its own features"
            raise ModelError(
                f"{self._model.sidecar.id} {why}, so that no one probe serves; use it with --features or --corpus"
            )
        return probe

    def features(self) -> list[float]:
        """The model's features of the probe encode."""
        from vmaftune_frv2.predict.inputs import measure_cell

        click.echo(f"probing {self._source.label} with {self._probe}", err=True)
        columns = Columns.of(self._model.sidecar)
        row = measure_cell(self._ffmpeg, self._source, self._probe, self._vmaf_model, columns.full)
        return columns.read(row, f"probe of {self._source.label}")

    def verify(self, pick: Pick) -> dict[str, Any]:
        """The measured score of a pick beside the predicted one."""
        from vmaftune_frv2.predict.inputs import measure_cell

        if pick.prediction is None:
            return {}
        cell = pick.prediction.cell
        click.echo(f"encoding {self._source.label} with {cell}", err=True)
        row = measure_cell(self._ffmpeg, self._source, cell, self._vmaf_model)
        return {
            "vmaf_measured": round(row["vmaf_score"], 4),
            "error": round(pick.prediction.vmaf - row["vmaf_score"], 4),
            "bitrate_kbps": round(row["bitrate_kbps"], 2),
        }


def _grid_record(prediction: Prediction) -> dict[str, Any]:
    cell = prediction.cell
    return {
        "encoder": cell.encoder,
        "preset": cell.preset,
        "crf": cell.crf,
        "vmaf_predicted": round(prediction.vmaf, 4),
        "extrapolated": prediction.extrapolated,
    }


def _pick_record(pick: Pick) -> dict[str, Any]:
    if pick.prediction is None:
        return {
            "encoder": pick.encoder,
            "preset": pick.preset,
            "crf": None,
            "vmaf_predicted": None,
            "reached": False,
        }
    return {**_grid_record(pick.prediction), "reached": True}


def _predict_rows(model: Model, options: Mapping[str, Any]) -> int:
    from vmaftune_frv2.predict.rows import RowPredictions

    if model.sidecar.vmaf_model is None:
        said = "does not say which VMAF model's scores it learnt; those of the rows may be of another"
        click.echo(f"Warning: {model.sidecar.id} {said}", err=True)
    whole = options["style"] == "jsonl"
    predictions = RowPredictions(model, options["corpora"], whole)
    if whole:
        emit_lines(found.line() for found in predictions)
    else:
        emit(options["style"], ROW_COLUMNS, map(_row_record, predictions))
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
