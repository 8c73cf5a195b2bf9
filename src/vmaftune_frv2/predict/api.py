"""The Python API: one function, which does what ``vmaf-tune predict SOURCE`` does."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from os import PathLike, fspath

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.grid import candidate_grid
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.media.source import RawFormat, Source
from vmaftune_frv2.media.together import usable_cpus
from vmaftune_frv2.media.vmaf import DEFAULT_MODEL
from vmaftune_frv2.media.vmaf_models import model_warning
from vmaftune_frv2.predict.answer import Answer, Question, answer
from vmaftune_frv2.predict.measuring import SAMPLE_SECONDS, Measuring, start_measuring
from vmaftune_frv2.predict.predictor import CLIP_POOLS, Predictor
from vmaftune_frv2.predict.search import Step


def predict_source(
    source: str | PathLike[str],
    *,
    encoders: Sequence[str] = (), presets: Sequence[str] = (), crfs: Sequence[int | str] = (),
    target: float | None = None, verify: bool = False, tolerance: float = 0.5, max_encodes: int = 6,
    confidence: float | None = None, max_kbps: float | None = None, min_frame: float | None = None,
    pool: str = "mean",
    sample_clip_seconds: float = 0.0,
    samples: int = 0, sample_seconds: float = SAMPLE_SECONDS, jobs: int = 0,
    probes: Sequence[Cell | str] = (),
    raw: RawFormat | None = None, video_track: int | None = None,
    model: str | None = None, bitrate_model: str | None = None,
    ffmpeg: str | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Answer:  # fmt: skip
    """Probes a source and predicts VMAF and bitrate of every candidate cell; with a target, picks and verifies.

    A ``UserWarning`` says where an HDR source is judged as if it were SDR.

    Args:
        source: path of a video; all of it is encoded, unless parts of it are asked for.
        encoders: names or aliases; none takes all that the model learnt.
        presets: names, or ``ENCODER=PRESET``; none takes those of training.
        crfs: numbers, ``FIRST:LAST[:STEP]``, or ``ENCODER=`` before either; none takes the range of training.
        target: VMAF that a pick is to reach, 0..100; None only predicts.
        verify: encode picks until measurements prove them.
        tolerance: VMAF points that a verified pick may lie above the target.
        max_encodes: most encodes of one (encoder, preset), its probe among them.
        confidence: pick by the lower edge of the one-sided interval of this confidence, 0.75..0.99.
        max_kbps: leave out cells above, kbit/s.
        min_frame: least 5th percentile of the frames' VMAF.
        pool: how the frames' VMAF makes a clip's: ``mean`` or ``harmonic_mean``.
        sample_clip_seconds: encode only this much of the middle; 0 for all.
        samples: encode this many windows spread over a long source instead; 0 for none.
        sample_seconds: length of each.
        jobs: windows at work at once; 0 for as many as there are CPUs.
        probes: cells to encode first, as ``ENCODER:PRESET:CRF``; none chooses one per encoder.
        raw: format of a headerless file.
        video_track: number of the video track, from 0; None takes the one with the default flag, else ffmpeg's.
        model: id or path of the VMAF predictor; None for the production ``vmaf_curve_v2``.
        bitrate_model: likewise of bitrate.
        ffmpeg: program to use; None looks for one.
        on_step: told after every encode.

    Raises:
        UsageError: a cell that cannot be, a value out of range, or arguments that do not go together.
        InputError: the source cannot be used.
        ModelError: a model is missing or altered, or did not learn an encoder.
        ToolError: ffmpeg, an encoder or libvmaf failed.
    """
    predictor = Predictor.open(model, bitrate_model)
    question = Question(
        _cells(predictor, encoders, presets, crfs), target, tolerance, verify, max_encodes, confidence, min_frame,
        max_kbps, probes=tuple(Cell.parse(str(probe)) for probe in probes),
    )  # fmt: skip
    _check(question, pool, samples, sample_clip_seconds, sample_seconds)
    _check_raw(raw, jobs)
    seconds = sample_seconds if samples else sample_clip_seconds
    measuring = _measuring(predictor, fspath(source), raw, video_track, pool, ffmpeg, samples, seconds, jobs)
    return answer(predictor, measuring, question, on_step)


def _check(question: Question, pool: str, samples: int, middle: float, sample_seconds: float) -> None:
    """Refuses what the command line refuses.

    Raises:
        UsageError: a value is out of range, or would be ignored.
    """
    target, confidence = question.target, question.confidence
    wanting = (question.verify, *(v is not None for v in (confidence, question.max_kbps, question.min_frame)))
    for wrong, why in (
        (pool not in CLIP_POOLS, f"pool is one of {', '.join(CLIP_POOLS)}, not {pool!r}"),
        *(
            (value is not None and not 0 <= value <= 100, f"{name} {value}: VMAF runs from 0 to 100")
            for name, value in (("target", target), ("min_frame", question.min_frame))
        ),
        (target is None and any(wanting), "verify, confidence, max_kbps and min_frame need a target"),
        (
            confidence is not None and not 0.75 <= confidence <= 0.99,
            f"confidence {confidence} is not in 0.75..0.99",
        ),
        (confidence is not None and question.verify, "verify picks by what it measured; leave out confidence"),
        (
            not 0 <= question.tolerance < math.inf or question.max_encodes < 1,
            "tolerance is at least 0, max_encodes at least 1",
        ),
        (
            question.max_kbps is not None and not 0 < question.max_kbps < math.inf,
            f"max_kbps {question.max_kbps} is no bitrate; it is a number above 0",
        ),
        (
            samples < 0 or not (0 <= middle < math.inf and 0 < sample_seconds < math.inf),
            "parts of a source have a positive length",
        ),
        (samples and middle, "samples spreads windows, sample_clip_seconds takes one; give one of them"),
    ):
        if wrong:
            raise UsageError(why)


def _check_raw(raw: RawFormat | None, jobs: int) -> None:
    """Refuses a raw format or a number of jobs that cannot be.

    Raises:
        UsageError: one is none.
    """
    if jobs < 0 or (raw is not None and not (raw.width > 0 and raw.height > 0 and raw.framerate > 0)):
        raise UsageError("jobs is at least 0; size and frame rate of a raw format are above 0")


def _warn_of_hdr(source: Source, model: str) -> None:
    warning = model_warning(source.hdr_transfer, model)
    if warning:
        warnings.warn(f"{source.label}: {warning}", stacklevel=4)  # of whoever called predict_source


def _cells(
    predictor: Predictor, encoders: Sequence[str], presets: Sequence[str], crfs: Sequence[int | str]
) -> tuple[Cell, ...]:
    cells = candidate_grid(predictor.vmaf.sidecar.cells, encoders, presets, [str(crf) for crf in crfs])
    predictor.require(list(dict.fromkeys(cell.encoder for cell in cells)))
    return cells


def _measuring(
    predictor: Predictor,
    label: str,
    raw: RawFormat | None,
    track: int | None,
    pool: str,
    ffmpeg: str | None,
    samples: int,
    seconds: float,
    jobs: int,
) -> Measuring:
    program, model = locate(ffmpeg), predictor.vmaf_model or DEFAULT_MODEL
    source = open_source(
        program, label, raw=raw, sample_seconds=seconds, hash_file=False, trust_header=samples > 0, track=track
    )
    _warn_of_hdr(source, model)
    jobs = jobs or usable_cpus()
    return start_measuring(program, source, model, pool, samples=samples, sample_seconds=seconds, jobs=jobs)
