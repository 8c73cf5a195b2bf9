"""A ladder's hull: the curve of each height, the best of all of them, and the rungs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmaftune_frv2.drawing.picture import over_bitrate, write_picture
from vmaftune_frv2.predict.hull import upper_hull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vmaftune_frv2.predict.ladder import Ladder


def write_ladder_plot(path: Path | str, label: str, ladders: Sequence[Ladder]) -> None:
    """Draws VMAF over bitrate: a curve per height, the convex hull, and the chosen rungs; a picture per ladder.

    Args:
        path: ends in one of ``picture.SUFFIXES``.
        label: path of the source.
        ladders: one per encoder and preset, at least one.

    Raises:
        OutputError: the file cannot be written.
    """
    write_picture(Path(path), f"{Path(label).name}: bitrate ladder", lambda figure: _draw(figure, ladders))


def _draw(figure: Figure, ladders: Sequence[Ladder]) -> None:
    columns = min(len(ladders), 3)
    rows = -(-len(ladders) // columns)
    figure.set_size_inches(max(8.0, 6.0 * columns), 5.0 * rows)
    for axes, ladder in zip(figure.subplots(rows, columns, squeeze=False).flat, ladders, strict=False):
        _draw_one(axes, ladder)


def _draw_one(axes: Axes, ladder: Ladder) -> None:
    heights = sorted({rung.height for rung in ladder.candidates}, reverse=True)
    for index, height in enumerate(heights):
        curve = sorted((r for r in ladder.candidates if r.height == height), key=lambda r: r.cell.crf)
        name, colour = f"{height} rows", f"C{index % 10}"
        axes.plot([r.kbps for r in curve], [r.vmaf for r in curve], color=colour, label=name, linewidth=1.2)
        made = [r for r in curve if r.measured]
        axes.plot([r.kbps for r in made], [r.vmaf for r in made], ".", color=colour, gid=f"measured {name}")
    rate = np.log([r.kbps for r in ladder.candidates])
    quality = np.asarray([r.vmaf for r in ladder.candidates])
    best = [ladder.candidates[index] for index in upper_hull(rate, quality)]
    dashed: dict[str, Any] = {
        "color": "black",
        "linestyle": "--",
        "linewidth": 1.0,
        "label": "convex hull",
        "gid": "hull",
    }
    axes.plot([r.kbps for r in best], [r.vmaf for r in best], **dashed)
    chosen: dict[str, Any] = {
        "marker": "o",
        "markersize": 8,
        "linestyle": "",
        "fillstyle": "none",
        "color": "black",
    }
    axes.plot([r.kbps for r in ladder.rungs], [r.vmaf for r in ladder.rungs], label="rungs", gid="rungs", **chosen)
    for rung in ladder.rungs:
        text = f"{rung.height}, crf {rung.cell.crf:g}"
        axes.annotate(text, (rung.kbps, rung.vmaf), (8, -8), textcoords="offset points", fontsize=7)
    over_bitrate(axes)
    axes.set_ylabel("VMAF at the source's size")
    axes.set_title(" ".join(ladder.line))
    axes.legend()
