"""What crf a source needs: probed, predicted, picked and verified; for one source or for several."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmaftune_frv2.api.caching import cache_of
from vmaftune_frv2.api.curve_pair import open_predictor
from vmaftune_frv2.api.folders import with_folders
from vmaftune_frv2.api.sources import note_if_whole, open_for, warn_of_hdr
from vmaftune_frv2.contract.cache_options import CacheOptions
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoding_options import EncodingOptions
from vmaftune_frv2.contract.grid import without_crfs
from vmaftune_frv2.contract.option_groups import RecordOptions
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.contract.quality_options import AlsoOptions, VmafOptions
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import InterruptedRunError, TuneError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.predict.answer import answer
from vmaftune_frv2.predict.measuring import Measuring, start_measuring
from vmaftune_frv2.predict.predictor import Predictor
from vmaftune_frv2.predict.results import Answer
from vmaftune_frv2.progress import about, count

if TYPE_CHECKING:
    from vmaftune_frv2.corpus.recording import Recording
    from vmaftune_frv2.host.plugins import Plugins

log = get_logger(__name__)


@dataclass(frozen=True)
class SourceAnswer:
    """What is predicted of a source.

    Args:
        label: path as given.
        answer: predictions, picks and steps.
        measuring: what was measured of it.
    """

    label: str
    answer: Answer
    measuring: Measuring


@dataclass(frozen=True)
class SourceFailure:
    """Why there is no answer for a source.

    Args:
        label: path as given.
        error: the reason.
    """

    label: str
    error: TuneError


def predict_source(request: PredictRequest, plugins: Plugins | None = None) -> SourceAnswer:
    """Probes a source and predicts VMAF and bitrate of every candidate cell; with a target, picks and verifies.

    Progress is logged, encode by encode.

    Args:
        request: of one source.
        plugins: see, enrich and check what ``record`` keeps; None loads those that are installed.

    Raises:
        UsageError: a cell that cannot be, or several sources.
        InputError: the source cannot be used.
        ModelError: a model is missing or altered, or did not learn an encoder.
        ToolError: ffmpeg, an encoder or libvmaf failed.
        OutputError: the corpus of ``record`` cannot be written.
    """
    if len(request.sources) != 1:
        raise UsageError("give one SOURCE")
    work = _Work(request)
    measuring = work.opened(request.sources[0])
    with recorded(request, plugins) as ledger:
        return work.answered(measuring, ledger)


def predict_sources(
    request: PredictRequest, plugins: Plugins | None = None
) -> Iterator[SourceAnswer | SourceFailure]:
    """Answers several sources, each on its own; one that fails does not end the others.

    Args:
        request: of one or several sources; of a folder, of the videos in it.
        plugins: as ``predict_source``.

    Yields:
        In the order asked for, as soon as those before are there.

    Raises:
        UsageError, ModelError, OutputError: as ``predict_source``, before the first source.
    """
    if not request.sources:
        raise UsageError("give one SOURCE or several")
    labels = with_folders(request.sources)
    work, beside = _Work(request), min(request.jobs or usable_cpus(), len(labels))
    done = count("answers", "sources", len(labels))

    def one(label: str) -> SourceAnswer | SourceFailure:
        try:
            return work.answered(work.opened(label, beside, f"{label}: "), ledger)
        except InterruptedRunError:
            raise
        except TuneError as error:
            return SourceFailure(label, error)
        finally:
            done.add()

    with recorded(request, plugins) as ledger, done:
        yield from together(one, labels, beside)


class _Work:
    """What all sources of a request have in common: the models, the candidates, the programs."""

    def __init__(self, request: PredictRequest) -> None:
        self.request, self.predictor = request, open_predictor(request)
        self.cells: tuple[Cell, ...] = self.predictor.cells(request)
        self.setup = setup_for(request, self.predictor, (*self.cells, *request.probe_cells()))

    def opened(self, label: str, beside: int = 1, prefix: str = "") -> Measuring:
        """One source, ``beside`` of which are at work at once; nothing is encoded yet."""
        with about(source=label):
            measuring = _start(self.request, label, self.setup, beside)
        measuring.prefix = prefix
        return measuring

    def answered(self, measuring: Measuring, ledger: Recording | None) -> SourceAnswer:
        """The answer for a source; what is measured for it goes to the ledger."""
        measuring.setup = dataclasses.replace(measuring.setup, ledger=ledger)
        label = measuring.source.label
        with about(source=label):
            return SourceAnswer(label, self._answer(measuring), measuring)

    def _answer(self, measuring: Measuring) -> Answer:
        finely = without_crfs((cell.encoder for cell in self.cells), self.request.crfs)
        return answer(self.predictor, measuring, self.cells, self.request, finely)


def _start(request: PredictRequest, label: str, setup: Setup, beside: int) -> Measuring:
    samples = request.samples or 0
    source = open_for(
        setup.ffmpeg,
        label,
        request,
        seconds=request.sample_seconds if samples else request.sample_clip_seconds,
        hashed=request.record is not None,
        trust_header=samples > 0,
        cache=setup.cache,
    )
    warn_of_hdr(source, setup.model_for(source))
    measuring = start_measuring(
        setup,
        source,
        request.pool,
        samples=samples,
        sample_seconds=request.sample_seconds,
        jobs=max(1, (request.jobs or usable_cpus()) // beside),
        beside=beside,
        threads=request.threads,
    )
    if not samples:
        note_if_whole(source, request.sample_clip_seconds)
    elif measuring.source.window is None:
        _note_too_short(measuring.source, request)
    return measuring


def _note_too_short(source: Source, request: PredictRequest) -> None:
    log.info(
        "%s lasts %.2f s, no longer than %d windows of %g s; all of it is used",
        source.label, source.encoded_seconds, request.samples, request.sample_seconds,
    )  # fmt: skip


def setup_for(request: EncodingOptions, predictor: Predictor, cells: Sequence[Cell]) -> Setup:
    """What measures the cells that a predictor asks for: scored with the VMAF model that is asked for or learnt.

    Args:
        request: encoder settings, threads, ffmpeg, and where what is measured is kept.
        predictor: says the VMAF model.
        cells: all that may be asked for.

    Raises:
        UsageError: an encoder of theirs lacks a setting.
        ToolError: there is no ffmpeg that works.
    """
    settings = request.settings()
    settings.check_encoders(list(dict.fromkeys(cell.encoder for cell in cells)))
    cache = cache_of(request) if isinstance(request, CacheOptions) else None
    asked = request.scored_with() if isinstance(request, VmafOptions) else None
    also = request.also_scored_with() if isinstance(request, AlsoOptions) else ()
    model = asked or predictor.vmaf_model or DEFAULT_MODEL
    return Setup(locate(request.ffmpeg_bin), model, settings, also_models=also, cache=cache)


def dealt(setup: Setup, threads: int | None, beside: int) -> Setup:
    """The setup of one of several programs at once: with the threads that were asked for, or its share of CPUs."""
    return setup.with_threads(threads, usable_cpus() // beside)


@contextlib.contextmanager
def recorded(request: RecordOptions, plugins: Plugins | None) -> Iterator[Recording | None]:
    """The corpus of ``record``, open; None where there is none.

    Raises:
        OutputError: it cannot be written, or a sweep is writing to it.
        InputError: it exists and is no corpus.
    """
    if request.record is None:
        yield None
        return
    from vmaftune_frv2.corpus.recording import recording
    from vmaftune_frv2.host.events import HookEvents
    from vmaftune_frv2.host.plugins import load_plugins

    events = HookEvents(plugins or load_plugins(), lambda todo: None, lambda row: None)
    with recording(request.record, events) as ledger:
        yield ledger
