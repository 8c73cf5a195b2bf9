"""Plain aligned tables; rich would double the start-up time of a one-line answer."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns padded to their widest entry.

    Args:
        headers: one per column.
        rows: cells as text.
        left: how many columns, from the first, are aligned left; the rest right.
    """
    widths = [max(len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        padded = (c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        return "  ".join(padded).rstrip()

    return "\n".join(line(row) for row in (headers, *rows))
