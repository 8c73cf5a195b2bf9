"""What a sweep will measure, decided and checked before its first encode."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS, Encoder, EncoderTable
from vmaftune_frv2.contract.rows import FULL_FEATURES, VARIABLE_FRAME_RATE, VIDEO_TRACK, Row, empty_row
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.encode import encode_pix_fmt
from vmaftune_frv2.media.ffmpeg import EncoderProbe, FFmpeg, probe_encoder
from vmaftune_frv2.media.vmaf_models import default_vmaf_model
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.trial import check_parameters, try_parameters
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL, libvmaf_version, takes_pictures


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
            clip_mode=source.clip_mode,
            hdr_transfer=source.hdr_transfer,
            hdr_primaries=source.hdr_primaries,
            hdr_forced=False,
        )
        row[VARIABLE_FRAME_RATE] = source.variable
        if source.track:
            row[VIDEO_TRACK] = source.track
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
            *_further_frames(source.variable, source.track),
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
        row["encoder"], row["encoder_version"], row["preset"], row["crf"], tuple(row["extra_params"]),
        row["vmaf_model"], row["ffmpeg_version"], row["vmaf_binary_version"], _forced_hdr(row),
        *_further_features(row.get(FULL_FEATURES) is not None),
        *_further_frames(bool(row.get(VARIABLE_FRAME_RATE)), row.get(VIDEO_TRACK) or 0),
    )  # fmt: skip


def _forced_hdr(row: Mapping[str, Any]) -> str | None:
    """The HDR label that was forced on an encode, None where the source's own was kept."""
    return str(row.get("hdr_transfer") or "sdr") if row.get("hdr_forced") else None


def _further_features(full: bool) -> tuple[str, ...]:
    """What the full feature set adds to an identity; the canonical-6 add nothing."""
    return (FULL_FEATURES,) if full else ()


def _further_frames(variable: bool, track: int) -> tuple[object, ...]:
    """What uneven times and a further video track add to an identity; even ones and the first track nothing."""
    return ((VARIABLE_FRAME_RATE,) if variable else ()) + ((VIDEO_TRACK, track) if track else ())


def _digest(*request: object) -> bytes:
    return hashlib.blake2b(repr(request).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True)
class Plan:
    """Sources x cells, lazily. Without a ``vmaf_model``, each source is scored with the one for its height.

    ``full_features`` asks for FULL_FEATURES beside the canonical-6.
    """

    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]
    vmaf_model: str | None
    extra_params: tuple[str, ...]
    tools: Toolchain
    full_features: bool = False

    def __len__(self) -> int:
        return len(self.sources) * len(self.cells)

    def __iter__(self) -> Iterator[CellRequest]:
        for source in self.sources:
            for cell in self.cells:
                yield self._request(source, cell)

    def longest_first(self, table: EncoderTable = ENCODERS) -> Iterator[CellRequest]:
        """Every request, expensive ones first, so that no core idles while a last long cell ends.

        Merges one sorted run per source; memory does not grow with sources x cells.
        """
        pace = {cell: table.get(cell.encoder).seconds_per_megapixel(cell.preset) for cell in self.cells}
        cells = sorted(self.cells, key=lambda cell: -pace[cell])

        def run(source: Source) -> Iterator[tuple[float, CellRequest]]:
            return ((-source.megapixels * pace[cell], self._request(source, cell)) for cell in cells)

        merged = heapq.merge(*(run(source) for source in self.sources), key=lambda pair: pair[0])
        return (request for _, request in merged)

    def _request(self, source: Source, cell: Cell) -> CellRequest:
        model = self.model_for(source)
        return CellRequest(source, cell, model, self.extra_params, self.tools, self.full_features)

    def model_for(self, source: Source) -> str:
        """The VMAF model that a source is scored with."""
        return self.vmaf_model or default_vmaf_model(source.height)


@dataclass(frozen=True)
class Remap:
    """A preset that this build of the encoder runs as another one."""

    encoder: str
    asked: str
    runs_as: str


def make_plan(
    ffmpeg: FFmpeg,
    sources: Sequence[Source],
    cells: Sequence[Cell],
    *,
    vmaf_model: str | None,
    extra_params: Sequence[str] = (),
    full_features: bool = False,
    table: EncoderTable = ENCODERS,
) -> tuple[Plan, list[Remap]]:
    """Tries every encoder, preset and the model once on a few frames, and pins their versions.

    Returns:
        The plan, in which every preset is the one that really runs, and the presets that changed.

    Raises:
        UsageError: ffmpeg lacks an encoder, further parameters change size, range, rate or number of frames, or
            ``vmaf_model`` is no name of a model.
        InputError: a source is too deep for an encoder, or too small for the VMAF model.
        ToolError: an encoder or the VMAF model does not work.
    """
    check_parameters(extra_params)
    versions: dict[str, str | None] = {}
    runs_as: dict[tuple[str, str], str] = {}
    for encoder_name, preset in dict.fromkeys((cell.encoder, cell.preset) for cell in cells):
        encoder = table.get(encoder_name)
        for source in sources:
            encode_pix_fmt(encoder, source)
            if extra_params and encoder_name not in versions:
                try_parameters(ffmpeg, source, encoder, _first(cells, encoder_name), extra_params)
        probe = _tried(ffmpeg, cast(Hashable, ffmpeg.runner), encoder, preset)
        versions[encoder_name] = probe.version
        runs_as[encoder_name, preset] = probe.preset
    (vmaf_version,) = {
        _scoring_version(ffmpeg, source, vmaf_model or default_vmaf_model(source.height)) for source in sources
    }
    tools = Toolchain(ffmpeg.version, vmaf_version, tuple(sorted(versions.items())))
    real = tuple(
        dict.fromkeys(dataclasses.replace(cell, preset=runs_as[cell.encoder, cell.preset]) for cell in cells)
    )
    remaps = [Remap(name, asked, ran) for (name, asked), ran in runs_as.items() if ran != asked]
    return Plan(tuple(sources), real, vmaf_model, tuple(extra_params), tools, full_features), remaps


def _first(cells: Sequence[Cell], encoder: str) -> Cell:
    """The first cell of an encoder."""
    return next(cell for cell in cells if cell.encoder == encoder)


def _scoring_version(ffmpeg: FFmpeg, source: Source, model: str) -> str:
    """The version of the libvmaf that scores a source with a model, tried on pictures of the source's size.

    Raises:
        InputError: the source is too small for the model.
        ToolError: the model does not work.
    """
    runner = cast(Hashable, ffmpeg.runner)
    version = _libvmaf(ffmpeg, runner, model)
    if not _takes(ffmpeg, runner, model, source.width, source.height):
        raise InputError(
            f"{source.label}: {source.width}x{source.height} is too small for VMAF model {model}; leave it out,"
            f" or choose another --vmaf-model: {DEFAULT_MODEL} takes any size"
        )
    return version


# A question about a source plans anew for every encode; what this build can do stays as it is meanwhile.
# Binaries compare without their runner, which is part of the key for that reason.
@cache
def _tried(ffmpeg: FFmpeg, runner: Hashable, encoder: Encoder, preset: str) -> EncoderProbe:
    return probe_encoder(ffmpeg, encoder, preset)


@cache
def _libvmaf(ffmpeg: FFmpeg, runner: Hashable, model: str) -> str:
    return libvmaf_version(ffmpeg, model)


@cache
def _takes(ffmpeg: FFmpeg, runner: Hashable, model: str, width: int, height: int) -> bool:
    return takes_pictures(ffmpeg, model, width, height)
