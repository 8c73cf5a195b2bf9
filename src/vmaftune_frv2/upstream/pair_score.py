"""Scoring a pair of videos with any models and extractors of the libvmaf in ffmpeg, and why that cannot be."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.errors import InputError, ToolError, UsageError
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.legs import (
    LOG,
    PLAIN_FEATURES,
    Leg,
    libvmaf_filter,
    pair_argv,
    score_pattern,
)
from vmaftune_frv2.media.opening import muxed_frames
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.vmaf import ROOMY
from vmaftune_frv2.upstream.sides import Pair
from vmaftune_frv2.upstream.vmaf_options import ModelChoice


@dataclass(frozen=True)
class Judges:
    """What scores a pair.

    Args:
        models: VMAF models.
        features: extractors besides theirs and those of the canonical-6, as the filter takes them.
        threads: of libvmaf.
        subsample: every how many frames are scored.
    """

    models: tuple[ModelChoice, ...]
    features: tuple[str, ...] = ()
    threads: int = 1
    subsample: int = 1

    def filter(self, folder: Path) -> str:
        """The filter, for an ffmpeg that runs in ``folder``, where files of models are linked."""
        options = []
        for number, model in enumerate(self.models):
            file = f"model{number}.json"  # a path of its own would have to be escaped twice
            if model.path is not None:
                (folder / file).symlink_to(model.path)
            options.append(model.for_filter(file))
        features = "|".join((PLAIN_FEATURES, *self.features))
        return libvmaf_filter("|".join(options), features, self.threads, self.subsample)


def score_pair(ffmpeg: FFmpeg, pair: Pair, judges: Judges) -> dict[str, Any]:
    """libvmaf's log of a pair.

    Raises:
        UsageError: this libvmaf has not what is asked for.
        InputError: the pictures are too small for it.
        ToolError: it failed, or did not score every frame.
    """
    with scratch_dir(None, "vmaf-") as folder:
        argv = pair_argv(
            _leg(pair.distorted, pair.asked.skip_distorted, pair.frames),
            _leg(pair.reference, pair.asked.skip_reference, pair.frames),
            pair.pix_fmt,
            judges.filter(folder),
        )
        done = ffmpeg.run(argv, cwd=folder)
        what = f"scoring {pair.distorted.label} against {pair.reference.label}"
        if not done.ok or not (folder / LOG).is_file():
            _explain(ffmpeg, pair, judges)
            raise ToolError(done.describe(f"{what} failed"), done.returncode)
        payload = _read(folder / LOG, what)
    frames = payload["frames"]
    scored = len(range(0, pair.frames, judges.subsample))
    if (muxed_frames(done), len(frames)) != (pair.frames, scored):
        raise ToolError(f"{what}: {scored} frames were to be scored, {len(frames)} are")
    for model in judges.models:
        for frame in frames:
            score = frame["metrics"].get(model.name)
            if not isinstance(score, (int, float)) or not math.isfinite(score):
                raise ToolError(f"{what}: {model.label} gives {score} for frame {frame.get('frameNum')}")
    return payload


def _leg(source: Source, skip: int, frames: int) -> Leg:
    """``frames`` frames of a video, after ``skip`` others."""
    end = skip + frames
    cut = "" if (skip, end) == (0, source.frames) else f"trim=start_frame={skip}:end_frame={end},"
    return Leg(source.input_argv(), source.stream, source.filters + cut)


def _read(log: Path, what: str) -> dict[str, Any]:
    try:
        payload = json.loads(log.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ToolError(f"{what}: libvmaf's log is not JSON: {error}") from error
    if not isinstance(payload, dict) or not payload.get("frames"):
        raise ToolError(f"{what}: libvmaf scored no frames")
    return payload


def _explain(ffmpeg: FFmpeg, pair: Pair, judges: Judges) -> None:
    """Finds what this libvmaf lacks, if it is that."""
    size = (pair.reference.width, pair.reference.height)
    for what, one in _one_by_one(judges):
        if not _works(ffmpeg, one, ROOMY, ROOMY):
            raise UsageError(f"{what}: unknown to the libvmaf of {Path(ffmpeg.path).name}, or of no use to it")
    for what, one in _one_by_one(judges):
        if not _works(ffmpeg, one, *size):
            raise InputError(f"{what}: {size[0]}x{size[1]} is too small for it")


def _one_by_one(judges: Judges) -> Iterator[tuple[str, Judges]]:
    for model in judges.models:
        yield f"--model {model.label}", Judges((model,))
    for feature in judges.features:
        name = feature.removeprefix("name=").replace("\\:", ":").replace(":", "=", 1)
        yield f"--feature {name}", Judges((ModelChoice(),), (feature,))


def _works(ffmpeg: FFmpeg, judges: Judges, width: int, height: int) -> bool:
    with scratch_dir(None, "vmaf-try-") as folder:
        done = score_pattern(ffmpeg, judges.filter(folder), width, height, folder)
        if done.returncode == -signal.SIGKILL:
            raise ToolError(done.describe("trying libvmaf was cut short"))
        return done.ok and (folder / LOG).is_file()
