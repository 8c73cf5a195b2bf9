"""The nets: small perceptrons, which run alone on [N, ...] or stacked on [B, N, ...]."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.codec import DEFAULT_VOCABULARY, CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6
from vmaftune_frv2.contract.kinds import PER_FRAME, REGRESSOR, SCORE, SCORE_LOGVAR, Kind

N = TypeVar("N", bound=nn.Module)


class Dense(nn.Module):
    """Affine layer: [N, in] to [N, out], or [B, N, in] to [B, N, out] once its parameters are stacked."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = float(inputs) ** -0.5
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))  # [in, out]
        self.bias = nn.Parameter(torch.empty(1, outputs).uniform_(-bound, bound))  # [1, out]

    def forward(self, x: Tensor) -> Tensor:
        """The affine map."""
        if self.weight.dim() == 2:
            return torch.addmm(self.bias, x, self.weight)
        return torch.baddbmm(self.bias, x.expand(len(self.weight), -1, -1), self.weight)


def dense_layers(widths: Sequence[int]) -> nn.ModuleList:
    """Layers from width to width."""
    return nn.ModuleList(Dense(a, b) for a, b in pairwise(widths))


def stack(nets: Sequence[N]) -> N:
    """One module that holds B nets: every parameter gets a leading axis of B.

    Sources: DeepEnsembles (Lakshminarayanan et al. 2017) for why; a batched product (bmm) per layer for how.
    """
    whole = copy.deepcopy(nets[0])
    for name, parameter in whole.named_parameters():
        parameter.data = torch.stack([net.get_parameter(name).data for net in nets])
    return whole


def unstack(whole: N, template: N, index: int) -> N:
    """One net of a stack, on the CPU, in evaluation mode."""
    net = copy.deepcopy(template)
    for name, parameter in net.named_parameters():
        parameter.data = whole.get_parameter(name).data[index].detach().cpu().clone()
    return net.eval()


@dataclass(frozen=True)
class NetConfig:
    """Shape of the regressor.

    Args:
        in_features: width of the feature vector.
        num_codecs: width of the codec block; 0 is the codec-blind v1 contract.
        hidden: units of each hidden layer.
        depth: hidden layers.
        dropout: share of hidden units dropped in training.
        emit_variance: also predict the log-variance of the score.
    """

    in_features: int = len(CANONICAL6)
    num_codecs: int = CodecBlock.of_version(DEFAULT_VOCABULARY).width
    hidden: int = 32
    depth: int = 2
    dropout: float = 0.0
    emit_variance: bool = False

    @property
    def kind(self) -> Kind:
        """Of a model with such nets."""
        return REGRESSOR if self.num_codecs else PER_FRAME

    @property
    def output(self) -> str:
        """Name of the graph's output."""
        return SCORE_LOGVAR if self.emit_variance else SCORE


class FRRegressor(nn.Module):
    """Libvmaf features of an encode, and the cell to score, to VMAF.

    score = 100 * sigmoid(w . h + b), so that it stays in VMAF's range and bends where VMAF bends.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.in_features + config.num_codecs] + [config.hidden] * config.depth
        self.hidden = dense_layers(widths)
        self.head = Dense(widths[-1], 2 if config.emit_variance else 1)

    def forward(self, features: Tensor, codec: Tensor | None = None) -> Tensor:
        """Scores a batch.

        Args:
            features: [..., N, in_features], standard-scaled.
            codec: [..., N, num_codecs], absent for a codec-blind net.

        Returns:
            [..., N] scores, or [..., N, 2] scores and log-variances.
        """
        h = features if codec is None else torch.cat([features, codec], dim=-1)  # [..., N, F + C]
        for layer in self.hidden:
            h = functional.relu(layer(h))  # [..., N, hidden]
            h = functional.dropout(h, self.config.dropout, self.training)
        out = self.head(h)  # [..., N, 1] or [..., N, 2]
        score = SCORE_MAX * torch.sigmoid(out[..., 0])  # [..., N]
        if self.config.emit_variance:
            return torch.stack([score, out[..., 1]], dim=-1)  # [..., N, 2]
        return score
