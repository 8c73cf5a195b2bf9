"""What ``vmaf-tune train-v2`` learns from and leaves out, option by option."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training_kit import (
    faults,
    made_row,
    made_rows,
    metrics,
    run_onnx,
    sidecar,
    train,
    write_rows,
)
from vmaftune_frv2.contract.codec import VOCABULARIES
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.full_features import FULL_FEATURES, NAMED_FEATURES
from vmaftune_frv2.contract.sidecar import read_sidecar
from vmaftune_frv2.errors import ExitCode


def folds() -> dict[str, int]:
    """{left-out group: rows} of the last training."""
    return {fold["source"]: fold["aware"]["n"] for fold in metrics()["folds"]}


# What is left out together


def test_clips_of_a_title_are_left_out_together(made_corpus: Path) -> None:
    result = train(made_corpus, "--no-export")
    assert "rows used: 96 of 8 sources in 4 groups" in result.out
    assert folds() == {f"title{title}": 24 for title in range(4)}
    assert metrics()["per_frame"]["folds"] == 4


@pytest.mark.parametrize(("group_by", "teaches"), [("stem-prefix", False), ("src", True)])
def test_a_sister_clip_teaches_the_fold_only_if_it_counts_as_another_source(
    tmp_path: Path, group_by: str, teaches: bool
) -> None:
    rows = made_rows(3, 1)
    corpus = write_rows(tmp_path / "corpus.jsonl", rows)
    found = []
    for score in (20.0, 99.0):
        sister = [
            row | {"src": "title0_9.mp4", "src_sha256": "9" * 64, "vmaf_score": score, "per_frame_vmaf": None}
            for row in rows
            if "title0" in row["src"]
        ]
        extra = write_rows(tmp_path / "sister.jsonl", sister)
        train(corpus, "--only-learn", extra, "--no-export", "--group-by", group_by)
        found.append(metrics()["folds"][0]["aware"])
    assert found[0]["n"] == 12
    assert (found[0] != found[1]) == teaches


def test_each_source_is_a_group_for_itself(made_corpus: Path) -> None:
    train(made_corpus, "--no-export", "--group-by", "src")
    assert list(folds().values()) == [12] * 8


def test_groups_from_a_file(made_corpus: Path, tmp_path: Path) -> None:
    lines = [f"title{t}_{c}.mp4, {'even' if t % 2 == 0 else 'odd'}" for t in range(4) for c in (1, 2)]
    (tmp_path / "groups.csv").write_text("\ufeff" + "\n".join(lines) + "\n\n", encoding="utf-8")
    train(made_corpus, "--no-export", "--group-by", "groups.csv")
    assert folds() == {"even": 48, "odd": 48}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--group-by groups.csv: No such file or directory; give src, stem-prefix or a CSV file"),
        (b"title0_1.mp4\n", "groups.csv:1: write FILE NAME,GROUP"),
        (b"\n\ntitle0_1.mp4,\n", "groups.csv:3: write FILE NAME,GROUP"),
        (b"title0_1.mp4,a\n", "groups.csv: no line for title0_2.mp4; give every source's file name a group"),
        (b"title0_1.mp4,a\ntitle0_1.mp4,b\n", "groups.csv:2: title0_1.mp4 is in a already"),
        (b"\xff\xfe\x00\n", "--group-by groups.csv: no CSV file"),
        (b"", "groups.csv: no line for title0_1.mp4"),
    ],
    ids=["missing", "one column", "no group", "a source lacks", "contradiction", "binary", "empty"],
)
def test_a_bad_group_file_is_one_clear_line(made_corpus: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        Path("groups.csv").write_bytes(content)
    result = train(made_corpus, "--group-by", "groups.csv", code=ExitCode.INPUT)
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not Path("out").exists()


def test_rows_that_are_only_learnt_from_are_not_judged(made_corpus: Path, tmp_path: Path) -> None:
    extra = write_rows(tmp_path / "made.jsonl", made_rows(2, 1, first=70))
    result = train(made_corpus, "--no-export")
    alone = metrics()
    result = train(made_corpus, "--no-export", "--only-learn", extra)
    assert "rows used: 120 of 8 sources in 6 groups" in result.out
    assert "rows that are only learnt from: 24" in result.out
    assert folds() == {f"title{title}": 24 for title in range(4)}
    assert metrics()["loso"]["pooled"]["n"] == 96
    assert metrics()["loso"]["pooled"] != alone["loso"]["pooled"]
    assert [line["value"] for line in metrics()["gate"]["lines"][2:]] == [8.0, 3.0]
    assert (metrics()["per_frame"]["rows"], metrics()["per_frame"]["folds"]) == (96, 4)


# What the features are


def test_each_encoder_may_have_a_probe_of_its_own(made_corpus: Path) -> None:
    probes = ["libx264:medium:28", "libx265:medium:36", "libsvtav1:10:35"]
    result = train(made_corpus, *(option for probe in probes for option in ("--probe-cell", probe)))
    assert f"features from: probe {', '.join(probes)}" in result.out
    found = sidecar()
    assert found["probe"] is None
    assert [f"{p['encoder']}:{p['preset']}:{p['crf']}" for p in found["probes"]] == probes
    assert str(read_sidecar(Path("out/fr_regressor_v2.json")).probe_for("libx265")) == "libx265:medium:36"
    assert sidecar("fr_regressor_v2_ensemble_v1")["probes"] == found["probes"]
    rows = [json.loads(line) for line in made_corpus.read_text().splitlines()]
    own = {(r["src"], r["encoder"]): r for r in rows if f"{r['encoder']}:{r['preset']}:{r['crf']}" in probes}
    inputs = np.array([[own[row["src"], row["encoder"]][f"{f}_mean"] for f in CANONICAL6] for row in rows])
    assert found["feature_mean"] == pytest.approx(inputs.mean(axis=0).tolist())
    assert faults(found, "model_sidecar") == []


def test_rows_of_an_encoder_without_a_probe_are_dropped(made_corpus: Path) -> None:
    result = train(
        made_corpus, "--probe-cell", "libx264:medium:28", "--probe-cell", "libsvtav1:10:35", "--no-export"
    )
    assert "rows dropped: 32: no probe cell of libx265 was named" in result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--probe-cell", "libx264:medium:28", "--probe-cell", "libx264:medium:36"],
            "two probe cells of libx264; give one per encoder",
        ),
        (
            ["--features-from", "cell", "--probe-cell", "libx264:medium:28"],
            "--probe-cell goes with --features-from probe",
        ),
        (["--model-id", "../escape"], "--model-id takes at most 32 lower-case letters, digits, _ and -"),
        (["--vocab", "5"], "--vocab 5: it is from 1 to 4"),
    ],
)
def test_options_that_cannot_be_meant(made_corpus: Path, options: list[str], message: str) -> None:
    assert message in train(made_corpus, *options, code=ExitCode.USAGE).err


def test_full_features_and_the_bare_one_hot(tmp_path: Path) -> None:
    rows = made_rows()
    for index, row in enumerate(rows):
        full = {name: float(index % 7 + len(name)) for name in NAMED_FEATURES}
        full |= {name: row[f"{name}_mean"] for name in CANONICAL6}
        row["full_features"] = full | {"ssimulacra2": None, "motion": 3.0}
        if index < 5:
            row["full_features"]["cambi"] = None
    corpus = write_rows(tmp_path / "full.jsonl", rows)
    result = train(corpus, "--features-from", "cell", "--feature-set", "full", "--codec-block", "onehot")
    assert "Warning: no row has ssimulacra2, reserved: these columns are 0 and teach nothing" in result.err
    assert "Warning: not every row has a number, and 0 stands in for it: cambi (5 rows)" in result.err
    assert "Warning: motion never varies in this corpus and teaches nothing" in result.err
    assert "Warning" not in result.out
    found = sidecar()
    assert found["feature_order"] == list(FULL_FEATURES)
    assert found["codec_block_layout"] == [f"encoder_onehot[{name}]" for name in VOCABULARIES[1]]
    assert found["training"]["warnings"] == [line[9:] for line in result.err.splitlines()]
    assert faults(found, "model_sidecar") == []
    score = run_onnx(Path("out/fr_regressor_v2.onnx"), features=np.zeros((3, 22)), codec=np.eye(6)[:3])
    assert score.shape == (3,)
    assert read_sidecar(Path("out/fr_regressor_v2.json")).block.width == 6


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_vocabulary_has_its_width_and_refuses_what_it_lacks(tmp_path: Path, version: int) -> None:
    rows = made_rows(3, 1)
    others = [
        made_row(f"title{title}_1.mp4", 10 * title + 1, encoder, preset, 36)
        for title in range(3)
        for encoder, preset in (("libvpx-vp9", "5"), ("libaom-av1", "6"), ("h264_nvenc", "p4"))
    ]
    result = train(write_rows(tmp_path / "corpus.jsonl", rows + others), "--vocab", version)
    found = sidecar()
    width = {2: 14, 3: 18, 4: 8}[version]
    assert (len(found["codec_block_layout"]), found["encoder_vocab_version"]) == (width, version)
    assert found["encoder_vocab"] == list(VOCABULARIES[version])
    assert run_onnx(
        Path("out/fr_regressor_v2.onnx"), features=np.zeros((2, 6)), codec=np.zeros((2, width))
    ).shape == (2,)
    said = {
        2: ["rows in the unknown slot: 3: libaom-av1"],
        3: ["rows dropped: 3: encoder libvpx-vp9 has no slot in vocabulary 3"],
        4: ["rows dropped: 3: encoder h264_nvenc has no slot in vocabulary 4"],
    }
    for line in said[version]:
        assert line in result.out
    assert ("\nevery encoder " in result.out) == (version == 2)
