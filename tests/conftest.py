"""Fixtures that several rooms' tests share: a real ffmpeg, small sources, the command line, a corpus."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vmaftune_frv2.api.caching import CACHE_VARIABLE
from vmaftune_frv2.host import cli
from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE
from vmaftune_frv2.media import ffmpeg as ffmpeg_module
from vmaftune_frv2.media import process
from vmaftune_frv2.media.ffmpeg import FFmpeg
from vmaftune_frv2.media.process import Completed

LOSSLESS = {
    "avi": ("-c:v", "ffv1"),
    "mkv": ("-c:v", "ffv1"),
    "mov": ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"),
    "mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"),
    "ts": ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"),
    "y4m": (),
    "yuv": ("-f", "rawvideo"),
}
"""Codec arguments that keep a generated source's samples, per container."""


os.environ[CACHE_VARIABLE] = ""  # for fixtures of a session, too


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No installed plugin takes part, and stray output lands in the test's own folder, nothing is cached."""
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    # A sweep that dies forbids its process any further command; here the next test is in that process.
    monkeypatch.setattr(process, "_stopping", False)


@pytest.fixture(scope="session")
def ffmpeg() -> FFmpeg:
    """The ffmpeg that the commands use when none is named."""
    return ffmpeg_module.locate()


@pytest.fixture
def watched(ffmpeg: FFmpeg, tmp_path: Path) -> Path:
    """An ffmpeg that writes down how it was called."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/calls\necho >> {tmp_path}/calls\nexec {ffmpeg.path} "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@dataclass(frozen=True)
class Clips:
    """Makes small sources, each once per session."""

    ffmpeg: FFmpeg
    folder: Path

    def __call__(
        self,
        pattern: str = "testsrc2",
        *,
        size: str = "160x96",
        rate: str = "24",
        frames: int = 16,
        pix_fmt: str = "yuv420p",
        container: str = "mkv",
        codec: Sequence[str] | None = None,
        offset: float = 0.0,
        filters: str = "null",
    ) -> Path:
        """A source of exactly ``frames`` frames.

        Args:
            pattern: ffmpeg's generator, with options where it takes any (``gradients=seed=1:c0=red:c1=navy``).
            size: WIDTHxHEIGHT.
            rate: frame rate as ffmpeg reads it.
            frames: frames after ``filters``.
            pix_fmt: pixel format handed to ``codec``.
            container: file extension.
            codec: codec arguments; the container's lossless ones by default.
            offset: seconds added to every timestamp.
            filters: filter chain between generator and codec.
        """
        codec = LOSSLESS[container] if codec is None else tuple(codec)
        made_of = [pattern, size, rate, str(frames), pix_fmt, *codec, str(offset), filters]
        name = "_".join("".join(c if c.isalnum() else "-" for c in part) for part in made_of)
        path = self.folder / f"{name[-200:]}.{container}"
        if not path.exists():
            generator = f"{pattern}{':' if '=' in pattern else '='}size={size}:rate={rate}"
            done = self.ffmpeg.run(
                [
                    *ffmpeg_module.QUIET, "-f", "lavfi", "-i", generator,
                    "-vf", filters, "-fps_mode", "passthrough", "-frames:v", str(frames),
                    "-pix_fmt", pix_fmt, *codec, "-output_ts_offset", str(offset), str(path),
                ]
            )  # fmt: skip
            assert done.ok, done.describe("making a source failed")
        return path


@pytest.fixture(scope="session")
def clip(ffmpeg: FFmpeg, tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """The factory of sources."""
    return Clips(ffmpeg, tmp_path_factory.mktemp("clips"))


@pytest.fixture
def source(clip: Clips) -> Path:
    """A source of ``corpus_path``: models saw it, and what is told of it can be held against the rows."""
    return clip("testsrc2", size="128x96", frames=12)


@dataclass(frozen=True)
class Invocation:
    """What one command line left behind."""

    code: int
    out: str
    err: str


def invoke(*arguments: object) -> Invocation:
    """Runs ``vmaf-tune`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(argument) for argument in arguments])
    return Invocation(int(code), out.getvalue(), err.getvalue())


VmafTune = Callable[..., Invocation]


@pytest.fixture
def vmaf_tune() -> VmafTune:
    """``vmaf_tune("corpus", source, ...)``: its exit code, stdout and stderr."""
    return invoke


@pytest.fixture(scope="session")
def corpus_path(clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real corpus, read-only by convention: 3 sources x (libx264 veryfast, libsvtav1 10) x 3 crfs."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    patterns = ("testsrc2", "mandelbrot", "gradients=seed=1:c0=red:c1=navy")
    sources = [clip(pattern, size="128x96", frames=12) for pattern in patterns]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "corpus", *sources, "--output", path,
            "--encoder", "libx264", "--preset", "libx264=veryfast", "--crf", "libx264=23:43:10",
            "--encoder", "libsvtav1", "--preset", "libsvtav1=10", "--crf", "libsvtav1=25:55:15",
        )  # fmt: skip
    assert result.code == 0, result.err
    return path


def untimed(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records without the one key that tells of this machine's speed just then."""
    return [{key: value for key, value in record.items() if key != "encode_s"} for record in records]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a corpus that we wrote, which is strict JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path} holds a bare {name}")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def rows_of() -> Callable[[Path], list[dict[str, Any]]]:
    """Reads a corpus strictly."""
    return read_rows


class FakeRunner:
    """The one fake of ``media.process.Runner``: answers commands without starting them.

    Attributes:
        calls: every argv it was given.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._answers: list[tuple[tuple[str, ...], Completed]] = []

    def answer(self, *words: str, returncode: int = 0, stdout: str = "", stderr: str = "") -> FakeRunner:
        """Sets the answer to commands whose command line has all ``words``; the latest that fits is given."""
        self._answers.insert(0, (words, Completed((), returncode, stdout, stderr, 0.01)))
        return self

    def __call__(self, argv: Sequence[str], *, cwd: Path | None = None, timeout: float | None = None) -> Completed:
        self.calls.append(tuple(argv))
        line = shlex.join(argv)
        for words, completed in self._answers:
            if all(word in line for word in words):
                return Completed(
                    tuple(argv), completed.returncode, completed.stdout, completed.stderr, completed.seconds
                )
        raise AssertionError(f"no answer to {line}")


@pytest.fixture
def fake_runner() -> FakeRunner:
    """A runner without answers yet."""
    return FakeRunner()


_FRAMES = {
    "adm2": [0.9, 0.92, 0.94, 0.96],
    "vif_scale0": [0.5, 0.5, 0.7, 0.7],
    "vif_scale1": [0.8, 0.8, 0.8, 0.8],
    "vif_scale2": [0.9, 0.9, 0.9, 0.9],
    "vif_scale3": [0.95, 0.95, 0.95, 0.95],
    "motion2": [0.0, 4.0, 4.0, 0.0],
}
_GOOD_ROW: dict[str, Any] = {
    "schema_version": 3,
    "run_id": "63adba61ddfd4c9a9753e1281f35521a",
    "timestamp": "2026-01-02T03:04:05+00:00",
    "src": "clips/park.y4m",
    "src_sha256": "6b" * 32,
    "width": 320,
    "height": 180,
    "pix_fmt": "yuv420p",
    "framerate": 24.0,
    "duration_s": 4 / 24,
    "encoder": "libx264",
    "encoder_version": "165",
    "preset": "medium",
    "crf": 28,
    "extra_params": [],
    "encode_path": None,
    "encode_size_bytes": 5000,
    "bitrate_kbps": 240.0,
    "encode_time_ms": 56.5,
    "vmaf_score": 91.0,
    "vmaf_model": "vmaf_v0.6.1",
    "score_time_ms": 12.5,
    "ffmpeg_version": "n7.1",
    "vmaf_binary_version": "3.0.0",
    "exit_status": 0,
    "clip_mode": "full",
    "hdr_transfer": "",
    "hdr_primaries": "",
    "hdr_forced": False,
    "shot_count": None,
    "shot_avg_duration_sec": None,
    "shot_duration_std_sec": None,
    "adm2_mean": 0.93,
    "vif_scale0_mean": 0.6,
    "vif_scale1_mean": 0.8,
    "vif_scale2_mean": 0.9,
    "vif_scale3_mean": 0.95,
    "motion2_mean": 2.0,
    "adm2_std": 0.0005**0.5,
    "vif_scale0_std": 0.1,
    "vif_scale1_std": 0.0,
    "vif_scale2_std": 0.0,
    "vif_scale3_std": 0.0,
    "motion2_std": 2.0,
    "enc_internal_qp_mean": None,
    "enc_internal_qp_std": None,
    "enc_internal_bits_mean": None,
    "enc_internal_bits_std": None,
    "enc_internal_mv_mean": None,
    "enc_internal_mv_std": None,
    "enc_internal_itex_mean": None,
    "enc_internal_ptex_mean": None,
    "enc_internal_intra_ratio": None,
    "enc_internal_skip_ratio": None,
    "per_frame_features": _FRAMES,
    "per_frame_vmaf": [90.0, 91.0, 91.0, 92.0],
}


@pytest.fixture
def good_row() -> dict[str, Any]:
    """A valid version 3 row of four frames, free to be changed."""
    return copy.deepcopy(_GOOD_ROW)


@pytest.fixture
def made_corpus(tmp_path: Path) -> Path:
    """A made-up corpus for training: 4 titles x 2 clips x 3 encoders x 4 crfs."""
    from training_kit import made_rows, write_rows  # which needs this file

    return write_rows(tmp_path / "corpus.jsonl", made_rows())


@pytest.fixture(scope="session")
def model_dir(corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real, if short-trained, fr_regressor_v2 of the shared corpus; probe libx264:veryfast:33."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "train-v2",
            "--corpus",
            corpus_path,
            "--epochs",
            60,
            "--probe-cell",
            "libx264:veryfast:33",
            "--out-dir",
            folder,
        )
    assert result.code == 0, result.err
    return folder


@pytest.fixture(scope="session")
def curve_models(corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Options that name real, if short-trained, curve models of the shared corpus."""
    folder = tmp_path_factory.mktemp("curves")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "train-v2", "--corpus", corpus_path, "--curves", "--epochs", 30, "--seeds", 2, "--hidden", 16,
            "--out-dir", folder,
        )  # fmt: skip
    assert result.code == 0, result.err
    return "--model", folder / "vmaf_curve_v2.onnx", "--bitrate-model", folder / "bitrate_curve_v2.onnx"
