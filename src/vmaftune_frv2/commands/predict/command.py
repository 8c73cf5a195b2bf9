"""``vmaf-tune predict``: VMAF of cells that nobody has encoded, and the crf to use."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.predict.output import PredictOutput
from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import shown_progress
from vmaftune_frv2.commands.shared.question import kept_on_interrupt, spare_threads
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.host.plugins import plugins_of


@click.command(name="predict")
@request_options(PredictRequest, PredictOutput)
def predict(request: PredictRequest, output: PredictOutput) -> int:
    """Predict VMAF and bitrate of SOURCE for encoders, presets and crfs, from one test encode (probe) per encoder.

    With --target-vmaf, picks per encoder and preset the highest crf that still reaches it, lowest bitrate first.
    Several sources are answered one by one; one that fails is named, and the exit code is the highest of theirs.
    Where --encoder, --preset or --crf is not given, all that the model learnt is considered.
    """
    output.check_with(request)
    spare_threads()
    with shown_progress(output.progress, "predict"), kept_on_interrupt(request):
        if request.corpora:
            from vmaftune_frv2.api.corpus_scores import score_rows
            from vmaftune_frv2.commands.predict.row_records import print_rows

            return print_rows(score_rows(request, whole=output.style == "jsonl"), output.style)
        if not request.sources or _by_regressor(request):
            from vmaftune_frv2.api.scores import score_cells
            from vmaftune_frv2.commands.predict.scores import print_scores

            output.refuse(("emit", "plot"), "needs SOURCE and a curve model (the default is one)")
            return print_scores(score_cells(request), request, output.style)
        from vmaftune_frv2.commands.predict.answers import give_answers

        return give_answers(request, output, plugins_of(click.get_current_context()))


def _by_regressor(request: PredictRequest) -> bool:
    if request.model is None:
        return False
    from vmaftune_frv2.api.regressors import names_regressor

    return names_regressor(request.model)
