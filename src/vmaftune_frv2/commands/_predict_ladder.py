"""``vmaf-tune predict SOURCE --ladder``: heights and crfs along the convex hull of bitrate and quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from vmaftune_frv2.contract.cells import Cell
    from vmaftune_frv2.predict.ladder import Ladder, LadderQuestion
    from vmaftune_frv2.predict.predictor import Predictor
    from vmaftune_frv2.predict.rendition import Rendition, Rung

Command = TypeVar("Command", bound=Callable[..., Any])
RANGE = (40.0, 95.0)
COLUMNS = (
    "height", "width", "encoder", "preset", "crf", "kbps", "kbps_low", "kbps_high",
    "vmaf_predicted", "vmaf_low", "vmaf_high", "extrapolated", "measured",
)  # fmt: skip
OTHER_QUESTIONS = (
    "features", "corpora", "target_vmaf", "confidence", "min_vmaf_frame", "probes",
    "samples", "shots", "segments", "jobs", "plot", "record",
)  # fmt: skip
"""Options that ask for something else than a ladder."""


def _vmaf_range(context: click.Context, option: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Reads ``LOW:HIGH``, 0 <= low < high <= 100."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise click.BadParameter(f"{text!r}: write LOW:HIGH, as in 40:95") from None
    if not 0.0 <= low < high <= 100.0:
        raise click.BadParameter(f"{text!r}: VMAF runs from 0 to 100, the lower end first")
    return low, high


def ladder_options(command: Command) -> Command:
    """``--ladder --rungs --ladder-vmaf``."""
    for option in (
        click.option(
            "--ladder-vmaf", callback=_vmaf_range, metavar="LOW:HIGH",
            help="VMAF of a ladder's ends.  [default: 40:95]",
        ),
        click.option(
            "--rungs", type=click.IntRange(min=1),
            help="Rungs of a ladder, at equal steps of VMAF.  [default: one per 6 VMAF, about a noticeable step]",
        ),
        click.option(
            "--ladder", metavar="HEIGHT,HEIGHT",
            help="A ladder of SOURCE over these heights instead, along the convex hull of bitrate and VMAF;"
            " scaling is bicubic, VMAF at the source's size. --verify encodes the rungs.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def check_ladder(options: Mapping[str, Any]) -> None:
    """Checks that the options go together.

    Raises:
        click.UsageError: they do not.
        UsageError: a height is not an even number.
    """
    if options["ladder"] is None:
        for name in ("rungs", "ladder_vmaf"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --ladder")
        return
    if options["source"] is None:
        raise click.UsageError("--ladder needs SOURCE")
    if len(options.get("sources", ())) > 1:
        raise click.UsageError("--ladder takes one SOURCE")
    spelled = {"corpora": "corpus", "probes": "probe"}
    for name in OTHER_QUESTIONS:
        if options.get(name):
            raise click.UsageError(f"--{spelled.get(name, name).replace('_', '-')} does not go with --ladder")
    from vmaftune_frv2.predict.ladder import parse_heights

    parse_heights(options["ladder"])
    if not options["encoders"]:
        raise click.UsageError("--ladder needs --encoder; each encoder and preset gets a ladder of its own")


def run_ladder(options: Mapping[str, Any]) -> int:
    """Probes every height, chooses the rungs, verifies them where asked, and prints.

    Returns:
        The exit code: negative when a ladder is empty.

    Raises:
        UsageError: a height or a cell that cannot be.
        ModelError: no model, or an encoder that was not learnt.
    """
    from vmaftune_frv2.commands._predict_source import open_predictor
    from vmaftune_frv2.errors import ExitCode
    from vmaftune_frv2.predict.ladder import make_ladder

    predictor = open_predictor(options)
    questions = _questions(predictor, options)
    heights = _heights(predictor, options)
    rungs: list[Rung] = []
    answered = True
    for question in questions:
        # What scaling alone costs does not depend on the encoder; what was encoded does.
        ladder = make_ladder(predictor, [each.emptied() for each in heights], question, _say_step)
        _say_ladder(ladder, question)
        answered = answered and bool(ladder.rungs)
        rungs += ladder.rungs
    if options["emit"]:
        from vmaftune_frv2.commands._predict_emit import rung_commands

        for command in rung_commands(heights, rungs):
            click.echo(command)
    else:
        _print_rungs(options["style"], rungs)
    return ExitCode.OK if answered else ExitCode.NEGATIVE


def _questions(predictor: Predictor, options: Mapping[str, Any]) -> list[LadderQuestion]:
    """One question per (encoder, preset)."""
    from vmaftune_frv2.contract.grid import candidate_grid
    from vmaftune_frv2.predict.ladder import LadderQuestion

    cells = candidate_grid(predictor.vmaf.sidecar.cells, options["encoders"], options["presets"], options["crfs"])
    predictor.require(list(dict.fromkeys(cell.encoder for cell in cells)))
    lines: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        lines.setdefault((cell.encoder, cell.preset), []).append(cell)
    low, high = options["ladder_vmaf"] or RANGE
    return [
        LadderQuestion(
            cells=tuple(line),
            low=low,
            high=high,
            rungs=options["rungs"],
            max_kbps=options["max_bitrate"],
            verify=options["verify"],
            tolerance=options["tolerance"],
            max_encodes=options["max_encodes"],
        )
        for line in lines.values()
    ]


def _heights(predictor: Predictor, options: Mapping[str, Any]) -> list[Rendition]:
    """The source at every height, highest first."""
    from vmaftune_frv2.commands._measuring import say_hdr, say_if_whole
    from vmaftune_frv2.commands._sources import open_sources, raw_format
    from vmaftune_frv2.media.ffmpeg import locate
    from vmaftune_frv2.media.together import usable_cpus
    from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
    from vmaftune_frv2.predict.ladder import check_heights, parse_heights
    from vmaftune_frv2.predict.rendition import Rendition

    raw = raw_format(options["width"], options["height"], options["pix_fmt"], options["framerate"])
    ffmpeg = locate(options["ffmpeg_bin"])
    seconds = options["sample_clip_seconds"]
    (source,) = open_sources(
        ffmpeg,
        [options["source"]],
        raw,
        sample_seconds=seconds,
        hash_files=False,
        track=options["video_track"],
    )
    say_if_whole(source, seconds)
    model = predictor.vmaf_model or DEFAULT_MODEL
    say_hdr(source, model)
    heights = parse_heights(options["ladder"])
    check_heights(heights, source)
    threads = usable_cpus()
    return [Rendition(ffmpeg, source, height, model, options["pool"], threads=threads) for height in heights]


def _say_step(measured: Rung, expected: Rung | None) -> None:
    said = f"encoded {measured.height} rows {measured.cell}: VMAF {measured.vmaf:.2f}, {measured.kbps:.1f} kbit/s"
    if expected is not None:
        said += f", expected {expected.vmaf:.2f}, {expected.kbps:.1f} kbit/s"
    click.echo(said, err=True)


def _say_ladder(ladder: Ladder, question: LadderQuestion) -> None:
    """Tells what a ladder lacks of what was asked for."""
    cell = question.cells[0]
    line = f"{cell.encoder}:{cell.preset}"
    if not ladder.rungs:
        click.echo(f"{line}: no candidate is below --max-bitrate", err=True)
    elif len(ladder.rungs) < ladder.wanted:
        few = f"{len(ladder.rungs)} of {ladder.wanted} rungs"
        click.echo(f"{line}: {few}; the others would be the same encodes", err=True)
    if not ladder.settled:
        click.echo(
            f"{line}: --max-encodes ended the search; these are the best of {ladder.encodes} encodes", err=True
        )


def _print_rungs(style: str, rungs: Sequence[Rung]) -> None:
    from vmaftune_frv2.commands._emit import emit
    from vmaftune_frv2.commands._predict_output import HEADERS, figures, kind, style_of, styled_table
    from vmaftune_frv2.commands._table import coloured

    if style == "table":
        rows = [[str(rung.height), str(rung.width), *figures(rung), kind(rung)] for rung in rungs]
        table = styled_table(["height", "width", *HEADERS, ""], rows, [style_of(rung) for rung in rungs])
        click.echo(table, color=coloured())
    else:
        emit(style, COLUMNS, map(rung_record, rungs))


def rung_record(rung: Rung) -> dict[str, Any]:
    """A rung for programs, as ``schemas/predict_rung.json``."""
    return {
        "height": rung.height,
        "width": rung.width,
        "encoder": rung.cell.encoder,
        "preset": rung.cell.preset,
        "crf": rung.cell.crf,
        "kbps": round(rung.kbps, 2),
        "kbps_low": round(rung.kbps_low, 2),
        "kbps_high": round(rung.kbps_high, 2),
        "vmaf_predicted": round(rung.vmaf, 4),
        "vmaf_low": round(rung.vmaf_low, 4),
        "vmaf_high": round(rung.vmaf_high, 4),
        "extrapolated": rung.extrapolated,
        "measured": rung.measured,
    }
