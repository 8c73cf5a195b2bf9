"""What was tried, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from vmaftune_frv2.contract.encoder_names import condensed
from vmaftune_frv2.media.checkup import Finding


def summary(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """(state, names, detail) of each line; what is not needed and fails for one reason shares a line."""
    alike: dict[str, list[str]] = {}
    lines: dict[str, tuple[str, str]] = {}
    for finding in findings:
        if finding.ok or finding.needed:
            lines[finding.name] = "ok" if finding.ok else "MISSING", finding.detail
        else:
            alike.setdefault(finding.detail, []).append(finding.name)
    shown = [(state, name, detail) for name, (state, detail) in lines.items()]
    return shown + [("without", condensed(names), detail) for detail, names in alike.items()]
