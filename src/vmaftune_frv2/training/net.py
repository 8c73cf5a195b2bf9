"""The regressor: libvmaf features of an encode, and the cell to score, to VMAF."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

SCORE_MAX = 100.0


@dataclass(frozen=True)
class NetConfig:
    """Shape of the net.

    Args:
        in_features: width of the feature vector.
        num_codecs: width of the codec block; 0 is the codec-blind v1 contract.
        hidden: units of each hidden layer.
        depth: hidden layers.
        dropout: share of hidden units dropped in training.
        emit_variance: also predict the log-variance of the score.
    """

    in_features: int = 6
    num_codecs: int = 8
    hidden: int = 64
    depth: int = 2
    dropout: float = 0.0
    emit_variance: bool = False


class FRRegressor(nn.Module):
    """A small perceptron with a bounded output.

    score = 100 * sigmoid(w . h + b), so that it stays in VMAF's range and bends where VMAF bends.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.in_features + config.num_codecs] + [config.hidden] * config.depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.head = nn.Linear(widths[-1], 2 if config.emit_variance else 1)

    def forward(self, features: Tensor, codec: Tensor | None = None) -> Tensor:
        """Scores a batch.

        Args:
            features: [N, in_features], standard-scaled.
            codec: [N, num_codecs], absent for a codec-blind net.

        Returns:
            [N] scores, or [N, 2] scores and log-variances.
        """
        h = features if codec is None else torch.cat([features, codec], dim=-1)  # [N, F + C]
        for layer in self.hidden:
            h = functional.relu(layer(h))  # [N, hidden]
            h = functional.dropout(h, self.config.dropout, self.training)
        out = self.head(h)  # [N, 1] or [N, 2]
        score = SCORE_MAX * torch.sigmoid(out[..., 0])  # [N]
        if self.config.emit_variance:
            return torch.stack([score, out[..., 1]], dim=-1)  # [N, 2]
        return score
