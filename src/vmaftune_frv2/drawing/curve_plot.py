"""The predicted curves of a source, what was measured on them, and the target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.contract.cells import Line
from vmaftune_frv2.drawing.picture import over_bitrate, write_picture
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.picks import by_cell_line
from vmaftune_frv2.predict.predictor import pooled
from vmaftune_frv2.predict.results import Answer, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_plot(path: Path | str, found: Answer, measuring: Measuring, target: float | None = None) -> None:
    """Draws VMAF over crf and over bitrate, a curve and its band per (encoder, preset).

    Args:
        path: ends in one of SUFFIXES.
        found: the answer.
        measuring: what was measured.
        target: VMAF that was looked for.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    part = f", from {measuring.sample}" if measuring.sample else ""
    title = f"{Path(measuring.source.label).name}: predicted VMAF{part}"
    write_picture(path, title, lambda figure: _draw(figure, found, measuring, target), _picks(found, target))


def _draw(figure: Figure, found: Answer, measuring: Measuring, target: float | None) -> None:
    over_crf, over_rate = figure.subplots(1, 2, sharey=True)
    for index, (line, cells) in enumerate(by_cell_line(sorted(found.predictions, key=lambda p: p.cell)).items()):
        _curve(over_crf, over_rate, line, cells, f"C{index % 10}", measuring)
    over_crf.set_xlabel("crf")
    over_crf.grid(alpha=0.3)
    over_bitrate(over_rate)
    if target is not None:
        for axes in (over_crf, over_rate):
            axes.axhline(target, color="black", linestyle="--", linewidth=1, label=f"target {target:g}")
    over_crf.set_ylabel("VMAF")
    over_crf.legend()


def _curve(
    over_crf: Axes, over_rate: Axes, line: Line, found: Sequence[Prediction], colour: str, measuring: Measuring
) -> None:
    crfs, kbps = [p.cell.crf for p in found], [p.kbps for p in found]
    vmaf, low, high = [p.vmaf for p in found], [p.vmaf_low for p in found], [p.vmaf_high for p in found]
    rows = [row for cell, row in measuring.rows.items() if cell.line == line]
    points = [pooled(row, measuring.pool) for row in rows]
    styled: dict[str, Any] = {"color": colour, "label": " ".join(line)}
    for axes, across, measured in (
        (over_crf, crfs, [row["crf"] for row in rows]),
        (over_rate, kbps, [row["bitrate_kbps"] for row in rows]),
    ):
        axes.plot(across, vmaf, **styled)
        axes.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(measured, points, "o", color=colour, gid=f"measured {' '.join(line)}")


def _picks(found: Answer, target: float | None) -> str:
    """The picks as an HTML table."""
    if target is None:
        return ""
    rows = []
    for pick in found.picks:
        cell = pick.prediction
        figures = ["-"] * 3 if cell is None else [cell.cell.crf, f"{cell.vmaf:.2f}", f"{cell.kbps:.0f}"]
        how = "out of reach" if cell is None else "measured" if cell.measured else "predicted"
        best = pick.prediction or pick.best
        if best is not None and best.sample:
            how += f"{' from' if how == 'predicted' else ' on'} {best.sample}"
        rows.append([pick.encoder, pick.preset, *figures, how])
    head = "".join(f"<th>{name}</th>" for name in ("encoder", "preset", "crf", "VMAF", "kbit/s", ""))
    body = "".join(f"<tr>{''.join(f'<td>{value}</td>' for value in row)}</tr>\n" for row in rows)
    return f"<h2>VMAF {target:g}</h2>\n<table>\n<tr>{head}</tr>\n{body}</table>"
