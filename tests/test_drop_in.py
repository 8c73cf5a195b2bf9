"""``train-v2 --vocab 2 --features-from cell``: a model in the place of upstream's, run as its callers do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from conftest import VmafTune, invoke, read_rows
from training_kit import made_rows, write_rows
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.features import MEAN_KEYS
from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE

SLOTS = (
    "libx264", "libx265", "libsvtav1", "libvvenc", "libvpx-vp9", "h264_nvenc", "hevc_nvenc", "av1_nvenc",
    "h264_qsv", "hevc_qsv", "av1_qsv", "unknown",
)  # fmt: skip
"""Vocabulary 2, written down here as the callers have it."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and, in ``tiny``, the models learnt from it."""
    folder = tmp_path_factory.mktemp("drop_in")
    corpus = write_rows(folder / "corpus.jsonl", made_rows(3, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "train-v2", "--corpus", corpus, "--vocab", 2, "--features-from", "cell", "--epochs", 20, "--seeds", 1,
            "--hidden", 8, "--out-dir", folder / "tiny",
        )  # fmt: skip
    assert result.code == 0, result.err
    return folder


def call(folder: Path, features: Sequence[float], encoder: str, preset_norm: float, crf_norm: float) -> float:
    """A caller of ``fr_regressor_v2``: scales with the sidecar, fills 12 + 2 codec values, feeds both by name.

    As VMAFx's proxy, it takes the graph's first input for the features and its second for the codec.
    """
    told = json.loads((folder / "fr_regressor_v2.json").read_text())
    scaled = (np.asarray(features) - told["feature_mean"]) / told["feature_std"]
    codec = [float(name == encoder) for name in SLOTS] + [preset_norm, crf_norm]
    session = onnxruntime.InferenceSession(
        str(folder / "fr_regressor_v2.onnx"), providers=["CPUExecutionProvider"]
    )
    first, second = (given.name for given in session.get_inputs())
    assert (first, second) == ("features", "codec")
    outputs = session.run(
        None, {first: scaled.astype(np.float32).reshape(1, 6), second: np.array([codec], dtype=np.float32)}
    )
    return float(outputs[0].reshape(-1)[0])


def called_for(folder: Path, row: dict[str, Any]) -> float:
    ordinal = ENCODERS.get(row["encoder"]).preset_ordinal(row["preset"])
    return call(folder, [row[key] for key in MEAN_KEYS], row["encoder"], ordinal / 9, row["crf"] / 63)


def test_the_sidecar_says_the_callers_list(trained: Path) -> None:
    told = json.loads((trained / "tiny" / "fr_regressor_v2.json").read_text())
    assert list(told)[:2] == ["id", "name"]
    assert told["name"] == "fr_regressor_v2"
    assert tuple(told["encoder_vocab"]) == SLOTS
    assert told["encoder_vocab_version"] == 2
    assert told["codec_block_layout"] == [f"encoder_onehot[{name}]" for name in SLOTS] + [
        "preset_norm",
        "crf_norm",
    ]
    assert told["features_from"] == "cell"
    assert told["probe"] is None


def test_a_caller_gets_what_predict_says(vmaf_tune: VmafTune, trained: Path) -> None:
    corpus, model = trained / "corpus.jsonl", trained / "tiny" / "fr_regressor_v2.onnx"
    result = vmaf_tune("predict", "--corpus", corpus, "--model", model, "--format", "json")
    assert result.code == 0, result.err
    said = [record["vmaf_predicted"] for record in json.loads(result.out)]
    got = [called_for(trained / "tiny", row) for row in read_rows(corpus)]
    assert got == pytest.approx(said, abs=1e-3)
    assert np.ptp(got) > 1


def test_every_slot_gives_a_score(trained: Path) -> None:
    features = [0.93, 0.6, 0.8, 0.9, 0.95, 2.0]
    scores = {encoder: call(trained / "tiny", features, encoder, 0.5, 0.5) for encoder in SLOTS}
    assert all(0 <= score <= 100 for score in scores.values())
    assert scores["libx264"] != scores["libx265"]


def test_upstreams_rules_hold(vmaf_tune: VmafTune, trained: Path) -> None:
    result = vmaf_tune("export-check", trained / "tiny")
    assert (result.code, result.out) == (0, "")
