"""A source that a regressor is asked about: its probe, and the picks that are to be measured."""

from __future__ import annotations

from collections.abc import Iterable

from vmaftune_frv2.api.caching import cache_of
from vmaftune_frv2.api.sources import open_for, warn_of_hdr
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.rows import Row
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL
from vmaftune_frv2.corpus.measurer import measure_now
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.predict.columns import Columns
from vmaftune_frv2.predict.results import Sample
from vmaftune_frv2.predict.session import Model

log = get_logger(__name__)


class Probed:
    """One source.

    Raises:
        ModelError: the model needs no probe, or one per encoder.
        InputError: the source cannot be used.
        ToolError: there is no ffmpeg that works.
    """

    def __init__(self, model: Model, request: PredictRequest) -> None:
        self._cell, self._columns = _probe_of(model), Columns.of(model.sidecar)
        ffmpeg, vmaf_model = locate(request.ffmpeg_bin), model.sidecar.vmaf_model or DEFAULT_MODEL
        self._setup = Setup(ffmpeg, vmaf_model, full_features=self._columns.full, cache=cache_of(request))
        seconds, cache = request.sample_clip_seconds, self._setup.cache
        self._source = open_for(ffmpeg, request.sources[0], request, seconds=seconds, cache=cache)
        warn_of_hdr(self._source, vmaf_model)

    @property
    def sample(self) -> Sample | None:
        """What of it is encoded, None for all of it."""
        return None if self._source.window is None else Sample(1, self._source.encoded_seconds)

    def features(self) -> list[float]:
        """The model's features of the probe encode.

        Raises:
            ToolError: the probe failed.
        """
        log.info("probing %s with %s", self._source.label, self._cell)
        row = measure_now(self._setup, self._source, self._cell).row
        return self._columns.read(row, f"probe of {self._source.label}")

    def measure(self, cells: Iterable[Cell]) -> dict[Cell, Row]:
        """Encodes and scores cells.

        Raises:
            ToolError: one failed.
        """
        found = {}
        for cell in cells:
            log.info("encoding %s with %s", self._source.label, cell)
            found[cell] = measure_now(self._setup, self._source, cell).row
        return found


def _probe_of(model: Model) -> Cell:
    sidecar = model.sidecar
    if sidecar.probe is not None:
        return sidecar.probe
    several = ", ".join(map(str, sidecar.probes))
    why = f"has a probe per encoder ({several})" if several else "scores an encode from its own features"
    raise ModelError(f"{sidecar.id} {why}, so that no one probe serves; use it with --features or --corpus")
