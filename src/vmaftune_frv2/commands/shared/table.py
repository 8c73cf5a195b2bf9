"""Plain aligned tables; rich would double the start-up time of a one-line answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

Style = Mapping[str, Any]
"""Arguments of ``click.style``."""


def format_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int | Collection[int] = 1,
    styles: Sequence[Style] | None = None,
) -> str:
    """Columns padded to their widest entry.

    Args:
        headers: one per column.
        rows: cells as text.
        left: how many columns, from the first, are aligned left, or which; the rest right.
        styles: of each row, if any; then the headers are bold. Printed where ``coloured`` only.
    """
    aligned = range(left) if isinstance(left, int) else left
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]

    def line(row: Sequence[str], style: Style) -> str:
        padded = (
            cell.ljust(width) if i in aligned else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        text = "  ".join(padded).rstrip()
        return click.style(text, **style) if style else text

    if styles is None:
        return "\n".join(line(row, {}) for row in (headers, *rows))
    return "\n".join(map(line, (headers, *rows), ({"bold": True}, *styles)))


def coloured() -> bool:
    """Whether stdout is a terminal that wants colours (https://no-color.org)."""
    if sys.stdout is None:  # closed
        return False
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
