"""How often the 90 % interval holds for encoder settings and presets that training never saw.

Reads clips that were encoded with them (bench/corpus/settings.jsonl.zst, by bench/recipe/settings_corpus.py) and
predicts, by nets that never saw the clip's title, every measured cell from one other cell of the same clip and the
same settings, as `predict` does after its probe. A preset that training never saw has intervals half as wide
again, as in the product; other settings change no interval. Every (clip, encoder, preset, settings) counts alike.
The last column is by how much the half widths would have to be multiplied for a coverage of exactly 90 %.

    python bench/quality/settings.py [--settings FILE] [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

from coverage import Tally, point
from unseen import GROUP_BY, add_arguments, fit

from vmaftune_frv2.contract.rows import Row, clip_of
from vmaftune_frv2.corpus.reader import Fault, read_rows
from vmaftune_frv2.predict.curve_model import CurveModel
from vmaftune_frv2.predict.curves import LEVEL, predict_curve
from vmaftune_frv2.predict.predictor import WIDEN
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured, load_corpus

PACKED = Path(__file__).parents[1] / "corpus" / "settings.jsonl.zst"
GROUPS = {
    "-tune film": "tune", "-tune grain": "tune", "-pix_fmt yuv420p10le": "10 bit", "-g 48": "keyint",
    "": "slow presets",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """The measured cells of a clip with one encoder, preset and settings."""

    title: str
    settings: str
    cells: list[Measured] = field(default_factory=list)


def read_lines(path: Path) -> dict[tuple[object, ...], Line]:
    """The lines of a corpus, by clip (settings among what tells it), encoder and preset."""
    extra: dict[tuple[object, ...], str] = {}

    def settings(row: Row) -> tuple[tuple[object, ...], str]:
        words = tuple(row["extra_params"])
        return (*clip_of(row), *words), " ".join(words)

    for found in read_rows([path], settings):
        assert not isinstance(found, Fault), found
        extra[found[0]] = found[1]
    rows = load_corpus([path]).rows
    lines: dict[tuple[object, ...], Line] = {}
    for row, title in zip(rows, group_names(rows, GROUP_BY), strict=True):
        key = (*row.clip, *row.cell.line)
        lines.setdefault(key, Line(title, extra[row.clip])).cells.append(row)
    return lines


def judge(line: Line, model: CurveModel, widen: float) -> Tally:
    """Every cell of a line from every other one."""
    tally, pairs = Tally(), list(permutations(line.cells, 2))
    for known, asked in pairs:
        curve = predict_curve(model, [point(known)], [asked.cell])
        tally.error.append(abs(asked.score - float(curve.mean[0])))
        tally.half.append(widen * float(curve.typical[0]) * model.intervals.quantile(asked.cell.encoder, LEVEL))
        tally.weight.append(1.0 / len(pairs))
    return tally


def joined(tallies: Iterable[Tally]) -> Tally:
    """All of some tallies."""
    found = Tally()
    for tally in tallies:
        found.error += tally.error
        found.half += tally.half
        found.weight += tally.weight
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=Path, default=PACKED)
    arguments = add_arguments(parser).parse_args()
    lines, unseen = read_lines(arguments.settings), fit(arguments)
    seen = unseen.model.cells
    tallies: dict[tuple[str, str], list[Tally]] = {}
    for line in lines.values():
        first = line.cells[0].cell
        widen = 1.0 if first.preset in seen[first.encoder]["presets"] else WIDEN
        found = judge(line, unseen.predictor(line.title), widen)
        what = f"{first.encoder} {first.preset} {line.settings}".strip()
        tallies.setdefault((GROUPS[line.settings], what), []).append(found)
    titles = len({line.title for line in lines.values()})
    print(f"{len(lines)} lines of {titles} titles, nominal {100 * LEVEL:g} %, one known cell")
    print(f"{'':44s} predicted  coverage    MAE  width  factor")
    for group in dict.fromkeys(GROUPS.values()):
        mine = {what: found for (each, what), found in tallies.items() if each == group}
        print(f"{group:44s} {joined(t for found in mine.values() for t in found).shown()}")
        for what, found in sorted(mine.items()):
            print(f"  {what:42s} {joined(found).shown()}")


if __name__ == "__main__":
    main()
