"""The predicted curves of a source, what was measured on them, and the target."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.contract.cells import Line
from vmaftune_frv2.contract.files import check_writable, write_atomic
from vmaftune_frv2.errors import ToolError, UsageError
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.picks import by_cell_line
from vmaftune_frv2.predict.predictor import pooled
from vmaftune_frv2.predict.results import Answer, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg", ".html")
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "vmaf-tune", "font.size": 9}
"""Text stays text in an SVG, and the same picture gives the same file."""
SIZE_INCHES = (12.0, 5.0)

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>body {{ font: 15px sans-serif; margin: 2em }} svg {{ max-width: 100%; height: auto }}
td, th {{ padding: .2em 1em; text-align: right }}</style>
<h1>{title}</h1>
{svg}
{picks}
</html>
"""


def check_plot(path: Path) -> None:
    """Refuses what cannot be drawn, before anything is encoded.

    Raises:
        UsageError: the name says no known format.
        ToolError: matplotlib is missing.
        OutputError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {path}: name a file that ends in {', '.join(SUFFIXES)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ToolError("--plot needs matplotlib: pip install 'vmaftune-frv2[plot]'") from error
    check_writable(path)


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
    kind = "png" if path.suffix.lower() == ".png" else "svg"
    data = _draw(title, found, measuring, target, kind)
    if path.suffix.lower() == ".html":
        svg = re.sub(r"^.*?(?=<svg)", "", data.decode(), flags=re.DOTALL)
        data = PAGE.format(title=html.escape(title), svg=svg, picks=_picks(found, target)).encode()
    write_atomic(path, data)


def _draw(title: str, found: Answer, measuring: Measuring, target: float | None, kind: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is no reason to speak
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        figure.suptitle(title, parse_math=False)
        over_crf, over_rate = figure.subplots(1, 2, sharey=True)
        for index, (line, cells) in enumerate(
            by_cell_line(sorted(found.predictions, key=lambda p: p.cell)).items()
        ):
            _curve(over_crf, over_rate, line, cells, f"C{index % 10}", measuring)
        for axes, label in ((over_crf, "crf"), (over_rate, "kbit/s")):
            axes.set_xlabel(label)
            axes.grid(alpha=0.3)
            if target is not None:
                axes.axhline(target, color="black", linestyle="--", linewidth=1, label=f"target {target:g}")
        over_rate.set_xscale("log")
        over_rate.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        over_rate.xaxis.set_major_formatter("{x:g}")
        over_rate.xaxis.set_minor_formatter(NullFormatter())
        over_crf.set_ylabel("VMAF")
        over_crf.legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


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
