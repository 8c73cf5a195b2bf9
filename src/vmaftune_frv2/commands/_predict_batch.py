"""``vmaf-tune predict SOURCE...``: several sources, each answered on its own."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from vmaftune_frv2.commands._measuring import jobs_of, open_measuring
from vmaftune_frv2.commands._predict_emit import check_names, ffmpeg_commands
from vmaftune_frv2.commands._predict_output import print_answers, verdict
from vmaftune_frv2.commands._predict_source import recording, say_step
from vmaftune_frv2.commands._sources import raw_format
from vmaftune_frv2.errors import ExitCode, InterruptedRunError, TuneError
from vmaftune_frv2.media.together import together
from vmaftune_frv2.predict.answer import Answer, Question, answer
from vmaftune_frv2.predict.predictor import Predictor


@dataclass(frozen=True)
class Told:
    """What became of a source: an answer, or why there is none."""

    label: str
    said: Answer | None
    error: TuneError | None = None
    commands: tuple[str, ...] = ()


def run_predict_batch(predictor: Predictor, question: Question, options: Mapping[str, Any]) -> int:
    """Answers every source; prints each as soon as those before it are printed.

    Returns:
        The highest exit code of the sources.
    """
    raw_format(options["width"], options["height"], options["pix_fmt"], options["framerate"])
    labels = list(dict.fromkeys(options["sources"]))
    beside = min(jobs_of(options), len(labels))
    if options["emit"]:
        check_names(labels)

    def one(label: str) -> Told:
        try:
            measuring = open_measuring(predictor, {**options, "source": label}, beside)
            attach(measuring)
            said = answer(predictor, measuring, question, lambda step: say_step(step, f"{label}: "))
            commands = ffmpeg_commands(measuring, said.picks) if options["emit"] else []
            return Told(label, said, commands=tuple(commands))
        except InterruptedRunError:
            raise
        except TuneError as error:
            return Told(label, None, error)

    codes = [int(ExitCode.OK)]

    def answers() -> Iterator[tuple[str, Answer]]:
        for told in together(one, labels, beside):
            if told.said is None:
                codes.append(_name_failure(told))
                continue
            codes.append(verdict(told.said, question, f"{told.label}: "))
            for command in told.commands:
                click.echo(command)
            yield told.label, told.said

    with recording(options) as attach:
        if options["emit"]:
            collections.deque(answers(), maxlen=0)
        else:
            print_answers(options["style"], answers(), question, named=True)
    return max(codes)


def _name_failure(told: Told) -> int:
    """One line for a source without an answer; the whole report of a tool would drown the others."""
    assert told.error is not None
    first = str(told.error).splitlines()[0]
    click.echo(first if first.startswith(told.label) else f"{told.label}: {first}", err=True)
    return int(told.error.exit_code)
