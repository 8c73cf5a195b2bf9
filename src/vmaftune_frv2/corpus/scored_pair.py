"""The row of a video that somebody else encoded, scored against what it was made from."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import UNKNOWN
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import pool
from vmaftune_frv2.contract.frame_pools import summary_of
from vmaftune_frv2.contract.full_features import pool_full
from vmaftune_frv2.contract.rows import (
    FULL_FEATURES,
    PER_FRAME_FEATURES,
    PER_FRAME_VMAF,
    SCORED_PAIR,
    VMAF_ALSO,
    VMAF_AT_SOURCE_SIZE,
    Row,
)
from vmaftune_frv2.corpus.request import CellRequest, Toolchain
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.aligned import Aligned
from vmaftune_frv2.media.encoded_by import EncodedBy
from vmaftune_frv2.media.view import Window
from vmaftune_frv2.media.vmaf import Scored


@dataclass(frozen=True)
class Made:
    """How an encode was made, as far as it is known.

    Args:
        encoder: canonical name.
        version: of the encoder.
        preset: native preset.
        crf: value on the encoder's axis.
        extra_params: further ffmpeg arguments.
    """

    encoder: str | None = None
    version: str | None = None
    preset: str | None = None
    crf: float | None = None
    extra_params: tuple[str, ...] = ()

    @property
    def lacking(self) -> list[str]:
        """Options that would tell what is not known."""
        told = {"--encoder": self.encoder, "--preset": self.preset, "--crf": self.crf}
        return [option for option, value in told.items() if value is None]

    @property
    def text(self) -> str:
        """In a few words: ``libx264 crf 23``; empty where nothing is known."""
        parts = [self.encoder, self.preset, None if self.crf is None else f"crf {self.crf:g}"]
        return " ".join(filter(None, parts))


def how_made(
    said: EncodedBy, encoder: str | None, preset: str | None, crf: float | None, extra: tuple[str, ...]
) -> Made:
    """What the file says of its encoder and what the user does, together.

    Raises:
        UsageError: they contradict each other, or the encoder has no such preset or crf.
    """
    name = None if encoder is None else ENCODERS.get(encoder).name
    if name is not None and said.encoder not in (None, name):
        raise UsageError(f"--encoder {name}: the file says that {said.encoder} made it")
    name = name or said.encoder
    noted = None if said.crf is None else float(said.crf)
    if crf is not None and noted not in (None, crf):
        raise UsageError(f"--crf {crf:g}: the file says that its crf is {noted:g}")
    value = crf if crf is not None else noted
    if value is not None and value == int(value):
        value = int(value)
    entry = ENCODERS.find(name) if name else None
    if entry is not None:
        preset = None if preset is None else entry.resolve_preset(preset)
        if crf is not None and value is not None:
            entry.check_crf(value)
    return Made(name, said.version, preset, value, extra)


@dataclass(frozen=True)
class PairFigures:
    """What was measured of a pair.

    Args:
        pair: the videos, the reference at the encode's size.
        scored: at that size.
        at_source_size: VMAF of each frame at the source's size, where that is another one.
        size_bytes: of the packets of the frames that were compared.
        found: for ``scored_pair``.
    """

    pair: Aligned
    scored: Scored
    at_source_size: list[float] | None
    size_bytes: int
    found: dict[str, Any]


def pair_row(figures: PairFigures, made: Made, model: str, ffmpeg_version: str, full: bool) -> Row:
    """The row of a scored pair; what of its encoder is not known is null.

    Args:
        figures: what was measured.
        made: how the encode was made.
        model: VMAF model.
        ffmpeg_version: of the ffmpeg that scored.
        full: whether the row is to have all of FULL_FEATURES.
    """
    pair, scored = figures.pair, figures.scored
    used = pair.reference
    if pair.frames != used.frames:
        begins = float(pair.first[1] / used.framerate)
        part = Window(begins, float(pair.frames / used.framerate))
        used = dataclasses.replace(used, frames=pair.frames, view=dataclasses.replace(used.view, window=part))
    encoder = made.encoder or UNKNOWN
    cell = Cell(encoder, made.preset or "", made.crf or 0)
    tools = Toolchain(ffmpeg_version, scored.version, ((encoder, made.version),))
    row = CellRequest(used, cell, model, made.extra_params, tools, full, tuple(scored.also)).base_row()
    row.update(
        run_id=uuid.uuid4().hex,
        timestamp=datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="seconds"),
        preset=made.preset,
        crf=made.crf,
        encode_path=pair.distorted.label,
        encode_size_bytes=figures.size_bytes,
        bitrate_kbps=figures.size_bytes * 8 / 1000 / used.encoded_seconds,
        vmaf_score=sum(scored.vmaf) / len(scored.vmaf),
        score_time_ms=scored.seconds * 1000,
        exit_status=0,
        **pool(scored.features),
    )
    row[PER_FRAME_FEATURES] = dict(scored.features)
    row[PER_FRAME_VMAF] = scored.vmaf
    if figures.at_source_size is not None:
        row[VMAF_AT_SOURCE_SIZE] = figures.at_source_size
    if scored.also:
        row[VMAF_ALSO] = {name: summary_of(frames) for name, frames in scored.also.items()}
    if full:
        row[FULL_FEATURES] = pool_full(frame["metrics"] for frame in scored.payload["frames"])
    row[SCORED_PAIR] = figures.found
    return row
