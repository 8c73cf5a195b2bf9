"""What ``vmaf-tune corpus`` does once its options are read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from vmaftune_frv2.commands._progress import progress_bar
from vmaftune_frv2.commands._sources import open_sources, raw_format
from vmaftune_frv2.contract.grid import build_grid
from vmaftune_frv2.contract.rows import FAILURE_REASON, FULL_FEATURES, Row
from vmaftune_frv2.corpus.cache import ResultCache
from vmaftune_frv2.corpus.executors import Workers, dask_workers, local_workers
from vmaftune_frv2.corpus.measure import MeasureOptions, is_complete
from vmaftune_frv2.corpus.plan import Plan, make_plan
from vmaftune_frv2.corpus.store import CorpusStore
from vmaftune_frv2.corpus.sweep import Summary, sweep
from vmaftune_frv2.errors import ExitCode, OutputError
from vmaftune_frv2.host.events import HookEvents
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.media.ffmpeg import FFmpeg, locate
from vmaftune_frv2.media.vmaf_models import model_warning


@dataclass(frozen=True)
class Request:
    """The options of ``vmaf-tune corpus``."""

    labels: tuple[str, ...]
    encoders: tuple[str, ...]
    presets: tuple[str, ...]
    crfs: tuple[str, ...]
    extra_params: tuple[str, ...]
    width: int | None
    height: int | None
    pix_fmt: str | None
    framerate: str | None
    video_track: int | None
    duration: float
    sample_clip_seconds: float
    vmaf_model: str | None
    feature_set: str
    hdr_mode: str
    shots: bool
    complexity: bool
    encoder_stats: bool
    jobs: int
    threads: int
    container: str | None
    keep_encodes: bool
    encode_dir: Path | None
    output: Path
    no_source_hash: bool
    dry_run: bool
    ffmpeg_bin: str | None
    timeout: float | None
    cache_dir: Path | None
    executor: str
    scheduler: str | None


def run_sweep(plugins: Plugins, request: Request) -> int:
    """Plans and runs a sweep, and prints what came of it.

    Returns:
        The exit code: negative when a cell failed or was refused.
    """
    cells = build_grid(request.encoders, request.presets, request.crfs)
    raw = raw_format(request.width, request.height, request.pix_fmt, request.framerate)
    ffmpeg = locate(request.ffmpeg_bin)
    sources = open_sources(
        ffmpeg,
        request.labels,
        raw,
        sample_seconds=request.sample_clip_seconds,
        hash_files=not request.no_source_hash,
        duration=request.duration,
        hdr_mode=request.hdr_mode,
        shots=request.shots,
        complexity=request.complexity,
        track=request.video_track,
    )
    plan, remaps = make_plan(
        ffmpeg,
        sources,
        cells,
        vmaf_model=request.vmaf_model,
        extra_params=request.extra_params,
        full_features=request.feature_set == "full",
    )
    warnings = (model_warning(source.row_values["hdr_transfer"], plan.model_for(source)) for source in sources)
    for warning in filter(None, dict.fromkeys(warnings)):
        click.echo(f"Warning: {warning}", err=True)
    for remap in remaps:
        click.echo(
            f"{remap.encoder} runs preset {remap.asked} as {remap.runs_as}; rows say {remap.runs_as}",
            err=True,
        )
    if request.dry_run:
        _print_plan(plan, CorpusStore(request.output).look())
        return ExitCode.OK
    options = _measure_options(request)
    extras = request.shots, request.complexity, request.encoder_stats
    asked = partial(is_complete, *extras) if any(extras) else None
    with CorpusStore(request.output, asked) as store:
        if store.quarantined:
            click.echo(f"a torn last line was moved to {store.quarantine_path}", err=True)
        summary = _run(plugins, plan, ffmpeg, store, options, request)
    _print_summary(summary, store, request)
    _print_incomplete(plan, store, request)
    return ExitCode.OK if summary.clean else ExitCode.NEGATIVE


def _measure_options(request: Request) -> MeasureOptions:
    folder = request.encode_dir
    if folder is None and request.keep_encodes:
        folder = request.output.with_name(f"{request.output.stem}-encodes")
    if folder is not None:
        folder = _folder(folder)
    return MeasureOptions(
        scratch=folder,
        keep_dir=folder if request.keep_encodes else None,
        container=request.container,
        threads=request.threads,
        timeout=request.timeout,
        encoder_stats=request.encoder_stats,
    )


def _run(
    plugins: Plugins, plan: Plan, ffmpeg: FFmpeg, store: CorpusStore, options: MeasureOptions, request: Request
) -> Summary:
    unavailable: set[str] = set()
    with progress_bar("cells") as bar, _workers(request, plan, ffmpeg) as workers:

        def done(row: Row) -> None:
            bar.advance()
            news = [name for name in _null_features(row) if name not in unavailable]
            if news:
                unavailable.update(news)
                where = f"{row['src']}, {row['width']}x{row['height']}"
                bar.say(f"{FULL_FEATURES}: libvmaf gives no {', '.join(news)} ({where}), so null; said once")
            if row["exit_status"] != 0 or row.get(FAILURE_REASON):
                cell = f"{row['src']} {row['encoder']}:{row['preset']}:{row['crf']}"
                bar.say(f"{cell}: {str(row[FAILURE_REASON]).splitlines()[0]}")

        events = HookEvents(plugins, bar.start, done)
        cache = ResultCache(_folder(request.cache_dir)) if request.cache_dir else None
        return sweep(plan, ffmpeg, store, options, events, workers=workers, cache=cache)


def _null_features(row: Row) -> list[str]:
    return [name for name, mean in (row.get(FULL_FEATURES) or {}).items() if mean is None]


def _workers(request: Request, plan: Plan, ffmpeg: FFmpeg) -> AbstractContextManager[Workers]:
    if request.executor == "dask":
        assert request.scheduler is not None
        return dask_workers(request.scheduler, plan, ffmpeg)
    return local_workers(request.jobs)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror})") from error
    return path.absolute()


def _print_plan(plan: Plan, store: CorpusStore) -> None:
    todo = 0
    for request in plan:
        if store.lacks(request.identity):
            todo += 1
            click.echo(
                f"{request.source.label}\t{request.cell.encoder}\t{request.cell.preset}\t{request.cell.crf}"
            )
    click.echo(
        f"{len(plan)} cells planned: {len(plan.sources)} sources x {len(plan.cells)}; encodes to do: {todo}",
        err=True,
    )


def _print_summary(summary: Summary, store: CorpusStore, request: Request) -> None:
    cached = f" ({summary.cached} from {request.cache_dir})" if summary.cached else ""
    failed = "failed (rows with exit_status != 0; the same command tries them again)"
    told = summary.told(f"{summary.measured} measured{cached}", failed, store.vetoed_path)
    click.echo(f"{request.output}: {summary.planned} cells, {told}", err=True)


def _print_incomplete(plan: Plan, store: CorpusStore, request: Request) -> None:
    """No row is measured again for what these options add; whoever asks must hear that it is not there."""
    lacking = sum(cell.identity in store.incomplete for cell in plan) if store.incomplete else 0
    if lacking:
        options = {
            "--shots": request.shots,
            "--complexity": request.complexity,
            "--encoder-stats": request.encoder_stats,
        }
        asked = " ".join(name for name, given in options.items() if given)
        click.echo(
            f"{lacking} of the rows already there lack what {asked} adds; a new --output will have it", err=True
        )
