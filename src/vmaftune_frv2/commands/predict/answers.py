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
    Further,
    cell_record,
    costs,
    figures,
    kind,
    note_sample,
    sample_record,
    state_of,
    style_of,
    styled_table,
    target_words,
)
from vmaftune_frv2.commands.shared.progress import say_failure
from vmaftune_frv2.commands.shared.records import emit
from vmaftune_frv2.commands.shared.table import Style, coloured
from vmaftune_frv2.contract.grid import learnt_crfs
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.quality_targets import ordinal
from vmaftune_frv2.contract.sizes import size_text
from vmaftune_frv2.errors import ExitCode, TuneError
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.predict.aims import Aims
from vmaftune_frv2.predict.limits import limit_of
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Answer, Prediction

NOTHING_FURTHER = Further()
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
    line = first if first.startswith(label) else f"{label}: {first}"
    say_failure(line, line, error.exit_code)
    return int(error.exit_code)


def _why(pick: Pick[Prediction], each: SourceAnswer, request: PredictRequest) -> str:
    """Why a line has no pick."""
    limit = limit_of(request, each.measuring.whole_seconds)
    found = [p for p in each.answer.predictions if p.cell.line == pick.line]
    if limit is not None and (pick.best is None or not request.has_target):
        if request.verify and any(p.kbps <= limit.kbps for p in found):
            return f"none of {pick.encodes} encodes keeps {limit.option}, allow more with --max-encodes"
        least = min(found, key=lambda p: p.kbps)
        return f"every candidate is above {limit.option}; the smallest is {_taking(least)}"
    assert pick.best is not None
    target, aims = target_words(request), Aims(request.pool, request.targets())
    best = f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}"
    for low in pick.best.percentiles:
        best += f", {ordinal(low.percent)} percentile {low.vmaf:.2f}"
    if request.verify and not pick.confirmed:
        return f"none of {pick.encodes} encodes reaches {target}, allow more with --max-encodes; {best}"
    learnt = learnt_crfs((p.cell for p in found), request.crfs)
    if learnt is not None:
        best += f", of the crfs {learnt[0]} to {learnt[1]} that the model learnt (--crf names others)"
    if limit is None:
        return f"no candidate reaches {target}; {best}"
    reaching = [p for p in found if p.kbps > limit.kbps and aims.reached_by(p)]
    if not reaching:
        return f"no candidate reaches {target}; within {limit.option} {best}"
    least = min(reaching, key=lambda p: p.kbps)
    return f"VMAF {target} takes {_taking(least)}, above {limit.option}; within it {best}"


def _taking(found: Prediction) -> str:
    """A cell's crf and what it takes, for people."""
    size = "" if found.size_bytes is None else f", {size_text(found.size_bytes)}"
    return f"crf {found.cell.crf} with {found.kbps:.1f} kbit/s{size}"


def pick_record(pick: Pick[Prediction], further: Further = NOTHING_FURTHER) -> dict[str, Any]:
    """A pick for programs, as ``schemas/predict_pick.json``; nothing of a cell where no candidate reaches."""
    sample = None if pick.best is None else pick.best.sample
    empty = {"encoder": pick.encoder, "preset": pick.preset, **sample_record(sample)}
    return {
        **(empty if pick.prediction is None else cell_record(pick.prediction)),
        "reached": pick.prediction is not None,
        "encodes": pick.encodes,
        "verified": pick.verified,
        "confirmed": pick.confirmed,
        **further.record(pick.prediction),
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
    further, picks = Further.of(request), request.picks
    if style == "table":
        found = list(answers)
        rows: list[tuple[str, Any]] = [
            (source, each) for source, a in found for each in (a.picks if picks else a.predictions)
        ]
        sources, shown = [source for source, _ in rows], [each for _, each in rows]
        table = pick_table if picks else cell_table
        click.echo(table(shown, sources if named else None, further), color=coloured())
        return

    def records() -> Iterator[dict[str, Any]]:
        for source, found in answers:
            if picks:
                yield from ({"src": source, **pick_record(pick, further)} for pick in found.picks)
            else:
                yield from ({"src": source, **cell_record(p), **further.record(p)} for p in found.predictions)

    columns = PICK_COLUMNS if picks else CELL_COLUMNS
    emit(style, (*(("src",) if named else ()), *columns, *further.columns), records())


def cell_table(cells: list[Prediction], sources: list[str] | None, further: Further) -> str:
    """Candidates for people: VMAF and bitrate with their intervals, and what is special about each."""
    rows = [[*figures(p), *further.figures(p), *costs(p), kind(p)] for p in cells]
    headers = [*further.vmaf_headers, *further.headers, *COST_HEADERS, ""]
    return styled_table(headers, rows, [style_of(p) for p in cells], sources)


def pick_table(picks: list[Pick[Prediction]], sources: list[str] | None, further: Further) -> str:
    """Picks for people, cheapest first; how sure each is in words."""
    rows: list[list[str]] = []
    styles: list[Style] = []
    for pick in picks:
        found = pick.prediction
        state, style = state_of(pick)
        row = [pick.encoder, pick.preset, *["-"] * 5] if found is None else figures(found)
        taken = ["-"] * len(COST_HEADERS) if found is None else costs(found)
        rows.append([*row, *further.figures(found), *taken, str(pick.encodes), state])
        styles.append(style)
    headers = [*further.vmaf_headers, *further.headers, *COST_HEADERS, "encodes", ""]
    return styled_table(headers, rows, styles, sources)
