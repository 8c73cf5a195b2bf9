"""Options that several commands share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmaftune_frv2.contract.encoders import ENCODERS

if TYPE_CHECKING:
    from fractions import Fraction

Command = TypeVar("Command", bound=Callable[..., Any])

HIGHEST_FRAMERATE = 100_000
RAW_SUFFIXES = (".yuv", ".raw")


def default_jobs() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class Number(click.FloatRange):
    """A float within a range. NaN, which no bound keeps out, and infinity are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; of text too."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class EncoderOption(click.Option):
    """``--encoder``; its help names the encoders of the table as it stands when help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Option and help text."""
        self.help = f"Encoder; repeatable. Known: {', '.join(ENCODERS.names())}."
        return super().get_help_record(ctx)


def grid_options(command: Command) -> Command:
    """``--encoder --preset --crf``."""
    for option in (
        click.option(
            "--crf", "crfs", multiple=True, metavar="CRF|FIRST:LAST[:STEP]",
            help="Quality values; repeatable. ENCODER=VALUE binds one to an encoder.",
        ),
        click.option(
            "--preset", "presets", multiple=True, metavar="PRESET",
            help="An encoder's own preset or a shared name (medium); repeatable. ENCODER=PRESET binds one.",
        ),
        click.option("--encoder", "encoders", multiple=True, metavar="NAME", cls=EncoderOption),
    ):  # fmt: skip
        command = option(command)
    return command


def raw_options(command: Command) -> Command:
    """``--width --height --pix-fmt --framerate``, for headerless YUV."""
    for option in (
        click.option(
            "--framerate", type=str, default=None, help="Frame rate of raw YUV: 25, 23.976 or 24000/1001."
        ),
        click.option("--pix-fmt", default=None, help="Pixel format of raw YUV.  [default: yuv420p]"),
        click.option("--height", type=click.IntRange(min=1), default=None, help="Height of raw YUV."),
        click.option("--width", type=click.IntRange(min=1), default=None, help="Width of raw YUV."),
    ):
        command = option(command)
    return command


def track_option(command: Command) -> Command:
    """``--video-track``."""
    return click.option(
        "--video-track", type=click.IntRange(min=0), default=None, metavar="N",
        help="Video track to use, from 0; else the one with the default flag, else the one that ffmpeg takes.",
    )(command)  # fmt: skip


def ffmpeg_option(command: Command) -> Command:
    """``--ffmpeg-bin``."""
    return click.option(
        "--ffmpeg-bin", default=None, metavar="PROGRAM",
        help="ffmpeg to use; else PATH's if it has libvmaf, else the bundled one.",
    )(command)  # fmt: skip


def parse_framerate(text: str) -> Fraction:
    """A frame rate as a fraction; the NTSC decimals become their exact thousand-and-firsts.

    Raises:
        click.BadParameter: not a positive number, or one that no video has.
    """
    from fractions import Fraction

    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, HIGHEST_FRAMERATE) <= rate <= HIGHEST_FRAMERATE:
        raise click.BadParameter(f"{text!r} is not a frame rate", param_hint="--framerate")
    ntsc = Fraction(round(rate) * 1000, 1001)
    return ntsc if rate != round(rate) and abs(ntsc - rate) < Fraction(1, 1000) else rate


def is_raw(path: str) -> bool:
    """Whether a source is headerless YUV, by its name."""
    return Path(path).suffix.lower() in RAW_SUFFIXES
