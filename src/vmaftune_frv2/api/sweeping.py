"""Sweeps: every (source, encoder, preset, crf) encoded and scored, a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vmaftune_frv2.api.sources import open_for_sweep
from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.contract.rows import FAILURE_REASON, FULL_FEATURES, Row
from vmaftune_frv2.contract.sweep_request import SweepRequest
from vmaftune_frv2.corpus.cache import ResultCache
from vmaftune_frv2.corpus.executors import Workers, dask_workers, local_workers
from vmaftune_frv2.corpus.measure import is_complete
from vmaftune_frv2.corpus.plan import Plan, make_plan
from vmaftune_frv2.corpus.request import CellRequest
from vmaftune_frv2.corpus.setup import MeasureOptions, Setup
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary, run_plan
from vmaftune_frv2.errors import OutputError
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.plugins import Plugins, load_plugins
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf_models import model_warning

log = get_logger(__name__)
DEFAULT_ENCODER = "libx264"


@dataclass(frozen=True)
class Swept:
    """What came of a sweep.

    Args:
        summary: counts.
        vetoed_path: where refused rows are kept.
        incomplete: rows that were there before and lack what options add to new ones.
    """

    summary: Summary
    vetoed_path: Path
    incomplete: int = 0


def plan_sweep(request: SweepRequest) -> Plan:
    """Opens every source, tries every encoder and preset and the VMAF model; encodes nothing else.

    Raises:
        UsageError: an unknown encoder or preset, a crf out of range, or a size that a source contradicts.
        InputError: a source cannot be used.
        ToolError: ffmpeg, an encoder or libvmaf does not work.
    """
    cells = build_grid(request.encoders or (DEFAULT_ENCODER,), request.presets, request.crfs)
    settings = request.settings()
    settings.check_encoders(list(dict.fromkeys(cell.encoder for cell in cells)))
    setup = Setup(
        locate(request.ffmpeg_bin),
        request.scored_with(),
        settings,
        request.feature_set == "full",
        request.also_scored_with(),
        _options(request),
        cache=None if request.cache_dir is None else ResultCache(request.cache_dir.absolute()),
    )
    sources = open_for_sweep(setup.ffmpeg, request, setup.cache)
    plan, remaps = make_plan(setup, sources, cells)
    warnings = (model_warning(source.row_values["hdr_transfer"], setup.model_for(source)) for source in sources)
    for warning in filter(None, dict.fromkeys(warnings)):
        log.warning(warning)
    for remap in remaps:
        log.info("%s runs preset %s as %s; rows say %s", remap.encoder, remap.asked, remap.runs_as, remap.runs_as)
    return plan


def left_of(plan: Plan, request: SweepRequest) -> list[CellRequest]:
    """The cells of a plan that the corpus has no score for.

    Raises:
        InputError: it cannot be read, or is no corpus.
    """
    store = CorpusStore(request.output).look()
    return [cell for cell in plan if store.lacks(cell.identity)]


def sweep(
    request: SweepRequest,
    plugins: Plugins | None = None,
    on_start: Callable[[int], None] = lambda todo: None,
    on_cell: Callable[[Row], None] = lambda row: None,
) -> Swept:
    """Plans and runs a sweep. The corpus is appended to, and the same request goes on where it stopped.

    Args:
        request: what to sweep.
        plugins: see, enrich and check every row; None loads those that are installed.
        on_start: given the number of cells left.
        on_cell: given every finished row.

    Raises:
        UsageError, InputError, ToolError: as ``plan_sweep``; a cell that fails gives a row that says so.
        OutputError: the corpus cannot be written, or another sweep is writing to it.
    """
    plan = plan_sweep(request)
    if plan.setup.options.scratch is not None:
        _make_folder(plan.setup.options.scratch)
    extras = request.shots, request.complexity, request.encoder_stats
    with CorpusStore(request.output, partial(is_complete, *extras) if any(extras) else None) as store:
        if store.quarantined:
            log.info("a torn last line was moved to %s", store.quarantine_path)
        events = HookEvents(plugins or load_plugins(), on_start, _Cells(on_cell))
        with _workers(request, plan) as workers:
            summary = run_plan(plan, store, events, workers=workers, cache=plan.setup.cache)
        lacking = sum(cell.identity in store.incomplete for cell in plan) if store.incomplete else 0
    return Swept(summary, store.vetoed_path, lacking)


class _Cells:
    """Logs what is remarkable of finished cells, and passes them on."""

    def __init__(self, on_cell: Callable[[Row], None]) -> None:
        self._on_cell, self._unavailable = on_cell, set[str]()

    def __call__(self, row: Row) -> None:
        self._on_cell(row)
        full: Mapping[str, float | None] = row.get(FULL_FEATURES) or {}
        news = [name for name, mean in full.items() if mean is None and name not in self._unavailable]
        if news:
            self._unavailable.update(news)
            where = f"{row['src']}, {row['width']}x{row['height']}"
            log.info("%s: libvmaf gives no %s (%s), so null; said once", FULL_FEATURES, ", ".join(news), where)
        if row["exit_status"] != 0 or row.get(FAILURE_REASON):
            reason = str(row[FAILURE_REASON]).splitlines()[0]
            log.info("%s %s:%s:%s: %s", row["src"], row["encoder"], row["preset"], row["crf"], reason)


def _options(request: SweepRequest) -> MeasureOptions:
    folder = request.encode_dir
    if folder is None and request.keep_encodes:
        folder = request.output.with_name(f"{request.output.stem}-encodes")
    folder = None if folder is None else folder.absolute()
    return MeasureOptions(
        scratch=folder,
        keep_dir=folder if request.keep_encodes else None,
        container=request.container,
        threads=request.threads or max(1, usable_cpus() // _jobs(request)),
        threads_told=request.threads is not None,
        timeout=request.timeout,
        encoder_stats=request.encoder_stats,
    )


def _jobs(request: SweepRequest) -> int:
    return request.jobs or usable_cpus()


def _workers(request: SweepRequest, plan: Plan) -> AbstractContextManager[Workers]:
    if request.scheduler is not None:
        return dask_workers(request.scheduler, plan, plan.setup.ffmpeg)
    return local_workers(_jobs(request))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror})") from error
