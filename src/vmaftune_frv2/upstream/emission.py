"""Upstream's emission of rows, held: each row mended, seen by plugins, checked, and appended to a corpus."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.rows import FAILURE_REASON, Row, empty_row
from vmaftune_frv2.corpus.sweep import Summary, SweepEvents
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import BUILTIN_NAME
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.upstream import mending, raw_input
from vmaftune_frv2.upstream.kept import KeptCorpus
from vmaftune_frv2.upstream.logs import Log, LogBook
from vmaftune_frv2.upstream.resume import REQUEST, Source, request_digest
from vmaftune_frv2.upstream.seams import Seams
from vmaftune_frv2.upstream.versions import Asked, Versions
from vmaftune_frv2.upstream.watched import Watched

log = get_logger(__name__)
Wrapped = Callable[..., Any]


class Emitted(Row):
    """A row that has been through the plugins. Upstream's code reads it as the dictionary that it is.

    Attributes:
        stored: whether the corpus had it before.
    """

    stored = False


class Emission:
    """What stands in the place of upstream's functions. May be used from several threads.

    Attributes:
        summary: cells so far; ``planned`` counts all that came.
        active: while False, upstream's own functions do the work.
    """

    def __init__(self, seams: Seams, events: SweepEvents) -> None:
        self.summary = Summary()
        self.active = True
        self._seams, self._events = seams, events
        self._logs, self._asked = LogBook(), Asked()
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._corpus: ContextVar[KeptCorpus | None] = ContextVar("corpus", default=None)

    def replacements(self) -> list[tuple[Wrapped, Wrapped]]:
        """Each function of upstream's with what stands in for it."""
        seams = self._seams
        return [
            (seams.parse_feature_aggregates, self._parse(seams.parse_feature_aggregates)),
            (seams.iter_rows, self._iterate(seams.iter_rows)),
            (seams.write_jsonl, self._write(seams.write_jsonl)),
        ]

    def _parse(self, original: Wrapped) -> Wrapped:
        @functools.wraps(original)
        def parse_feature_aggregates(payload: Any, feature_names: Any, *others: Any, **named: Any) -> Any:
            found = original(payload, feature_names, *others, **named)
            if self.active:
                with contextlib.suppress(TypeError, ValueError):  # whatever else it may come to give
                    means, deviations, *_ = found
                    self._logs.see(payload, means, deviations)
            return found

        return parse_feature_aggregates

    def _iterate(self, original: Wrapped) -> Wrapped:
        @functools.wraps(original)
        def iter_rows(job: Any, opts: Any, **runners: Any) -> Iterator[Any]:
            if not self.active:
                yield from original(job, opts, **runners)
                return
            reason = self._unreadable(job)
            if reason is not None:
                self._refuse_all(job, opts, reason)
                return
            asked = self._asked.start(str(opts.ffmpeg_bin), str(opts.encoder))
            known, left = self._known(job, opts, asked.result)
            yield from known
            if not left:
                return
            with self._logs.open(), contextlib.ExitStack() as ending:
                watched = Watched()
                rows = original(dataclasses.replace(job, cells=left), opts, **watched.among(runners))
                ending.callback(getattr(rows, "close", lambda: None))
                for row in rows:
                    emitted = self._emit(row, self._logs.take(row), asked.result, job, opts, watched.trouble)
                    watched.trouble = None
                    if emitted is not None:
                        yield emitted

        return iter_rows

    def _write(self, original: Wrapped) -> Wrapped:
        @functools.wraps(original)
        def write_jsonl(rows: Iterable[Mapping[str, Any]], path: Any) -> Any:
            if not self.active:
                return original(rows, path)
            with KeptCorpus(Path(path)) as corpus:
                return self._keep(rows, corpus)

        return write_jsonl

    def _keep(self, rows: Iterable[Mapping[str, Any]], corpus: KeptCorpus) -> int:
        """Appends rows as they come; those that came stay, whatever ends this."""
        token = self._corpus.set(corpus)
        added = 0
        try:
            for row in rows:
                emitted = row if isinstance(row, Emitted) else self._emit(row, None, Versions)
                if emitted is None or emitted.stored:
                    continue
                corpus.append(emitted)
                added += 1
        finally:
            self._corpus.reset(token)
            self._tell(corpus)
        return added

    def _unreadable(self, job: Any) -> str | None:
        """Why nothing true can come of a source, so that nothing of it is encoded."""
        if self._seams.reads_containers:
            return None  # and takes the duration as the part that is wanted
        return raw_input.misread(job) or raw_input.wrong_duration(job)

    def _known(
        self, job: Any, opts: Any, versions: Callable[[], Versions]
    ) -> tuple[list[Emitted], tuple[Any, ...]]:
        """Rows of a job that the corpus has, and the cells that are left."""
        corpus = self._corpus.get()
        if corpus is None:
            return [], tuple(job.cells)
        known, left, source = [], [], Source(Path(job.source))
        for preset, crf in dict.fromkeys(job.cells):
            digest = request_digest(job, opts, preset, crf)
            row, refused = corpus.find(digest, source, versions)
            if row is None and not refused:
                left.append((preset, crf))
                continue
            self._count("vetoed" if refused else "skipped")
            if row is not None:
                emitted = Emitted(row)
                emitted.stored = True
                known.append(emitted)
        return known, tuple(left)

    def _emit(
        self,
        raw: Mapping[str, Any],
        payload: Log | None,
        versions: Callable[[], Versions],
        job: Any = None,
        opts: Any = None,
        trouble: str | None = None,
    ) -> Emitted | None:
        """Upstream's row mended and through the plugins; None where it is refused, and kept aside."""
        row = mending.mended(raw)
        scored = row.get("exit_status") == 0 and row.get("vmaf_score") is not None
        log_of = payload if scored else None
        mending.fill_versions(row, versions(), log_of)
        if job is not None and {"preset", "crf"} <= row.keys():
            row[REQUEST] = request_digest(job, opts, row["preset"], row["crf"])
        if trouble is not None and row.get("exit_status") != 0:
            row.setdefault(FAILURE_REASON, trouble)
        reasons = []
        if log_of is not None:
            mending.add_frames(row, log_of)
            mending.count_window(row, log_of)
            reasons = [reason for reason in (mending.wrong_length(row, log_of),) if reason]
        elif scored:
            reasons = mending.unproven(row, opts)
        return self._judge(row, log_of, reasons)

    def _judge(self, row: Row, payload: Log | None, reasons: list[str]) -> Emitted | None:
        """A mended row through the plugins, one at a time."""
        scored = row.get("exit_status") == 0
        with self._lock:
            if payload is not None:
                self._events.scored(row, payload)
            self._events.enrich(row, payload)
            reasons = [f"{BUILTIN_NAME}: {reason}" for reason in reasons] or self._events.veto(row)
            if reasons:
                self._refuse(row, reasons)
            else:
                self._events.cell_done(row)
                if row.get(FAILURE_REASON):
                    log.info("%s: %s", _cell(row), str(row[FAILURE_REASON]).splitlines()[0])
        if reasons:
            return None
        self._count("measured" if scored else "failed")
        corpus = self._corpus.get()
        if corpus is not None:
            corpus.without_log += scored and payload is None
        return Emitted(row)

    def _refuse(self, row: Row, reasons: list[str]) -> None:
        corpus = self._corpus.get()
        if corpus is not None:
            corpus.refuse(row, reasons)
        self._count("vetoed")
        said = "; ".join(reasons)
        log.warning("%s: refused: %s", _cell(row), said)
        self._events.cell_done({**row, FAILURE_REASON: said})

    def _refuse_all(self, job: Any, opts: Any, reason: str) -> None:
        """Refuses every cell of a source of which nothing was encoded."""
        stated = ("width", "height", "pix_fmt", "framerate", "duration_s")
        same = {key: mending.strict(getattr(job, key)) for key in stated}
        for preset, crf in job.cells:
            row = empty_row() | same | {"src": str(job.source), "encoder": opts.encoder, "preset": preset}
            row |= {"crf": crf, "exit_status": ExitCode.INPUT.value, FAILURE_REASON: reason}
            with self._lock:
                self._refuse(row, [f"{BUILTIN_NAME}: {reason}"])

    def _count(self, name: str) -> None:
        """One more cell, of all and of the corpus it is for."""
        corpus = self._corpus.get()
        with self._counting:
            for summary in (self.summary, *((corpus.summary,) if corpus else ())):
                summary.planned += 1
                setattr(summary, name, getattr(summary, name) + 1)

    def _tell(self, corpus: KeptCorpus) -> None:
        """One line on what came of a corpus."""
        summary = corpus.summary
        failed = "failed (rows with exit_status != 0; the same command tries them again)"
        counts = summary.counts(f"{summary.measured} measured", failed, corpus.vetoed_path)
        log.info("%s: %s", corpus.path, counts)
        if corpus.without_log:
            log.info(
                "%s: %d rows came without libvmaf's log (upstream's cache keeps none), so without its frames",
                corpus.path, corpus.without_log,
            )  # fmt: skip


def _cell(row: Mapping[str, Any]) -> str:
    """A row's source and cell, for people."""
    return f"{row.get('src')} {':'.join(str(row.get(key)) for key in ('encoder', 'preset', 'crf'))}"
