"""What ``vmaf-tune encode`` prints of finished files."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from vmaftune_frv2.api.questions import SourceFailure
from vmaftune_frv2.commands.shared.predictions import BAD, DOUBTFUL, GOOD, PLAIN
from vmaftune_frv2.commands.shared.progress import say, say_failure
from vmaftune_frv2.commands.shared.table import Style, coloured, format_table
from vmaftune_frv2.contract.certificate import Certificate, Promise
from vmaftune_frv2.errors import ExitCode

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def give_certificates(found: Iterable[Certificate | SourceFailure], as_json: bool) -> int:
    """Prints each certificate as it comes; what is wrong goes to stderr.

    Returns:
        The highest exit code of the sources.

    Raises:
        BrokenPipeError: at the end, if nobody read stdout.
    """
    codes, gone = [int(ExitCode.OK)], None
    for number, each in enumerate(found):
        if isinstance(each, SourceFailure):
            text = str(each.error)
            text = text if each.label in text else f"{each.label}: {text}"
            say_failure(f"Error: {text}", text, each.error.exit_code)
            codes.append(int(each.error.exit_code))
            continue
        try:
            if as_json:
                click.echo(json.dumps(each.record(), allow_nan=False))
            else:
                click.echo(("\n" if number else "") + certificate_table(each), color=coloured())
        except BrokenPipeError as error:  # nobody reads; the others are made all the same
            gone = error
        for line in verdicts(each):
            say(line)
        codes.append(ExitCode.OK if each.holds else ExitCode.NEGATIVE)
    if gone is not None:
        raise gone
    return max(codes)


def verdicts(found: Certificate) -> list[str]:
    """What is wrong with a finished file, a line each."""
    lines = [f"{found.src}: {reason}; the file is kept as {found.output}" for reason in found.refused]
    kept = f", by more than the tolerance; {found.output} is there"
    return lines + [f"{found.src}: {reason}{kept}" for reason in found.missed]


def certificate_table(found: Certificate) -> str:
    """A certificate for people: what was measured beside what was promised."""
    promised, measured, source = found.promised, found.measured, found.source
    sizes = "" if promised.size_low is None or promised.size_high is None else _span(
        _bytes(promised.size_low), _bytes(promised.size_high)
    )  # fmt: skip
    also = [[f"VMAF {model}, mean", f"{each['mean']:.2f}", "", ""] for model, each in found.vmaf_also.items()]
    rows = [
        ["VMAF, mean", f"{measured.vmaf:.2f}", f"{promised.vmaf:.2f}", _range(promised, "vmaf", 1)],
        ["VMAF, harmonic mean", f"{measured.vmaf_harmonic_mean:.2f}", "", ""],
        ["VMAF, 5 % low", f"{measured.vmaf_p05:.2f}", "", ""],
        ["VMAF, 1 % low", f"{measured.vmaf_p01:.2f}", "", ""],
        ["VMAF, worst frame", f"{measured.vmaf_min:.2f}", "", ""],
        *also,
        ["video, kbit/s", f"{measured.kbps:.0f}", f"{promised.kbps:.0f}", _range(promised, "kbps", 0)],
        ["video, % of the source's", f"{found.video_percent:.1f}", "", ""],
        ["file", _bytes(measured.size_bytes), _bytes(promised.size_bytes), sizes],
        ["file, % of the source", f"{found.size_percent:.1f}", "", ""],
        ["frames", str(measured.frames), "", ""],
    ]
    title = f"{found.src} -> {found.output}\n{found.encoder}, preset {found.preset}, crf {found.crf:g}"
    lasted = f"{measured.frames / max(found.encode_seconds, 1e-9):.0f} fps, source {_bytes(source.size_bytes)}"
    styles = [_style(found), *[PLAIN] * (len(rows) - 1)]
    table = format_table(["", "measured", "promised", "90 %"], rows, styles=styles)
    notes = "".join(f"\n{note}" for note in found.notes)
    return f"{title}, {_basis(promised)}, {lasted}\n{table}{notes}"


def _basis(promised: Promise) -> str:
    """What the promise rests on."""
    how = "measured" if promised.measured else "predicted"
    where = f"{promised.windows} windows" if promised.windows else "the whole"
    plural = "" if promised.encodes == 1 else "s"
    return f"promise {how} on {where} in {promised.encodes} encode{plural}"


def _range(promised: Promise, name: str, digits: int) -> str:
    low, high = getattr(promised, f"{name}_low"), getattr(promised, f"{name}_high")
    return _span(f"{low:.{digits}f}", f"{high:.{digits}f}")


def _span(low: str, high: str) -> str:
    return "" if low == high else f"{low}-{high}"


def _style(found: Certificate) -> Style:
    return BAD if found.refused else DOUBTFUL if found.missed else GOOD


def _bytes(size: int | None) -> str:
    """A size as people read it."""
    if size is None:
        return "-"
    number, unit = float(size), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.3g} {_UNITS[unit]}" if unit else f"{size} bytes"
