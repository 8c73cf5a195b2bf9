"""``--feature-set full``: libvmaf's further features, which change nothing of what was measured without them."""

from __future__ import annotations

import json
import math
import re

import pytest

from docs_kit import DOCS
from vmaftune_frv2.contract.features import CANONICAL6, mean_key
from vmaftune_frv2.contract.full_features import EXTRACTORS, FULL_FEATURES, NAMED_FEATURES, RESERVED
from vmaftune_frv2.contract.rowcheck import check_row
from vmaftune_frv2.corpus.request import identity
from vmaftune_frv2.errors import ExitCode

QUICK = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "35")
FULL = ("--feature-set", "full")
TIMES = {"run_id", "timestamp", "encode_time_ms", "score_time_ms"}
STOCK_LACKS = {"ssimulacra2"}


@pytest.fixture
def swept(vmaf_tune, rows_of, tmp_path):
    """Sweeps, validates, and returns the rows and stderr."""

    def sweep(*arguments, output="corpus.jsonl"):
        result = vmaf_tune("corpus", *arguments, "--output", output)
        assert result.code == ExitCode.OK, result.err
        checked = vmaf_tune("validate", output)
        assert checked.code == ExitCode.OK, checked.out
        return rows_of(tmp_path / output), result.err

    return sweep


def nulls(row):
    return {name for name, mean in row["full_features"].items() if mean is None}


def test_columns_are_upstream_s_with_one_reserved():
    assert len(NAMED_FEATURES) == 21
    assert (*NAMED_FEATURES, RESERVED) == FULL_FEATURES
    assert set(CANONICAL6) < set(NAMED_FEATURES)


def test_models_page_has_every_column_in_order():
    page = (DOCS / "models.md").read_text("utf-8")
    table = re.findall(r"^\| \d+ \| (.+?) \| (.+?) \|", page, re.MULTILINE)
    documented = [name for cell, _ in table for name in re.findall(r"`(\w+)`", cell)]
    assert tuple(documented) == FULL_FEATURES
    assert {name for _, cell in table for name in re.findall(r"`(\w+)`", cell)} >= set(EXTRACTORS) - STOCK_LACKS


X264, AV1 = ("libx264", "ultrafast", "yuv420p"), ("libsvtav1", "12", "yuv420p10le")
X265 = ("libx265", "ultrafast", "yuv444p")


@pytest.mark.parametrize(
    ("model", "encoder", "preset", "pix_fmt"),
    [
        ("vmaf_v0.6.1", *X264),
        ("vmaf_v0.6.1", *AV1),
        ("vmaf_v0.6.1neg", *X265),
        pytest.param("vmaf_v0.6.1neg", *X264, marks=pytest.mark.slow),
        pytest.param("vmaf_v0.6.1neg", *AV1, marks=pytest.mark.slow),
        pytest.param("vmaf_v0.6.1", *X265, marks=pytest.mark.slow),
    ],
)
def test_further_features_leave_the_measurement_as_it_is(model, encoder, preset, pix_fmt, clip, swept):
    source = clip("testsrc2", size="256x224", frames=6, pix_fmt=pix_fmt)
    cell = ("--encoder", encoder, "--preset", preset, "--crf", "40", "--vmaf-model", model)
    (plain,), _ = swept(source, *cell, output="plain.jsonl")
    (full,), _ = swept(source, *cell, *FULL, output="full.jsonl")
    assert {key: value for key, value in full.items() if key not in TIMES | {"full_features"}} == {
        key: value for key, value in plain.items() if key not in TIMES
    }
    assert tuple(full["full_features"]) == NAMED_FEATURES
    assert nulls(full) == STOCK_LACKS
    for feature in CANONICAL6:
        assert full["full_features"][feature] == pytest.approx(full[mean_key(feature)], abs=1e-9)


def test_values_are_those_of_the_two_videos(clip, swept, ffmpeg, tmp_path):
    source = clip("testsrc2", size="256x224", frames=6)
    (row,), _ = swept(source, *QUICK, *FULL, "--keep-encodes", "--encode-dir", tmp_path)
    pairs = "settb=AVTB,setpts=N"
    graph = f"[0:v]{pairs}[d];[1:v]{pairs}[r];[d][r]psnr=stats_file=psnr.txt"
    done = ffmpeg.run(
        ["-v", "error", "-i", row["encode_path"], "-i", str(source), "-lavfi", graph, "-f", "null", "-"],
        cwd=tmp_path,
    )
    assert done.ok, done.stderr
    stats = (tmp_path / "psnr.txt").read_text()
    features = row["full_features"]
    for plane, column in (("y", "psnr_y"), ("u", "psnr_cb"), ("v", "psnr_cr")):
        values = [float(value) for value in re.findall(rf"psnr_{plane}:(\S+)", stats)]
        assert features[column] == pytest.approx(sum(values) / len(values), abs=0.01)
    assert 0 < features["float_ssim"] <= features["float_ms_ssim"] < 1
    assert features["motion2"] <= features["motion"]


def test_what_libvmaf_cannot_give_is_told_once(clip, swept):
    sources = [clip("testsrc2", size="256x224", frames=4), clip("mandelbrot", size="256x224", frames=4)]
    rows, err = swept(*sources, *QUICK, "--crf", "40", *FULL)
    assert len(rows) == 4
    assert err.count("full_features: libvmaf gives no ssimulacra2 (") == 1
    assert len([line for line in err.splitlines() if "full_features" in line]) == 1


@pytest.mark.parametrize(
    ("size", "lacking"),
    [
        ("160x96", {"float_ms_ssim", "cambi"}),
        ("176x176", {"cambi"}),
        ("160x216", {"float_ms_ssim"}),
    ],
)
def test_small_source_has_nulls_where_an_extractor_refuses_it(size, lacking, clip, swept):
    (row,), err = swept(clip("testsrc2", size=size, frames=3), *QUICK, *FULL)
    assert nulls(row) == STOCK_LACKS | lacking
    (line,) = [line for line in err.splitlines() if "full_features" in line]
    assert all(name in line for name in lacking)


def test_infinite_value_is_null_and_not_a_number(clip, swept):
    lossless = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "0")
    (row,), _ = swept(clip("testsrc2", size="256x224", frames=3), *lossless, *FULL)
    assert row["full_features"]["psnr_y"] == 60.0
    assert nulls(row) == STOCK_LACKS | {"ciede2000", "psnr_hvs"}


def test_full_is_another_request_and_is_resumed(clip, vmaf_tune, rows_of, tmp_path):
    command = ("corpus", clip("testsrc2", frames=3), *QUICK)
    for options, said in (
        ((), "1 measured"), (FULL, "1 measured"), (FULL, "1 already there"), ((), "1 already there"),
    ):  # fmt: skip
        assert said in vmaf_tune(*command, *options).err
    assert ["full_features" in row for row in rows_of(tmp_path / "corpus.jsonl")] == [False, True]
    report = json.loads(vmaf_tune("validate", "corpus.jsonl", "--json").out)
    assert (report["valid"], report["duplicates"]) == (2, 0)


def test_cache_keeps_the_two_requests_apart(clip, vmaf_tune, rows_of, tmp_path):
    command = ("corpus", clip("testsrc2", frames=3), *QUICK, "--cache-dir", "cache")
    assert vmaf_tune(*command, "--output", "plain.jsonl").code == ExitCode.OK
    assert "from cache" not in vmaf_tune(*command, *FULL, "--output", "full.jsonl").err
    assert "from cache" in vmaf_tune(*command, *FULL, "--output", "again.jsonl").err
    (row,), (again,) = rows_of(tmp_path / "full.jsonl"), rows_of(tmp_path / "again.jsonl")
    assert again["full_features"] == row["full_features"]


def test_identity_of_a_row_without_them_stays(good_row):
    """Corpora that exist are resumed by it."""
    assert identity(good_row).hex() == "c17ca159b802c7ed46208a9985e2e5ae"
    good_row["full_features"] = None
    assert identity(good_row).hex() == "c17ca159b802c7ed46208a9985e2e5ae"
    good_row["full_features"] = whole(good_row)
    assert identity(good_row).hex() != "c17ca159b802c7ed46208a9985e2e5ae"


def whole(row, **changes):
    means = {feature: row[mean_key(feature)] for feature in CANONICAL6}
    return {**dict.fromkeys(NAMED_FEATURES), **means, "psnr_y": 40.0, **changes}


def without(features, name):
    return {key: value for key, value in features.items() if key != name}


def test_row_with_known_names_and_numbers_validates(good_row):
    good_row["full_features"] = whole(good_row)
    assert check_row(good_row) == []
    good_row["full_features"] = None
    assert check_row(good_row) == []


BROKEN = {
    "unknown name": (lambda row: whole(row, butteraugli=1.0), "full_features.butteraugli"),
    "the reserved column": (lambda row: whole(row, reserved=0.0), "full_features.reserved"),
    "a name missing": (lambda row: without(whole(row), "cambi"), "full_features.cambi"),
    "text": (lambda row: whole(row, cambi="0.1"), "full_features.cambi"),
    "not finite": (lambda row: whole(row, psnr_hvs=math.inf), "full_features"),
    "NaN": (lambda row: whole(row, psnr_hvs=math.nan), "full_features"),
    "frames instead of a mean": (lambda row: whole(row, cambi=[0.1, 0.2]), "full_features.cambi"),
    "another mean than the row's": (lambda row: whole(row, motion2=3.0), "full_features.motion2"),
    "no object": (lambda row: [40.0] * 21, "full_features"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_full_features_are_told_by_their_key(what, good_row):
    make, key = BROKEN[what]
    good_row["full_features"] = make(good_row)
    assert {violation.key for violation in check_row(good_row)} == {key}


def test_failed_row_carries_none(good_row):
    scored = [key for key in good_row if key.endswith(("_mean", "_std")) or key.startswith("per_frame")]
    features = whole(good_row)
    good_row.update(dict.fromkeys(scored), exit_status=1, vmaf_score=None, full_features=features)
    assert "full_features" in [violation.key for violation in check_row(good_row)]
