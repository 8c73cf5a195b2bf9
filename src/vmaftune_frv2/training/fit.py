"""Fitting many nets at once: a stack over folds and seeds, one optimiser step for all of them.

Every member sees its own batch order, scaling and mask, so that it ends where it would have ended alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vmaftune_frv2.contract.features import FeatureScaler
from vmaftune_frv2.corpus.helpers import spare_cpus
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.progress import count
from vmaftune_frv2.training.net import stack, unstack

WARMUP_SHARE = 0.1
CHUNK = 50
"""Members of one stack on a CPU: their activations of a batch stay in the cache."""
LOGVAR_RANGE = 10.0
LARGEST_WEIGHT = 1e4
"""Weights of a net that has learnt something stay thousands of times below."""

Net = TypeVar("Net", bound=nn.Module)
Array = NDArray[np.float32]


class Progress(Protocol):
    """Shows how much is done."""

    def start(self, total: int) -> None:
        """So many units are to come."""

    def advance(self) -> None:
        """One is done."""


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
        beta: error below which the loss is quadratic, above which it is linear (Huber), in units of the target.
    """

    epochs: int = 60
    batch_size: int = 64
    lr: float = 5e-3
    weight_decay: float = 1e-4
    seed: int = 0
    device: str = "cpu"
    beta: float = 3.0


@dataclass(frozen=True)
class Table:
    """What is learnt from what, a row each.

    Args:
        features: [N, F] raw features, or [R, F] shared ones; scaled by a member's rows, NaN becomes their mean.
        rest: further inputs of the net, [N, ...] each, taken as they are.
        targets: [N].
        repeated: how many of the last rows repeat earlier ones; they do not count for the scaling.
        weights: [N] how much a row counts in the loss; None for all alike.
        shared: [N] which of R features are a row's; None where each has its own.
    """

    features: NDArray[np.float64]
    rest: tuple[Array, ...]
    targets: NDArray[np.float64]
    repeated: int = 0
    weights: NDArray[np.float64] | None = None
    shared: NDArray[np.int64] | None = None

    def scaler(self, rows: NDArray[np.bool_]) -> FeatureScaler:
        """Of the [N] rows that a member learns from, each counted once."""
        once = len(self.targets) - self.repeated
        if self.shared is None:
            return FeatureScaler.fit(self.features[:once][rows[:once]])
        counts = np.bincount(self.shared[:once][rows[:once]], minlength=len(self.features))
        return FeatureScaler.fit(self.features, counts)


@dataclass(frozen=True)
class Member:
    """One net of the stack: the rows it learns from, its seed, and a scaling instead of these rows' own."""

    rows: NDArray[np.bool_]
    seed: int
    scaler: FeatureScaler | None = None


@dataclass(frozen=True)
class Fitted(Generic[Net]):
    """One fitted net with the scaling it was fitted with."""

    net: Net
    scaler: FeatureScaler

    def predict(self, features: NDArray[np.float64], *rest: Array) -> NDArray[np.float64]:
        """[N] predictions (means, in variance mode) from [N, F] raw features and the net's further inputs."""
        out = self._run(features, *rest)
        return out[:, 0] if out.ndim == 2 else out

    def deviation(self, features: NDArray[np.float64], *rest: Array) -> NDArray[np.float64]:
        """[N] standard deviations, in variance mode."""
        logvar = self._run(features, *rest)[:, 1].clip(-LOGVAR_RANGE, LOGVAR_RANGE)
        deviations: NDArray[np.float64] = np.exp(0.5 * logvar)
        return deviations

    def _run(self, features: NDArray[np.float64], *rest: Array) -> NDArray[np.float64]:
        return self.run_scaled(self.scaler.transform(features), *rest)

    def run_scaled(self, features: Array, *rest: Array) -> NDArray[np.float64]:
        """[N] or [N, 2] outputs from [N, F] scaled features and the net's further inputs."""
        with torch.no_grad():
            out: Tensor = self.net(torch.from_numpy(features), *map(torch.from_numpy, rest))
        outputs: NDArray[np.float64] = out.numpy().astype(np.float64)
        return outputs


def fit(
    build: Callable[[], Net],
    table: Table,
    members: Sequence[Member],
    options: FitOptions,
    progress: Progress | None = None,
) -> list[Fitted[Net]]:
    """Fits one net per member, all at once.

    Args:
        build: makes a net; its parameters are drawn from torch's generator.
        table: inputs and targets.
        members: what each net learns from.
        options: how.
        progress: advanced by every epoch of every stack.

    Returns:
        Fitted nets in member order, on the CPU.

    Raises:
        UsageError: torch cannot use the device.
        InputError: training diverged.
    """
    device = _device(options.device)
    chunk = _stack_size(len(members)) if device.type == "cpu" else len(members)
    chunks = [members[i : i + chunk] for i in range(0, len(members), chunk)]
    epochs, lock = len(chunks) * options.epochs, threading.Lock()
    if progress is not None:
        progress.start(epochs)
    # What went wrong first ends all stacks at their next epoch, Ctrl-C too.
    failed: list[BaseException] = []

    def on_epoch() -> None:
        if failed:
            raise failed[0]
        with lock:
            if progress is not None:
                progress.advance()
            done.add()

    def fit_chunk(some: Sequence[Member]) -> list[Fitted[Net]]:
        try:
            return _fit_stack(build, table, some, options, device, on_epoch)
        except BaseException as error:
            failed.append(error)
            raise failed[0] from None

    with count("training", "epochs", epochs, nets=len(members)) as done, _one_thread_each(), _pool() as pool:
        try:
            return [fitted for some in pool.map(fit_chunk, chunks) for fitted in some]
        except BaseException as error:
            failed.append(error)
            raise


def _stack_size(members: int) -> int:
    """Members of a stack: at most CHUNK, in an even number of equal stacks, so that neither of two cores waits.

    The same on every machine: the size of a stack shows in the rounding.
    """
    pairs = -(-members // (2 * CHUNK))
    return -(-members // (2 * pairs))


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(spare_cpus() + 1, initializer=torch.set_num_threads, initargs=(1,))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Stacks run side by side; threads within one would only wait for each other, worst on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a device without memory (meta) ends here
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0][:160]
        raise UsageError(f"--device {name}: torch cannot use it here ({reason})") from error
    return device


_drawing = threading.Lock()
"""torch's generator is one for all threads."""


def _initial(build: Callable[[], Net], seed: int) -> Net:
    with _drawing, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _fit_stack(
    build: Callable[[], Net],
    table: Table,
    members: Sequence[Member],
    options: FitOptions,
    device: torch.device,
    on_epoch: Callable[[], None],
) -> list[Fitted[Net]]:
    nets = [_initial(build, member.seed) for member in members]
    scalers = [member.scaler or table.scaler(member.rows) for member in members]
    whole = stack(nets).to(device).train()
    # Scaled in double precision, because a feature may be large and vary little.
    mean, std = (
        torch.tensor([getattr(s, part) for s in scalers], dtype=torch.float64, device=device)[:, None]
        for part in ("mean", "std")
    )  # [B, 1, F]
    features = torch.from_numpy(table.features).to(device)  # [N, F] or [R, F]
    shared = None if table.shared is None else torch.from_numpy(table.shared).to(device)
    unknown = bool(features.isnan().any())
    rest = [torch.from_numpy(array).to(device) for array in table.rest]
    targets = torch.from_numpy(table.targets.astype(np.float32)).to(device)  # [N]
    counts = np.stack([member.rows for member in members]).astype(np.float32)
    if table.weights is not None:
        counts *= table.weights.astype(np.float32)
    mine = torch.from_numpy(counts).to(device)  # [B, N]
    optimizer = torch.optim.AdamW(whole.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)
    steps = options.epochs * -(-len(targets) // options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(steps))
    for order in _orders([member.seed for member in members], len(targets), options.epochs):
        for rows in torch.split(order.to(device), options.batch_size, dim=1):  # [B, n]
            scaled = ((features[rows if shared is None else shared[rows]] - mean) / std).float()  # [B, n, F]
            out = whole(scaled.nan_to_num(nan=0.0) if unknown else scaled, *(array[rows] for array in rest))
            loss = _loss(out, targets[rows], mine.gather(1, rows), options.beta)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        on_epoch()
    # A weight that is NaN is not below the limit either.
    if not all(bool((parameter.abs() < LARGEST_WEIGHT).all()) for parameter in whole.parameters()):
        raise InputError(
            f"training diverged (weights beyond {LARGEST_WEIGHT:g}, or NaN); try a smaller --lr, and look for"
            " outliers in the corpus"
        )
    return [Fitted(unstack(whole, net, i), scalers[i]) for i, net in enumerate(nets)]


def _orders(seeds: list[int], count: int, epochs: int) -> Iterator[Tensor]:
    """[B, N] row numbers of each epoch, shuffled; members of one seed share their order."""
    generators = {seed: torch.Generator().manual_seed(seed) for seed in seeds}
    for _ in range(epochs):
        drawn = {seed: torch.randperm(count, generator=generator) for seed, generator in generators.items()}
        yield torch.stack([drawn[seed] for seed in seeds])


def _rate(steps: int) -> Callable[[int], float]:
    warmup = max(1, int(WARMUP_SHARE * steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, steps - warmup)
        return 0.5 * (1.0 + float(np.cos(np.pi * min(progress, 1.0))))

    return factor


def _loss(out: Tensor, targets: Tensor, mine: Tensor, beta: float) -> Tensor:
    """Sum over members of each one's mean loss over its own rows; [B, n] or [B, n, 2] against [B, n].

    Huber for scores; Gaussian negative log-likelihood (Nix and Weigend 1994) where the net gives a variance.
    """
    if out.dim() == 3:
        logvar = out[..., 1].clamp(-LOGVAR_RANGE, LOGVAR_RANGE)
        each = 0.5 * (logvar + (out[..., 0] - targets).square() * torch.exp(-logvar))
    else:
        each = nn.functional.smooth_l1_loss(out, targets, reduction="none", beta=beta)
    return ((each * mine).sum(dim=1) / mine.sum(dim=1).clamp(min=1.0)).sum()
