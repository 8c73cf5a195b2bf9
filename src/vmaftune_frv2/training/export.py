"""From a fitted net to one ONNX file: built by hand, byte for byte reproducible, and checked."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from vmaftune_frv2 import __version__
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.training.net import SCORE_MAX, FRRegressor

OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-5
"""Largest difference allowed between onnxruntime and torch, relative to the score's range."""
CHECKED_BATCHES = (1, 1000)

OP_ALLOWLIST = frozenset({
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "Gelu", "Erf", "Sigmoid", "Tanh", "Softplus", "Concat",
    "Squeeze", "Unsqueeze", "Reshape", "Slice", "Clip", "Min", "Max", "Constant", "Identity", "Cast",
})  # fmt: skip
"""Of libvmaf's allowlist, what a net like ours may use."""


def input_names(net: FRRegressor) -> tuple[str, ...]:
    """``features`` and, for a codec-aware net, ``codec``."""
    return ("features", "codec") if net.config.num_codecs else ("features",)


def output_name(net: FRRegressor) -> str:
    """``score``, or ``score_logvar`` in variance mode."""
    return "score_logvar" if net.config.emit_variance else "score"


def to_onnx(net: FRRegressor, name: str) -> bytes:
    """The net as ONNX bytes, checked against the net.

    Inputs ``features`` float32 [N, F] (scaled) and ``codec`` float32 [N, C]; output ``score`` float32 [N].

    Raises:
        ModelError: the file does not hold what the contract asks for.
    """
    nodes, weights = _layers(net)
    config = net.config
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", config.in_features])]
    if config.num_codecs:
        inputs.append(helper.make_tensor_value_info("codec", TensorProto.FLOAT, ["N", config.num_codecs]))
    shape = ["N", 2] if config.emit_variance else ["N"]
    outputs = [helper.make_tensor_value_info(output_name(net), TensorProto.FLOAT, shape)]
    graph = helper.make_graph(
        nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in weights.items()]
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="vmaftune-frv2",
        producer_version=__version__,
    )
    data: bytes = model.SerializeToString(deterministic=True)
    check(data, net)
    return data


def _layers(net: FRRegressor) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    weights: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []
    flow = "features"
    if net.config.num_codecs:
        nodes.append(helper.make_node("Concat", ["features", "codec"], ["input"], axis=1))
        flow = "input"
    for index, layer in enumerate(net.hidden):
        nodes.append(_gemm(layer, flow, f"pre{index}", f"hidden{index}", weights))  # type: ignore[arg-type]
        nodes.append(helper.make_node("Relu", [f"pre{index}"], [f"hidden{index}"]))
        flow = f"hidden{index}"
    nodes.append(_gemm(net.head, flow, "out", "head", weights))
    weights |= {"score_max": np.array([SCORE_MAX], np.float32), "axis1": np.array([1], np.int64)}
    if not net.config.emit_variance:
        nodes += [
            helper.make_node("Sigmoid", ["out"], ["share"]),
            helper.make_node("Mul", ["share", "score_max"], ["points"]),
            helper.make_node("Squeeze", ["points", "axis1"], ["score"]),
        ]
        return nodes, weights
    weights |= {f"at{index}": np.array([index], np.int64) for index in range(3)}
    nodes += [
        helper.make_node("Slice", ["out", "at0", "at1", "axis1"], ["score_logit"]),
        helper.make_node("Slice", ["out", "at1", "at2", "axis1"], ["logvar"]),
        helper.make_node("Sigmoid", ["score_logit"], ["share"]),
        helper.make_node("Mul", ["share", "score_max"], ["points"]),
        helper.make_node("Concat", ["points", "logvar"], ["score_logvar"], axis=1),
    ]
    return nodes, weights


def _gemm(
    layer: torch.nn.Linear, flow: str, out: str, name: str, weights: dict[str, np.ndarray]
) -> onnx.NodeProto:
    weights[f"{name}.weight"] = layer.weight.detach().numpy().astype(np.float32)
    weights[f"{name}.bias"] = layer.bias.detach().numpy().astype(np.float32)
    return helper.make_node("Gemm", [flow, f"{name}.weight", f"{name}.bias"], [out], transB=1)


def check(data: bytes, net: FRRegressor) -> None:
    """Checks exported bytes: valid ONNX, allowed ops, self-contained, and onnxruntime agrees with torch.

    Raises:
        ModelError: any of it does not hold.
    """
    model = onnx.load_model_from_string(data)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the exported graph is not valid ONNX: {error}") from error
    foreign = {node.op_type for node in model.graph.node} - OP_ALLOWLIST
    if foreign:
        raise ModelError(f"the exported graph uses ops that libvmaf does not allow: {', '.join(sorted(foreign))}")
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    net = net.cpu().eval()
    for batch in CHECKED_BATCHES:
        feed = {
            "features": generator.standard_normal((batch, net.config.in_features), dtype=np.float32) * 2,
            "codec": generator.random((batch, net.config.num_codecs), dtype=np.float32),
        }
        feed = {name: feed[name] for name in input_names(net)}
        (got,) = session.run([output_name(net)], feed)
        with torch.no_grad():
            wanted = net(*(torch.from_numpy(value) for value in feed.values())).numpy()
        if got.shape != wanted.shape or got.dtype != np.float32:
            raise ModelError(f"onnxruntime gives {got.dtype} {got.shape}, torch {wanted.dtype} {wanted.shape}")
        worst = float(np.max(np.abs(got - wanted))) / SCORE_MAX
        if not worst <= TOLERANCE:
            raise ModelError(f"onnxruntime and torch differ by {worst:.2e} of the range on a batch of {batch}")
