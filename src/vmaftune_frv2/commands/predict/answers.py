"""What ``vmaf-tune predict SOURCE...`` does with answers: prints, draws, emits."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import click

from vmaftune_frv2.api.folders import is_several, with_folders
from vmaftune_frv2.api.questions import SourceAnswer, SourceFailure, predict_source, predict_sources
from vmaftune_frv2.api.shell import check_names, pick_commands
from vmaftune_frv2.commands.predict.output import PredictOutput
from vmaftune_frv2.commands.shared.predictions import (
    CELL_COLUMNS,
    COST_HEADERS,
    HEADERS,
    WORST,
    cell_record,
    costs,
    figures,
    kind,
    note_sample,
    sample_record,
    state_of,
    style_of,
    styled_table,
)
from vmaftune_frv2.commands.shared.records import emit
from vmaftune_frv2.commands.shared.table import Style, coloured
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.sizes import size_text
from vmaftune_frv2.errors import ExitCode, TuneError
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.predict.limits import limit_of
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Answer, Prediction

PICK_COLUMNS = (*CELL_COLUMNS, "reached", "encodes", "verified", "confirmed")


def give_answers(request: PredictRequest, output: PredictOutput, plugins: Plugins) -> int:
    """Answers every source; prints each as soon as those before it are printed.

    Returns:
        The highest exit code of the sources.
    """
    if output.plot:
        from vmaftune_frv2.drawing.picture import check_plot

        check_plot(output.plot)
    if output.emit:
        check_names(with_folders(request.sources))
    if is_several(request.sources):
        return _give_several(request, output, plugins)
    found = predict_source(request, plugins)
    _give(found, request, output)
    if not output.emit:
        print_answers(output.style, [(found.label, found.answer)], request)
    return _say_unreached(found, request)


def _give_several(request: PredictRequest, output: PredictOutput, plugins: Plugins) -> int:
    codes = [int(ExitCode.OK)]

    def answered() -> Iterator[tuple[str, Answer]]:
        for each in predict_sources(request, plugins):
            if isinstance(each, SourceFailure):
                codes.append(_name_failure(each.label, each.error))
                continue
            codes.append(_say_unreached(each, request, f"{each.label}: "))
            _give(each, request, output)
            yield each.label, each.answer

    if output.emit:
        collections.deque(answered(), maxlen=0)
    else:
        print_answers(output.style, answered(), request, named=True)
    return max(codes)


def _give(each: SourceAnswer, request: PredictRequest, output: PredictOutput) -> None:
    """Draws and emits, where asked."""
    if output.plot:
        from vmaftune_frv2.drawing.curve_plot import write_plot

        write_plot(output.plot, each.answer, each.measuring, request.target_vmaf)
    if output.emit:
        note_sample(each.measuring.sample, each.label)
        for command in pick_commands(each.measuring, each.answer):
            click.echo(command)


def _say_unreached(each: SourceAnswer, request: PredictRequest, where: str = "") -> int:
    """Says on stderr what is out of reach, each line after ``where``.

    Returns:
        The exit code: negative when a line has no pick.
    """
    for pick in each.answer.picks:
        if pick.prediction is None:
            click.echo(f"{where}{':'.join(pick.line)}: {_why(pick, each, request)}", err=True)
    return ExitCode.OK if each.answer.reached else ExitCode.NEGATIVE


def _name_failure(label: str, error: TuneError) -> int:
    """One line for a source without an answer; the whole report of a tool would drown the others."""
    first = str(error).splitlines()[0]
    click.echo(first if first.startswith(label) else f"{label}: {first}", err=True)
    return int(error.exit_code)


def _why(pick: Pick[Prediction], each: SourceAnswer, request: PredictRequest) -> str:
    """Why a line has no pick."""
    limit = limit_of(request, each.measuring.whole_seconds)
    found = [p for p in each.answer.predictions if p.cell.line == pick.line]
    if limit is not None and (pick.best is None or request.target_vmaf is None):
        if request.verify and any(p.kbps <= limit.kbps for p in found):
            return f"none of {pick.encodes} encodes keeps {limit.option}, allow more with --max-encodes"
        least = min(found, key=lambda p: p.kbps)
        return f"every candidate is above {limit.option}; the smallest is {_taking(least)}"
    assert pick.best is not None
    target = f"{request.target_vmaf:g}"
    if request.min_vmaf_frame is not None:
        target += f" with a 5th percentile of {request.min_vmaf_frame:g}"
    best = f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}"
    if pick.best.vmaf_p05 is not None:
        best += f", 5th percentile {pick.best.vmaf_p05:.2f}"
    if request.verify and not pick.confirmed:
        return f"none of {pick.encodes} encodes reaches {target}, allow more with --max-encodes; {best}"
    if limit is None:
        return f"no candidate reaches {target}; {best}"
    reaching = [p for p in found if p.kbps > limit.kbps and p.vmaf >= (request.target_vmaf or 0.0)]
    if not reaching:
        return f"no candidate reaches {target}; within {limit.option} {best}"
    least = min(reaching, key=lambda p: p.kbps)
    return f"VMAF {target} takes {_taking(least)}, above {limit.option}; within it {best}"


def _taking(found: Prediction) -> str:
    """A cell's crf and what it takes, for people."""
    size = "" if found.size_bytes is None else f", {size_text(found.size_bytes)}"
    return f"crf {found.cell.crf} with {found.kbps:.1f} kbit/s{size}"


def pick_record(pick: Pick[Prediction]) -> dict[str, Any]:
    """A pick for programs, as ``schemas/predict_pick.json``; nothing of a cell where no candidate reaches."""
    sample = None if pick.best is None else pick.best.sample
    empty = {"encoder": pick.encoder, "preset": pick.preset, **sample_record(sample)}
    return {
        **(empty if pick.prediction is None else cell_record(pick.prediction)),
        "reached": pick.prediction is not None,
        "encodes": pick.encodes,
        "verified": pick.verified,
        "confirmed": pick.confirmed,
    }


def print_answers(
    style: str, answers: Iterable[tuple[str, Answer]], request: PredictRequest, named: bool = False
) -> None:
    """Candidates or, with a target, picks, in the ``--format`` asked for; jsonl and csv as they come.

    Args:
        style: ``table``, ``json``, ``jsonl`` or ``csv``.
        answers: (source, what was found).
        request: what was asked.
        named: whether each line begins with its source.
    """
    worst, picks = request.min_vmaf_frame is not None, request.picks
    if style == "table":
        found = list(answers)
        rows: list[tuple[str, Any]] = [
            (source, each) for source, a in found for each in (a.picks if picks else a.predictions)
        ]
        sources, shown = [source for source, _ in rows], [each for _, each in rows]
        table = pick_table if picks else cell_table
        click.echo(table(shown, sources if named else None, worst), color=coloured())
        return

    def records() -> Iterator[dict[str, Any]]:
        for source, found in answers:
            for record in map(pick_record, found.picks) if picks else map(cell_record, found.predictions):
                yield {"src": source, **record}

    columns = PICK_COLUMNS if picks else CELL_COLUMNS
    emit(style, (*(("src",) if named else ()), *columns, *((WORST,) if worst else ())), records())


def cell_table(cells: list[Prediction], sources: list[str] | None, worst: bool) -> str:
    """Candidates for people: VMAF and bitrate with their intervals, and what is special about each."""
    rows = [[*figures(p), *_worst(p, worst), *costs(p), kind(p)] for p in cells]
    headers = [*HEADERS, *(["5 %"] if worst else []), *COST_HEADERS, ""]
    return styled_table(headers, rows, [style_of(p) for p in cells], sources)


def pick_table(picks: list[Pick[Prediction]], sources: list[str] | None, worst: bool) -> str:
    """Picks for people, cheapest first; how sure each is in words."""
    rows: list[list[str]] = []
    styles: list[Style] = []
    for pick in picks:
        found = pick.prediction
        state, style = state_of(pick)
        row = [pick.encoder, pick.preset, *["-"] * 5] if found is None else figures(found)
        taken = ["-"] * len(COST_HEADERS) if found is None else costs(found)
        rows.append([*row, *_worst(found, worst), *taken, str(pick.encodes), state])
        styles.append(style)
    return styled_table(
        [*HEADERS, *(["5 %"] if worst else []), *COST_HEADERS, "encodes", ""], rows, styles, sources
    )


def _worst(found: Prediction | None, asked: bool) -> list[str]:
    if not asked:
        return []
    return ["-" if found is None or found.vmaf_p05 is None else f"{found.vmaf_p05:.2f}"]
