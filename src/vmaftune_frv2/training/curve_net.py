"""The curve model: a measured cell of a source, and another cell, to that cell's score or bitrate.

Exact at the measured cell and falling with crf by construction: what is learnt is how fast a curve falls, and how
far apart the curves of two encoders or presets lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from vmaftune_frv2.contract.anchor import SCORE_MAX
from vmaftune_frv2.contract.codec import CodecParts
from vmaftune_frv2.training.net import Dense, dense_layers

FIRST_FALL = 4.0
"""In the anchor space, over all of crf, before anything is learnt."""


@dataclass(frozen=True)
class CurveConfig:
    """Shape of the net.

    Args:
        in_features: width of the descriptor.
        num_codecs: width of a codec block, with preset and crf.
        hidden: units of each hidden layer.
        depth: hidden layers.
        knots: pieces of crf range, each with a slope of its own.
        pad: of the anchor space; None for log bits per pixel.
        across: None for one perceptron. Otherwise there is a second one, for cells of another encoder than the
            probe's, unless the probe is of the encoder in this slot.
    """

    in_features: int
    num_codecs: int
    hidden: int = 128
    depth: int = 2
    knots: int = 2
    pad: float | None = 2.0
    across: int | None = None

    @property
    def parts(self) -> CodecParts:
        """Of the codec block."""
        return CodecParts.of_width(self.num_codecs)


class CurveNet(nn.Module):
    """z = anchor + preset_gap * (preset - probe preset) + [other encoder] * encoder_gap - sum_k slope_k * step_k.

    step_k is how far crf moves within piece k of its range, slope_k = softplus(.) > 0; gaps and slopes are a
    perceptron's of the descriptor, the probe's codec block and the cell's encoder and preset (not its crf). Of
    two perceptrons each learns its own pairs: one for both kinds is worse at a probe's own encoder.
    """

    def __init__(self, config: CurveConfig) -> None:
        super().__init__()
        self.config = config
        inputs = config.in_features + config.num_codecs + config.parts.line.stop
        widths = [inputs] + [config.hidden] * config.depth
        self.hidden = dense_layers(widths)
        self.head = Dense(widths[-1], config.knots + 2)
        if config.across is not None:
            self.across_hidden = dense_layers(widths)
            self.across_head = Dense(widths[-1], config.knots + 2)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            # Whatever the number of pieces, the curve begins with one fall over all of crf.
            self.head.bias[..., : config.knots].fill_(math.log(math.expm1(FIRST_FALL / config.knots)))
        self.register_buffer("starts", torch.linspace(0, 1, config.knots + 1)[:-1])

    def forward(self, features: Tensor, probe_codec: Tensor, codec: Tensor, anchor: Tensor) -> Tensor:
        """Scores (0..100), or log bits per pixel.

        Args:
            features: [..., N, D] descriptors of the probe, standard-scaled.
            probe_codec: [..., N, C] codec block of the probe.
            codec: [..., N, C] codec block of the cell.
            anchor: [..., N] the probe's value in the anchor space.

        Returns:
            [..., N]
        """
        knots, (encoder, preset, crf, line) = self.config.knots, self.config.parts
        h = torch.cat([features, probe_codec, codec[..., line]], dim=-1)
        same = (probe_codec[..., encoder] * codec[..., encoder]).sum(-1)  # [..., N]
        out = _perceptron(self.hidden, self.head, h)  # [..., N, knots + 2]
        if self.config.across is not None:
            across = (1.0 - same) * (1.0 - probe_codec[..., self.config.across])  # [..., N]
            out = out + across[..., None] * (_perceptron(self.across_hidden, self.across_head, h) - out)
        slopes = functional.softplus(out[..., :knots])
        steps = self._reached(codec[..., crf]) - self._reached(probe_codec[..., crf])  # [..., N, knots]
        z = anchor + out[..., knots] * (codec[..., preset] - probe_codec[..., preset])
        z = z + out[..., knots + 1] * (1.0 - same) - (slopes * steps).sum(-1)
        if self.config.pad is None:
            unbounded: Tensor = z
            return unbounded
        score = torch.sigmoid(z) * (SCORE_MAX + 2 * self.config.pad) - self.config.pad
        bounded: Tensor = score.clamp(0.0, SCORE_MAX)
        return bounded

    def _reached(self, crf: Tensor) -> Tensor:
        """[..., N, knots] share of each piece that lies below [..., N] crf."""
        starts: Tensor = self.get_buffer("starts")
        reached: Tensor = ((crf[..., None] - starts) * self.config.knots).clamp(0.0, 1.0)
        return reached


def joined(first: CurveNet, second: CurveNet, across: int) -> CurveNet:
    """One net of two perceptrons that were fitted alone, see ``CurveConfig.across``."""
    net = CurveNet(replace(first.config, across=across))
    layers = {f"across_{name}": value for name, value in second.state_dict().items() if name != "starts"}
    net.load_state_dict({**first.state_dict(), **layers})
    return net


def _perceptron(hidden: nn.ModuleList, head: nn.Module, h: Tensor) -> Tensor:
    for layer in hidden:
        h = functional.silu(layer(h))  # [..., N, hidden]
    out: Tensor = head(h)
    return out
