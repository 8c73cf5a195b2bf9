"""The curve models: graphs that are exact at the probe and fall with crf, whatever they are asked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from conftest import VmafTune, invoke
from training_kit import document, made_row, made_rows, write_rows
from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.contract.descriptor import DESCRIPTOR, descriptor
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.files import sha256_bytes
from vmaftune_frv2.contract.kinds import VMAF_CURVE
from vmaftune_frv2.contract.sidecar import read_sidecar
from vmaftune_frv2.contract.source_complexity import COMPLEXITY_KEYS, OF_SOURCE
from vmaftune_frv2.errors import ExitCode
from vmaftune_frv2.host.plugins import PLUGINS_VARIABLE
from vmaftune_frv2.predict.curve_model import Point, open_curve_model
from vmaftune_frv2.resources import schema_path
from vmaftune_frv2.training.curve_net import CurveConfig, CurveNet
from vmaftune_frv2.training.export import OP_ALLOWLIST, curves_to_onnx
from vmaftune_frv2.training.net import stack

BLOCK = CodecBlock.of_version(4)
WILD_SPACE = AnchorSpace(2.0)
OUTPUTS = {"vmaf_curve_v2": "score", "bitrate_curve_v2": "log_bits_per_pixel"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both predictors, trained through the command line."""
    folder = tmp_path_factory.mktemp("curves")
    corpus = write_rows(folder / "corpus.jsonl", made_rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLUGINS_VARIABLE, "")
        result = invoke(
            "train-v2", "--corpus", corpus, "--curves", "--epochs", 2, "--seeds", 3, "--out-dir", folder,
            "--metrics-out", folder / "metrics.json",
        )  # fmt: skip
    assert result.code == 0, result.err
    (folder / "report.txt").write_text(result.out)
    return folder


def session(data: bytes | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = data if isinstance(data, bytes) else str(data)
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def sessions(folder: Path) -> dict[str, onnxruntime.InferenceSession]:
    return {name: session(folder / f"{name}.onnx") for name in OUTPUTS}


@pytest.fixture(scope="module")
def spaces(folder: Path) -> dict[str, AnchorSpace]:
    return {name: read_sidecar(folder / f"{name}.json").curve.space for name in OUTPUTS}


@pytest.fixture(scope="module")
def wild() -> onnxruntime.InferenceSession:
    """A VMAF graph with weights no training would leave behind."""
    torch.manual_seed(0)
    width, pad = BLOCK.width, WILD_SPACE.pad
    config = CurveConfig(in_features=len(DESCRIPTOR), num_codecs=width, hidden=16, knots=3, pad=pad)
    nets = [CurveNet(config) for _ in range(2)]
    for net in nets:
        for parameter in net.parameters():
            parameter.data.mul_(5.0)
    return session(curves_to_onnx(nets, "wild", VMAF_CURVE))


encoders = st.sampled_from([ENCODERS.get(name) for name in BLOCK.vocab])


@st.composite
def questions(draw: st.DrawFn) -> tuple[Cell, float, np.ndarray, list[Cell]]:
    """A probe cell, its score, its scaled descriptor, and a curve of cells of one encoder and preset."""
    first, second = draw(encoders), draw(encoders)
    probe = Cell(first.name, draw(st.sampled_from(first.presets)), draw(st.integers(first.crf_min, first.crf_max)))
    preset = draw(st.sampled_from(second.presets))
    curve = [Cell(second.name, preset, crf) for crf in range(second.crf_min, second.crf_max + 1)]
    seed = draw(st.integers(0, 2**32 - 1))
    told = np.random.default_rng(seed).normal(0, 3, len(DESCRIPTOR)).astype(np.float32)
    return probe, draw(st.floats(0, 100)), told, curve


def ask(session: Any, space: AnchorSpace, probe: Cell, value: float, told: np.ndarray, cells: list[Cell]) -> Any:
    """Both outputs, [N] and [S, N]."""
    count = len(cells)
    return session.run(None, {
        "features": np.tile(told, (count, 1)),
        "probe_codec": BLOCK.matrix([probe] * count),
        "codec": BLOCK.matrix(cells),
        "anchor": np.full(count, space.enter(value), dtype=np.float32),
    })  # fmt: skip


@pytest.mark.parametrize("graph", ["vmaf_curve_v2", "bitrate_curve_v2", "wild"])
@settings(max_examples=150, deadline=None)
@given(question=questions())
def test_exact_at_the_probe_falling_with_crf_and_in_range(
    sessions: dict[str, Any],
    spaces: dict[str, AnchorSpace],
    wild: Any,
    graph: str,
    question: tuple[Cell, float, np.ndarray, list[Cell]],
) -> None:
    probe, value, told, curve = question
    space = spaces.get(graph, WILD_SPACE)
    if space.pad is None:
        value = np.log(value + 0.001)
    asked = sessions.get(graph, wild)
    mean, members = ask(asked, space, probe, value, told, [probe, *curve])
    assert mean[0] == pytest.approx(value, abs=2e-3)
    np.testing.assert_allclose(members[:, 0], value, atol=2e-3)
    assert (np.diff(mean[1:]) <= 1e-4).all()
    assert (np.diff(members[:, 1:], axis=1) <= 1e-4).all()
    np.testing.assert_allclose(mean, members.mean(axis=0), atol=1e-3)
    assert np.isfinite(members).all()
    if space.pad is not None:
        assert mean.min() >= 0.0
        assert mean.max() <= 100.0


@pytest.mark.parametrize("knots", [1, 2, 5])
@pytest.mark.parametrize("pad", [None, 0.5, 2.0])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("across", [None, 0])
def test_graph_and_torch_agree(knots: int, pad: float | None, count: int, across: int | None) -> None:
    torch.manual_seed(knots)
    config = CurveConfig(in_features=17, num_codecs=8, hidden=8, depth=3, knots=knots, pad=pad, across=across)
    nets = [CurveNet(config) for _ in range(count)]
    data = curves_to_onnx(nets, "net", VMAF_CURVE)
    generator = np.random.default_rng(knots)
    feed = {
        "features": generator.standard_normal((50, 17), dtype=np.float32),
        "probe_codec": BLOCK.matrix([Cell("libx264", "medium", crf) for crf in range(50)]),
        "codec": BLOCK.matrix([Cell("libvvenc", "slow", crf) for crf in range(50)]),
        "anchor": generator.standard_normal(50, dtype=np.float32),
    }
    mean, members = session(data).run(None, feed)
    with torch.no_grad():
        wanted = np.stack([net(*map(torch.from_numpy, feed.values())).numpy() for net in nets])
        stacked = stack(nets)(*(torch.from_numpy(v).expand(count, *v.shape) for v in feed.values())).numpy()
    np.testing.assert_allclose(members, wanted, atol=1e-3)
    np.testing.assert_allclose(stacked, wanted, atol=1e-3)
    np.testing.assert_allclose(mean, wanted.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_written_keeps_the_contract(folder: Path, spaces: dict[str, AnchorSpace], name: str) -> None:
    model = onnx.load(str(folder / f"{name}.onnx"))
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "features": ["N", 45], "probe_codec": ["N", 8], "codec": ["N", 8], "anchor": ["N"],
        OUTPUTS[name]: ["N"], "members": [3, "N"],
    }  # fmt: skip
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    assert {node.op_type for node in model.graph.node} <= OP_ALLOWLIST
    found = document(folder / f"{name}.json")
    schema = json.loads(schema_path("model_sidecar").read_text())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(found)] == []
    assert found["feature_order"] == list(DESCRIPTOR)
    every = ["libsvtav1", "libx264", "libx265"]
    assert found["anchor"] == {
        "quantity": OUTPUTS[name], "pad": spaces[name].pad, "learnt_from": dict.fromkeys(every, every),
    }  # fmt: skip
    assert (spaces[name].pad is None) == (name == "bitrate_curve_v2")
    assert found["sha256"] == sha256_bytes((folder / f"{name}.onnx").read_bytes())
    assert found["training"]["sources"] == 8
    sidecar = read_sidecar(folder / f"{name}.json")
    assert {probe.encoder for probe in sidecar.probes} == {"libx264", "libx265", "libsvtav1"}
    assert sidecar.intervals is not None


def test_the_report_judges_on_left_out_groups(folder: Path) -> None:
    report = (folder / "report.txt").read_text()
    assert "curve model of VMAF, 4 folds of 4 groups" in report
    assert "libx264's standard probe, cells of other encoders" in report
    figures = document(folder / "metrics.json")["curves"]
    assert set(figures) == set(OUTPUTS.values())
    scenario = figures["score"]["scenarios"]["pinned probe in the encoder"]
    # 8 clips, 3 encoders, 3 other cells each, less those outside 40..99.
    assert 0 < scenario["n"] <= 72
    assert sum(group["n"] for group in figures["score"]["by_group"].values()) == scenario["n"]
    assert set(figures["score"]["by_group"]) == {"title0", "title1", "title2", "title3"}


def test_every_pair_of_encoders_is_judged(folder: Path) -> None:
    found = document(folder / "metrics.json")["curves"]["score"]
    encoders = {"libsvtav1", "libx264", "libx265"}
    assert {probe: set(cells) for probe, cells in found["by_pair"].items()} == dict.fromkeys(encoders, encoders)
    other = sum(
        figures["n"]
        for probe, cells in found["by_pair"].items()
        for cell, figures in cells.items()
        if cell != probe
    )
    assert other == found["scenarios"]["any cell of another encoder"]["n"]
    assert found["scenarios"]["any cell of another encoder, within 5 VMAF"]["n"] < other
    assert set(found["coverage"]["by_encoder"]) == set(found["coverage_across"]["by_encoder"]) == encoders
    assert "MAE from any cell of" in (folder / "report.txt").read_text()


def test_encoders_that_share_no_clip_were_not_learnt_from_each_other(tmp_path: Path) -> None:
    rows = made_rows(3, 1, ("libx264", "libx265")) + made_rows(3, 1, ("libx264", "libsvtav1"), first=3)
    result = invoke(
        "train-v2", "--corpus", write_rows(tmp_path / "corpus.jsonl", rows), "--curves", "--epochs", 1,
        "--seeds", 2, "--out-dir", tmp_path,
    )  # fmt: skip
    assert result.code == 0, result.err
    sidecar = read_sidecar(tmp_path / "vmaf_curve_v2.json")
    assert sidecar.curve.learnt_from == {
        "libsvtav1": ("libsvtav1", "libx264"),
        "libx264": ("libsvtav1", "libx264", "libx265"),
        "libx265": ("libx264", "libx265"),
    }
    assert sidecar.curve.learns_from("libx265", "libx264")
    assert not sidecar.curve.learns_from("libx265", "libsvtav1")


def test_every_preset_has_a_probe_of_its_own(tmp_path: Path) -> None:
    rows = made_rows(4, 1)
    # Another preset of libx264, of fewer cells; what its clips do not share is no probe.
    rows += [
        made_row(f"title{title}_1.mp4", 10 * title + 1, "libx264", "veryfast", crf)
        for title in range(4)
        for crf in (24, 30 + title)
    ]
    # Nothing of this preset is shared at all.
    rows += [made_row(f"title{title}_1.mp4", 10 * title + 1, "libx264", "slow", 20 + title) for title in range(4)]
    figures = tmp_path / "metrics.json"
    result = invoke(
        "train-v2", "--corpus", write_rows(tmp_path / "corpus.jsonl", rows), "--curves", "--epochs", 1,
        "--seeds", 2, "--out-dir", tmp_path, "--metrics-out", figures,
    )  # fmt: skip
    assert result.code == 0, result.err
    sidecar = read_sidecar(tmp_path / "vmaf_curve_v2.json")
    x264 = [probe for probe in sidecar.probes if probe.encoder == "libx264"]
    assert [probe.preset for probe in x264] == ["medium", "veryfast"]
    assert str(x264[1]) == "libx264:veryfast:24"
    assert sidecar.probe_for("libx264") == sidecar.probe_for("libx264", "slow") == x264[0]
    assert sidecar.probe_for("libx264", "veryfast") == x264[1]
    found = document(figures)["curves"]["score"]["scenarios"]
    one, own = found["pinned probe in the encoder"], found["pinned probe in the encoder and preset"]
    # The encoder's probe is asked for the preset's own one, and for presets without one.
    usual = [r for r in rows if r["encoder"] == "libx264" and 40 <= r["vmaf_score"] <= 99]
    only_one = [r for r in usual if (r["preset"], r["crf"]) == ("veryfast", 24) or r["preset"] == "slow"]
    assert one["n"] - own["n"] == len(only_one) > 4


def test_intervals_hear_how_hard_a_source_is(tmp_path: Path) -> None:
    rows = made_rows(8, 1)
    for row in rows:
        values = np.random.default_rng(int(row["src_sha256"][:8], 16)).uniform(0.2, 0.9, len(COMPLEXITY_KEYS))
        row["source_complexity"] = dict(zip(COMPLEXITY_KEYS, values.tolist(), strict=True))
    corpus = write_rows(tmp_path / "corpus.jsonl", rows)
    result = invoke("train-v2", "--corpus", corpus, "--curves", "--epochs", 1, "--seeds", 2, "--out-dir", tmp_path)
    assert result.code == 0, result.err
    trained = open_curve_model(VMAF_CURVE, str(tmp_path / "vmaf_curve_v2.onnx"))
    assert max(abs(trained.intervals.weights[name]) for name in OF_SOURCE) > 0.01
    # A net that always says the same: what differs is how sure it is of that.
    deaf = dataclasses.replace(trained, shift=lambda *inputs: np.full((2, len(inputs[-1])), 70.0, np.float32))
    cell, other = Cell("libx264", "medium", 28), [Cell("libx264", "medium", 40)]
    told, scaler = descriptor(rows[0], "row"), trained.sidecar.scaler
    for place, name in enumerate(OF_SOURCE, len(DESCRIPTOR) - len(OF_SOURCE)):
        harder = told.copy()
        moved = 0.5 * np.sign(scaler.mean[place] - told[place])
        harder[place] += moved * scaler.std[place]
        _, before = deaf.from_point(Point(cell, 90.0, -3.0, told), other)
        _, after = deaf.from_point(Point(cell, 90.0, -3.0, harder), other)
        assert np.log(after / before) == pytest.approx(moved * trained.intervals.weights[name], abs=1e-4)


def train(*arguments: object) -> Any:
    return invoke("train-v2", "--epochs", 1, "--seeds", 2, "--curves", "--no-export", *arguments)


def test_two_judged_groups_among_many_that_are_only_learnt_from(tmp_path: Path) -> None:
    judged = write_rows(tmp_path / "judged.jsonl", made_rows(2, 1))
    others = write_rows(tmp_path / "others.jsonl", made_rows(12, 1, first=50))
    figures = tmp_path / "metrics.json"
    result = train("--corpus", judged, "--only-learn", others, "--metrics-out", figures)
    assert result.code == 0, result.err
    found = document(figures)["curves"]["score"]
    assert (found["folds"], found["groups"], found["references"]) == (2, 2, 2)
    assert set(found["by_group"]) == {"title0", "title1"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda rows: [r | {"per_frame_vmaf": None} for r in rows],
            "no source has two usable cells of one encoder",
        ),
        (
            lambda rows: [
                r | {"vmaf_score": 99.5, "per_frame_vmaf": [99.5] * 4} if "title0" not in r["src"] else r
                for r in rows
            ],
            "need cells with a VMAF of 40 to 99 of at least 2 sources (groups of sources); there are 1",
        ),
    ],
    ids=["no per-frame values", "one group in range"],
)
def test_what_cannot_be_learnt_is_one_clear_line(vmaf_tune: VmafTune, tmp_path: Path, edit, message: str) -> None:
    result = train("--corpus", write_rows(tmp_path / "corpus.jsonl", edit(made_rows(3, 1))))
    assert result.code == ExitCode.INPUT
    assert message in result.err
    assert result.err.count("\n") == 1


def test_cells_are_learnt_from_probes_of_the_same_settings(tmp_path):
    rows = made_rows()
    tuned = [row | {"extra_params": ["-tune", "film"]} for row in rows]
    corpora = {"plain": rows, "both": rows + tuned}
    counted = {}
    for name, found in corpora.items():
        path = write_rows(tmp_path / f"{name}.jsonl", found)
        result = invoke(
            "train-v2", "--corpus", path, "--curves", "--epochs", 2, "--seeds", 1, "--hidden", 8,
            "--out-dir", tmp_path / name,
        )  # fmt: skip
        assert result.code == 0, result.err
        sidecar = json.loads((tmp_path / name / "vmaf_curve_v2.json").read_text("utf-8"))
        counted[name] = sidecar["training"]["rows"]
    # Of pairs of two encoders a share is drawn.
    assert counted["both"] == pytest.approx(2 * counted["plain"], rel=0.1)
