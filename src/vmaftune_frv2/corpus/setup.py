"""With what cells are measured: programs, VMAF model and encoder parameters, and what keeps the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoder_settings import NO_SETTINGS, EncoderSettings
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.vmaf_models import default_vmaf_model

if TYPE_CHECKING:
    from vmaftune_frv2.corpus.cache import ResultCache

LEAST_TIME_LIMIT_S = 60.0
TIME_LIMIT_FACTOR = 20.0
"""How much slower than expected a run may be before it counts as hung."""


@dataclass(frozen=True)
class MeasureOptions:
    """How cells are measured; none of it changes what is measured.

    Args:
        scratch: folder for intermediate files, None for the system's.
        keep_dir: folder that keeps the encodes, None to delete them.
        container: file extension of the encodes, None for each encoder's own.
        threads: threads of one encode and of one scoring.
        threads_told: whether the user named them: encoders may write other bits with another number.
        attempts: times an encode is tried before the cell has failed.
        encoder_stats: whether to read the encoder's own statistics, where it has any.
        timeout: seconds one ffmpeg run may take; None derives it from the cell.
    """

    scratch: Path | None = None
    keep_dir: Path | None = None
    container: str | None = None
    threads: int = 1
    threads_told: bool = False
    attempts: int = 5
    encoder_stats: bool = False
    timeout: float | None = None

    def time_limit(self, request: CellRequest, encoder: Encoder) -> float:
        """Seconds one ffmpeg run of a cell may take."""
        if self.timeout is not None:
            return self.timeout
        return time_limit(request.cpu_seconds(encoder) + request.source.unscaled().megapixels)


def time_limit(expected_s: float) -> float:
    """Seconds after which a run that is expected to take ``expected_s`` counts as hung."""
    return LEAST_TIME_LIMIT_S + TIME_LIMIT_FACTOR * expected_s


@dataclass(frozen=True)
class Outcome:
    """A measured cell.

    Args:
        row: what was measured.
        payload: libvmaf's log, None where the cell failed.
    """

    row: Row
    payload: Mapping[str, Any] | None


class Ledger(Protocol):
    """Keeps what is measured, and knows what was measured before."""

    def rows(self, sha256: str) -> Iterable[Row]:
        """The rows of a source, by its digest, that were there before."""

    def find(self, request: CellRequest) -> Row | None:
        """The row of an equal request that has a score, None where there is none."""

    def take(self, outcome: Outcome) -> None:
        """Keeps an outcome, and may add to its row."""


@dataclass(frozen=True)
class Setup:
    """What all cells of a sweep, or of a question about a source, are measured with.

    Args:
        ffmpeg: encodes and scores.
        vmaf_model: libvmaf model; None takes the one for each source's height.
        settings: of encoders, beside preset and crf.
        full_features: whether to measure FULL_FEATURES beside the canonical-6.
        also_models: libvmaf models to score with besides.
        options: threads, folders and limits.
        ledger: None keeps nothing, and knows nothing.
        cache: asked after the ledger; None as well.
    """

    ffmpeg: FFmpeg
    vmaf_model: str | None = None
    settings: EncoderSettings = NO_SETTINGS
    full_features: bool = False
    also_models: tuple[str, ...] = ()
    options: MeasureOptions = MeasureOptions()
    ledger: Ledger | None = None
    cache: ResultCache | None = None

    def model_for(self, source: Source) -> str:
        """The VMAF model that a source is scored with."""
        return self.vmaf_model or default_vmaf_model(source.height)

    def also_for(self, source: Source) -> tuple[str, ...]:
        """The VMAF models that a source is scored with besides."""
        return tuple(model for model in dict.fromkeys(self.also_models) if model != self.model_for(source))

    def arguments(self, source: Source, encoder: Encoder) -> tuple[str, ...]:
        """The further arguments that a source is encoded with: the ``extra_params`` of its rows.

        Raises:
            UsageError: the encoder has no such setting.
        """
        settings = self.settings
        if source.raw is not None:  # whose pixel format is what --pix-fmt says
            settings = dataclasses.replace(settings, pix_fmt=None)
        return settings.arguments(encoder, source.framerate)

    def with_threads(self, told: int | None, otherwise: int) -> Setup:
        """The same with another number of threads per program: the one that the user named, or else another."""
        options = dataclasses.replace(
            self.options, threads=told or max(1, otherwise), threads_told=told is not None
        )
        return dataclasses.replace(self, options=options)
