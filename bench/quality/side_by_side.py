"""Our regressors and upstream's, side by side, on titles that none of them learnt from.

Upstream's `fr_regressor_v2` as shipped; its recipe, fitted anew on our corpus, with features of the encode itself;
the recipe of our `fr_regressor_v2` with the same, and our `fr_regressor_v1`, codec-blind and frame by frame; then
upstream's recipe and our `fr_regressor_v2` with features of a libx264 probe. The nets of all but the first are
fitted here, by `training` or, for upstream's recipe, by the few lines below: its figures, none of its code. They
learn from the same corpora, ten folds by title, so that each row is judged by nets that never saw its title.
Titles that upstream's shipped model learnt from are learnt from here too, and not judged. The recipe is judged
after the 30 epochs that upstream trains for, and after 200.

Upstream's shipped model learnt from six hardware encoders alone, and our corpora have none of these. It is judged
with every encode given as what it is, and as each of the six in the middle preset.

PLCC and MAE (VMAF points) are those of all judged rows together, the mean over seeds (or over upstream's six) and
behind it the lowest and the highest. A seed is one net per fold, never an ensemble. Predictions are taken as the
nets give them.

    python bench/quality/side_by_side.py [--upstream DIR] [--corpus FILE ...] [--only-learn FILE ...] [--seeds 3]
        [--probe-cell libx264:medium:33] [--upstream-learnt TITLE ...]

DIR is a checkout of github.com/lusoris/vmaf; without it, upstream's shipped model is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from unseen import GROUP_BY, add_arguments, read

from vmaftune_frv2.contract.cells import FROM_CELL, FROM_PROBE, Cell
from vmaftune_frv2.contract.codec import CRF_SCALE, UNKNOWN, CodecBlock
from vmaftune_frv2.contract.features import CANONICAL6, FeatureScaler
from vmaftune_frv2.contract.kinds import PER_FRAME
from vmaftune_frv2.corpus.upstream_rows import TRAINER_PRESETS, TRAINER_SLOTS
from vmaftune_frv2.training.dataset import Dataset, make_dataset
from vmaftune_frv2.training.fit import FitOptions, Member, fit
from vmaftune_frv2.training.frames import FIT as FRAME_FIT
from vmaftune_frv2.training.frames import FOLDS, fit_frames
from vmaftune_frv2.training.groups import group_names
from vmaftune_frv2.training.learnable import Measured
from vmaftune_frv2.training.metrics import Agreement, agreement
from vmaftune_frv2.training.net import Dense, FRRegressor, NetConfig, dense_layers, stack, unstack

BLOCK = CodecBlock.of_version(1)
"""Of our ``fr_regressor_v2``."""
UPSTREAM_LEARNT = ("bbb",)
"""Upstream's corpus is nine clips of the Netflix public dataset; of these, Big Buck Bunny is in ours too."""
UPSTREAM_MODEL = Path("model/tiny/fr_regressor_v2.json")

# The recipe of upstream's train_fr_regressor_v2.py at c2a3c7e.
HIDDEN, DEPTH, DROPOUT = 16, 2, 0.1
LR, WEIGHT_DECAY, BATCH = 1e-3, 1e-5, 64
EPOCHS = (30, 200)
"""Upstream's, and as many as it takes to see what the net can learn."""
ORDINALS: dict[str, Sequence[int]] = {
    "libx264": range(10),
    "libx265": range(10),
    "libsvtav1": [min(number, 9) for number in range(14)],
    "libvvenc": (1, 3, 5, 7, 8),
    **dict.fromkeys(("h264_nvenc", "hevc_nvenc", "av1_nvenc"), (0, 2, 3, 5, 6, 7, 9)),
    **dict.fromkeys(("h264_qsv", "hevc_qsv", "av1_qsv"), range(2, 9)),
}
"""Of the presets that upstream's trainer knows, in the order of TRAINER_PRESETS."""
DEFAULT_ORDINAL, SLOWEST = 5, 9

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Perceptron(nn.Module):
    """The net of upstream's recipe: features and codec block to VMAF, with a linear output."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.hidden = dense_layers([inputs] + [HIDDEN] * DEPTH)
        self.head = Dense(HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = functional.dropout(functional.gelu(layer(x)), DROPOUT, self.training)
        return self.head(x)[..., 0]  # type: ignore[no-any-return]


def upstream_codec(cells: Sequence[Cell], slots: Sequence[str] = TRAINER_SLOTS) -> NDArray[np.float32]:
    """[N, C] codec vectors as upstream's trainer makes them: one-hot, place of the preset, crf / 63."""
    places = {
        (encoder, preset): ordinal
        for encoder, ordinals in ORDINALS.items()
        for preset, ordinal in zip(TRAINER_PRESETS[encoder], ordinals, strict=True)
    }
    codec = np.zeros((len(cells), len(slots) + 2), dtype=np.float32)
    for row, cell in zip(codec, cells, strict=True):
        row[slots.index(cell.encoder if cell.encoder in slots else UNKNOWN)] = 1.0
        row[-2] = places.get((cell.encoder, cell.preset), DEFAULT_ORDINAL) / SLOWEST
        row[-1] = cell.crf / CRF_SCALE
    return codec


def batches(members: Sequence[Member]) -> Iterator[tuple[Tensor, Tensor]]:
    """[B, n] rows and which of them count, for one epoch: each net goes through its own rows, shuffled anew.

    Nets learn from different numbers of rows; those with fewer see some again, which do not count.
    """
    own = [torch.from_numpy(np.flatnonzero(member.rows)) for member in members]
    longest = max(map(len, own))
    drawn = [torch.randperm(longest) for _ in own]
    order = torch.stack([rows[places % len(rows)] for rows, places in zip(own, drawn, strict=True)])
    counts = torch.stack([(places < len(rows)).float() for rows, places in zip(own, drawn, strict=True)])
    yield from zip(torch.split(order, BATCH, dim=1), torch.split(counts, BATCH, dim=1), strict=True)


def fit_recipe(data: Dataset, members: Sequence[Member]) -> dict[int, list[Callable[[Mask], Vector]]]:
    """{epochs: what each net says of some rows}: upstream's recipe, all members as one stack."""
    codec = upstream_codec(data.cells)
    table = np.concatenate([data.features, codec], axis=1)
    scalers = [FeatureScaler.fit(data.features[member.rows]) for member in members]
    mean, std = (
        np.stack([[*getattr(scaler, part), *[rest] * codec.shape[1]] for scaler in scalers])[:, None]
        for part, rest in (("mean", 0.0), ("std", 1.0))
    )
    scaled = torch.from_numpy(((table - mean) / std).astype(np.float32))  # [B, N, F + C]
    targets = torch.from_numpy(data.targets.astype(np.float32))
    nets = []
    for member in members:
        torch.manual_seed(member.seed)
        nets.append(Perceptron(table.shape[1]))
    whole, which = stack(nets).train(), torch.arange(len(nets))[:, None]
    optimizer = torch.optim.AdamW(whole.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)

    def said_by(index: int) -> Callable[[Mask], Vector]:
        net, inputs = unstack(whole, nets[index], index), scaled[index]

        def says(rows: Mask) -> Vector:
            with torch.no_grad():
                scores: Vector = net(inputs[torch.from_numpy(rows)]).numpy().astype(np.float64)
            return scores

        return says

    found = {}
    for epoch in range(1, max(EPOCHS) + 1):
        for rows, counts in batches(members):
            errors = (whole(scaled[which, rows]) - targets[rows]).square()
            loss = ((errors * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1.0)).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if epoch in EPOCHS:
            found[epoch] = [said_by(index) for index in range(len(nets))]
    return found


@dataclass(frozen=True)
class Split:
    """Titles and the fold that leaves each out; titles without one are learnt from in every fold."""

    fold_of: Mapping[str, int]
    seeds: int

    @classmethod
    def of(cls, rows: Sequence[Measured], seeds: int) -> Split:
        """The folds that the codec-blind net draws for itself."""
        names = group_names(rows, GROUP_BY)
        judged = sorted({name for name, row in zip(names, rows, strict=True) if row.judged})
        drawn = np.random.default_rng(0).permutation(len(judged)) % min(FOLDS, len(judged))
        return cls(dict(zip(judged, drawn.tolist(), strict=True)), seeds)

    def left_out(self, data: Dataset) -> list[Mask]:
        """[N] mask of each fold."""
        folds = np.asarray([self.fold_of.get(name, -1) for name in data.group_names])[data.groups]
        return [folds == fold for fold in range(max(self.fold_of.values()) + 1)]

    def judge(self, data: Dataset, says: Sequence[Callable[[Mask], Vector]]) -> list[Agreement]:
        """Agreement of each seed, of nets in the order fold by fold, seed by seed."""
        predicted = np.full((self.seeds, len(data)), np.nan)
        for fold, mask in enumerate(self.left_out(data)):
            for seed in range(self.seeds):
                rows = mask & data.judged
                predicted[seed, rows] = says[fold * self.seeds + seed](rows)
        return [agreement(each[data.judged], data.targets[data.judged]) for each in predicted]


def recipe(split: Split, data: Dataset) -> dict[int, list[Agreement]]:
    """{epochs: agreement of each seed} of upstream's recipe."""
    members = [Member(~mask, seed) for mask in split.left_out(data) for seed in range(split.seeds)]
    return {epochs: split.judge(data, says) for epochs, says in fit_recipe(data, members).items()}


def ours(split: Split, data: Dataset) -> list[Agreement]:
    """Agreement of each seed of our `fr_regressor_v2`, as `train-v2` fits it by default."""
    again = data.shown_blind(BLOCK)
    members = [
        Member(~np.concatenate([mask, mask[again]]), seed)
        for mask in split.left_out(data)
        for seed in range(split.seeds)
    ]
    nets = fit(lambda: FRRegressor(NetConfig(num_codecs=BLOCK.width)), data.table(BLOCK), members, FitOptions())
    says = [lambda rows, net=net: net.predict(data.features[rows], data.codec[rows]) for net in nets]
    return split.judge(data, says)


def ours_by_frame(split: Split, rows: Sequence[Measured]) -> list[Agreement]:
    """Agreement of each seed of our `fr_regressor_v1`, clip means."""
    seeds = range(split.seeds)
    return [fit_frames(PER_FRAME, rows, replace(FRAME_FIT, seed=seed), GROUP_BY).clips for seed in seeds]


def shipped(upstream: Path, data: Dataset) -> list[Agreement]:
    """Agreement of upstream's own model, fed as its sidecar says: of the encoder, then of each that it learnt."""
    import onnxruntime

    path = upstream / UPSTREAM_MODEL
    if not path.is_file():
        raise SystemExit(f"--upstream {upstream}: no {UPSTREAM_MODEL}; give a checkout of lusoris/vmaf")
    sidecar = json.loads(path.read_text(encoding="utf-8"))
    slots, columns = sidecar["encoder_vocab"], [CANONICAL6.index(name) for name in sidecar["feature_order"]]
    scaled = (data.features[:, columns] - sidecar["feature_mean"]) / sidecar["feature_std"]
    graph = str(path.with_name(sidecar["onnx"]))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = []
    for name in (None, *(slot for slot in slots if slot not in BLOCK.vocab)):
        cells = [Cell(name, "medium", cell.crf) for cell in data.cells] if name else data.cells
        inputs = {"features": scaled.astype(np.float32), "codec": upstream_codec(cells, slots)}
        scores = np.asarray(session.run(["score"], inputs)[0], dtype=np.float64)
        found.append(agreement(scores[data.judged], data.targets[data.judged]))
    return found


def judged_rows(arguments: argparse.Namespace) -> list[Measured]:
    """Rows of the corpora, of which those are judged that every model of the table can be asked about."""
    rows = read(arguments)
    probed = {row.clip for row in rows if row.cell == arguments.probe_cell}
    names = group_names(rows, GROUP_BY)
    learnt = set(arguments.upstream_learnt)
    return [
        replace(row, judged=row.judged and name not in learnt and row.clip in probed and row.frames is not None)
        for row, name in zip(rows, names, strict=True)
    ]


def line(model: str, features: str, found: Sequence[Agreement]) -> None:
    """Prints a row of the table."""

    def told(values: Sequence[float], digits: int) -> str:
        mean = f"{np.mean(values):.{digits}f}"
        return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    plcc, mae = [each.plcc or 0.0 for each in found], [each.mae for each in found]
    digits = 5 if min(plcc) > 0.9995 else 4
    print(f"| {model} | {features} | {told(plcc, digits)} | {told(mae, 3 if max(mae) < 0.1 else 2)} |", flush=True)


def report(rows: Sequence[Measured], probe: Cell, seeds: int, upstream: Path | None) -> None:
    """Fits and prints, a line as soon as it is known."""
    split = Split.of(rows, seeds)
    own = make_dataset(rows, BLOCK, FROM_CELL, group_by=GROUP_BY)
    probed = make_dataset(rows, BLOCK, FROM_PROBE, (probe,), GROUP_BY)
    judged = [row for row in rows if row.judged]
    print(
        f"{len(judged)} rows of {len({row.clip for row in judged})} clips of {len(split.fold_of)} titles;"
        f" {len(rows)} rows to learn from, {len(split.left_out(own))} folds by title, {seeds} seeds"
    )
    if upstream is None:
        print("upstream's model as shipped is left out: --upstream DIR names a checkout of lusoris/vmaf")
    print("\n| model | features | PLCC | MAE |\n|---|---|---|---|")
    itself, frames, of_probe = "of the encode itself", "of the encode itself, per frame", f"of the probe {probe}"
    if upstream is not None:
        first, *others = shipped(upstream, own)
        line("upstream's `fr_regressor_v2` as shipped", itself, [first])
        if others:
            line("the same, every encode given as one of the encoders that it learnt", itself, others)
    for epochs, found in recipe(split, own).items():
        line(f"upstream's recipe on our corpus, {epochs} epochs", itself, found)
    line("the recipe of our `fr_regressor_v2`", itself, ours(split, own))
    line("our `fr_regressor_v1`", frames, ours_by_frame(split, rows))
    for epochs, found in recipe(split, probed).items():
        line(f"upstream's recipe on our corpus, {epochs} epochs", of_probe, found)
    line("our `fr_regressor_v2`", of_probe, ours(split, probed))


def main() -> None:
    start = monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, metavar="DIR")
    parser.add_argument("--probe-cell", type=Cell.parse, default=Cell("libx264", "medium", 33))
    parser.add_argument("--upstream-learnt", nargs="*", metavar="TITLE", default=UPSTREAM_LEARNT)
    arguments = add_arguments(parser, seeds=3).parse_args()
    torch.set_num_threads(1)
    report(judged_rows(arguments), arguments.probe_cell, arguments.seeds, arguments.upstream)
    print(f"\n{monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
