"""``vmaf-tune predict``: from features, from a corpus, from a real probe."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Clips, VmafTune, read_rows
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6, FeatureScaler
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.contract.registry import Registry
from vmaftune_frv2.contract.sidecar import Sidecar
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.predict import session
from vmaftune_frv2.predict.session import open_model
from vmaftune_frv2.training.export import to_onnx
from vmaftune_frv2.training.net import FRRegressor, NetConfig

FEATURES = {
    "adm2": 0.95,
    "vif_scale0": 0.5,
    "vif_scale1": 0.85,
    "vif_scale2": 0.9,
    "vif_scale3": 0.94,
    "motion2": 3.0,
}


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = tmp_path / "features.json"
    path.write_text(json.dumps(FEATURES))
    return path


@pytest.fixture
def model(model_dir: Path) -> Path:
    return model_dir / "fr_regressor_v2.onnx"


def predicted(result: Any) -> list[dict[str, Any]]:
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_the_score_is_the_net_on_scaled_features_and_the_codec_block(tmp_path: Path) -> None:
    torch.manual_seed(4)
    net = FRRegressor(NetConfig(hidden=8)).eval()
    data = to_onnx(net, "net")
    scaler = FeatureScaler((0.9, 0.4, 0.8, 0.9, 0.9, 5.0), (0.1, 0.2, 0.1, 0.1, 0.1, 4.0))
    sidecar = Sidecar(
        id="net", onnx="net.onnx", sha256=sha256_bytes(data), opset=17, input_names=("features", "codec"),
        output_names=("score",), scaler=scaler, block=CodecBlock.of_version(1), notes="",
    )  # fmt: skip
    path = Registry(tmp_path).put(sidecar, data, "")
    cells = [Cell("libx265", "medium", 30), Cell("libsvtav1", "0", 63)]
    scores = open_model(str(path)).score(list(FEATURES.values()), cells)
    scaled = [(v - m) / s for v, m, s in zip(FEATURES.values(), scaler.mean, scaler.std, strict=True)]
    codec = [[0, 1, 0, 0, 0, 0, 5 / 9, 30 / 63], [0, 0, 1, 0, 0, 0, 1.0, 1.0]]
    expected = net(torch.tensor([scaled, scaled]), torch.tensor(codec)).detach().numpy()
    assert scores == pytest.approx(expected, abs=1e-3)


def test_every_format_carries_the_same_records(vmaf_tune: VmafTune, model: Path, features: Path) -> None:
    command = ("predict", "--features", features, "--model", model, "--encoder", "x264", "--crf", "20:30:5")
    records = predicted(vmaf_tune(*command, "--format", "json"))
    lines = vmaf_tune(*command, "--format", "jsonl").out.splitlines()
    rows = list(csv.DictReader(io.StringIO(vmaf_tune(*command, "--format", "csv").out)))
    table = vmaf_tune(*command).out
    assert [record["crf"] for record in records] == [20, 25, 30]
    assert [json.loads(line) for line in lines] == records
    assert [float(row["vmaf_predicted"]) for row in rows] == [record["vmaf_predicted"] for record in records]
    assert all(f"{record['vmaf_predicted']:.2f}" in table for record in records)
    assert all(0 <= record["vmaf_predicted"] <= 100 for record in records)


def test_cells_outside_training_are_marked(vmaf_tune: VmafTune, model: Path, features: Path) -> None:
    command = ("predict", "--features", features, "--model", model, "--encoder", "x264", "--format", "json")
    inside = predicted(vmaf_tune(*command))
    assert [r["crf"] for r in inside] == list(range(23, 44))
    assert not any(r["extrapolated"] for r in inside)
    outside = predicted(
        vmaf_tune(*command, "--preset", "slow", "--preset", "veryfast", "--crf", "30", "--crf", "50")
    )
    assert {(r["preset"], r["crf"]): r["extrapolated"] for r in outside} == {
        ("slow", 30): True, ("slow", 50): True, ("veryfast", 30): False, ("veryfast", 50): True,
    }  # fmt: skip


def test_features_may_be_a_row_or_a_libvmaf_log(
    vmaf_tune: VmafTune, model: Path, features: Path, tmp_path: Path
) -> None:
    row = {f"{name}_mean": value for name, value in FEATURES.items()}
    log = {"frames": [{"metrics": {f"integer_{n}": v * k for n, v in FEATURES.items()}} for k in (0.5, 1.5)]}
    answers = []
    for name, content in (("plain", FEATURES), ("row", row), ("log", log)):
        (tmp_path / name).write_text(json.dumps(content))
        result = vmaf_tune("predict", "--features", tmp_path / name, "--model", model, "--format", "json")
        answers.append([r["vmaf_predicted"] for r in predicted(result)])
    assert answers[0] == answers[1] == pytest.approx(answers[2], abs=1e-3)


def test_the_pick_is_the_highest_crf_that_reaches_the_target(
    vmaf_tune: VmafTune, model: Path, features: Path
) -> None:
    command = ("predict", "--features", features, "--model", model, "--format", "json")
    grid = predicted(vmaf_tune(*command))
    values = sorted(r["vmaf_predicted"] for r in grid if r["encoder"] == "libx264")
    target = round(values[len(values) // 2] - 0.05, 1)
    picks = predicted(vmaf_tune(*command, "--encoder", "x264", "--target-vmaf", target))
    reaching = [r["crf"] for r in grid if r["encoder"] == "libx264" and r["vmaf_predicted"] >= target]
    assert [pick["crf"] for pick in picks] == [max(reaching)]


def test_a_target_out_of_reach_says_the_best_there_is(vmaf_tune: VmafTune, model: Path, features: Path) -> None:
    result = vmaf_tune(
        "predict",
        "--features",
        features,
        "--model",
        model,
        "--encoder",
        "x264",
        "--target-vmaf",
        100,
        "--format",
        "json",
    )
    assert result.code == ExitCode.NEGATIVE
    assert json.loads(result.out)[0]["crf"] is None
    assert "no candidate reaches 100; the best is crf" in result.err


def test_a_source_is_probed_predicted_and_verified(
    vmaf_tune: VmafTune, model: Path, corpus_path: Path, clip: Clips
) -> None:
    source = clip("testsrc2", size="128x96", frames=12)
    result = vmaf_tune(
        "predict", source, "--model", model, "--encoder", "x264", "--crf", "23:43:10", "--target-vmaf", 1,
        "--verify", "--format", "json",
    )  # fmt: skip
    (pick,) = predicted(result)
    assert "probing" in result.err
    (row,) = [
        r
        for r in read_rows(corpus_path)
        if Path(r["src"]) == source and r["crf"] == 43 and r["encoder"] == "libx264"
    ]
    assert pick["crf"] == 43
    assert pick["vmaf_measured"] == pytest.approx(row["vmaf_score"], abs=1e-3)
    assert pick["error"] == pytest.approx(pick["vmaf_predicted"] - pick["vmaf_measured"], abs=1e-3)


def test_the_rows_of_a_corpus_are_scored_from_their_source_s_probe(
    vmaf_tune: VmafTune, model: Path, corpus_path: Path, tmp_path: Path
) -> None:
    rows = read_rows(corpus_path)
    scored = predicted(vmaf_tune("predict", "--corpus", corpus_path, "--model", model, "--format", "json"))
    assert [(r["src"], r["encoder"], r["crf"]) for r in scored] == [
        (r["src"], r["encoder"], r["crf"]) for r in rows
    ]
    probe = next(r for r in rows if r["crf"] == 33)
    only = vmaf_tune(
        "predict", "--features", write(tmp_path / "probe.json", probe), "--model", model, "--encoder", "libsvtav1",
        "--crf", "25", "--format", "json",
    )  # fmt: skip
    (expected,) = [
        r for r in scored if r["src"] == probe["src"] and r["encoder"] == "libsvtav1" and r["crf"] == 25
    ]
    assert predicted(only)[0]["vmaf_predicted"] == expected["vmaf_predicted"]
    orphans = tmp_path / "orphans.jsonl"
    orphans.write_text("".join(json.dumps(r) + "\n" for r in rows if r["src"] != probe["src"] or r["crf"] != 33))
    partial = vmaf_tune("predict", "--corpus", orphans, "--model", model, "--format", "jsonl")
    assert partial.code == ExitCode.NEGATIVE
    assert "5 rows got no prediction: its source has no row of the probe cell libx264:veryfast:33" in partial.err
    assert len(partial.out.splitlines()) == 12


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_smoke_model_is_passed_over_unless_it_is_named(
    vmaf_tune: VmafTune, model_dir: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "model"
    local.mkdir()
    (local / "tiny").symlink_to(model_dir)
    named = vmaf_tune("predict", "--features", features, "--model", "fr_regressor_v2", "--format", "json")
    assert predicted(named)
    assert "is a smoke model" in named.err
    monkeypatch.setattr(session, "shipped_models_dir", lambda: model_dir)
    unnamed = vmaf_tune("predict", "--features", features, "--format", "json")
    assert unnamed.code == ExitCode.MODEL
    assert "did not pass the ship gate" in unnamed.err


def test_an_altered_model_is_refused(vmaf_tune: VmafTune, model_dir: Path, features: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    copy.mkdir()
    for file in model_dir.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    altered = copy / "fr_regressor_v2.onnx"
    altered.write_bytes(altered.read_bytes()[:-1] + b"\0")
    result = vmaf_tune("predict", "--features", features, "--model", altered)
    assert result.code == ExitCode.MODEL
    assert "not loading an altered model" in result.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps({**FEATURES, "adm2": None}), "feature adm2 is missing"),
        (json.dumps({**FEATURES, "motion2": float("nan")}), "motion2 is nan, not a finite number"),
        (json.dumps({**FEATURES, "motion2": "3"}), "motion2 is '3', not a finite number"),
        (json.dumps(list(FEATURES.values())), "not a JSON object"),
        (json.dumps({"frames": []}), "no frames"),
        (json.dumps({"frames": [{"metrics": {"adm2": 1.0}}]}), "lacks"),
        ("{", "not JSON"),
    ],
)
def test_bad_features_are_one_clear_line(
    vmaf_tune: VmafTune, model: Path, features: Path, content: str, message: str
) -> None:
    features.write_text(content)
    result = vmaf_tune("predict", "--features", features, "--model", model)
    assert result.code == ExitCode.INPUT
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 2  # the smoke warning and the error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--encoder", "libaom-av1"], ExitCode.MODEL, "has no slot for libaom-av1"),
        (["--encoder", "h263"], ExitCode.USAGE, "unknown encoder 'h263'"),
        (["--encoder", "x264", "--crf", "52"], ExitCode.USAGE, "outside libx264's range 0..51"),
        (["--encoder", "x264", "--preset", "8"], ExitCode.USAGE, "libx264 has no preset '8'"),
        (["--verify"], ExitCode.USAGE, "--verify needs SOURCE"),
        (["--corpus", "x.jsonl"], ExitCode.USAGE, "one of SOURCE, --features and --corpus"),
    ],
)
def test_bad_requests_are_one_clear_line(
    vmaf_tune: VmafTune, model: Path, features: Path, arguments: list[str], code: int, message: str
) -> None:
    result = vmaf_tune("predict", "--features", features, "--model", model, *arguments)
    assert result.code == code
    assert message in result.err


def test_a_missing_model_says_what_to_do(vmaf_tune: VmafTune, features: Path) -> None:
    result = vmaf_tune("predict", "--features", features, "--model", "nothing")
    assert result.code == ExitCode.MODEL
    assert "train one with train-v2" in result.err


def test_prediction_never_imports_torch(model: Path, features: Path) -> None:
    script = (
        "import sys; from vmaftune_frv2.host.cli import run; code = run(sys.argv[1:]);"
        " heavy = {'torch', 'jsonschema', 'jsonschema_rs', 'orjson', 'backports', 'rich', 'onnx'};"
        " print(code, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", "--features", features, "--model", model, "--encoder", "x264"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"


def test_features_have_the_canonical_order() -> None:
    assert tuple(FEATURES) == CANONICAL6
