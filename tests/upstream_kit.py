"""A stand-in for upstream's package: its names and signatures, none of its code.

Each encode is a file that says its crf, each score is made up from it. Crf 13 fails, 50 is as Ctrl-C, above 51
none is known.
"""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

FRAMES, WIDTH, HEIGHT, RATE = 8, 16, 16, 24.0
FEATURES = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")

INIT = """
__version__ = "0.0.2"
SCHEMA_VERSION = 3
CANONICAL6_FEATURES = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")
"""

SCORE = """
import subprocess, sys, time
from dataclasses import dataclass, field
from pathlib import Path
from . import CANONICAL6_FEATURES

@dataclass(frozen=True)
class ScoreRequest:
    reference: Path
    distorted: Path
    frame_cnt: int = 0

@dataclass(frozen=True)
class ScoreResult:
    vmaf_score: float
    exit_status: int = 0
    feature_means: dict = field(default_factory=dict)
    feature_stds: dict = field(default_factory=dict)

def parse_feature_aggregates(payload, feature_names):
    pooled = payload.get("pooled_metrics") or {}
    means = {n: pooled[n]["mean"] for n in feature_names if n in pooled}
    stds = {n: pooled[n]["stddev"] for n in feature_names if "stddev" in pooled.get(n, {})}
    return means, stds

def log_of(crf, frames, spelled="{}"):
    metrics = []
    for n in range(frames):
        each = {"vmaf": 100.0 - crf + (n % 3) * 0.25}
        each |= {spelled.format(f): 1.0 - crf / 100 - i / 50 - n / 1000 for i, f in enumerate(CANONICAL6_FEATURES)}
        metrics.append(each)
    names = metrics[0] if metrics else ()
    means = {k: sum(m[k] for m in metrics) / frames for k in names}
    pooled = {k: {"mean": v, "harmonic_mean": v} for k, v in means.items()}
    return {"version": "3.0.0", "frames": [{"frameNum": i, "metrics": m} for i, m in enumerate(metrics)],
            "pooled_metrics": pooled}

MADE_BY = [log_of]

def run_score(req, *, vmaf_bin="vmaf", runner=None, workdir=None, backend=None):
    crf, frames = req.distorted.read_text().split()
    time.sleep(0.001 * (int(crf) % 7))
    if crf == "13":
        command = [sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(65)"]
        done = (runner or subprocess.run)(command, capture_output=True, text=True, check=False)
        return ScoreResult(float("nan"), exit_status=done.returncode)
    payload = MADE_BY[-1](int(crf), req.frame_cnt or int(frames))
    means, stds = parse_feature_aggregates(payload, CANONICAL6_FEATURES)
    return ScoreResult(payload["pooled_metrics"]["vmaf"]["mean"], 0, means, stds)
"""

CORPUS = """
import datetime, hashlib, json, os, uuid
from dataclasses import dataclass, replace
from pathlib import Path
from . import CANONICAL6_FEATURES, SCHEMA_VERSION
from .score import ScoreRequest, ScoreResult, run_score

ENCODED = []

@dataclass(frozen=True)
class CorpusJob:
    source: Path
    width: int
    height: int
    pix_fmt: str
    framerate: float
    duration_s: float
    cells: tuple
{job}

@dataclass(frozen=True)
class CorpusOptions:
    encoder: str = "libx264"
    output: Path = Path("corpus.jsonl")
    encode_dir: Path = Path("encodes")
    vmaf_model: str = "vmaf_v0.6.1"
    ffmpeg_bin: str = "no-such-ffmpeg"
    vmaf_bin: str = "vmaf"
    src_sha256: bool = True
    sample_clip_seconds: float = 0.0
    two_pass: bool = False
    cache_enabled: bool = False
    cache_dir: Path = None

def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

def iter_rows(job, opts, *, encode_runner=None, score_runner=None, shot_runner=None, probe_runner=None):
    opts.encode_dir.mkdir(parents=True, exist_ok=True)
    nan = float("nan")
    data = job.source.read_bytes()
    for preset, crf in job.cells:
        if crf > 51:
            raise ValueError(f"crf {{crf}}")
        if crf == 50:
            raise KeyboardInterrupt
        frames = round(len(data) / (job.width * job.height * 1.5))
        window = round(opts.sample_clip_seconds * job.framerate)
        out = opts.encode_dir / f"{{job.source.stem}}_{{preset}}_{{crf}}_{{uuid.uuid4().hex}}.mp4"
        out.write_text(f"{{crf}} {{window or frames}}")
        row = dict(
            schema_version=SCHEMA_VERSION, run_id=uuid.uuid4().hex, timestamp=now(),
            src=str(job.source), src_sha256=hashlib.sha256(data).hexdigest() if opts.src_sha256 else "",
            width=job.width, height=job.height, pix_fmt=job.pix_fmt, framerate=job.framerate,
            duration_s=job.duration_s, encoder=opts.encoder, encoder_version="unknown", preset=preset, crf=crf,
            extra_params=[], encode_path="", encode_size_bytes=1000, encode_time_ms=1.0,
            vmaf_model=opts.vmaf_model, score_time_ms=1.0, ffmpeg_version="unknown",
            vmaf_binary_version="unknown", exit_status=0, clip_mode="full", hdr_transfer="", hdr_primaries="",
            hdr_forced=False, shot_count=0, shot_avg_duration_sec=0.0, shot_duration_std_sec=0.0,
        )
        seconds = opts.sample_clip_seconds or job.duration_s
        row["bitrate_kbps"] = 8.0 / seconds if seconds else 0.0
        if window:
            row["clip_mode"] = f"sample_{{round(opts.sample_clip_seconds)}}s"
        statistics = "qp_mean qp_std bits_mean bits_std mv_mean mv_std itex_mean ptex_mean intra_ratio skip_ratio"
        row |= {{f"enc_internal_{{key}}": 0.0 for key in statistics.split()}}
        cached = opts.cache_enabled and opts.cache_dir / f"{{preset}}{{crf}}"
        if cached and cached.exists():
            scored = ScoreResult(float(cached.read_text()))
            row["shot_avg_duration_sec"] = nan
        else:
            ENCODED.append((preset, crf))
            scored = run_score(ScoreRequest(job.source, out, window), vmaf_bin=opts.vmaf_bin, runner=score_runner)
            if cached:
                cached.write_text(str(scored.vmaf_score))
        row["vmaf_score"], row["exit_status"] = scored.vmaf_score, scored.exit_status
        for name in CANONICAL6_FEATURES:
            row[f"{{name}}_mean"] = scored.feature_means.get(name, nan)
            row[f"{{name}}_std"] = scored.feature_stds.get(name, nan)
        yield row

def write_jsonl(rows, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w") as stream:
        for row in rows:
            stream.write(json.dumps(row, sort_keys=True) + os.linesep)
            count += 1
    return count

def coarse_to_fine_search(job, opts, *, target_vmaf=None, **steps):
    coarse = list(iter_rows(replace(job, cells=tuple(("medium", crf) for crf in (10, 30))), opts))
    yield from coarse
    best = max((row["crf"] for row in coarse if (row["vmaf_score"] or 0) >= target_vmaf), default=10)
    yield from iter_rows(replace(job, cells=(("medium", best + 2),)), opts)
"""

CLI = """
import argparse, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from .corpus import CorpusJob, CorpusOptions, coarse_to_fine_search, iter_rows, write_jsonl
from .per_shot import detect_shots
from .score import ScoreRequest, run_score

def main(argv=None):
    parser = argparse.ArgumentParser(prog="vmaf-tune")
    commands = parser.add_subparsers(dest="cmd", required=True)
    for name in ("corpus", "recommend"):
        each = commands.add_parser(name, help=f"the {name} of the stand-in")
        each.add_argument("--source", type=Path, action="append")
        each.add_argument("--preset", action="append")
        each.add_argument("--crf", type=int, action="append")
        each.add_argument("--duration", type=float, default=0.0)
        each.add_argument("--output", type=Path, default=Path("corpus.jsonl"))
        each.add_argument("--target-vmaf", type=float, default=80.0)
        each.add_argument("--vmaf-bin", default="vmaf")
        each.add_argument("--sample-clip-seconds", type=float, default=0.0)
        each.add_argument("--coarse-to-fine", action="store_true")
        each.add_argument("--two-pass", action="store_true")
    for name in ("predict", "fast", "ladder", "compare", "benchmark"):
        words = "in words that take more than one line to say"
        each = commands.add_parser(name, help=f"the {name} of the stand-in, {words}")
        each.add_argument("--src")
    args = parser.parse_args(argv)
    if args.cmd == "benchmark":
        print("measured", args.src)
        return 0
    if args.cmd == "predict":
        detect_shots(source=args.src)
    if args.cmd not in ("corpus", "recommend"):
        raise RuntimeError("the stand-in cannot")
    opts = CorpusOptions(output=args.output, vmaf_bin=args.vmaf_bin, two_pass=args.two_pass,
                         sample_clip_seconds=args.sample_clip_seconds)
    found = []

    def rows():
        for source in args.source:
            cells = tuple((p, c) for p in args.preset or () for c in args.crf or ())
            job = CorpusJob(source, 16, 16, "yuv420p", 24.0, args.duration, cells)
            search = args.coarse_to_fine or args.cmd == "recommend"
            kept = {"target_vmaf": args.target_vmaf} if search else {}
            for row in (coarse_to_fine_search if search else iter_rows)(job, opts, **kept):
                found.append(row)
                yield row

    count = write_jsonl(rows(), args.output)
    sys.stderr.write(f"wrote {count} rows -> {args.output}\\n")
    if args.cmd == "recommend":
        good = [row["crf"] for row in found if (row["vmaf_score"] or 0) >= args.target_vmaf]
        if not good:
            return 1
        print("crf", max(good))
    return 0
"""

OTHERS = {
    "fr_from_nr_adapter": "from .corpus import iter_rows\n",
    "per_shot": "def detect_shots(video_path, *, width=0): return []\n",
    "proxy": "def run_proxy(features): ...\n",
    "ladder": "def build_and_emit(src): ...\n",
}
SUCCESSOR = {
    "per_shot": "def detect_shots(source, *, width=0): return []\n",
    "proxy": "def normalise_features(features): ...\n",
    "ladder": "def make_default_sampler(**shape): ...\n",
}


def write_standin(
    folder: Path, *, successor: bool = False, changes: Mapping[str, tuple[str, str]] | None = None
) -> Path:
    """Writes the package.

    Args:
        folder: for ``sys.path``.
        successor: with what VMAFx has besides.
        changes: {module: (text, other text in its place)}.

    Returns:
        The folder.
    """
    job = "    src_width: int = None\n    src_height: int = None\n" if successor else ""
    parts = {"__init__": INIT, "score": SCORE, "corpus": CORPUS.format(job=job), "cli": CLI, **OTHERS}
    if successor:
        parts["score"] += "def maybe_decode_distorted(req, *, workdir): return req, 0\n"
        parts |= SUCCESSOR
    package = folder / "vmaftune"
    package.mkdir(parents=True, exist_ok=True)
    for name, text in parts.items():
        old, new = (changes or {}).get(name, ("", ""))
        assert old in text
        (package / f"{name}.py").write_text(textwrap.dedent(text).replace(old, new) if old else text, "utf-8")
    return folder


def forget() -> None:
    """Takes upstream's modules out of this process."""
    for name in [name for name in sys.modules if name.split(".")[0] == "vmaftune"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """The stand-in of a folder can be imported meanwhile."""
    forget()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        forget()


def module(name: str) -> ModuleType:
    """A module of upstream's."""
    return importlib.import_module(f"vmaftune.{name}")


def raw_video(path: Path, frames: int = FRAMES, seed: int = 0) -> Path:
    """Raw video whose size is right."""
    path.write_bytes(bytes((seed + number) % 251 for number in range(WIDTH * HEIGHT * 3 // 2 * frames)))
    return path
