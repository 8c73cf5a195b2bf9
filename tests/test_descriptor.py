"""What a probe tells: how frames differ from their neighbours, and the source's complexity where it is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from conftest import VmafTune
from training_kit import made_rows, write_rows
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.descriptor import DESCRIPTOR, JITTER_FLOOR, descriptor
from vmaftune_frv2.contract.features import CANONICAL6, FeatureScaler
from vmaftune_frv2.contract.source_complexity import COMPLEXITY_KEYS, OF_SOURCE
from vmaftune_frv2.corpus.setup import Setup
from vmaftune_frv2.errors import InputError
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.predict.measuring import start_measuring

JITTERS = [f"log_jitter_{name}" for name in (*CANONICAL6, "vmaf")]


def row_of(row: dict[str, Any], vmaf: list[float]) -> dict[str, Any]:
    """A row whose features stay as they are from frame to frame, and whose VMAF does not."""
    still = {name: [0.5] * len(vmaf) for name in CANONICAL6}
    return row | {"per_frame_vmaf": vmaf, "per_frame_features": still, "vmaf_score": float(np.mean(vmaf))}


def told(row: dict[str, Any]) -> dict[str, float]:
    return dict(zip(DESCRIPTOR, descriptor(row, "row").tolist(), strict=True))


def test_jitter_is_what_steady_frames_lack_and_alternating_ones_have(good_row: dict[str, Any]) -> None:
    steady = told(row_of(good_row, [80.0] * 8))
    assert [steady[name] for name in JITTERS] == pytest.approx([math.log(JITTER_FLOOR)] * 7)
    waving = told(row_of(good_row, [80.0, 84.0] * 4))
    assert waving["log_jitter_vmaf"] > steady["log_jitter_vmaf"] + 2
    # A slow drift has the same spread and hardly any jitter.
    drifting = told(row_of(good_row, [80.0] * 4 + [84.0] * 4))
    assert drifting["vmaf_std"] == pytest.approx(waving["vmaf_std"])
    assert drifting["log_jitter_vmaf"] < waving["log_jitter_vmaf"] - 1
    assert told(row_of(good_row, [80.0, 90.0]))["log_jitter_vmaf"] == pytest.approx(math.log(JITTER_FLOOR))


def test_complexity_that_is_not_known_is_the_training_mean(good_row: dict[str, Any]) -> None:
    unknown = descriptor(good_row, "row")
    known = descriptor(good_row | {"source_complexity": dict.fromkeys(COMPLEXITY_KEYS, 0.5)}, "row")
    assert np.isnan(unknown[-len(OF_SOURCE) :]).all()
    assert np.isfinite(unknown[: -len(OF_SOURCE)]).all()
    assert np.isfinite(known).all()
    scaler = FeatureScaler.fit(np.stack([unknown, known, known + 2.0]))
    assert np.isfinite([*scaler.mean, *scaler.std]).all()
    assert (scaler.transform(unknown)[-len(OF_SOURCE) :] == 0).all()
    assert scaler.mean[-1] == pytest.approx(known[-1] + 1.0)
    nothing = FeatureScaler.fit(np.full((3, 2), np.nan))
    assert nothing.transform([[5.0, np.nan]]) == pytest.approx(np.zeros((1, 2)), abs=1e-9)


def test_without_per_frame_features_there_is_no_descriptor(good_row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="per_frame_features is missing"):
        descriptor(good_row | {"per_frame_features": None}, "row")


def test_a_measured_point_knows_its_source_unless_it_is_too_short(ffmpeg, clip) -> None:
    for frames, finite in ((12, True), (5, False)):
        source = open_source(ffmpeg, str(clip("testsrc2", size="128x96", frames=frames)))
        point = start_measuring(Setup(ffmpeg), source).measure(Cell("libx264", "ultrafast", 30))
        assert np.isfinite(point.descriptor).all() == finite, frames
        assert np.isfinite(point.descriptor[: -len(OF_SOURCE)]).all()


def test_scores_that_are_all_alike_are_told(vmaf_tune: VmafTune, tmp_path) -> None:
    rows = [row | {"vmaf_score": 90.0, "per_frame_vmaf": [90.0] * 4} for row in made_rows(2, 1)]
    result = vmaf_tune(
        "train-v2",
        "--corpus",
        write_rows(tmp_path / "corpus.jsonl", rows),
        "--epochs",
        1,
        "--seeds",
        1,
        "--no-export",
    )
    assert result.code == 0, result.err
    assert "every judged row has the same VMAF" in result.err
    assert "nan" not in (result.out + result.err).lower()
