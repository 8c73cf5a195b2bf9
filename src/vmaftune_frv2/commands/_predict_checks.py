"""Which options of ``vmaf-tune predict`` go together; what would be ignored in silence is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

CURVES_ONLY = (
    "bitrate_model", "emit", "plot", "record", "confidence", "min_vmaf_frame", "max_bitrate", "pool", "probes",
    "jobs", "tolerance", "max_encodes", "sample_seconds",
)  # fmt: skip
"""What only the curve models answer."""
SOURCE_ONLY = ("width", "height", "pix_fmt", "framerate", "video_track", "sample_clip_seconds")
SPELLED = {"probes": "probe"}
Given = Callable[[str], bool]
"""Whether a parameter was on the command line."""


def given_in(context: click.Context) -> Given:
    """Tells what the command line has from defaults."""
    return lambda name: context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def check_together(options: Mapping[str, Any], given: Given) -> None:
    """Checks that the options of a prediction go together.

    Raises:
        click.UsageError: they do not.
    """
    check_needs(options, given)
    _check_question(options)
    _check_parts(options)
    _check_outputs(options)


def check_regressor(options: Mapping[str, Any], given: Given) -> None:
    """Checks that nothing is asked that a model without an anchor cannot tell.

    Raises:
        click.UsageError: something is.
    """
    if len(options["sources"]) > 1 or options["shots"] or options["samples"]:
        raise click.UsageError("several sources, --samples and --shots need a curve model, as the default one")
    for name in filter(given, CURVES_ONLY):
        raise click.UsageError(f"{_option(name)} needs SOURCE and a curve model, as the default one")
    for name in filter(given, SOURCE_ONLY if options["source"] is None else ()):
        raise click.UsageError(f"{_option(name)} needs SOURCE")


def check_needs(options: Mapping[str, Any], given: Given) -> None:
    """Checks that what only shapes another option comes with it, in any kind of question.

    Raises:
        click.UsageError: it would change nothing.
    """
    for name in filter(given, () if options["verify"] else ("tolerance", "max_encodes")):
        raise click.UsageError(f"{_option(name)} needs --verify; without it only probes are encoded")
    if given("sample_seconds") and not options["samples"] and not options["shots"]:
        raise click.UsageError("--sample-seconds needs --samples or --shots")


def _option(name: str) -> str:
    return f"--{SPELLED.get(name, name).replace('_', '-')}"


def _check_question(options: Mapping[str, Any]) -> None:
    if options["verify"] and (options["source"] is None or options["target_vmaf"] is None):
        raise click.UsageError("--verify needs SOURCE and --target-vmaf")
    if options["corpora"] and (
        options["encoders"] or options["presets"] or options["crfs"] or options["target_vmaf"]
    ):
        raise click.UsageError("--corpus scores the cells of its rows; leave out the grid and --target-vmaf")
    if options["target_vmaf"] is None:
        for name in ("confidence", "min_vmaf_frame", "max_bitrate"):
            if options[name] is not None:
                raise click.UsageError(f"{_option(name)} needs --target-vmaf")
    if options["verify"] and options["confidence"] is not None:
        raise click.UsageError("--verify picks by what it measured; leave out --confidence")


def _check_outputs(options: Mapping[str, Any]) -> None:
    if options["emit"] and options["target_vmaf"] is None:
        raise click.UsageError("--emit needs --target-vmaf")
    if options["plot"] and (len(options["sources"]) > 1 or options["shots"]):
        raise click.UsageError("--plot takes one SOURCE, without --shots")
    if options["record"] and (options["samples"] or options["shots"]):
        parts = "--samples" if options["samples"] else "--shots"
        raise click.UsageError(f"--record takes whole sources; leave out {parts}, whose windows a row cannot name")


def _check_parts(options: Mapping[str, Any]) -> None:
    if options["source"] is None and (options["samples"] or options["shots"]):
        raise click.UsageError("--samples and --shots need SOURCE")
    if options["samples"] and options["sample_clip_seconds"]:
        raise click.UsageError("--samples spreads windows, --sample-clip-seconds takes one; give one of them")
    if options["segments"] and not options["shots"]:
        raise click.UsageError("--segments needs --shots")
    if not options["shots"]:
        return
    if options["target_vmaf"] is None:
        raise click.UsageError("--shots needs --target-vmaf")
    if options["samples"] or options["sample_clip_seconds"] or len(options["sources"]) > 1:
        raise click.UsageError("--shots looks at all of one SOURCE; leave out further ones and windows")
