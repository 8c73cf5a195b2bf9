"""``vmaf-tune predict SOURCE``: a probe or more, then every cell's VMAF and bitrate, and the picks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from vmaftune_frv2.commands._measuring import open_measuring
from vmaftune_frv2.commands._predict_output import print_answers, verdict
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.grid import candidate_grid
from vmaftune_frv2.corpus.plan import Remap
from vmaftune_frv2.host.plugins import plugins_of
from vmaftune_frv2.predict.answer import Question, answer
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.search import Step


def run_predict_source(options: Mapping[str, Any]) -> int:
    """Probes, predicts, verifies and prints.

    Returns:
        The exit code: negative when no pick reaches the target.
    """
    predictor = open_predictor(options)
    question = question_of(predictor, options)
    if options["shots"]:
        from vmaftune_frv2.commands._predict_shots import run_predict_shots

        return run_predict_shots(predictor, question, options)
    if len(options["sources"]) > 1:
        from vmaftune_frv2.commands._predict_batch import run_predict_batch

        return run_predict_batch(predictor, question, options)
    return _answer_one(predictor, question, options)


def open_predictor(options: Mapping[str, Any]) -> Predictor:
    """Both models, with a warning for each that did not pass the ship gate."""
    predictor = Predictor.open(options["model_ref"], options["bitrate_model"])
    for model in (predictor.vmaf, predictor.bitrate):
        if model.sidecar.smoke:
            click.echo(f"Warning: {model.sidecar.id} is a smoke model: it did not pass the ship gate", err=True)
    return predictor


def _answer_one(predictor: Predictor, question: Question, options: Mapping[str, Any]) -> int:
    with contextlib.ExitStack() as stack:
        if options["plot"]:
            from vmaftune_frv2.commands._predict_plot import check_plot, write_plot

            check_plot(options["plot"])
        measuring = open_measuring(predictor, options)
        measuring.on_remap = _say_remap
        stack.enter_context(recording(options))(measuring)
        said = answer(predictor, measuring, question, say_step)
    if options["plot"]:
        write_plot(options["plot"], said, measuring, question.target)
    if options["emit"]:
        from vmaftune_frv2.commands._predict_emit import ffmpeg_commands

        for command in ffmpeg_commands(measuring, said.picks):
            click.echo(command)
    else:
        print_answers(options["style"], [(measuring.source.label, said)], question)
    return verdict(said, question)


@contextlib.contextmanager
def recording(options: Mapping[str, Any]) -> Iterator[Callable[[Measuring], None]]:
    """What attaches ``--record``'s corpus to what is measured of a source; nothing where there is none."""
    if not options["record"]:
        yield lambda measuring: None
        return
    from vmaftune_frv2.commands._predict_record import recorder

    with recorder(plugins_of(click.get_current_context()), options["record"]) as corpus:
        yield corpus.attach


def question_of(predictor: Predictor, options: Mapping[str, Any]) -> Question:
    """What the options ask.

    Raises:
        UsageError: a cell that cannot be.
        ModelError: an encoder that was not learnt.
    """
    seen = predictor.vmaf.sidecar.cells
    cells = candidate_grid(seen, options["encoders"], options["presets"], options["crfs"])
    predictor.require(list(dict.fromkeys(cell.encoder for cell in cells)))
    return Question(
        cells=cells,
        target=options["target_vmaf"],
        tolerance=options["tolerance"],
        verify=options["verify"],
        max_encodes=options["max_encodes"],
        confidence=options["confidence"],
        min_frame=options["min_vmaf_frame"],
        max_kbps=options["max_bitrate"],
        probes=tuple(map(Cell.parse, options["probes"])),
    )


def say_step(step: Step, where: str = "") -> None:
    """Tells of a real encode, or of a row that was there."""
    said = f"{'known' if step.known else 'encoded'} {step.cell}: VMAF {step.vmaf:.2f}, {step.kbps:.1f} kbit/s"
    if step.predicted is not None:
        said += f", expected VMAF {step.predicted:.2f}"
    click.echo(where + said, err=True)


def _say_remap(remap: Remap) -> None:
    click.echo(f"{remap.encoder} runs preset {remap.asked} as {remap.runs_as}", err=True)
