"""How hard a source is to encode, and where a search begins because of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.first_crf import FirstCrf
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.contract.source_complexity import COMPLEXITY, COMPLEXITY_KEYS, complexity_vector
from vmaftune_frv2.errors import ExitCode, ModelError, ToolError
from vmaftune_frv2.media.complexity import FRAMES, measure_complexity
from vmaftune_frv2.media.opening import open_source
from vmaftune_frv2.training.fit_first_crf import fit_first_crf
from vmaftune_frv2.training.learnable import Measured


def test_noise_is_harder_than_a_still_gradient(ffmpeg, clip):
    easy = clip("gradients=seed=1:c0=red:c1=navy:speed=0.00001", size="128x96", frames=24)
    hard = clip("testsrc2", size="128x96", frames=24, filters="noise=alls=40:allf=t")
    still, noisy = (measure_complexity(ffmpeg, [open_source(ffmpeg, str(path))]) for path in (easy, hard))
    assert tuple(still) == tuple(noisy) == COMPLEXITY_KEYS
    for key in ("averaged_vmaf", "blurred_vif_scale0", "interpolation_psnr"):
        assert still[key] > noisy[key] + 0.01, key
    assert still["motion2"] < noisy["motion2"]
    vector = complexity_vector(still, 128 * 96, 24.0)
    assert vector.shape == (len(COMPLEXITY),)
    assert np.isfinite(vector).all()


def test_a_long_source_is_looked_at_in_runs(ffmpeg, clip):
    source = open_source(ffmpeg, str(clip("testsrc2", size="128x96", frames=4 * FRAMES)))
    whole = measure_complexity(ffmpeg, [source])
    again = measure_complexity(ffmpeg, [source], threads=2)
    assert whole == pytest.approx(again)


def test_too_few_frames_are_an_error(ffmpeg, clip):
    source = open_source(ffmpeg, str(clip("testsrc2", size="128x96", frames=3)))
    with pytest.raises(ToolError, match="too few frames"):
        measure_complexity(ffmpeg, [source])


def test_a_sweep_adds_it_to_every_row(clip, vmaf_tune, tmp_path, rows_of):
    out = tmp_path / "corpus.jsonl"
    source = clip("testsrc2", size="128x96", frames=12)
    swept = ("corpus", source, "--encoder", "libx264", "--preset", "ultrafast", "--crf", "30", "--output", out)
    assert vmaf_tune(*swept).code == ExitCode.OK
    assert "source_complexity" not in rows_of(out)[0]
    told = vmaf_tune(*swept, "--complexity")
    assert "lack what --complexity adds" in told.err
    assert vmaf_tune(*swept, "--crf", "35", "--complexity").code == ExitCode.OK
    row = next(row for row in rows_of(out) if row["crf"] == 35)
    assert tuple(row["source_complexity"]) == COMPLEXITY_KEYS
    assert vmaf_tune("validate", out).code == ExitCode.OK


def test_a_row_with_half_of_it_is_refused(good_row):
    good_row["source_complexity"] = dict.fromkeys(COMPLEXITY_KEYS, 1.0)
    assert check_row(good_row) == []
    del good_row["source_complexity"]["motion2"]
    assert "source_complexity" in check_row(good_row)[0].key


def made_rows(sources: int, complexity: bool = True) -> list[Measured]:
    """Sources whose curves lie the further left the larger the first number of their complexity is."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(sources):
        told = generator.normal(size=len(COMPLEXITY))
        for crf in range(10, 52, 6):
            vmaf = 100.0 - 1.6 * (crf - 12 + 4.0 * told[0])
            name = f"title{number}_1.mp4"
            rows.append(
                Measured(
                    source=name, label=name, clip=(name, "full"), cell=Cell("libx264", "medium", crf),
                    features=(0.0,) * 6, score=float(np.clip(vmaf, 0, 100)), vmaf_model="vmaf_v0.6.1",
                    complexity=told if complexity else None,
                )
            )  # fmt: skip
    return rows


def test_learnt_crf_follows_the_source():
    rows = made_rows(60)
    learnt = fit_first_crf(rows, "stem-prefix")
    assert learnt is not None
    assert learnt.figures["mae_crf"] < 0.5 * learnt.figures["typical_mae_crf"]
    told = np.zeros(len(COMPLEXITY))
    at = learnt.crf("libx264", "medium", 90.0, told)
    harder = learnt.crf("libx264", "medium", 90.0, np.where(np.arange(len(told)) == 0, 1.0, told))
    assert at == pytest.approx(12 + 10 / 1.6, abs=0.7)
    assert at - harder == pytest.approx(4.0, abs=0.7)
    assert learnt.crf("libx264", "medium", 95.0, told) < at
    assert learnt.crf("libx265", "medium", 90.0, told) is None


def test_nothing_is_learnt_without_complexity():
    assert fit_first_crf(made_rows(20, complexity=False), "stem-prefix") is None
    assert fit_first_crf([replace(row, complexity=None) for row in made_rows(3)], "src") is None


def test_it_reads_as_it_was_written_and_refuses_another_order():
    learnt = fit_first_crf(made_rows(30), "src")
    document = json.loads(json.dumps(learnt.to_json()))
    again = FirstCrf.from_json(document)
    told = np.ones(len(COMPLEXITY))
    assert math.isclose(
        again.crf("libx264", "fast", 88.0, told), learnt.crf("libx264", "fast", 88.0, told), rel_tol=1e-4
    )
    document["levels"] = document["levels"][::-1]
    with pytest.raises(ModelError, match="train again"):
        FirstCrf.from_json(document)
