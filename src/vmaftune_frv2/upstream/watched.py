"""Upstream's programs, run as ours are: in groups that end with us, and with what they said when they fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmaftune_frv2.media import process
from vmaftune_frv2.media.process import Completed


class Watched:
    """A runner for one ``iter_rows`` of upstream's, called as ``subprocess.run``.

    Attributes:
        trouble: what failed since it was last cleared, with its command and the end of its stderr.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None

    def __call__(self, argv: Sequence[Any], *, timeout: float | None = None, **how: object) -> Completed:
        """Runs a program to its end; ``how`` its output is taken is always the same here.

        Raises:
            ToolError: it cannot be started, or ran past ``timeout`` seconds.
        """
        done = process.run([str(word) for word in argv], timeout=timeout)
        if not done.ok:
            self.trouble = done.describe(f"{Path(done.argv[0]).name} failed")
        return done

    def among(self, runners: dict[str, Any]) -> dict[str, Any]:
        """Upstream's runners with this one where the caller gave none of his own."""
        return runners | {name: self for name in ("encode_runner", "score_runner") if runners.get(name) is None}
