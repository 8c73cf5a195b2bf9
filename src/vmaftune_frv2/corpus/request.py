"""A request: everything that determines the result of one cell of one source, and its identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.crf import Crf, tidy
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.rows import (
    FULL_FEATURES,
    VARIABLE_FRAME_RATE,
    VIDEO_TRACK,
    VIEW,
    VMAF_ALSO,
    Row,
    empty_row,
    view_key,
)
from vmaftune_frv2.media.source import Source


@dataclass(frozen=True)
class Toolchain:
    """The versions a sweep runs with."""

    ffmpeg_version: str
    vmaf_version: str
    encoder_versions: tuple[tuple[str, str | None], ...]

    def encoder_version(self, encoder: str) -> str | None:
        """Version of one encoder's library."""
        return dict(self.encoder_versions).get(encoder)


@dataclass(frozen=True)
class CellRequest:
    """Everything that determines the result of one cell of one source."""

    source: Source
    cell: Cell
    vmaf_model: str
    extra_params: tuple[str, ...]
    tools: Toolchain
    full_features: bool = False
    also_models: tuple[str, ...] = ()

    def base_row(self) -> Row:
        """The row as far as it is known before the encode."""
        source = self.source
        row = empty_row()
        row.update(
            src=source.label,
            src_sha256=source.sha256,
            width=source.width,
            height=source.height,
            pix_fmt=source.pix_fmt,
            framerate=float(source.framerate),
            duration_s=source.duration_s,
            encoder=self.cell.encoder,
            encoder_version=self.tools.encoder_version(self.cell.encoder),
            preset=self.cell.preset,
            crf=self.cell.crf,
            extra_params=list(self.extra_params),
            vmaf_model=self.vmaf_model,
            ffmpeg_version=self.tools.ffmpeg_version,
            vmaf_binary_version=self.tools.vmaf_version,
            clip_mode=source.view.clip_mode,
            hdr_transfer=source.hdr_transfer,
            hdr_primaries=source.hdr_primaries,
            hdr_forced=False,
        )
        row[VARIABLE_FRAME_RATE] = source.variable
        if source.track:
            row[VIDEO_TRACK] = source.track
        if source.view.identity:
            row[VIEW] = source.view.identity
        row.update(source.row_values)
        return row

    @property
    def identity(self) -> bytes:
        """The ``identity`` of the row that this request will give."""
        source, cell, tools = self.source, self.cell, self.tools
        return _digest(
            *source.identity,
            cell.encoder, tools.encoder_version(cell.encoder), cell.preset, cell.crf, self.extra_params,
            self.vmaf_model, tools.ffmpeg_version, tools.vmaf_version,
            _forced_hdr(source.row_values), *_further_features(self.full_features),
            *_further_models(self.also_models),
            *_further_frames(source.variable, source.track, source.view.identity),
        )  # fmt: skip

    def cpu_seconds(self, encoder: Encoder) -> float:
        """Rough CPU time of the encode, for ordering and time limits."""
        return self.source.megapixels * encoder.seconds_per_megapixel(self.cell.preset)


def identity(row: Row) -> bytes:
    """Digest of the request that a row answers: source, window, cell, model, feature set and tool versions.

    A source that was not hashed is identified by its path as given.

    Raises:
        KeyError: the row lacks a key of the contract.
    """
    rate = row["framerate"]
    return _digest(
        row["src_sha256"] or f"path:{row['src']}", row["width"], row["height"], row["pix_fmt"],
        None if rate is None else float(rate), row.get("clip_mode", "full"),
        row["encoder"], row["encoder_version"], row["preset"], _tidy(row["crf"]), tuple(row["extra_params"]),
        row["vmaf_model"], row["ffmpeg_version"], row["vmaf_binary_version"], _forced_hdr(row),
        *_further_features(row.get(FULL_FEATURES) is not None), *_further_models(row.get(VMAF_ALSO) or ()),
        *_further_frames(bool(row.get(VARIABLE_FRAME_RATE)), row.get(VIDEO_TRACK) or 0, row.get(VIEW)),
    )  # fmt: skip


def _tidy(crf: float | None) -> Crf | None:
    """The crf of a row; what is whole may stand there with a point."""
    return None if crf is None else tidy(crf)


def _forced_hdr(row: Mapping[str, Any]) -> str | None:
    """The HDR label that was forced on an encode, None where the source's own was kept."""
    return str(row.get("hdr_transfer") or "sdr") if row.get("hdr_forced") else None


def _further_features(full: bool) -> tuple[str, ...]:
    """What the full feature set adds to an identity; the canonical-6 add nothing."""
    return (FULL_FEATURES,) if full else ()


def _further_models(models: Iterable[str]) -> tuple[str, ...]:
    """What VMAF models besides the row's own add to an identity, in whatever order; none add nothing."""
    found = sorted(models)
    return (VMAF_ALSO, *found) if found else ()


def _further_frames(variable: bool, track: int, view: Mapping[str, Any] | None) -> tuple[object, ...]:
    """What uneven times, a further video track and a view add to an identity; what is usual adds nothing."""
    return (
        *((VARIABLE_FRAME_RATE,) if variable else ()),
        *((VIDEO_TRACK, track) if track else ()),
        *((VIEW, view_key(view)) if view else ()),
    )


def _digest(*request: object) -> bytes:
    return hashlib.blake2b(repr(request).encode("utf-8", "surrogatepass"), digest_size=16).digest()
