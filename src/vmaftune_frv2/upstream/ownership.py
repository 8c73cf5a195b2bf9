"""Whose the script ``vmaf-tune`` is: two packages have one of that name, and the last one installed wins."""

from __future__ import annotations

import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.upstream import seams

SCRIPT = "vmaf-tune"
ALWAYS_OURS = "vmaf-tune-frv2"
OURS, THEIRS, UNKNOWN, NOBODYS = "vmaftune-frv2", "vmaf-tune", "unknown", "missing"
"""Whose it is, by the name of its distribution."""
_MARKS = ((b"vmaftune_frv2", OURS), (b"vmaftune.cli", THEIRS))


@dataclass(frozen=True)
class Script:
    """The script ``vmaf-tune``.

    Args:
        path: where it is, None where there is none.
        owner: distribution that it starts, ``unknown`` or ``missing``.
        upstream: folder of the installed package ``vmaftune``, None where there is none.
    """

    path: Path | None
    owner: str
    upstream: Path | None

    def __str__(self) -> str:
        whose = {OURS: "ours", THEIRS: "upstream's", UNKNOWN: "somebody else's", NOBODYS: "not installed"}
        return f"script {SCRIPT}: {whose[self.owner]}" + (f" ({self.path})" if self.path else "")

    def advice(self) -> list[str]:
        """What to know and do about it, a line each; none where ours is the only one."""
        if self.upstream is None and self.owner == OURS:
            return []
        lines = []
        if self.owner != OURS:
            lines.append(f"{ALWAYS_OURS} is always ours; to make {SCRIPT} ours: {reinstall(OURS)}")
        elif self.upstream is not None:
            lines.append(f"upstream's subcommands run through it; to make it upstream's own: {reinstall(THEIRS)}")
        if self.upstream is not None:
            lines.append(f"uninstalling either package deletes {SCRIPT}: reinstall the other one after it")
        return lines


def reinstall(distribution: str) -> str:
    """The command that gives a package the script; upstream is on no package index."""
    what = f"{distribution}" if distribution == OURS else "PATH/TO/vmaf/tools/vmaf-tune"
    return f"pip install --force-reinstall --no-deps {what}"


def script() -> Script:
    """Looks beside this Python, then on PATH."""
    beside = Path(sysconfig.get_path("scripts"), SCRIPT)
    found = str(beside) if beside.is_file() else shutil.which(SCRIPT)
    path = Path(found) if found else None
    return Script(path, _owner(path), seams.location())


def _owner(path: Path | None) -> str:
    if path is None:
        return NOBODYS
    try:
        text = path.read_bytes()
    except OSError:
        return UNKNOWN
    return next((owner for mark, owner in _MARKS if mark in text), UNKNOWN)
