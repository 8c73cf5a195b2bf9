"""``vmaf-tune predict SOURCE --shots``: a crf for each shot, and how to tell the encoder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vmaftune_frv2.commands._emit import emit
from vmaftune_frv2.commands._measuring import jobs_of, open_one, say_hdr
from vmaftune_frv2.commands._predict_output import (
    HEADERS,
    WORST,
    cell_record,
    figures,
    state_of,
    styled_table,
)
from vmaftune_frv2.commands._predict_source import say_step
from vmaftune_frv2.commands._table import coloured
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS, Encoder
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.media.encode import keeps_times, work_argv
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.shot_parts import Shot, find_shots
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
from vmaftune_frv2.predict.answer import Pick, Question, answer
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.zones import ZONED, Zone, base_crf, zone_argv, zone_text

COLUMNS = (
    "encoder", "preset", "shot", "start_frame", "end_frame", "start_s", "end_s", "crf", "vmaf_predicted",
    "vmaf_low", "vmaf_high", "kbps", "kbps_low", "kbps_high", "extrapolated", "measured", "reached",
    "settled", "zone",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """The shots of a source on one (encoder, preset).

    Args:
        encoder: encoder name.
        preset: native preset.
        picks: one per shot.
        zones: the crf to use per shot: the pick's, else that of the highest VMAF there is.
    """

    encoder: str
    preset: str
    picks: tuple[Pick, ...]
    zones: tuple[Zone, ...]


def run_predict_shots(predictor: Predictor, question: Question, options: Mapping[str, Any]) -> int:
    """Answers every shot and prints a row per shot; for people, the encoder's arguments too.

    Returns:
        The exit code: negative when a shot does not reach the target.
    """
    ffmpeg, jobs = locate(options["ffmpeg_bin"]), jobs_of(options)
    # A second from the middle is enough to learn how the file is opened; finding the shots counts its frames.
    source, model = open_one(ffmpeg, options, 1.0), predictor.vmaf_model or DEFAULT_MODEL
    say_hdr(source, model)
    source, shots = find_shots(ffmpeg, source, options["sample_seconds"], jobs)
    click.echo(f"{source.label}: {len(shots)} shots", err=True)
    beside = min(jobs, len(shots))
    threads = max(1, usable_cpus() // beside)

    def one(numbered: tuple[int, Shot]) -> tuple[Pick, ...]:
        number, shot = numbered
        measuring = Measuring(
            ffmpeg, shot.part, model, options["pool"], whole_frames=shot.whole.frames, threads=threads
        )
        return answer(predictor, measuring, question, lambda step: say_step(step, f"shot {number}: ")).picks

    answers = list(together(one, list(enumerate(shots, start=1)), beside))
    lines = by_line(shots, answers)

    def commands(line: Line) -> list[str]:
        zoned = line.encoder in ZONED and not options["segments"]
        return (zoned_commands if zoned else segment_commands)(line, shots, source, ffmpeg.path)

    if options["emit"]:
        for line in lines:
            click.echo("\n".join(commands(line)))
    elif options["style"] == "table":
        click.echo(_table(lines, shots), color=coloured())
        for line in lines:
            click.echo("\n" + "\n".join(commands(line)))
    else:
        worst = () if question.min_frame is None else (WORST,)
        emit(options["style"], (*COLUMNS, *worst), [r for line in lines for r in _records(line, shots)])
    return _verdict(lines, question)


def by_line(shots: Sequence[Shot], answers: Sequence[Sequence[Pick]]) -> list[Line]:
    """Picks per shot, sorted into lines; a line on which a shot has no candidate at all is left out."""
    found: dict[tuple[str, str], list[Pick]] = {}
    for picks in answers:
        for pick in picks:
            found.setdefault((pick.encoder, pick.preset), []).append(pick)
    lines = []
    for (encoder, preset), picks in found.items():
        chosen = [pick.prediction or pick.best for pick in picks]
        zones = [Zone(s.first, s.end, c.cell.crf) for s, c in zip(shots, chosen, strict=True) if c is not None]
        if len(zones) == len(shots):
            lines.append(Line(encoder, preset, tuple(picks), tuple(zones)))
        else:
            click.echo(f"{encoder}:{preset}: in a shot every candidate is above --max-bitrate", err=True)
    return lines


def _table(lines: Sequence[Line], shots: Sequence[Shot]) -> str:
    """Shots for people; frames are numbered from 0, the last one included."""
    rows, styles = [], []
    for line in lines:
        base = base_crf(line.zones)
        for number, (shot, pick, zone) in enumerate(zip(shots, line.picks, line.zones, strict=True), start=1):
            chosen = pick.prediction or pick.best
            assert chosen is not None
            said, style = state_of(pick)
            where = [str(number), f"{shot.first}-{shot.end - 1}", f"{shot.start_s:.2f}-{shot.end_s:.2f}"]
            told = zone_text(line.encoder, zone, base) if line.encoder in ZONED else ""
            rows.append([*where, *figures(chosen), told, said])
            styles.append(style)
    return styled_table(["shot", "frames", "seconds", *HEADERS, "zone", ""], rows, styles)


def _records(line: Line, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    base, records = base_crf(line.zones), []
    for number, (shot, pick, zone) in enumerate(zip(shots, line.picks, line.zones, strict=True), start=1):
        chosen = pick.prediction or pick.best
        assert chosen is not None
        records.append(
            {
                **cell_record(chosen),
                "shot": number,
                "start_frame": shot.first,
                "end_frame": shot.end - 1,
                "start_s": round(shot.start_s, 6),
                "end_s": round(shot.end_s, 6),
                "reached": pick.prediction is not None,
                "settled": pick.settled,
                "zone": zone_text(line.encoder, zone, base) if line.encoder in ZONED else None,
            }
        )
    return records


def zoned_commands(line: Line, shots: Sequence[Shot], source: Source, ffmpeg: str) -> list[str]:
    """One encode that changes its crf at every cut, where a keyframe is forced.

    Args:
        line: the crf of each shot, for an encoder that has zones.
        shots: of the source.
        source: what they are of.
        ffmpeg: program.
    """
    base = base_crf(line.zones)
    *argv, output = _command(line, source, base, f"{_stem(line, source)}.{_container(line)}", ffmpeg)
    # Windows begin halfway to the frame before: however the encoder's clock rounds, a shot's first frame is next.
    keys = ",".join(f"{shot.whole.window.start if shot.whole.window else 0.0:.6f}" for shot in shots)
    argv = [*zone_argv(line.encoder, argv, line.zones, base), "-force_key_frames", keys, output]
    return [f"# {line.encoder}:{line.preset}, one encode", shlex.join(argv)]


def segment_commands(line: Line, shots: Sequence[Shot], source: Source, ffmpeg: str) -> list[str]:
    """An encode per shot, and what joins them. Arguments as ``zoned_commands``, for any encoder."""
    stem = _stem(line, source)
    names = [f"{stem}.{number:04d}.mkv" for number in range(1, len(shots) + 1)]
    commands = [f"# {line.encoder}:{line.preset}, a segment per shot, and how to join them"]
    for shot, zone, name in zip(shots, line.zones, names, strict=True):
        commands.append(shlex.join(_command(line, shot.whole, zone.crf, name, ffmpeg)))
    encoder = ENCODERS.get(line.encoder)
    files = " ".join(
        shlex.quote(entry)
        for shot, name in zip(shots, names, strict=True)
        # A file's own duration is rounded; over a film of many shots that adds up.
        for entry in (f"file {_listed(name)}", f"duration {_lasts(shot, encoder):.6f}")
    )
    commands.append(f"printf '%s\\n' {files} > {shlex.quote(stem + '.txt')}")
    join = ["-f", "concat", "-safe", "0", "-i", f"{stem}.txt", "-c", "copy", f"{stem}.{_container(line)}"]
    return [*commands, shlex.join([ffmpeg, "-hide_banner", "-nostdin", *join])]


def _command(line: Line, part: Source, crf: int, name: str, ffmpeg: str) -> list[str]:
    cell, encoder = Cell(line.encoder, line.preset, crf), ENCODERS.get(line.encoder)
    argv = work_argv(part, encoder, cell, Path(name), threads=usable_cpus())
    return [ffmpeg, "-hide_banner", "-nostdin", *argv]


def _lasts(shot: Shot, encoder: Encoder) -> float:
    """Seconds of a shot's segment, as encoded."""
    return shot.end_s - shot.start_s if keeps_times(shot.whole, encoder) else shot.whole.encoded_seconds


def _stem(line: Line, source: Source) -> str:
    return str(Path(f"{source.path.stem}.{line.encoder}.{line.preset}.shots").absolute())


def _container(line: Line) -> str:
    return ENCODERS.get(line.encoder).container


def _listed(name: str) -> str:
    """A file name as ffmpeg's concat list reads it."""
    return "'" + name.replace("'", "'\\''") + "'"


def _verdict(lines: Sequence[Line], question: Question) -> int:
    code = ExitCode.OK if lines else ExitCode.NEGATIVE
    for line in lines:
        for number, pick in enumerate(line.picks, start=1):
            if pick.prediction is None and pick.best is not None:
                code = ExitCode.NEGATIVE
                click.echo(
                    f"{line.encoder}:{line.preset}: shot {number}: no candidate reaches {question.target:g};"
                    f" crf {pick.best.cell.crf} with {pick.best.vmaf:.2f} is used",
                    err=True,
                )
    return code
