"""``vmaf-tune score``: VMAF of a video that somebody encoded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.contract.score_request import ScoreRequest
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import plugins_of

if TYPE_CHECKING:
    from vmaftune_frv2.api.scoring import PairScore

SHOWN = (
    ("mean", "mean"), ("harmonic_mean", "harmonic mean"), ("p05", "5% low"), ("p01", "1% low"), ("min", "min"),
)  # fmt: skip


@click.command(name="score")
@request_options(ScoreRequest)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, with VMAF of each frame and the row."
)
def score(request: ScoreRequest, as_json: bool) -> int:
    """VMAF of DISTORTED, an encode from anywhere, against REFERENCE, the video that it was made from.

    Frames are paired by number. Which frame of REFERENCE comes first, and which part of its picture is shown
    (black bars that were cropped, or added), is found, or told by --offset and --crop. An encode of another size
    is scaled to the reference's, bicubic. Two videos that do not show the same are refused.
    """
    from vmaftune_frv2.api.scoring import score_pair

    found = score_pair(request, plugins_of(click.get_current_context()), with_row=as_json)
    if as_json:
        click.echo(json.dumps(found.as_json(), allow_nan=False))
    else:
        for line in lines(found):
            click.echo(line)
    return ExitCode.OK


def lines(found: PairScore) -> list[str]:
    """What was compared, and how it scored, for people."""
    from vmaftune_frv2.contract.frame_pools import summary_of

    pair, crop = found.pair, found.crop
    shown = []
    for name, source, first, cropped in (
        ("distorted", pair.distorted, pair.first[0], crop.distorted),
        ("reference", pair.reference, pair.first[1], crop.reference),
    ):
        size = f"{source.width}x{source.height}{f' cropped ({cropped})' if cropped else ''}"
        if name == "distorted" and pair.scaled:
            size += f", scaled to {pair.reference.width}x{pair.reference.height}"
        part = f"frames {first} to {first + pair.frames - 1} of {source.frames}"
        made = f", {found.made.text}" if name == "distorted" and found.made.text else ""
        shown.append(f"{name}  {source.label}: {size}, {part}{made}")
    shown.append(f"offset     {pair.offset} frames, similarity {found.similarity:.3f}, {found.kbps:.0f} kbit/s")
    for model, frames in ((found.model, found.vmaf), *found.also.items()):
        pools = summary_of(frames)
        figures = ", ".join(f"{title} {pools[key]:.3f}" for key, title in SHOWN)
        shown.append(f"VMAF       {figures} ({model})")
    return shown
