"""``vmaf-tune doctor``: which ffmpeg is used and what it can do."""

from __future__ import annotations

import json

import click

from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.version import __version__


@click.command(name="doctor")
@click.option(
    "--ffmpeg-bin",
    default=None,
    metavar="PROGRAM",
    help="ffmpeg to use; else PATH's if it has libvmaf, else the bundled one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def doctor(ffmpeg_bin: str | None, as_json: bool) -> int:
    """Say which ffmpeg is used, and try its encoders, its VMAF models and libvmaf's features.

    Hardware encoders are tried on a few frames, too; where one does not work, the reason is ffmpeg's own, and that
    they do not is no failure.

    Says also whose the script vmaf-tune is, where upstream's package has one of that name, and how to change that.
    """
    import dataclasses
    import platform
    from importlib.util import find_spec

    from vmaftune_frv2.api.caching import CACHE_VARIABLE, default_folder
    from vmaftune_frv2.commands.doctor.summary import summary
    from vmaftune_frv2.contract.cache_options import DEFAULT_LIMIT
    from vmaftune_frv2.contract.sizes import size_text
    from vmaftune_frv2.corpus.cache import ResultCache
    from vmaftune_frv2.media.checkup import check_up
    from vmaftune_frv2.media.ffmpeg import locate
    from vmaftune_frv2.upstream.ownership import script
    from vmaftune_frv2.upstream.programs import scorer

    ffmpeg = locate(ffmpeg_bin)
    folder = default_folder()
    usage = None if folder is None else ResultCache(folder).usage()
    findings = check_up(ffmpeg)
    found = script()
    if as_json:
        document = {
            "version": __version__,
            "python": platform.python_version(),
            "ffmpeg": {"path": ffmpeg.path, "origin": ffmpeg.origin, "version": ffmpeg.version},
            "torch": find_spec("torch") is not None,
            "script": {"path": found.path and str(found.path), "owner": found.owner, "advice": found.advice()},
            "upstream": {"path": found.upstream and str(found.upstream), "vmaf": scorer()},
            "cache": usage and {"path": str(folder), **dataclasses.asdict(usage), "limit_bytes": DEFAULT_LIMIT},
            "checks": [{"name": f.name, "ok": f.ok, "detail": f.detail, "needed": f.needed} for f in findings],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(f"vmaf-tune {__version__}, Python {platform.python_version()}")
        click.echo(f"ffmpeg {ffmpeg.version} from {ffmpeg.origin}: {ffmpeg.path}")
        click.echo(
            f"training: {'torch is installed' if find_spec('torch') else 'torch is missing (extra: train)'}"
        )
        if usage is None:
            click.echo(f"cache: none, as {CACHE_VARIABLE} is empty")
        else:
            held = f"{usage.entries} results, {size_text(usage.size_bytes)} of at most {size_text(DEFAULT_LIMIT)}"
            click.echo(f"cache: {folder}: {held}")
        click.echo(str(found))
        for line in found.advice():
            click.echo(f"  {line}")
        if found.upstream:
            click.echo(f"upstream: {found.upstream}; its vmaf where PATH has none: {scorer() or 'none'}")
        for state, names, detail in summary(findings):
            click.echo(f"  {state:7} {names}: {detail}")
    return ExitCode.OK if all(f.ok or not f.needed for f in findings) else ExitCode.NEGATIVE
