"""Two videos beside each other in libvmaf: frames paired by number, in one format, under the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.media.ffmpeg import TRIAL_TIMEOUT_S, FFmpeg
from vmaftune_frv2.media.process import Completed

LOG = "vmaf.json"
"""Where libvmaf writes its log, in the folder that ffmpeg runs in."""
PLAIN_FEATURES = "name=adm|name=vif|name=motion"
"""The extractors of the canonical-6, named because NEG and v1 models compute variants of them."""
_PAIR_BY_NUMBER = "settb=AVTB,setpts=N"


@dataclass(frozen=True)
class Leg:
    """One of the two videos.

    Args:
        inputs: ffmpeg arguments that open it.
        stream: the video track in use, within its input.
        filters: what comes before its frames are numbered, each filter ending in a comma.
        part: filter that takes frames of the numbered ones.
    """

    inputs: Sequence[str]
    stream: str
    filters: str = ""
    part: str = "null"


def libvmaf_filter(models: str, features: str, threads: int, subsample: int = 1) -> str:
    """The filter that scores its first input against its second and writes ``LOG``.

    Args:
        models: as the filter takes them: ``version=vmaf_v0.6.1``, several separated by ``|``, options by ``\\:``.
        features: extractors besides those of the models, likewise.
        threads: of libvmaf.
        subsample: every how many frames are scored.
    """
    every = f":n_subsample={subsample}" if subsample > 1 else ""
    return (
        f"libvmaf=model='{models}':feature='{features}'"
        f":log_fmt=json:log_path={LOG}:n_threads={threads}{every}:shortest=1"
    )


def pair_argv(distorted: Leg, reference: Leg, pix_fmt: str, vmaf: str) -> list[str]:
    """ffmpeg arguments that bring two videos together, frame by frame, and score them.

    The first output counts the frames of ``distorted``, the second holds the pairs.

    Args:
        distorted: what is judged.
        reference: what it is judged against.
        pix_fmt: format that both are compared in.
        vmaf: the filter that scores.
    """
    # Labels that differ would make ffmpeg convert one side on the way into libvmaf.
    alike = f"{_PAIR_BY_NUMBER},format={pix_fmt},setparams=range=tv:colorspace=bt709"
    graph = (
        f"[0:{distorted.stream}]{distorted.filters}{alike},split[counted][all];[all]{distorted.part}[distorted];"
        f"[1:{reference.stream}]{reference.filters}{alike},{reference.part}[reference];"
        f"[distorted][reference]{vmaf}[scored]"
    )
    return [
        "-hide_banner", "-nostdin", "-v", "error", "-progress", "pipe:1",
        *distorted.inputs, *reference.inputs, "-filter_complex", graph,
        "-map", "[counted]", "-fps_mode", "passthrough", "-f", "null", "-", "-map", "[scored]", "-f", "null", "-",
    ]  # fmt: skip


def score_pattern(ffmpeg: FFmpeg, vmaf: str, width: int, height: int, folder: Path) -> Completed:
    """Scores two pictures of a test pattern against themselves; the log lies in ``folder``."""
    pattern = ("-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25:duration=0.08")
    graph = f"[0:v]split[a][b];[a][b]{vmaf}"
    argv = ("-hide_banner", "-nostdin", "-v", "error", *pattern, "-filter_complex", graph, "-f", "null", "-")
    return ffmpeg.run(argv, cwd=folder, timeout=TRIAL_TIMEOUT_S)
