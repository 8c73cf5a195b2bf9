"""A source as a file of a certain VMAF: the crf is searched, the whole encoded, the result measured."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.api.certifying import Finished, Sizes, certify, promise, sizes_of, too_large
from vmaftune_frv2.api.encode_outputs import Job, check_names, check_room, jobs_of, make_folder, prepare
from vmaftune_frv2.api.encode_placing import finished_before, placed
from vmaftune_frv2.api.gathering import all_of, gather
from vmaftune_frv2.api.questions import SourceAnswer, SourceFailure, predict_source
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.certificate import Certificate, Promise
from vmaftune_frv2.contract.containers import Container
from vmaftune_frv2.contract.encode_request import NONE, EncodeRequest
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.grid import learnt_crfs
from vmaftune_frv2.errors import InterruptedRunError, NegativeError, TuneError, UsageError
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.carrying import Wanted, carry, check_holds_late_video, check_holds_video, video_refusal
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.fingerprint import fingerprint
from vmaftune_frv2.media.look import look_at
from vmaftune_frv2.media.opening import check_unchanged, stat_video
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.streams import Streams, list_streams
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.whole_encode import Whole, encode_whole
from vmaftune_frv2.progress import about

if TYPE_CHECKING:
    from vmaftune_frv2.host.plugins import Plugins
    from vmaftune_frv2.predict.results import Prediction

log = get_logger(__name__)


def encode(request: EncodeRequest, plugins: Plugins | None = None) -> Certificate:
    """Encodes one source as ``encode_sources`` does.

    Args:
        request: of one source.
        plugins: see, enrich and check what ``record`` keeps; None loads those that are installed.

    Returns:
        What was measured; ``refused`` says why the file is not under its name.

    Raises:
        UsageError: several sources, an encoder, preset or crf that cannot be, or a container that cannot hold a
            stream.
        InputError: the source cannot be used.
        NegativeError: the target is out of reach, or the file would be larger than ``max_percent`` allows.
        ToolError: ffmpeg, the encoder or libvmaf failed.
        OutputError: the output exists, or cannot be written.
    """
    work = _Work(request, plugins)
    if len(work.jobs) != 1:
        raise UsageError("give one SOURCE")
    return work.done(work.jobs[0])


def encode_sources(
    request: EncodeRequest, plugins: Plugins | None = None
) -> Iterator[Certificate | SourceFailure]:
    """Encodes several sources one after the other; one that fails does not end the others.

    An output that an equal request made of an equal source is not made again: its certificate is given back.

    Args:
        request: of one or several sources, or folders of them.
        plugins: as ``encode``.

    Yields:
        In order, each as soon as it is there.

    Raises:
        UsageError, InputError, OutputError: as ``encode``, before the first source.
    """
    work = _Work(request, plugins)
    for job in work.jobs:
        try:
            yield work.done(job)
        except InterruptedRunError:
            raise
        except TuneError as error:
            yield SourceFailure(job.label, error)


class _Work:
    """What all sources of a request have in common."""

    def __init__(self, request: EncodeRequest, plugins: Plugins | None) -> None:
        self.request, self.plugins = request, plugins
        self.ffmpeg = locate(request.ffmpeg_bin)
        self.encoder = ENCODERS.get(request.encoder)
        self.preset = self.encoder.resolve_preset(request.preset)
        self.jobs = jobs_of(request, self._fits)

    @functools.cache  # noqa: B019  # lives as long as the request
    def _fits(self, container: Container) -> bool:
        return video_refusal(self.ffmpeg, container, self.encoder, self.preset) is None

    @property
    def wanted(self) -> Wanted:
        """What is to go along with the video."""
        asked = self.request
        return Wanted(asked.audio != NONE, asked.audio_arguments(), not asked.no_subs, not asked.no_attachments)

    def done(self, job: Job) -> Certificate:
        """The certificate of a source: that of an earlier run, or of what is made now."""
        check_names(job, self.request)
        stat_video(Path(job.label), job.label)
        digest = fingerprint(Path(job.label))
        before = None if self.request.overwrite else finished_before(job, digest, self.request.digest)
        if before is not None:
            log.info("%s: made before; --overwrite makes it again", before.output)
            return before
        prepare(job, self.request)
        check_holds_video(self.ffmpeg, job.container, self.encoder, self.preset)
        return _One(self, job, digest).made()


@dataclass(frozen=True)
class _Chosen:
    """What the whole is encoded as."""

    prediction: Prediction
    found: SourceAnswer
    windows: int

    @property
    def cell(self) -> Cell:
        return self.prediction.cell


class _One:
    """One source on its way."""

    def __init__(self, work: _Work, job: Job, digest: str) -> None:
        self.work, self.job, self.digest = work, job, digest
        self.request, self.ffmpeg = work.request, work.ffmpeg

    def made(self) -> Certificate:
        """Everything, from the search to the file under its name."""
        label = self.job.label
        path, raw = Path(label).absolute(), self.request.raw_format(label)
        streams = list_streams(self.ffmpeg, path, raw)
        # Before the search: what the container cannot hold is to be known before hours are spent.
        used = look_at(self.ffmpeg, label, raw, self.request.video_track).track
        video = next((each for each in streams.streams if each.index == used.stream), None)
        carried = carry(self.ffmpeg, label, streams, video, self.job.container, self.work.wanted)
        check_holds_late_video(label, carried, self.work.encoder)
        for note in carried.notes:
            log.info("%s: %s", label, note)
        chosen = self._search(streams)
        source = all_of(self.ffmpeg, chosen.found.measuring.source)
        if streams.film(source.track) == video:
            whole = Whole(source, video, carried)
        else:  # the track with the default flag was a still picture
            whole = gather(self.ffmpeg, source, self.job.container, self.work.wanted, streams)
        sizes = sizes_of(self.ffmpeg, whole, streams)
        expected = promise(whole, sizes, chosen.prediction, chosen.windows, len(chosen.found.answer.steps))
        self._refuse_large(expected, whole)
        check_room(self.job, expected.size_low)
        return self._encoded(whole, sizes, chosen, expected)

    def _search(self, streams: Streams) -> _Chosen:
        windows = self.request.windows(streams.seconds)
        question = self.request.question(self.job.label, windows)
        found = predict_source(question, self.work.plugins)
        windows = len(found.measuring.windows) if found.measuring.source.window is not None else 0
        if self.request.is_fixed:
            (prediction,) = found.answer.predictions
            return _Chosen(prediction, found, windows)
        (pick,) = found.answer.picks
        if pick.prediction is None:
            best = "" if pick.best is None else f"; the best is crf {pick.best.cell.crf} with {pick.best.vmaf:.2f}"
            line = ":".join(pick.line)
            learnt = learnt_crfs((p.cell for p in found.answer.predictions), question.crfs)
            none = f"no crf of {line}"
            if learnt is not None:
                crfs = f"{learnt[0]} to {learnt[1]} of {line} that the model learnt"
                none = f"of the crfs {crfs} (--crf names others), none"
            raise NegativeError(f"{self.job.label}: {none} {self._aims()}{best}; nothing was written")
        return _Chosen(pick.prediction, found, windows)

    def _aims(self) -> str:
        """What no crf does."""
        targets = ", ".join(f"{least:g} ({pool})" for pool, least in self.request.targets().items())
        given = {"--max-bitrate": self.request.max_bitrate, "--max-size": self.request.max_size}
        limits = " and ".join(spelled for spelled, limit in given.items() if limit is not None)
        reached = f"reaches VMAF {targets.replace('_', ' ')}" if targets else ""
        return " ".join(filter(None, (reached, f"{'within' if targets else 'keeps'} {limits}" if limits else "")))

    def _refuse_large(self, expected: Promise, whole: Whole) -> None:
        """Refuses before the encode what would surely be too large after it."""
        most, size = self.request.max_percent, whole.source.size_bytes
        if most is None or expected.size_low is None or expected.size_bytes is None:
            return
        if 100 * expected.size_low > most * size:
            share = 100 * expected.size_bytes / size
            raise NegativeError(
                f"{self.job.label}: the file would have about {expected.size_bytes:,} bytes, {share:.1f} % of the"
                f" source, more than --max-percent {most:g}; nothing was written"
            )

    def _encoded(self, whole: Whole, sizes: Sizes, chosen: _Chosen, expected: Promise) -> Certificate:
        measuring = chosen.found.measuring
        wanted, retried = chosen.prediction, False
        version = next(iter(measuring.rows.values()))["encoder_version"]
        with scratch_dir(make_folder(self.job), ".encode.") as folder:
            while True:
                log.info("%s: encoding all of it as %s", self.job.label, wanted.cell)
                path = folder / f"{'again' if retried else 'whole'}.{self.job.container.name}"
                cell = wanted.cell
                with about(source=self.job.label, encoder=cell.encoder, preset=cell.preset, crf=cell.crf):
                    made = encode_whole(
                        self.ffmpeg, whole, self.work.encoder, cell, path, threads=usable_cpus(),
                        extra=measuring.setup.arguments(whole.source, self.work.encoder),
                        expected_bytes=expected.size_bytes,
                    )  # fmt: skip
                    check_unchanged(whole.source)
                    finished = Finished(
                        self.request,
                        str(self.job.output),
                        self.digest,
                        whole,
                        sizes,
                        wanted,
                        made,
                        expected,
                        version,
                        retried,
                    )
                    certificate = certify(measuring.setup, finished)
                again = None if retried else self._corrected(certificate, chosen)
                if again is None:
                    for line in too_large(self.request, certificate.measured.size_bytes):
                        log.warning("%s: %s", self.job.label, line)
                    return placed(self.job, path, certificate, self.request.overwrite)
                wanted, retried = again, True
                path.unlink()

    def _corrected(self, certificate: Certificate, chosen: _Chosen) -> Prediction | None:
        """What to encode instead, where the whole misses its target and that is to be mended."""
        if not self.request.retry or not certificate.missed:
            return None
        target = self.request.target_vmaf if self.request.has_mean_target else certificate.measured.vmaf + 1.0
        # What is lacking to 100 is as many times as much as promised at every crf, about.
        wanted = 100.0 - (100.0 - target) * (100.0 - chosen.prediction.vmaf) / (100.0 - certificate.measured.vmaf)
        lower = [p for p in chosen.found.answer.predictions if p.cell.crf < chosen.cell.crf]
        if not lower:
            return None
        enough = [p for p in lower if p.vmaf >= wanted]
        found = max(enough or lower, key=lambda p: p.cell.crf if enough else -p.cell.crf)
        log.info(
            "%s: VMAF %.2f of the whole misses the target; once more", self.job.label, certificate.measured.vmaf
        )
        return found
