"""From fitted nets to ONNX files: byte for byte reproducible, and checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.kinds import Kind
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.training.curve_net import CurveNet
from vmaftune_frv2.training.graphs import curve_graph, regressor_graph
from vmaftune_frv2.training.net import FRRegressor, stack

TOLERANCE = 1e-5
"""Largest difference allowed between onnxruntime and torch, relative to the score's range."""
CHECKED_BATCHES = (1, 1000)

OP_ALLOWLIST = frozenset({
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "Gelu", "Erf", "Sigmoid", "Tanh", "Softplus", "Concat",
    "Squeeze", "Unsqueeze", "Reshape", "Slice", "Clip", "Min", "Max", "Constant", "Identity", "Cast",
})  # fmt: skip
"""Of libvmaf's allowlist, what a net like ours may use."""


def to_onnx(net: FRRegressor, name: str) -> bytes:
    """The net as ONNX bytes, checked against the net.

    Inputs ``features`` float32 [N, F] (scaled) and ``codec`` float32 [N, C]; output ``score`` float32 [N].

    Raises:
        ModelError: the file does not hold what the contract asks for.
    """
    data, config = regressor_graph(net.cpu().eval(), name), net.config
    check(data, net, config.kind.widths(config.in_features, config.num_codecs))
    return data


def curves_to_onnx(nets: Sequence[CurveNet], name: str, kind: Kind) -> bytes:
    """The nets of a curve model as one graph, checked against the nets.

    Inputs ``features`` [N, D], ``probe_codec`` and ``codec`` [N, C], ``anchor`` [N]; outputs their mean [N] and
    ``members`` [S, N], all float32.

    Raises:
        ModelError: the file does not hold what the contract asks for.
    """
    whole = stack(nets).eval()
    data, config = curve_graph(whole, name, kind), whole.config
    check(data, _Mean(whole), kind.widths(config.in_features, config.num_codecs))
    return data


class _Mean(nn.Module):
    """What the graph of a stack gives first."""

    def __init__(self, whole: CurveNet) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        count = len(self.whole.head.weight)
        mean: torch.Tensor = self.whole(*(x.expand(count, *x.shape) for x in inputs)).mean(dim=0)
        return mean


def check(data: bytes, net: nn.Module, inputs: dict[str, int | None]) -> None:
    """Checks exported bytes: valid ONNX, allowed ops, self-contained, and onnxruntime agrees with torch.

    Args:
        data: the model.
        net: what it must compute, in its first output.
        inputs: {input: width}; None for [N].

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
            name: generator.standard_normal((batch,) if width is None else (batch, width), dtype=np.float32)
            if width is None or name == "features"
            else generator.random((batch, width), dtype=np.float32)
            for name, width in inputs.items()
        }
        got = session.run([model.graph.output[0].name], feed)[0]
        with torch.no_grad():
            wanted = net(*(torch.from_numpy(value) for value in feed.values())).numpy()
        if got.shape != wanted.shape or got.dtype != np.float32:
            raise ModelError(f"onnxruntime gives {got.dtype} {got.shape}, torch {wanted.dtype} {wanted.shape}")
        worst = float(np.max(np.abs(got - wanted))) / SCORE_MAX
        if not worst <= TOLERANCE:
            raise ModelError(f"onnxruntime and torch differ by {worst:.2e} of the range on a batch of {batch}")
