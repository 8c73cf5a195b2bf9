"""``vmaf-tune predict`` refuses options that it would ignore, before anything is encoded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conftest import Clips, VmafTune
from vmaftune_frv2.errors import ExitCode, UsageError
from vmaftune_frv2.predict import Step, predict_source

X264 = ("--encoder", "libx264", "--preset", "veryfast")
TARGET = (*X264, "--target-vmaf", 80)
OF_SOURCE = {
    "tolerance without a search": ((*TARGET, "--tolerance", 0.5), "--tolerance needs --verify"),
    "encodes without a search": ((*TARGET, "--max-encodes", 3), "--max-encodes needs --verify"),
    "encodes of an unverified ladder": (
        ("--ladder", 72, *X264, "--max-encodes", 3), "--max-encodes needs --verify",
    ),
    "length of no window": ((*TARGET, "--sample-seconds", 2), "--sample-seconds needs --samples or --shots"),
    "length of no window, ladder": (
        ("--ladder", 72, *X264, "--sample-seconds", 2), "--sample-seconds needs --samples or --shots",
    ),
    "segments of a ladder": (("--ladder", 72, *X264, "--segments"), "--segments does not go with --ladder"),
    "confidence in what is measured": (
        (*TARGET, "--verify", "--confidence", 0.9), "--verify picks by what it measured; leave out --confidence",
    ),
}  # fmt: skip
OF_FEATURES = {
    "bitrate limit": ("--target-vmaf", 80, "--max-bitrate", 5),
    "confidence": ("--target-vmaf", 80, "--confidence", 0.9),
    "worst frame": ("--target-vmaf", 80, "--min-vmaf-frame", 70),
    "pool": ("--pool", "harmonic_mean"),
    "probe": ("--probe", "libx264:medium:22"),
    "jobs": ("--jobs", 2),
    "window": ("--sample-clip-seconds", 2),
    "width": ("--width", 64),
}


def refused(vmaf_tune: VmafTune, *arguments: object) -> str:
    result = vmaf_tune("predict", *arguments)
    assert result.code == ExitCode.USAGE, result.err
    assert result.out == ""
    assert "encoded libx264" not in result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    return line


@pytest.mark.parametrize(("options", "says"), OF_SOURCE.values(), ids=OF_SOURCE)
def test_option_that_would_change_nothing_is_refused(options, says: str, clip: Clips, vmaf_tune: VmafTune) -> None:
    assert says in refused(vmaf_tune, clip(), *options)


@pytest.mark.parametrize("options", OF_FEATURES.values(), ids=OF_FEATURES)
def test_features_refuse_what_the_regressor_cannot_tell(options, vmaf_tune: VmafTune, tmp_path: Path) -> None:
    named = next(word for word in reversed(options) if str(word).startswith("--"))
    said = refused(vmaf_tune, "--features", tmp_path / "f.json", *options)
    assert f"{named} needs SOURCE" in said


def test_rows_refuse_it_too(vmaf_tune: VmafTune, corpus_path: Path) -> None:
    said = refused(vmaf_tune, "--corpus", corpus_path, "--pool", "harmonic_mean")
    assert "--pool needs SOURCE and a curve model" in said


def test_default_spelled_out_is_an_option_too(vmaf_tune: VmafTune, corpus_path: Path) -> None:
    assert "--pool needs SOURCE" in refused(vmaf_tune, "--corpus", corpus_path, "--pool", "mean")


def test_source_shorter_than_its_window_is_used_whole_and_told(
    clip: Clips, vmaf_tune: VmafTune, curve_models: tuple[object, ...]
) -> None:
    source = clip("testsrc2", size="128x96", frames=12)
    asked = ("predict", source, *curve_models, *X264, "--crf", "30:33", "--format", "csv")
    whole, windowed = vmaf_tune(*asked), vmaf_tune(*asked, "--sample-clip-seconds", 9)
    assert f"{source} lasts 0.50 s, no longer than 9 s; all of it is used" in windowed.err
    assert windowed.out == whole.out
    assert "lasts" not in whole.err + vmaf_tune(*asked, "--sample-clip-seconds", 0.25).err


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "pool": ({"pool": "median"}, "pool is one of mean, harmonic_mean, not 'median'"),
    "target": ({"target": 200.0}, "VMAF runs from 0 to 100"),
    "verify": ({"verify": True}, "need a target"),
    "bitrate": ({"max_kbps": 5.0}, "need a target"),
    "confidence": ({"target": 93.0, "confidence": 0.1}, "0.75..0.99"),
    "both": ({"target": 93.0, "confidence": 0.9, "verify": True}, "leave out confidence"),
    "tolerance": ({"target": 93.0, "verify": True, "tolerance": -1.0}, "tolerance is at least 0"),
    "encodes": ({"target": 93.0, "verify": True, "max_encodes": 0}, "max_encodes at least 1"),
    "windows": ({"samples": -1}, "positive length"),
    "parts": ({"samples": 2, "sample_clip_seconds": 1.0}, "give one of them"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_python_refuses_what_the_command_line_refuses(
    arguments: dict[str, Any], says: str, clip: Clips, curve_models: tuple[object, ...]
) -> None:
    def encoded(step: Step) -> None:
        raise AssertionError(f"{step.cell} was encoded")

    with pytest.raises(UsageError, match=re.escape(says)):
        predict_source(
            clip(), encoders=["libx264"], model=str(curve_models[1]), bitrate_model=str(curve_models[3]),
            on_step=encoded, **arguments,
        )  # fmt: skip
