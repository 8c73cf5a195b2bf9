"""Measuring how hard a source is to encode, without an encode."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.features import RATIOS, read_metric
from vmaftune_frv2.contract.source_complexity import COPIES
from vmaftune_frv2.errors import ToolError
from vmaftune_frv2.media.ffmpeg import COUNT_FRAMES, FFmpeg
from vmaftune_frv2.media.process import scratch_dir
from vmaftune_frv2.media.source import Source
from vmaftune_frv2.media.together import together
from vmaftune_frv2.progress import step

FRAMES = 32
"""Frames that are looked at."""
RUN = 16
"""Of a longer source, so many at a time, spread evenly."""
AVERAGED = 3
"""Frames that ``averaged`` mixes; the first ones of a run would mix with those of the run before."""
RATE = 25
"""Frames are paired by number; the interpolation filter wants a rate all the same."""
_FILTERS = dict(
    zip(
        COPIES,
        (
            "vaguedenoiser=threshold=8",
            "gblur=1.2",
            f"tmix=frames={AVERAGED}",
        ),
        strict=True,
    )
)
_INTERPOLATE = f"minterpolate=fps={RATE}:mi_mode=mci:me=epzs:scd=none"
_PSNR_LOG = "psnr.log"
_PSNR = re.compile(r"psnr_y:(\S+)")
BEST_PSNR = 60.0
_TAIL = 4
"""Last frames, which have no neighbour to be interpolated from."""
LEAST_FRAMES = 8


def measure_complexity(
    ffmpeg: FFmpeg, parts: Sequence[Source], jobs: int = 1, threads: int = 1
) -> dict[str, float]:
    """The ``source_complexity`` of a source: see ``contract.source_complexity``.

    Args:
        ffmpeg: has libvmaf and the filters.
        parts: windows of a source, or all of it as the only one.
        jobs: parts looked at at once.
        threads: of each.

    Returns:
        {key of COMPLEXITY_KEYS: value} over up to ``FRAMES`` frames of all parts together.

    Raises:
        ToolError: ffmpeg failed, or there are too few frames to interpolate one.
    """
    if min(part.frames for part in parts) < LEAST_FRAMES:
        raise ToolError(f"fewer than {LEAST_FRAMES} frames are too few frames to tell how hard a source is")
    budget = max(RUN, FRAMES // len(parts))
    with step("complexity", sum(min(budget, part.frames) for part in parts)):
        found = list(together(lambda part: _measure(ffmpeg, part, budget, threads), parts, jobs))
    frames: dict[str, list[float]] = {}
    for one in found:
        for key, values in one.items():
            frames.setdefault(key, []).extend(values)
    interpolated, motion = frames.pop("interpolation_psnr"), frames.pop("motion2")
    complexity = {
        **{key: statistics.fmean(values) for key, values in frames.items()},
        "motion2": statistics.fmean(motion),
        "motion2_std": statistics.pstdev(motion),
        "interpolation_psnr": statistics.median(interpolated),
    }
    if not all(map(math.isfinite, complexity.values())):
        raise ToolError(f"ffmpeg gives no number for how hard {parts[0].label} is to encode")
    return complexity


def _measure(ffmpeg: FFmpeg, source: Source, budget: int, threads: int) -> dict[str, list[float]]:
    """{key: a value per frame} of one part."""
    with scratch_dir(None, "complexity-") as folder:
        argv = ["-hide_banner", "-nostdin", "-v", "error", *COUNT_FRAMES, *source.input_argv()]
        argv += ["-filter_complex_threads", str(threads)]
        for graph in _graphs(source, budget, threads):
            argv += ["-filter_complex", graph]
        for name in (*COPIES, "interpolated"):
            argv += ["-map", f"[{name}_done]", "-fps_mode", "passthrough", "-f", "null", "-"]
        done = ffmpeg.run(argv, cwd=folder)
        logs = [folder / f"{copy}.json" for copy in COPIES]
        if not done.ok or not all(log.is_file() for log in logs):
            raise ToolError(done.describe(f"looking at {source.label} failed"), done.returncode)
        found: dict[str, list[float]] = {}
        for copy, log in zip(COPIES, logs, strict=True):
            frames = json.loads(log.read_text(encoding="utf-8"))["frames"]
            metrics = [frame["metrics"] for n, frame in enumerate(frames) if n % RUN >= AVERAGED - 1]
            try:
                for name in (*RATIOS, "vmaf"):
                    found[f"{copy}_{name}"] = [read_metric(m, name) for m in metrics]
                found["motion2"] = [read_metric(m, "motion2") for m in metrics]
            except KeyError as error:
                raise ToolError(f"libvmaf's log of {source.label} has no {error.args[0]}") from error
        found["interpolation_psnr"] = _interpolation(folder / _PSNR_LOG)
    return found


def _interpolation(log: Path) -> list[float]:
    """PSNR of every second frame, interpolated from its neighbours."""
    psnr = [min(float(value), BEST_PSNR) for value in _PSNR.findall(log.read_text(encoding="utf-8"))]
    return psnr[1 : max(1, len(psnr) - _TAIL) : 2]


def _graphs(source: Source, budget: int, threads: int) -> list[str]:
    """The filter graphs: every copy against the source, luma in 8 bits. Each runs in a thread, from one decode."""
    luma = f"format=yuv420p,extractplanes=y,settb=1/{RATE},setpts=N,fps={RATE}"
    frames = f"[0:{source.stream}]{source.filters}{_runs(source.frames, budget)}{luma}"
    graphs = []
    for copy, chain in _FILTERS.items():
        score = f"libvmaf=log_fmt=json:log_path={copy}.json:n_threads={threads}"
        graphs.append(
            f"{frames},split[{copy}_source][{copy}_reference];[{copy}_source]{chain}[{copy}];"
            f"[{copy}][{copy}_reference]{score}[{copy}_done]"
        )
    graphs.append(
        f"{frames},scale=iw/2:ih/2:flags=bicubic,format=yuv420p,split[halved][halves];"
        f"[halved]select='not(mod(n,2))',{_INTERPOLATE},settb=AVTB,setpts=N[interpolated];"
        f"[halves]settb=AVTB,setpts=N[true];[interpolated][true]psnr=stats_file={_PSNR_LOG}[interpolated_done]"
    )
    return graphs


def _runs(frames: int, budget: int) -> str:
    """The filter that picks runs of frames, spread evenly; empty where all of them are looked at."""
    if frames <= budget:
        return ""
    count = budget // RUN
    starts = [round((index + 0.5) * frames / count - RUN / 2) for index in range(count)]
    picked = "+".join(f"between(n,{start},{start + RUN - 1})" for start in starts)
    return f"trim=end_frame={starts[-1] + RUN},select='{picked}',"  # what comes after need not be decoded
