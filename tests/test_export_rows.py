"""``vmaf-tune export-rows``: a corpus that upstream's trainer of ``fr_regressor_v2`` takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from conftest import VmafTune, read_rows
from training_kit import made_row, write_rows
from vmaftune_frv2.contract.encoders import BUILTIN
from vmaftune_frv2.contract.rows import CORPUS_ROW_KEYS, ROW_KEYS_BY_VERSION
from vmaftune_frv2.errors import ExitCode

FEATURES = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")
X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
KNOWN_PRESETS: dict[str, Iterable[str]] = {
    "libx264": X26X, "libx265": X26X, "libsvtav1": map(str, range(14)),
    "libvvenc": ("faster", "fast", "medium", "slow", "slower"),
}  # fmt: skip
"""What the trainer has ordinals for; any other preset is 5 of 9 to it."""
SHARED = ("placebo", "slowest", "slower", "slow", "medium", "fast", "faster")


def take(row: dict[str, Any]) -> tuple[list[float], float]:
    """What the trainer makes of a row: it asks for numbers as they stand, and has no way around what is none."""
    means = [row[f"{feature}_mean"] for feature in FEATURES]
    assert all(type(mean) is float and math.isfinite(mean) for mean in means)
    return [*means, float(row["crf"]) / 63], float(row["vmaf_score"])


def failed(row: dict[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys([*(f"{f}_{p}" for f in FEATURES for p in ("mean", "std")), "vmaf_score"])
    gone = {"exit_status": 1, "encode_size_bytes": None, "bitrate_kbps": None, "failure_reason": "killed"}
    kept = {key: value for key, value in row.items() if not key.startswith("per_frame")}
    return kept | nothing | gone


def featureless(row: dict[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(f"{f}_{p}" for f in FEATURES for p in ("mean", "std"))
    return {key: value for key, value in row.items() if not key.startswith("per_frame")} | nothing


def of_version(row: dict[str, Any], version: int, **further: Any) -> dict[str, Any]:
    old = {key: row[key] for key in ROW_KEYS_BY_VERSION[version]}
    return old | {"schema_version": version} | further


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A corpus with everything that the trainer does not take."""
    good = [
        made_row("a.mp4", 1, "libx264", "medium", 28),
        made_row("a.mp4", 1, "libsvtav1", "8", 30),
        made_row("a.mp4", 1, "libvpx-vp9", "3", 30),
        made_row("a.mp4", 1, "libaom-av1", "6", 30),
    ]
    bad = [
        failed(made_row("a.mp4", 1, "libx264", "medium", 32)),
        featureless(made_row("a.mp4", 1, "libx264", "medium", 36)),
        dict(good[0], run_id="0" * 32),
        dict(made_row("a.mp4", 1, "libx264", "medium", 40), crf=99),
    ]
    path = write_rows(tmp_path / "in.jsonl", [*good, *bad])
    with path.open("a") as stream:
        stream.write("no row\n\n")
    return path


def test_only_rows_that_can_be_learnt_from_are_written(vmaf_tune: VmafTune, mixed: Path) -> None:
    result = vmaf_tune("export-rows", mixed, "out.jsonl")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "wrote 4 rows to out.jsonl",
        "left out: 1: the cell failed",
        "left out: 1: features are null",
        "left out: 1: a cell that was measured before",
        "left out: 1: breaks the row contract (vmaf-tune validate says how)",
        "left out: 1: not JSON",
        "in the trainer's unknown slot: 1: libaom-av1",
        "preset taken for the trainer's default: 1: libvpx-vp9",
        "preset taken for the trainer's default: 1: libaom-av1",
    ]
    rows = read_rows(Path("out.jsonl"))
    assert [row["encoder"] for row in rows] == ["libx264", "libsvtav1", "libvpx-vp9", "libaom-av1"]
    for row, source in zip(rows, read_rows_of(mixed), strict=False):
        features, score = take(row)
        assert features[:6] == [source[f"{feature}_mean"] for feature in FEATURES]
        assert score == source["vmaf_score"]
        assert list(row) == list(CORPUS_ROW_KEYS)
    assert vmaf_tune("validate", "out.jsonl").code == 0


def read_rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def test_json_counts_the_same(vmaf_tune: VmafTune, mixed: Path) -> None:
    found = json.loads(vmaf_tune("export-rows", mixed, "out.jsonl", "--json").out)
    assert found == {
        "out": "out.jsonl",
        "rows": 4,
        "left_out": {
            "the cell failed": 1,
            "features are null": 1,
            "a cell that was measured before": 1,
            "breaks the row contract (vmaf-tune validate says how)": 1,
            "not JSON": 1,
        },
        "encoders": {"libx264": 1, "libsvtav1": 1, "libvpx-vp9": 1, "libaom-av1": 1},
        "unknown_slot": {"libaom-av1": 1},
        "default_preset": {"libvpx-vp9": 1, "libaom-av1": 1},
    }


def test_every_preset_has_the_name_that_upstream_gives_it(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    rows = [made_row("a.mp4", 1, each.name, preset, 30) for each in BUILTIN for preset in each.presets]
    assert vmaf_tune("export-rows", write_rows(tmp_path / "in.jsonl", rows), "out.jsonl").code == 0
    written: dict[str, list[str]] = {}
    for row in read_rows(Path("out.jsonl")):
        written.setdefault(row["encoder"], []).append(row["preset"])
    for encoder, presets in KNOWN_PRESETS.items():
        assert sorted(written[encoder]) == sorted(presets)
    assert written["libvpx-vp9"] == ["faster", "fast", "medium", "slow", "slower", "slowest"]
    assert written["libaom-av1"] == [*reversed(SHARED)]
    for row, before in zip(read_rows(Path("out.jsonl")), rows, strict=True):
        (encoder,) = (each for each in BUILTIN if each.name == row["encoder"])
        assert encoder.resolve_preset(row["preset"]) == before["preset"]


def test_shared_names_and_aliases_become_what_the_trainer_knows(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    rows = [
        made_row("a.mp4", 1, "libsvtav1", "medium", 30),
        made_row("a.mp4", 1, "libx264", "slowest", 30),
        made_row("a.mp4", 1, "libvvenc", "placebo", 30),
        made_row("a.mp4", 1, "hevc", "slow", 30),
        made_row("a.mp4", 1, "h264_nvenc", "p4", 30),
        made_row("a.mp4", 1, "h264_nvenc", "slow", 30),
    ]
    result = vmaf_tune("export-rows", write_rows(tmp_path / "in.jsonl", rows), "out.jsonl")
    assert result.out.splitlines() == [
        "wrote 6 rows to out.jsonl",
    ]
    assert [(row["encoder"], row["preset"]) for row in read_rows(Path("out.jsonl"))] == [
        ("libsvtav1", "7"), ("libx264", "veryslow"), ("libvvenc", "slower"), ("libx265", "slow"),
        ("h264_nvenc", "p4"), ("h264_nvenc", "p5"),
    ]  # fmt: skip


def test_older_rows_get_columns_of_features(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    row = made_row("a.mp4", 1, "libx264", "medium", 28)
    flat = {feature: row[f"{feature}_mean"] for feature in FEATURES}
    rows = [
        of_version(row, 1),
        of_version(dict(row, crf=29), 2, per_frame_features=flat),
        of_version(dict(row, crf=30), 2, per_frame_features=row["per_frame_features"]),
        of_version(dict(row, crf=31), 2, per_frame_features={**flat, "adm2": 7.0}),
    ]
    result = vmaf_tune("export-rows", write_rows(tmp_path / "in.jsonl", rows), "out.jsonl")
    assert result.out.splitlines() == [
        "wrote 2 rows to out.jsonl",
        "left out: 1: features are null",
        "left out: 1: a feature is not a number that libvmaf can give",
    ]
    for written in read_rows(Path("out.jsonl")):
        assert written["schema_version"] == 3
        assert take(written)[0][:6] == pytest.approx(list(flat.values()))
    assert vmaf_tune("validate", "out.jsonl").code == 0


def test_windows_of_a_source_stay_apart(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    row = made_row("a.mp4", 1, "libx264", "medium", 28, clip_mode="sample_1s", duration_s=9.0)
    rows = [dict(row, view={"start_s": start, "seconds": 1.0}) for start in (0.0, 2.0)]
    result = vmaf_tune("export-rows", write_rows(tmp_path / "in.jsonl", rows), "out.jsonl")
    assert result.code == 0
    written = read_rows(Path("out.jsonl"))
    assert [each.get("view") for each in written] == [each["view"] for each in rows]


def test_scores_of_several_vmaf_models_are_not_mixed(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    rows = [
        made_row("a.mp4", 1, "libx264", "medium", 28),
        made_row("a.mp4", 1, "libx264", "medium", 28, vmaf_model="vmaf_4k_v0.6.1"),
    ]
    corpus = write_rows(tmp_path / "in.jsonl", rows)
    result = vmaf_tune("export-rows", corpus, "out.jsonl")
    assert result.code == ExitCode.INPUT
    assert "would mix VMAF models: vmaf_v0.6.1 (1 rows), vmaf_4k_v0.6.1 (1 rows)" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]
    result = vmaf_tune("export-rows", corpus, "out.jsonl", "--vmaf-model", "vmaf_4k_v0.6.1")
    assert result.out.splitlines() == ["wrote 1 rows to out.jsonl", "left out: 1: scored with vmaf_v0.6.1"]


def test_an_existing_file_stays_unless_it_is_named_to_go(vmaf_tune: VmafTune, mixed: Path) -> None:
    out = Path("out.jsonl")
    out.write_text("mine\n")
    result = vmaf_tune("export-rows", mixed, out)
    assert (result.code, result.err) == (ExitCode.OUTPUT, "Error: out.jsonl exists; --overwrite replaces it\n")
    assert out.read_text() == "mine\n"
    assert vmaf_tune("export-rows", mixed, out, "--overwrite").code == 0
    assert len(read_rows(out)) == 4


def test_a_corpus_is_not_written_over_itself(vmaf_tune: VmafTune, mixed: Path) -> None:
    before = mixed.read_bytes()
    for corpora in (mixed, mixed.parent):
        result = vmaf_tune("export-rows", corpora, mixed, "--overwrite")
        assert result.code == ExitCode.USAGE
        assert "a corpus that is read stays as it is" in result.err
    assert mixed.read_bytes() == before


def test_no_row_makes_no_file(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "in.jsonl", [failed(made_row("a.mp4", 1, "libx264", "medium", 32))])
    result = vmaf_tune("export-rows", corpus, "out.jsonl")
    assert result.code == ExitCode.NEGATIVE
    assert result.err == "Error: no row to export (1: the cell failed); wrote nothing\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


def test_a_damaged_corpus_leaves_what_stood_there(vmaf_tune: VmafTune, mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip")
    Path("out.jsonl").write_text("mine\n")
    result = vmaf_tune("export-rows", mixed, tmp_path / "torn.jsonl.gz", "out.jsonl", "--overwrite")
    assert result.code == ExitCode.INPUT
    assert Path("out.jsonl").read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "torn.jsonl.gz"]


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [
        ("out.jsonl.gz", ExitCode.USAGE, "write to a .jsonl file"),
        ("in.jsonl/out.jsonl", ExitCode.USAGE, "lies in"),
        ("file.txt/out.jsonl", ExitCode.OUTPUT, "cannot be written"),
    ],
)
def test_where_nothing_can_be_written(vmaf_tune: VmafTune, mixed: Path, out: str, code: int, message: str) -> None:
    Path("file.txt").touch()
    result = vmaf_tune("export-rows", mixed, out)
    assert result.code == code
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_output_in_a_folder_that_is_read_is_refused(vmaf_tune: VmafTune, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "c.jsonl").write_text("{}\n")
    for command in (("export-rows", folder, folder / "out.jsonl"), ("upgrade", folder, folder / "out.jsonl")):
        told = vmaf_tune(*command)
        assert (told.code, "lies in" in told.err) == (ExitCode.USAGE, True), told.err
    assert [path.name for path in folder.iterdir()] == ["c.jsonl"]
