"""A crf for each shot of a source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from vmaftune_frv2.api.curve_pair import open_predictor
from vmaftune_frv2.api.questions import dealt, recorded, setup_for
from vmaftune_frv2.api.sources import open_for, warn_of_hdr
from vmaftune_frv2.contract.cells import Line, by_line
from vmaftune_frv2.contract.grid import without_crfs
from vmaftune_frv2.contract.per_shot_request import PerShotRequest
from vmaftune_frv2.contract.zones import Zone
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.host.plugins import Plugins
from vmaftune_frv2.log import get_logger
from vmaftune_frv2.media.shot_parts import Shot, find_shots
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together, usable_cpus
from vmaftune_frv2.predict.answer import answer
from vmaftune_frv2.predict.measuring import Measuring
from vmaftune_frv2.predict.picks import Pick
from vmaftune_frv2.predict.results import Prediction
from vmaftune_frv2.progress import about, count

log = get_logger(__name__)


@dataclass(frozen=True)
class ShotLine:
    """The shots of a source on one encoder at one preset.

    Args:
        line: encoder and preset.
        picks: one per shot.
        chosen: the cell to use of each: the pick's, else that of the highest VMAF there is.
    """

    line: Line
    picks: tuple[Pick[Prediction], ...]
    chosen: tuple[Prediction, ...]

    def zones(self, shots: Sequence[Shot]) -> tuple[Zone, ...]:
        """The crf of each shot's frames."""
        return tuple(Zone(s.first, s.end, c.cell.crf) for s, c in zip(shots, self.chosen, strict=True))


@dataclass(frozen=True)
class ShotAnswers:
    """The shots of a source and what to encode them with.

    Args:
        setup: with what they were encoded.
        source: all of it.
        shots: in order.
        lines: per (encoder, preset); one on which a shot has no candidate at all is left out.
    """

    setup: Setup
    source: Source
    shots: tuple[Shot, ...]
    lines: tuple[ShotLine, ...]

    @property
    def reached(self) -> bool:
        """Whether every shot reaches the target on every line, and there is one."""
        return bool(self.lines) and all(pick.prediction for line in self.lines for pick in line.picks)


def per_shot(request: PerShotRequest, plugins: Plugins | None = None) -> ShotAnswers:
    """Finds the shots of a source and answers each on its own. Progress is logged.

    Args:
        request: source, target, encoders.
        plugins: see, enrich and check what ``record`` keeps; None loads those that are installed.

    Raises:
        UsageError: a cell that cannot be.
        InputError: the source cannot be used.
        ModelError: a model is missing or altered, or did not learn an encoder.
        ToolError: ffmpeg, an encoder or libvmaf failed.
    """
    predictor = open_predictor(request)
    cells, jobs = predictor.cells(request), request.jobs or usable_cpus()
    setup = setup_for(request, predictor, (*cells, *request.probe_cells()))
    finely = without_crfs((cell.encoder for cell in cells), request.crfs)
    hashed = request.record is not None
    # A second from the middle is enough to learn how the file is opened; finding the shots counts its frames.
    source = open_for(
        setup.ffmpeg, request.source, request, seconds=1.0, hashed=hashed, trust_header=True, cache=setup.cache
    )
    warn_of_hdr(source, setup.model_for(source))
    with recorded(request, plugins) as ledger, about(source=request.source):
        source, shots = find_shots(setup.ffmpeg, source, request.sample_seconds, jobs)
        log.info("%s: %d shots", source.label, len(shots))
        beside = min(jobs, len(shots))
        shared = dataclasses.replace(dealt(setup, request.threads, beside), ledger=ledger)

        def one(numbered: tuple[int, Shot]) -> tuple[Pick[Prediction], ...]:
            number, shot = numbered
            measuring = Measuring(
                shared, shot.part, (), shot.whole.frames, request.pool, prefix=f"shot {number}: "
            )
            with about(shot=number, shots=len(shots)):
                picks = answer(predictor, measuring, cells, request, finely).picks
            done.add()
            return picks

        with count("answers", "shots", len(shots)) as done:
            answers = list(together(one, list(enumerate(shots, start=1)), beside))
    return ShotAnswers(setup, source, tuple(shots), tuple(_lines(answers, len(shots))))


def _lines(answers: Sequence[Sequence[Pick[Prediction]]], shots: int) -> list[ShotLine]:
    lines, every = [], [pick for answered in answers for pick in answered]
    for line, picks in by_line(every, lambda pick: pick.line).items():
        chosen = [found for pick in picks if (found := pick.prediction or pick.best) is not None]
        if len(chosen) == shots:
            lines.append(ShotLine(line, tuple(picks), tuple(chosen)))
        else:
            log.info("%s:%s: in a shot every candidate is above --max-bitrate", *line)
    return lines
