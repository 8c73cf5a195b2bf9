"""The programs that upstream calls, where the machine has none of that name."""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.ffmpeg import bundled_path
from vmaftune_frv2.media.process import scratch_dir

SCORER = "vmaf-tune-score"
"""Our console script with the command line of libvmaf's ``vmaf``."""


def scorer() -> str | None:
    """Where our ``vmaf`` is: beside this Python, else on PATH; None where it is not installed."""
    beside = Path(sysconfig.get_path("scripts"), SCORER)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(SCORER)


def missing() -> dict[str, str]:
    """{program that PATH lacks: ours}; ffprobe is not among them, as imageio-ffmpeg has none."""
    ours: dict[str, str | None] = {}
    if shutil.which("vmaf") is None:
        ours["vmaf"] = scorer()
    if shutil.which(SCORER) is None:  # so that --vmaf-bin can name it
        ours[SCORER] = scorer()
    if shutil.which("ffmpeg") is None:
        with contextlib.suppress(ToolError):
            ours["ffmpeg"] = bundled_path()
    return {name: path for name, path in ours.items() if path is not None}


@contextlib.contextmanager
def programs() -> Iterator[dict[str, str]]:
    """Puts what PATH lacks behind all else on it, for this process and those it starts.

    Yields:
        {program: ours}.
    """
    ours = missing()
    if not ours:
        yield ours
        return
    before = os.environ.get("PATH", os.defpath)
    with scratch_dir(None, "vmaftune-programs-") as folder:
        for name, path in ours.items():
            (folder / name).symlink_to(path)
        os.environ["PATH"] = os.pathsep.join((before, str(folder)))
        try:
            yield ours
        finally:
            os.environ["PATH"] = before
