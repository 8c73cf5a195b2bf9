"""What ``vmaf-tune predict SOURCE`` prints: records for programs, short tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from vmaftune_frv2.commands._emit import emit
from vmaftune_frv2.commands._table import Style, coloured, format_table
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict.answer import Answer, Pick, Question
from vmaftune_frv2.predict.predictor import Prediction

if TYPE_CHECKING:
    from vmaftune_frv2.predict.rendition import Rung

CELL_COLUMNS = (
    "encoder", "preset", "crf", "vmaf_predicted", "vmaf_low", "vmaf_high", "kbps", "kbps_low", "kbps_high",
    "extrapolated", "measured",
)  # fmt: skip
PICK_COLUMNS = (*CELL_COLUMNS, "reached", "encodes", "settled")
WORST = "vmaf_p05"
"""Key of the 5th percentile of the frames' VMAF, where ``--min-vmaf-frame`` asks for one."""
HEADERS = ("encoder", "preset", "crf", "VMAF", "likely", "kbit/s", "likely")
GOOD: Style = {"fg": "green"}
DOUBTFUL: Style = {"fg": "yellow"}
BAD: Style = {"fg": "red"}
PLAIN: Style = {}


def cell_record(prediction: Prediction) -> dict[str, Any]:
    """A prediction for programs, as ``schemas/predict_cell.json``."""
    cell = prediction.cell
    record = {
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
    return record if prediction.vmaf_p05 is None else record | {WORST: round(prediction.vmaf_p05, 4)}


def pick_record(pick: Pick) -> dict[str, Any]:
    """A pick for programs, as ``schemas/predict_pick.json``; nothing of a cell where no candidate reaches."""
    empty = {"encoder": pick.encoder, "preset": pick.preset}
    return {
        **(empty if pick.prediction is None else cell_record(pick.prediction)),
        "reached": pick.prediction is not None,
        "encodes": pick.encodes,
        "settled": pick.settled,
    }


def print_answers(
    style: str, answers: Iterable[tuple[str, Answer]], question: Question, named: bool = False
) -> None:
    """Candidates or, with a target, picks, in the ``--format`` asked for; jsonl and csv as they come.

    Args:
        style: ``table``, ``json``, ``jsonl`` or ``csv``.
        answers: (source, what is said of it).
        question: what was asked.
        named: whether each line begins with its source.
    """
    if style == "table":
        click.echo(_table(list(answers), question, named), color=coloured())
        return

    def records() -> Iterator[dict[str, Any]]:
        for source, said in answers:
            found = map(cell_record, said.predictions) if question.target is None else map(pick_record, said.picks)
            yield from ({"src": source, **record} for record in found)

    columns = CELL_COLUMNS if question.target is None else PICK_COLUMNS
    worst = () if question.min_frame is None else (WORST,)
    emit(style, (*(("src",) if named else ()), *columns, *worst), records())


def _table(answers: Sequence[tuple[str, Answer]], question: Question, named: bool) -> str:
    if question.target is None:
        sources = [source for source, said in answers for _ in said.predictions]
        return cell_table([p for _, said in answers for p in said.predictions], sources if named else None)
    sources = [source for source, said in answers for _ in said.picks]
    picks = [pick for _, said in answers for pick in said.picks]
    return pick_table(picks, sources if named else None, worst=question.min_frame is not None)


def cell_table(predictions: Sequence[Prediction], sources: Sequence[str] | None = None) -> str:
    """Candidates for people: what is predicted, between what it likely lies, and what is special about it."""
    rows = [[*figures(p), kind(p)] for p in predictions]
    return styled_table([*HEADERS, ""], rows, [style_of(p) for p in predictions], sources)


def pick_table(picks: Sequence[Pick], sources: Sequence[str] | None = None, worst: bool = False) -> str:
    """Picks for people, cheapest first; how sure each is in words.

    Args:
        picks: one per row.
        sources: of each, where each row is to begin with it.
        worst: whether to show the 5th percentile of the frames.
    """
    headers = [*HEADERS, *(["5 %"] if worst else []), "encodes", ""]
    rows: list[list[str]] = []
    styles: list[Style] = []
    for pick in picks:
        found = pick.prediction
        said, style = state_of(pick)
        row = [pick.encoder, pick.preset, *["-"] * 5] if found is None else figures(found)
        if worst:
            row.append("-" if found is None or found.vmaf_p05 is None else f"{found.vmaf_p05:.2f}")
        rows.append([*row, str(pick.encodes), said])
        styles.append(style)
    return styled_table(headers, rows, styles, sources)


def state_of(pick: Pick) -> tuple[str, Style]:
    """How sure a pick is, in a word and in a colour."""
    found = pick.prediction
    if found is None:
        return "out of reach", BAD
    if found.measured:
        return ("proven", GOOD) if pick.settled else ("measured", DOUBTFUL)
    return kind(found) or "predicted", style_of(found)


def styled_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Sequence[Style],
    lead: Sequence[str] | None = None,
) -> str:
    """A table whose words are aligned left and figures right, perhaps after a column of sources."""
    names = ("encoder", "preset", "zone", "")
    left = [index for index, header in enumerate(headers) if header in names]
    if lead is None:
        return format_table(headers, rows, left=left, styles=styles)
    lines = [[source, *row] for source, row in zip(lead, rows, strict=True)]
    return format_table(["source", *headers], lines, left=[0, *(index + 1 for index in left)], styles=styles)


def figures(found: Prediction | Rung) -> list[str]:
    """What stands under HEADERS; no interval where all frames were measured, one where windows stand for them."""
    cell = found.cell
    sure = found.measured and found.vmaf_low == found.vmaf_high
    return [
        cell.encoder,
        cell.preset,
        str(cell.crf),
        f"{found.vmaf:.2f}",
        "" if sure else f"{found.vmaf_low:.1f}-{found.vmaf_high:.1f}",
        f"{found.kbps:.0f}",
        "" if sure else f"{found.kbps_low:.0f}-{found.kbps_high:.0f}",
    ]


def kind(found: Prediction | Rung) -> str:
    """What is special about a prediction, in a word."""
    return "measured" if found.measured else "extrapolated" if found.extrapolated else ""


def style_of(found: Prediction | Rung) -> Style:
    """The colour of a prediction."""
    return GOOD if found.measured else DOUBTFUL if found.extrapolated else PLAIN


def verdict(said: Answer, question: Question, where: str = "") -> int:
    """Says on stderr what is out of reach, each line after ``where``.

    Returns:
        The exit code: negative when a line has no pick.
    """
    for pick in said.picks:
        if pick.prediction is None:
            click.echo(f"{where}{pick.encoder}:{pick.preset}: {_why(pick, said, question)}", err=True)
    return ExitCode.OK if all(pick.prediction for pick in said.picks) else ExitCode.NEGATIVE


def _why(pick: Pick, said: Answer, question: Question) -> str:
    target = f"{question.target:g}"
    if question.min_frame is not None:
        target += f" with a 5th percentile of {question.min_frame:g}"
    if pick.best is None:
        line = [p for p in said.predictions if (p.cell.encoder, p.cell.preset) == (pick.encoder, pick.preset)]
        least = min(line, key=lambda p: p.kbps)
        cheapest = f"crf {least.cell.crf} with {least.kbps:.1f} kbit/s"
        return f"every candidate is above --max-bitrate; the cheapest is {cheapest}"
    best = f"the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}"
    if pick.best.vmaf_p05 is not None:
        best += f", 5th percentile {pick.best.vmaf_p05:.2f}"
    if question.verify and not pick.settled:
        return f"none of {pick.encodes} encodes reaches {target}, allow more with --max-encodes; {best}"
    if question.max_kbps is not None:
        best = f"within --max-bitrate {best}"
    return f"no candidate reaches {target}; {best}"
