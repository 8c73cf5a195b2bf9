"""A plugin of ``vmaf-tune``: one of everything that a plugin can do.

Environment:
    VMAFTUNE_EXAMPLE_MAX_CRF: rows of a higher crf are refused; unset refuses none for their crf.
    VMAFTUNE_EXAMPLE_LOG: file that gets one JSON line per event; unset records none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.host.hookspecs import hookimpl

MIN_VMAF = 20.0

MPEG4 = Encoder(
    name="mpeg4",
    presets=("default",),
    preset_aliases={"medium": "default"},
    crf_min=1,
    crf_max=31,
    argv=("-c:v", "mpeg4", "-q:v", "{crf}", "-threads", "{threads}"),
    pix_fmts=("yuv420p",),
    container="mp4",
    version_pattern=r"encoder\s*: (Lavc\S+) mpeg4",
    default_presets=("default",),
    default_crfs=(2, 5, 10),
)


@hookimpl
def vmaftune_register_commands(cli: click.Group) -> None:
    @cli.command(name="hello")
    @click.option("--name", default="encoder", show_default=True, help="Whom to greet.")
    def hello(name: str) -> None:
        """Greet somebody."""
        click.echo(f"hello, {name}")


@hookimpl
def vmaftune_register_encoders(register: Callable[[Encoder], None]) -> None:
    register(MPEG4)


@hookimpl
def vmaftune_sweep_started(planned: int, todo: int) -> None:
    _record("started", planned=planned, todo=todo)


@hookimpl
def vmaftune_scored(row: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    _record("scored", crf=row["crf"], frames=len(payload["frames"]))


@hookimpl
def vmaftune_enrich_row(row: Mapping[str, Any], payload: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if payload is None:
        return None
    return {"example_vmaf_min": min(frame["metrics"]["vmaf"] for frame in payload["frames"])}


@hookimpl
def vmaftune_check_row(row: Mapping[str, Any]) -> list[str]:
    reasons = []
    score, max_crf = row["vmaf_score"], os.environ.get("VMAFTUNE_EXAMPLE_MAX_CRF")
    if score is not None and score < MIN_VMAF:
        reasons.append(f"VMAF {score:.2f} is below {MIN_VMAF:g}")
    if max_crf is not None and row["crf"] > int(max_crf):
        reasons.append(f"crf {row['crf']} is above {max_crf}")
    return reasons


@hookimpl
def vmaftune_sweep_finished(summary: Mapping[str, int]) -> None:
    _record("finished", **summary)


def _record(event: str, **values: Any) -> None:
    path = os.environ.get("VMAFTUNE_EXAMPLE_LOG")
    if path:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": event, **values}) + "\n")
