"""``vmaf-tune-score``: libvmaf's command line ``vmaf``, scored through ffmpeg's libvmaf as a sweep scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from vmaftune_frv2.contract.files import check_writable, dump_json, write_atomic
from vmaftune_frv2.errors import InputError, OutputError, UsageError
from vmaftune_frv2.host.program import exit_with, reported
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf import libvmaf_version
from vmaftune_frv2.upstream.pair_score import Judges, score_pair
from vmaftune_frv2.upstream.sides import CHROMA, DEPTHS, Frames, Shape, open_pair
from vmaftune_frv2.upstream.vmaf_log import readable_log
from vmaftune_frv2.upstream.vmaf_options import read_features, read_models

NAME = "vmaf-tune-score"
_VERSION = "VMAF version"
"""What the upstream tool looks for on stderr."""
_FORMATS = ("xml", "csv", "sub")
_SWITCHES = ("no_cuda", "no_sycl", "no_vulkan", "no_hip", "no_metal")
_MASKS = ("cpumask", "gpumask")
F = TypeVar("F", bound=Callable[..., Any])
_COUNT = click.IntRange(min=0)


def _refuse(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        raise UsageError(f"--{option.name}: not supported; the log is written as JSON, say --json")


def _without_effect(command: F) -> F:
    """Options of ``vmaf`` that pick processors: taken, and of no consequence for the scores."""
    for name in _SWITCHES:
        command = click.option(f"--{name}", is_flag=True, hidden=True, expose_value=False)(command)
    for name in _MASKS:
        short = ("-c",) if name == "cpumask" else ()
        command = click.option(f"--{name}", *short, metavar="MASK", hidden=True, expose_value=False)(command)
    for name in _FORMATS:
        command = click.option(
            f"--{name}", is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=_refuse
        )(command)
    return command


@click.command(name=NAME, context_settings={"help_option_names": ["--help"], "max_content_width": 100})
@click.option(
    "--reference", "-r", metavar="FILE", help="What is judged against: YUV, y4m, or what ffmpeg decodes."
)
@click.option("--distorted", "-d", metavar="FILE", help="What is judged, likewise.")
@click.option("--width", "-w", type=click.IntRange(min=1), help="Columns of headerless YUV.")
@click.option("--height", "-h", type=click.IntRange(min=1), help="Rows of headerless YUV.")
@click.option("--pixel_format", "-p", type=click.Choice(list(CHROMA)), help="Chroma of headerless YUV.")
@click.option("--bitdepth", "-b", type=click.Choice([str(d) for d in DEPTHS]), help="Its bits per sample.")
@click.option(
    "--model",
    "-m",
    multiple=True,
    metavar="OPTIONS",
    help="version=NAME or path=FILE[:name=NAME]; again for more.",
)
@click.option(
    "--feature", multiple=True, metavar="NAME", help="A further extractor, NAME[=option=value]; again for more."
)
@click.option("--frame_skip_ref", type=_COUNT, default=0, help="Leave out so many frames of the reference.")
@click.option("--frame_skip_dist", type=_COUNT, default=0, help="Leave out so many frames of the distorted video.")
@click.option("--frame_cnt", type=_COUNT, default=0, help="Compare at most so many frames; 0 compares all.")
@click.option("--subsample", type=_COUNT, default=1, help="Score every Nth frame.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where the log goes; with --json.")
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON.")
@click.option("--threads", "-t", type=_COUNT, default=None, help="Threads of libvmaf; one per CPU by default.")
@click.option("--backend", type=click.Choice(["auto", "cpu"]), default="auto", help="Scores are made on the CPU.")
@click.option("--no_prediction", "-n", is_flag=True, help="Features only, no VMAF.")
@click.option("--quiet", "-q", is_flag=True, help="No version, and no score where there is a log.")
@click.option("--ffmpeg-bin", metavar="FILE", help="The ffmpeg to use, which has libvmaf.")
@click.option("--version", "-v", is_flag=True, help="Show libvmaf's version and exit.")
@_without_effect
def score_command(
    reference: str | None,
    distorted: str | None,
    width: int | None,
    height: int | None,
    pixel_format: str | None,
    bitdepth: str | None,
    model: tuple[str, ...],
    feature: tuple[str, ...],
    frame_skip_ref: int,
    frame_skip_dist: int,
    frame_cnt: int,
    subsample: int,
    output: Path | None,
    as_json: bool,
    threads: int | None,
    backend: str,
    no_prediction: bool,
    quiet: bool,
    ffmpeg_bin: str | None,
    version: bool,
) -> None:
    """Score a distorted video against its reference, as libvmaf's `vmaf` does, through ffmpeg."""
    if version:
        click.echo(f"{_VERSION} {libvmaf_version(locate(ffmpeg_bin))}")
        return
    if reference is None or distorted is None:
        raise UsageError("both --reference and --distorted are needed")
    shape = _shape(width, height, pixel_format, bitdepth)
    models = read_models(model)
    judges = Judges(
        models, read_features(feature), usable_cpus() if threads is None else threads, max(subsample, 1)
    )
    if output is not None:
        _check_output(output, as_json, (reference, distorted))
    ffmpeg = locate(ffmpeg_bin)
    pair = open_pair(ffmpeg, reference, distorted, shape, Frames(frame_skip_ref, frame_skip_dist, frame_cnt))
    log = readable_log(score_pair(ffmpeg, pair, judges), models, not no_prediction)
    if not quiet:
        click.echo(f"{_VERSION} {log.get('version', 'unknown')}", err=True)
    for each in () if no_prediction or (quiet and output is not None) else models:
        click.echo(f"{each.label}: {log['pooled_metrics'][each.name]['mean']:.6f}", err=True)
    if output is not None:
        _write(output, log)


def _shape(width: int | None, height: int | None, chroma: str | None, depth: str | None) -> Shape | None:
    known = {"width": width, "height": height, "pixel_format": chroma, "bitdepth": depth}
    missing = [f"--{name}" for name, value in known.items() if value is None]
    if width is None or height is None or chroma is None or depth is None:
        if len(missing) == len(known):
            return None
        raise UsageError(f"what describes headerless YUV belongs together; {' and '.join(missing)} are missing")
    return Shape(width, height, chroma, int(depth))


def _check_output(output: Path, as_json: bool, inputs: tuple[str, ...]) -> None:
    """Finds out before the work whether the log can be written."""
    if not as_json:
        raise UsageError("--output: XML, which libvmaf writes without --json, is not supported; say --json")
    if output.is_dir():
        raise OutputError(f"{output}: this is a folder")
    for each in inputs:
        if output.exists() and Path(each).exists() and output.samefile(each):
            raise InputError(f"--output {output} is one of the videos")
    if not _is_special(output):
        check_writable(output)


def _is_special(output: Path) -> bool:
    """Whether it is a pipe or a device, which nothing can be put in the place of."""
    return output.exists() and not output.is_file()


def _write(output: Path, log: dict[str, Any]) -> None:
    data = dump_json(log)
    if not _is_special(output):
        write_atomic(output, data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error


def run(arguments: list[str]) -> int:
    """Runs one command line and reports its errors, each in one line on stderr.

    Returns:
        The exit code.
    """

    def work() -> object:
        return score_command.main(arguments, prog_name=NAME, standalone_mode=False)

    return reported(work, lambda error: click.echo(f"Error: {error.format_message()}", err=True))


def main(argv: list[str] | None = None) -> NoReturn:
    """Runs ``vmaf-tune-score`` and exits with an ``ExitCode``."""
    exit_with(run, argv)
