"""Pictures as files: what they may be called, and how they are drawn and written."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.files import check_writable, write_atomic
from vmaftune_frv2.errors import ToolError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
{below}
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


def write_picture(path: Path, title: str, draw: Callable[[Figure], None], below: str = "") -> None:
    """Draws and writes a picture.

    Args:
        path: ends in one of SUFFIXES.
        title: over it.
        draw: fills the figure.
        below: HTML that stands below it, in a page.

    Raises:
        OutputError: the file cannot be written.
    """
    data = _drawn(title, draw, "png" if path.suffix.lower() == ".png" else "svg")
    if path.suffix.lower() == ".html":
        svg = re.sub(r"^.*?(?=<svg)", "", data.decode(), flags=re.DOTALL)
        data = PAGE.format(title=html.escape(title), svg=svg, below=below).encode()
    write_atomic(path, data)


def _drawn(title: str, draw: Callable[[Figure], None], kind: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is no reason to speak
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        figure.suptitle(title, parse_math=False)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def over_bitrate(axes: Axes) -> None:
    """Makes the horizontal axis one of bitrates."""
    over_log(axes, "kbit/s")


def over_log(axes: Axes, label: str) -> None:
    """Makes the horizontal axis logarithmic, with figures that people read."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xlabel(label)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
