"""What ``vmaf-tune per-shot`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vmaftune_frv2.api.shot_answers import ShotAnswers, ShotLine
from vmaftune_frv2.commands.shared.predictions import (
    CELL_COLUMNS,
    COST_COLUMNS,
    Further,
    cell_record,
    figures,
    state_of,
    styled_table,
    target_words,
)
from vmaftune_frv2.commands.shared.records import emit
from vmaftune_frv2.commands.shared.table import coloured
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.per_shot_request import PerShotRequest
from vmaftune_frv2.contract.zones import base_crf, zone_text
from vmaftune_frv2.media.shot_parts import Shot
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Prediction

_CELL = [key for key in CELL_COLUMNS[2:] if key not in COST_COLUMNS]
COLUMNS = (
    "encoder", "preset", "shot", "start_frame", "end_frame", "start_s", "end_s", *_CELL, "reached", "verified",
    "confirmed", "zone",
)  # fmt: skip


def print_table(found: ShotAnswers, further: Further) -> None:
    """Shots for people; frames are numbered from 0, the last one included."""
    rows, styles = [], []
    for line in found.lines:
        for number, shot, pick, chosen, zone in _each(found, line):
            state, style = state_of(pick)
            where = [str(number), f"{shot.first}-{shot.end - 1}", f"{shot.start_s:.2f}-{shot.end_s:.2f}"]
            rows.append([*where, *figures(chosen), *further.figures(chosen), zone or "", state])
            styles.append(style)
    headers = ["shot", "frames", "seconds", *further.vmaf_headers, *further.headers, "zone", ""]
    table = styled_table(headers, rows, styles)
    click.echo(table, color=coloured())


def print_records(found: ShotAnswers, style: str, further: Further) -> None:
    """Shots for programs, as ``schemas/predict_shot.json``."""
    every = [each for line in found.lines for each in _each(found, line)]
    records = [{**_record(*each), **further.record(each[3])} for each in every]
    emit(style, (*COLUMNS, *further.columns), records)


def _each(
    found: ShotAnswers, line: ShotLine
) -> Iterator[tuple[int, Shot, Pick[Prediction], Prediction, str | None]]:
    """Number, shot, pick, cell to use and zone, where the encoder has any, of each shot."""
    zones, encoder = line.zones(found.shots), ENCODERS.get(line.line.encoder)
    base = base_crf(zones)
    each = zip(found.shots, line.picks, line.chosen, zones, strict=True)
    for number, (shot, pick, chosen, zone) in enumerate(each, start=1):
        yield number, shot, pick, chosen, zone_text(encoder, zone, base) if encoder.zones else None


def _record(
    number: int, shot: Shot, pick: Pick[Prediction], chosen: Prediction, zone: str | None
) -> dict[str, Any]:
    return {
        **cell_record(chosen),
        "shot": number,
        "start_frame": shot.first,
        "end_frame": shot.end - 1,
        "start_s": round(shot.start_s, 6),
        "end_s": round(shot.end_s, 6),
        "reached": pick.prediction is not None,
        "verified": pick.verified,
        "confirmed": pick.confirmed,
        "zone": zone,
    }


def note_samples(found: ShotAnswers) -> None:
    """Says on stderr how many shots the commands that are printed rest on the middle of."""
    sampled = {n for line in found.lines for n, chosen in enumerate(line.chosen) if chosen.sample}
    if sampled:
        shots = f"{len(sampled)} of {len(found.shots)} shots"
        click.echo(f"{found.source.label}: {shots} were chosen by their middle, not by all of the shot", err=True)


def say_unreached(found: ShotAnswers, request: PerShotRequest) -> None:
    """Says which shots do not reach the target, and what is used instead."""
    for line in found.lines:
        for number, pick in enumerate(line.picks, start=1):
            if pick.prediction is None and pick.best is not None:
                click.echo(
                    f"{':'.join(line.line)}: shot {number}: no candidate reaches {target_words(request)};"
                    f" crf {pick.best.cell.crf} with {pick.best.vmaf:.2f} is used",
                    err=True,
                )
