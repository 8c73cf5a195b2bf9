"""What commands about a source have in common."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from vmaftune_frv2.contract.option_groups import RecordOptions
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
def kept_on_interrupt(request: RecordOptions) -> Iterator[None]:
    """Says where what was measured is, when a command is broken off.

    Args:
        request: names a corpus that keeps it, and the cache.

    Raises:
        InterruptedRunError: it was.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        from vmaftune_frv2.api.caching import cache_of

        kept = ""
        if request.record is not None:
            kept = f"; what was measured is in {request.record}"
        elif cache_of(request) is not None:
            kept = "; what was measured is kept, and the same command goes on from there"
        raise InterruptedRunError(f"interrupted{kept}") from stop
