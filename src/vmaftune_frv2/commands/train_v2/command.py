"""``vmaf-tune train-v2``: corpus to judged, exported, registered models."""

from __future__ import annotations

from pathlib import Path

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.train_request import TrainRequest
from vmaftune_frv2.errors import NegativeError


class TrainOutput(Request):
    """What is written."""

    out_dir: Path = option(
        Path("model/tiny"), "Folder for models, their sidecars and registry.json.", names="folder"
    )
    metrics_out: Path | None = option(None, "Write all figures to this file as JSON.", names="file")
    require_gate: bool = option(
        False, "Exit with 1 if the regressor is too inaccurate for production (the ship gate)."
    )
    no_export: bool = option(False, "Train and judge only; write no model.")
    progress: str = progress_option()


@click.command(name="train-v2")
@request_options(TrainRequest, TrainOutput)
def train_v2(request: TrainRequest, output: TrainOutput) -> None:
    """Train models of VMAF on a corpus, judge them on sources left out of training, export and register them.

    They are the codec-aware regressor, its ensemble, which gives intervals, the codec-blind regressor of single
    frames and, with --curves, the curve models, which predict all encodes of a source from one that was measured.
    """
    with shown_progress(output.progress, "train-v2"):
        _train(request, output)


def _train(request: TrainRequest, output: TrainOutput) -> None:
    from vmaftune_frv2.api.training import release, train
    from vmaftune_frv2.commands.train_v2.report import print_report
    from vmaftune_frv2.contract.files import dump_json, write_atomic

    trained = train(request)
    print_report(trained)
    if output.metrics_out is not None:
        write_atomic(output.metrics_out, dump_json(trained.metrics()))
    if not output.no_export:
        for path in release(trained, output.out_dir):
            if path.stem.endswith("_candidate"):
                standing = path.stem.removesuffix("_candidate")
                click.echo(f"{standing} is a production model; {path.stem} does not take its place")
            click.echo(f"wrote {path}")
        click.echo(f"registered in {output.out_dir / 'registry.json'} (smoke: {str(trained.smoke).lower()})")
    if output.require_gate and trained.smoke:
        raise NegativeError("the ship gate is not met (--require-gate)")
