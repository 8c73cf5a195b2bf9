"""ONNX graphs of the nets, written node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.kinds import MEMBERS, Kind
from vmaftune_frv2.training.curve_net import CurveConfig, CurveNet
from vmaftune_frv2.training.net import Dense, FRRegressor
from vmaftune_frv2.version import __version__

OPSET = 17
IR_VERSION = 8


class Graph:
    """Nodes and weights in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node; returns its output's name."""
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """One initializer; returns its name."""
        self.weights[name] = np.asarray(value, dtype=dtype)
        return name

    def dense(self, layer: nn.Module, flow: str, name: str, output: str) -> str:
        """An affine layer: Gemm, or a batched product where the layer is a stack."""
        assert isinstance(layer, Dense)
        weight = self.constant(f"{name}.weight", layer.weight.detach().numpy())
        bias = self.constant(f"{name}.bias", layer.bias.detach().numpy())
        if layer.weight.dim() == 2:
            self.weights[bias] = self.weights[bias][0]
            return self.add("Gemm", [flow, weight, bias], output)
        product = self.add("MatMul", [flow, weight], f"{name}.product")
        return self.add("Add", [product, bias], output)

    def slice(self, flow: str, start: int, stop: int, output: str) -> str:
        """Elements start to stop of the last axis."""
        bounds = [self.constant(f"at{index}", [index], np.int64) for index in (start, stop)]
        return self.add("Slice", [flow, *bounds, self.constant("last", [-1], np.int64)], output)

    def squeeze(self, flow: str, output: str, axis: int = -1) -> str:
        """Drops an axis of one element."""
        name = "last" if axis == -1 else f"axis{axis}"
        return self.add("Squeeze", [flow, self.constant(name, [axis], np.int64)], output)

    def model(self, name: str, inputs: dict[str, int | None], outputs: dict[str, list[Any]]) -> bytes:
        """The bytes, always the same for the same weights.

        Args:
            name: of the graph.
            inputs: {name: width}; None for [N].
            outputs: {name: shape}.
        """
        graph = helper.make_graph(
            self.nodes,
            name,
            [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, ["N"] if width is None else ["N", width])
                for key, width in inputs.items()
            ],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
            [numpy_helper.from_array(value, key) for key, value in self.weights.items()],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="vmaftune-frv2",
            producer_version=__version__,
        )
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def regressor_graph(net: FRRegressor, name: str) -> bytes:
    """features [N, F] (and codec [N, C]) to score [N], or score_logvar [N, 2] in variance mode."""
    graph, config = Graph(), net.config
    inputs = config.kind.widths(config.in_features, config.num_codecs)
    flow = graph.add("Concat", list(inputs), "input", axis=1) if len(inputs) > 1 else "features"
    for index, layer in enumerate(net.hidden):
        flow = graph.dense(layer, flow, f"hidden{index}", f"pre{index}")
        flow = graph.add("Relu", [flow], f"hidden{index}")
    out = graph.dense(net.head, flow, "head", "out")
    logit = graph.slice(out, 0, 1, "score_logit") if config.emit_variance else out
    share = graph.add("Sigmoid", [logit], "share")
    points = graph.add("Mul", [share, graph.constant("score_max", [SCORE_MAX])], "points")
    if config.emit_variance:
        graph.add("Concat", [points, graph.slice(out, 1, 2, "logvar")], config.output, axis=1)
        return graph.model(name, inputs, {config.output: ["N", 2]})
    graph.squeeze(points, config.output)
    return graph.model(name, inputs, {config.output: ["N"]})


def curve_graph(stack: CurveNet, name: str, kind: Kind) -> bytes:
    """A stack of S nets of a curve model as one graph: their mean [N], and ``members`` [S, N].

    Inputs features [N, D], probe_codec [N, C], codec [N, C] and anchor [N], the probe's value in the anchor space.
    """
    graph, config = Graph(), stack.config
    count, knots, parts = len(stack.head.weight), config.knots, config.parts
    cell = graph.slice("codec", parts.line.start, parts.line.stop, "cell")
    graph.add("Concat", ["features", "probe_codec", cell], "input", axis=1)
    other = _other_encoder(graph, config)
    out = _perceptron(graph, stack.hidden, stack.head, "")  # [S, N, knots + 2]
    if config.across is not None:
        second = _perceptron(graph, stack.across_hidden, stack.across_head, "across_")
        probed = graph.slice("probe_codec", config.across, config.across + 1, "probe_serves_all")
        across = graph.add("Mul", [other, graph.add("Sub", ["whole", probed], "probe_serves_one")], "across")
        moved = graph.add("Mul", [across, graph.add("Sub", [second, out], "across_less_out")], "across_moved")
        out = graph.add("Add", [out, moved], "shaped")
    slopes = graph.add("Softplus", [graph.slice(out, 0, knots, "raw_slopes")], "slopes")
    fallen = graph.add("Mul", [slopes, _steps(graph, config)], "falls")
    ones = graph.constant("ones_knots", np.ones((knots, 1)))
    drop = graph.add("MatMul", [fallen, ones], "drop")  # [S, N, 1]
    preset = graph.slice("codec", parts.preset, parts.preset + 1, "preset")
    probed = graph.slice("probe_codec", parts.preset, parts.preset + 1, "probe_preset")
    moved = graph.add("Sub", [preset, probed], "preset_step")
    preset_gap = graph.add("Mul", [graph.slice(out, knots, knots + 1, "preset_slope"), moved], "preset_gap")
    slope = graph.slice(out, knots + 1, knots + 2, "encoder_slope")
    encoder_gap = graph.add("Mul", [slope, other], "encoder_gap")
    anchor = graph.add("Unsqueeze", ["anchor", graph.constant("axis1", [1], np.int64)], "anchor_column")
    raised = graph.add("Add", [graph.add("Add", [anchor, preset_gap], "with_preset"), encoder_gap], "raised")
    z = graph.squeeze(graph.add("Sub", [raised, drop], "z"), "members" if config.pad is None else "z_members")
    if config.pad is not None:
        bounds = [graph.constant("lowest", 0.0), graph.constant("highest", SCORE_MAX)]
        share = graph.add("Sigmoid", [z], "share")
        spread = graph.add("Mul", [share, graph.constant("range", [SCORE_MAX + 2 * config.pad])], "spread")
        padded = graph.add("Sub", [spread, graph.constant("pad", [config.pad])], "padded")
        graph.add("Clip", [padded, *bounds], "members")
    weights = graph.constant("mean", np.full((1, count), 1.0 / count))
    row = graph.add("MatMul", [weights, "members"], "mean_row")
    if config.pad is not None:  # rounding may carry a mean of hundreds beyond
        row = graph.add("Clip", [row, *bounds], "mean_in_range")
    graph.squeeze(row, kind.outputs[0], axis=0)
    inputs = kind.widths(config.in_features, config.num_codecs)
    return graph.model(name, inputs, {kind.outputs[0]: ["N"], MEMBERS: [count, "N"]})


def _perceptron(graph: Graph, hidden: nn.ModuleList, head: nn.Module, prefix: str) -> str:
    """[S, N, knots + 2] of "input"."""
    flow = "input"
    for index, layer in enumerate(hidden):
        pre = graph.dense(layer, flow, f"{prefix}hidden{index}", f"{prefix}pre{index}")
        gate = graph.add("Sigmoid", [pre], f"{prefix}gate{index}")
        flow = graph.add("Mul", [pre, gate], f"{prefix}hidden{index}")
    return graph.dense(head, flow, f"{prefix}head", f"{prefix}out")


def _steps(graph: Graph, config: CurveConfig) -> str:
    """[N, knots] how far crf moves within each piece, from the probe to the cell."""
    knots = config.knots
    select = np.zeros((config.num_codecs, knots))
    select[config.parts.crf] = knots
    weight = graph.constant("pieces", select)
    offset = graph.constant("starts", -np.arange(knots))
    bounds = [graph.constant("zero", 0.0), graph.constant("one", 1.0)]
    reached = []
    for name in ("codec", "probe_codec"):
        moved = graph.add("Add", [graph.add("MatMul", [name, weight], f"{name}.pieces"), offset], f"{name}.moved")
        reached.append(graph.add("Clip", [moved, *bounds], f"{name}.reached"))
    return graph.add("Sub", reached, "steps")


def _other_encoder(graph: Graph, config: CurveConfig) -> str:
    """[N, 1] 1 where probe and cell are of different encoders."""
    both = graph.add("Mul", ["codec", "probe_codec"], "both")
    slots = np.zeros((config.num_codecs, 1))
    slots[config.parts.encoder] = 1.0
    mask = graph.constant("encoder_slots", slots)
    same = graph.add("MatMul", [both, mask], "same_encoder")
    return graph.add("Sub", [graph.constant("whole", [1.0]), same], "other_encoder")
