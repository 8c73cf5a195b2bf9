"""What commands about a source have in common."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vmaftune_frv2.contract.options import option
from vmaftune_frv2.errors import InterruptedRunError

FORMATS = ("table", "json", "jsonl", "csv")


def style_option() -> str:
    """The field of ``--format``."""
    return option("table", "Output format.", flag="format", choices=FORMATS)  # type: ignore[no-any-return]


def emit_option() -> str | None:
    """The field of ``--emit``."""
    return option(  # type: ignore[no-any-return]
        None, "Print the ffmpeg commands that make the chosen encodes, instead of a table.", choices=("ffmpeg",)
    )


def spare_threads() -> None:
    """Keeps numpy from starting a pool of BLAS threads that one small net never uses."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextlib.contextmanager
def kept_on_interrupt(record: Path | None) -> Iterator[None]:
    """Says where what was measured is, when a command is broken off.

    Raises:
        InterruptedRunError: it was.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = f"; what was measured is in {record}" if record else ""
        raise InterruptedRunError(f"interrupted{kept}") from stop
