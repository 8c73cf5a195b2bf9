"""One score: libvmaf over two videos whose frames are paired by number, not by time."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.features import CANONICAL6, read_metric
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL, vmaf_model_named
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.extractors import usable_extractors
from vmaftune_frv2.media.ffmpeg import FFmpeg, file_url
from vmaftune_frv2.media.legs import LOG, PLAIN_FEATURES, Leg, libvmaf_filter, pair_argv, score_pattern
from vmaftune_frv2.media.opening import muxed_frames
from vmaftune_frv2.media.process import Completed, scratch_dir
from vmaftune_frv2.media.source import Source, scale_filter
from vmaftune_frv2.progress import step

ROOMY = 512
"""Side of a square picture that no model and no extractor finds too small."""
_DEBUG = r"\:debug=true"


@dataclass(frozen=True)
class Scored:
    """libvmaf's scores of one encode.

    Args:
        features: {feature: [one float per frame]} for the canonical-6.
        vmaf: VMAF of each frame.
        version: libvmaf's version.
        payload: the whole JSON log.
        seconds: wall time of scoring.
        also: {further VMAF model: its score of each frame}.
    """

    features: Mapping[str, list[float]]
    vmaf: list[float]
    version: str
    payload: Mapping[str, Any]
    seconds: float
    also: Mapping[str, list[float]] = field(default_factory=dict)


def model_option(model: str) -> str:
    """A VMAF model as libvmaf's filter takes it.

    Args:
        model: ``version`` of a model of libvmaf; with ``PHONE`` behind it, its variant for phones.

    Raises:
        UsageError: no such name, or a phone model of a model that has none.
    """
    return f"version={vmaf_model_named(model)}".replace(":", r"\:")


def score_argv(
    distorted: Path | Source,
    source: Source,
    pix_fmt: str,
    model: str,
    threads: int,
    extractors: Sequence[str] | None = None,
    rescale: bool = False,
    also: Sequence[str] = (),
) -> list[str]:
    """ffmpeg arguments that score ``distorted`` against a source.

    Both legs are renumbered frame by frame, brought to one pixel format and labelled alike. The first
    output counts the frames of the encode, the second holds the pairs. The plain features are named,
    because NEG and v1 models compute variants of them. ``extractors`` are further ones to run; with any, or
    with an empty sequence, ``motion`` is logged too. ``rescale`` brings ``distorted`` to the source's size.
    ``also`` are further models, which share the features with the first where they compute the same.

    Raises:
        UsageError: ``model`` is no name of a model.
    """
    vmaf = judging_filter(model, threads, extractors, also)
    part = _scored_filter(source)
    size = scale_filter(source.width, source.height) if rescale else ""
    if isinstance(distorted, Path):
        full_range = "setparams=range=pc," if source.full_range else ""
        judged = Leg(["-i", file_url(distorted)], "v:0", full_range + size, part)
    else:
        judged = Leg(distorted.input_argv(), distorted.stream, distorted.filters + size, part)
    return pair_argv(
        judged, Leg(source.input_argv(), source.stream, source.reference_filters, part), pix_fmt, vmaf
    )


def judging_filter(model: str, threads: int, extractors: Sequence[str] | None, also: Sequence[str]) -> str:
    """The libvmaf filter of models and extractors; as ``score_argv``."""
    # Where the model's own motion extractor is the plain one it is the one that runs, and only the model can
    # tell it something; a v1 model's is another one beside it.
    debug = ("", "") if extractors is None else (_DEBUG, r"\:motion.debug=true")
    features = "|".join((PLAIN_FEATURES + debug[0], *(f"name={name}" for name in extractors or ())))
    models = [model_option(model) + debug[1]]
    models += [rf"{model_option(other)}\:name={_also_name(number)}" for number, other in enumerate(also)]
    return libvmaf_filter("|".join(models), features, threads)


def _also_name(number: int) -> str:
    """What the log calls the score of a further model."""
    return f"vmaf_also{number}"


def _scored_span(source: Source) -> tuple[int, int]:
    """Numbers of the first frame that is scored and of the one after the last.

    Of margins, one frame to either side is: motion is measured against neighbours.
    """
    margins = source.margins
    if margins is None:
        return 0, source.frames
    end = margins.before + source.frames
    return max(margins.before - 1, 0), min(end + 1, source.encoded_frames)


def _scored_filter(source: Source) -> str:
    first, end = _scored_span(source)
    return "null" if source.margins is None else f"trim=start_frame={first}:end_frame={end}"


def _without_margins(payload: Mapping[str, Any], source: Source) -> Mapping[str, Any]:
    """libvmaf's log of the frames in use alone; what it pooled is of others too."""
    if source.margins is None:
        return payload
    first = source.margins.before - _scored_span(source)[0]
    frames = (payload.get("frames") or [])[first : first + source.frames]
    return {**{k: v for k, v in payload.items() if k != "pooled_metrics"}, "frames": frames}


def parse_log(payload: Mapping[str, Any], seconds: float, also: Sequence[str] = ()) -> Scored:
    """Reads a libvmaf JSON log, whichever spelling of the features it uses.

    Args:
        payload: the log.
        seconds: that scoring took.
        also: further models, as ``score_argv`` was given them.

    Raises:
        ToolError: no frames, or a frame without a number for VMAF or one of the canonical-6.
    """
    frames = payload.get("frames") or []
    if not frames:
        raise ToolError("libvmaf scored no frames")
    try:
        metrics = [frame["metrics"] for frame in frames]
        found = {name: [read_metric(m, name) for m in metrics] for name in (*CANONICAL6, "vmaf")}
        found |= {name: [float(m[name]) for m in metrics] for name in map(_also_name, range(len(also)))}
    except KeyError as error:
        raise ToolError(f"libvmaf's log has no {error.args[0]}") from error
    for name, values in found.items():
        for number, value in enumerate(values):
            if not math.isfinite(value):
                raise ToolError(f"libvmaf gives {value} as {name} of frame {number}")
    vmaf = found.pop("vmaf")
    others = {model: found.pop(_also_name(number)) for number, model in enumerate(also)}
    return Scored(found, vmaf, str(payload.get("version", "")), payload, seconds, others)


def score(
    ffmpeg: FFmpeg,
    distorted: Path | Source,
    source: Source,
    *,
    pix_fmt: str,
    model: str = DEFAULT_MODEL,
    full_features: bool = False,
    rescale: bool = False,
    also: Sequence[str] = (),
    threads: int = 1,
    scratch: Path | None = None,
    timeout: float | None = None,
) -> Scored:
    """Scores an encode against its source.

    Args:
        ffmpeg: has the libvmaf filter.
        distorted: the encode, or a rescaled source, which shows what scaling alone costs.
        source: what it was made from.
        pix_fmt: format both are compared in; the encode's, which is never shallower than the source's.
        model: libvmaf model version.
        full_features: whether the log is to have all of FULL_FEATURES that this libvmaf can give.
        rescale: whether ``distorted`` is to be scaled to the source's size first, bicubic.
        also: further models to score with in the same pass.
        threads: libvmaf's threads.
        scratch: folder for the log.
        timeout: seconds until scoring is given up.

    Raises:
        ToolError: libvmaf failed, or did not pair every frame of the source.
    """
    extractors = usable_extractors(ffmpeg, source.width, source.height, pix_fmt) if full_features else None
    name = distorted.name if isinstance(distorted, Path) else f"{distorted.label} at {distorted.height} rows"
    with scratch_dir(scratch, "score-") as folder:
        argv = score_argv(distorted, source, pix_fmt, model, threads, extractors, rescale, also)
        with step("scoring", source.encoded_frames):
            done = ffmpeg.run(argv, cwd=folder, timeout=timeout)
        log = folder / LOG
        if not done.ok or not log.is_file():
            raise ToolError(done.describe(f"scoring {name} against {source.label} failed"), done.returncode)
        payload = json.loads(log.read_text(encoding="utf-8"))
        paired, (first, end) = len(payload.get("frames") or []), _scored_span(source)
        scored = parse_log(_without_margins(payload, source), done.seconds, also)
    if muxed_frames(done) != source.encoded_frames or paired != end - first:
        raise ToolError(
            f"{name} has {muxed_frames(done)} frames, {source.label} {source.encoded_frames};"
            f" {paired} could be paired"
        )
    return scored


def libvmaf_version(ffmpeg: FFmpeg, model: str = DEFAULT_MODEL) -> str:
    """The version of the libvmaf in an ffmpeg; also shows that it knows the model and gives the canonical-6.

    Raises:
        UsageError: ``model`` is no name of a model.
        ToolError: libvmaf does not know it, or gives no score.
    """
    with scratch_dir(None, "vmaf-version-") as folder:
        done = _try(ffmpeg, model, ROOMY, ROOMY, folder)
        log = folder / LOG
        if not done.ok or not log.is_file():
            raise ToolError(done.describe(f"libvmaf cannot score with model {model!r}"))
        return parse_log(json.loads(log.read_text(encoding="utf-8")), done.seconds).version


def takes_pictures(ffmpeg: FFmpeg, model: str, width: int, height: int) -> bool:
    """Whether a model that works scores pictures of this size: v1 models refuse small ones, or crash on them.

    Raises:
        ToolError: ffmpeg was killed, which says nothing about the size.
    """
    width, height = min(width, ROOMY), min(height, ROOMY)
    if width == height == ROOMY:
        return True
    with scratch_dir(None, "vmaf-size-") as folder:
        done = _try(ffmpeg, model, width, height, folder)
        if done.returncode == -signal.SIGKILL:
            raise ToolError(done.describe(f"trying VMAF model {model} was cut short"))
        return done.ok and (folder / LOG).is_file()


def _try(ffmpeg: FFmpeg, model: str, width: int, height: int, folder: Path) -> Completed:
    """Scores a test pattern with a model and the extractors of the canonical-6."""
    vmaf = libvmaf_filter(model_option(model), PLAIN_FEATURES, 0)
    return score_pattern(ffmpeg, vmaf, width, height, folder)
