"""What will be measured, decided and checked before the first encode."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS, EncoderTable
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL
from vmaftune_frv2.corpus.request import CellRequest, Toolchain
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.encode import encode_pix_fmt
from vmaftune_frv2.media.ffmpeg import EncoderTrial, FFmpeg, try_encoder
from vmaftune_frv2.media.fractions import takes_fractions
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.trial import check_parameters, try_parameters
from vmaftune_frv2.media.vmaf import libvmaf_version, takes_pictures
from vmaftune_frv2.progress import step

log = get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """Sources x cells, lazily."""

    setup: Setup
    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]
    tools: Toolchain

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
        setup = self.setup
        model = setup.model_for(source)
        extra, also = setup.arguments(source, ENCODERS.get(cell.encoder)), setup.also_for(source)
        return CellRequest(source, cell, model, extra, self.tools, setup.full_features, also)


@dataclass(frozen=True)
class Remap:
    """A preset that this build of the encoder runs as another one."""

    encoder: str
    asked: str
    runs_as: str


def make_plan(
    setup: Setup, sources: Sequence[Source], cells: Sequence[Cell], table: EncoderTable = ENCODERS
) -> tuple[Plan, list[Remap]]:
    """Tries every encoder, preset and the model once on a few frames, and pins their versions.

    Returns:
        The plan, in which every preset is the one that really runs, and the presets that changed.

    Raises:
        UsageError: ffmpeg lacks an encoder, an encoder lacks a setting or rounds a crf, further parameters change
            size, range, rate or number of frames, or the setup names a VMAF model that cannot be.
        InputError: a source is too deep for an encoder, or too small for the VMAF model.
        ToolError: an encoder or the VMAF model does not work.
    """
    ffmpeg = setup.ffmpeg
    versions: dict[str, str | None] = {}
    runs_as: dict[tuple[str, str], str] = {}
    for encoder_name, preset in dict.fromkeys((cell.encoder, cell.preset) for cell in cells):
        encoder = table.get(encoder_name)
        for source in sources:
            encode_pix_fmt(encoder, source)
            extra = setup.arguments(source, encoder)
            if extra and encoder_name not in versions:
                _try_parameters(ffmpeg, source, encoder, _first(cells, encoder_name), extra)
        probe = _tried(ffmpeg, cast(Hashable, ffmpeg.runner), encoder, preset)
        versions[encoder_name] = probe.version
        runs_as[encoder_name, preset] = probe.preset
    for encoder_name in dict.fromkeys(cell.encoder for cell in cells if not isinstance(cell.crf, int)):
        if fraction_step(ffmpeg, table.get(encoder_name)) == 1:
            raise UsageError(
                f"{encoder_name} of {ffmpeg.path} rounds crfs to whole numbers; give whole ones, or another"
                " --ffmpeg-bin"
            )
    (vmaf_version,) = {
        _scoring_version(ffmpeg, source, model)
        for source in sources
        for model in (setup.model_for(source), *setup.also_for(source))
    }
    tools = Toolchain(ffmpeg.version, vmaf_version, tuple(sorted(versions.items())))
    real = tuple(
        dict.fromkeys(dataclasses.replace(cell, preset=runs_as[cell.encoder, cell.preset]) for cell in cells)
    )
    remaps = [Remap(name, asked, ran) for (name, asked), ran in runs_as.items() if ran != asked]
    return Plan(setup, tuple(sources), real, tools), remaps


_TRIED: set[Hashable] = set()


def _try_parameters(ffmpeg: FFmpeg, source: Source, encoder: Encoder, cell: Cell, extra: tuple[str, ...]) -> None:
    """Tries further parameters once per file, size and encoder: a question plans anew for every encode."""
    file = source.path, source.size_bytes, source.mtime_ns, source.track
    key = ffmpeg.path, file, source.width, source.height, source.view.filters, encoder.name, extra
    if key in _TRIED:
        return
    check_parameters(extra)
    for said in try_parameters(ffmpeg, source, encoder, cell, extra):
        log.warning("%s: %s says %s", source.label, encoder.name, said)
    _TRIED.add(key)


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
def _tried(ffmpeg: FFmpeg, runner: Hashable, encoder: Encoder, preset: str) -> EncoderTrial:
    with step("trying", unit=None, encoder=encoder.name, preset=preset):
        return try_encoder(ffmpeg, encoder, preset)


def fraction_step(ffmpeg: FFmpeg, encoder: Encoder) -> float:
    """The finest step of an encoder's crf that this build of it tells apart: its own, or 1."""
    return (
        encoder.crf_step if encoder.crf_step < 1 and _tells(ffmpeg, cast(Hashable, ffmpeg.runner), encoder) else 1
    )


@cache
def _tells(ffmpeg: FFmpeg, runner: Hashable, encoder: Encoder) -> bool:
    return takes_fractions(ffmpeg, encoder)


@cache
def _libvmaf(ffmpeg: FFmpeg, runner: Hashable, model: str) -> str:
    with step("trying", unit=None, model=model):
        return libvmaf_version(ffmpeg, model)


@cache
def _takes(ffmpeg: FFmpeg, runner: Hashable, model: str, width: int, height: int) -> bool:
    return takes_pictures(ffmpeg, model, width, height)
