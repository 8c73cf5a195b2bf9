"""Fitting many nets at once: one stack over folds and seeds, one optimiser step for all of them.

Every member sees its own batch order, its own scaling and its own mask, so that it ends where it
would have ended alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.errors import UsageError
from vmaftune_frv2.training.net import FRRegressor, NetConfig

WARMUP_SHARE = 0.1


@dataclass(frozen=True)
class FitOptions:
    """How nets are fitted.

    Args:
        epochs: passes over the rows.
        batch_size: rows of one step.
        lr: peak learning rate of AdamW; linear warm-up, then cosine to 0.
        weight_decay: AdamW's decay.
        seed: seed of the first member.
        device: torch device.
    """

    epochs: int = 200
    batch_size: int = 256
    lr: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Member:
    """One net of the stack: the rows it learns from and its seed."""

    rows: NDArray[np.bool_]
    seed: int


@dataclass(frozen=True)
class Fitted:
    """One fitted net with the scaling it was fitted with."""

    net: FRRegressor
    scaler: FeatureScaler

    def predict(self, features: NDArray[np.float64], codec: NDArray[np.float32] | None) -> NDArray[np.float64]:
        """[N] scores of [N, F] raw features and [N, C] codec vectors."""
        with torch.no_grad():
            scaled = torch.from_numpy(self.scaler.transform(features))
            out = self.net(scaled, None if codec is None else torch.from_numpy(codec))
        score = out[..., 0] if self.net.config.emit_variance else out
        scores: NDArray[np.float64] = score.numpy().astype(np.float64)
        return scores


def fit(
    config: NetConfig,
    features: NDArray[np.float64],
    codec: NDArray[np.float32] | None,
    targets: NDArray[np.float64],
    members: Sequence[Member],
    options: FitOptions,
    on_epoch: Callable[[], None] = lambda: None,
) -> list[Fitted]:
    """Fits one net per member, all at once.

    Args:
        config: shape of every net.
        features: [N, F] raw features.
        codec: [N, C] codec vectors, None for codec-blind nets.
        targets: [N] scores.
        members: what each net learns from.
        options: how.
        on_epoch: called after each epoch.

    Returns:
        Fitted nets in member order, on the CPU.
    """
    device = _device(options.device)
    scalers = [FeatureScaler.fit(features[member.rows]) for member in members]
    X = torch.from_numpy(np.stack([scaler.transform(features) for scaler in scalers])).to(device)  # [B, N, F]
    C = None if codec is None else torch.from_numpy(codec).to(device)  # [N, C]
    y = torch.from_numpy(targets.astype(np.float32)).to(device)  # [N]
    weight = torch.from_numpy(np.stack([member.rows for member in members])).float().to(device)  # [B, N]
    nets = [_initial(config, member.seed) for member in members]
    params = _train(nets, X, C, y, weight, [member.seed for member in members], options, on_epoch)
    for index, net in enumerate(nets):
        net.load_state_dict({name: value[index].cpu() for name, value in params.items()})
        net.eval()
    return [Fitted(net, scaler) for net, scaler in zip(nets, scalers, strict=True)]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {name}: torch cannot use it here ({reason})") from error
    return device


def _initial(config: NetConfig, seed: int) -> FRRegressor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FRRegressor(config)


def _train(
    nets: list[FRRegressor],
    X: Tensor,
    C: Tensor | None,
    y: Tensor,
    weight: Tensor,
    seeds: list[int],
    options: FitOptions,
    on_epoch: Callable[[], None],
) -> dict[str, Tensor]:
    """Stacked parameters after training; leading axis B over members."""
    stacked, _ = stack_module_state(list(nets))
    params = {name: p.detach().to(X.device).requires_grad_() for name, p in stacked.items()}
    skeleton = nets[0].train()

    def scored(p: dict[str, Tensor], x: Tensor, c: Tensor | None) -> Tensor:
        out: Tensor = functional_call(skeleton, p, (x, c) if c is not None else (x,))
        return out

    forward = vmap(scored, in_dims=(0, 0, 0 if C is not None else None), randomness="different")
    optimizer = torch.optim.AdamW(params.values(), lr=options.lr, weight_decay=options.weight_decay, foreach=True)
    batches = -(-len(y) // options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(options.epochs * batches))
    orders = {seed: torch.Generator().manual_seed(seed) for seed in set(seeds)}
    member = torch.arange(len(nets), device=X.device)[:, None]  # [B, 1]
    for _ in range(options.epochs):
        drawn = {seed: torch.randperm(len(y), generator=generator) for seed, generator in orders.items()}
        order = torch.stack([drawn[seed] for seed in seeds]).to(X.device)  # [B, N]
        for rows in torch.split(order, options.batch_size, dim=1):  # [B, n]
            out = forward(params, X[member, rows], None if C is None else C[rows])
            loss = _loss(out, y[rows], weight.gather(1, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        on_epoch()
    return {name: p.detach() for name, p in params.items()}


def _rate(steps: int) -> Callable[[int], float]:
    warmup = max(1, int(WARMUP_SHARE * steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, steps - warmup)
        return 0.5 * (1.0 + float(np.cos(np.pi * min(progress, 1.0))))

    return factor


def _loss(out: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Sum over members of each one's mean loss over its own rows; [B, n] or [B, n, 2] against [B, n]."""
    if out.dim() == 3:
        logvar = out[..., 1].clamp(-10.0, 10.0)
        each = 0.5 * (logvar + (out[..., 0] - y).square() * torch.exp(-logvar))
    else:
        each = (out - y).square()
    return ((each * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)).sum()
