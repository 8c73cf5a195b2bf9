"""How long training takes: 40 folds x 5 seeds as train-v2 fits them, the same nets one by one, and the command.

The corpus (always the same) repeats the clips of bench/corpus/clips.jsonl.zst under further names until each of 40
titles has 125 rows. One by one means: the same net, rows, order, learning rates and loss, one member at a time,
with torch's own AdamW, its inputs scaled beforehand, on one thread (more are slower for nets this small). A few
members are timed so and scaled to all. What they predict is held against the stack's: equal but for rounding,
which many epochs make larger. Wall times are of the machine as it is; where others use it too, the ratio is the
figure to trust.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vmaftune_frv2.contract.codec import CodecBlock
from vmaftune_frv2.corpus.reader import read_rows
from vmaftune_frv2.training.dataset import Dataset, make_dataset
from vmaftune_frv2.training.fit import FitOptions, Fitted, Member, Table, fit
from vmaftune_frv2.training.learnable import load_corpus
from vmaftune_frv2.training.loso import held_out_rows
from vmaftune_frv2.training.net import FRRegressor, NetConfig

CLIPS = Path(__file__).parents[1] / "corpus" / "clips.jsonl.zst"
PROBE = "libx264:medium:28"
MOST_SECONDS, LEAST_RATIO, MOST_WALL, MOST_BYTES = 60.0, 20.0, 120.0, 2e9
CONFIG = NetConfig()


def is_probe(row: dict[str, Any]) -> bool:
    return f"{row['encoder']}:{row['preset']}:{row['crf']}" == PROBE


def whole(row: dict[str, Any]) -> dict[str, Any]:
    return row


def make_corpus(path: Path, titles: int, rows_per_title: int) -> None:
    """Rows of each title's clips, and of the same clips under further names, until there are enough."""
    clips: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in read_rows([CLIPS], whole):
        assert isinstance(row, dict)
        title = Path(row["src"]).stem.rpartition("_")[0]
        clips.setdefault(title, {}).setdefault(row["src"], []).append(row)
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as stream:
        for title in list(clips)[:titles]:
            left, number = rows_per_title, 0
            sources = [rows for rows in clips[title].values() if any(map(is_probe, rows))]
            while left:
                rows = sorted(sources[number % len(sources)], key=is_probe, reverse=True)[:left]
                name = f"{title}_{number + 1}.mp4"
                other = {"src": name, "src_sha256": hashlib.sha256(name.encode()).hexdigest()}
                stream.writelines(json.dumps(row | other) + "\n" for row in rows)
                left, number = left - len(rows), number + 1


def one_by_one(table: Table, member: Member, options: FitOptions) -> Fitted[FRRegressor]:
    """What ``fit`` does for one member of a stack, written the plain way."""
    torch.manual_seed(member.seed)
    net, scaler = FRRegressor(CONFIG), table.scaler(member.rows)
    features = torch.from_numpy(scaler.transform(table.features))
    codec, targets = torch.from_numpy(table.rest[0]), torch.from_numpy(table.targets.astype(np.float32))
    mine = torch.from_numpy(member.rows)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    steps = options.epochs * -(-len(targets) // options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up_and_cosine(steps))
    generator = torch.Generator().manual_seed(member.seed)
    for _ in range(options.epochs):
        for batch in torch.split(torch.randperm(len(targets), generator=generator), options.batch_size):
            rows: Tensor = batch[mine[batch]]
            out = net(features[rows], codec[rows])
            loss = nn.functional.smooth_l1_loss(out, targets[rows], beta=options.beta)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return Fitted(net.eval(), scaler)


def warm_up_and_cosine(steps: int) -> Callable[[int], float]:
    warmup = max(1, int(0.1 * steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + float(np.cos(np.pi * min((step - warmup) / max(1, steps - warmup), 1.0))))

    return factor


def dataset(corpus: Path) -> tuple[Dataset, CodecBlock]:
    block = CodecBlock.of_version(1)
    return make_dataset(load_corpus([corpus]).rows, block, "probe", group_by="stem-prefix"), block


def fits(corpus: Path, seeds: int, plain: int, options: FitOptions) -> bool:
    """Times both ways; says whether the targets are met."""
    data, block = dataset(corpus)
    table, again = data.table(block), data.shown_blind(block)
    left_out = [np.concatenate([mask, mask[again]]) for mask in held_out_rows(data)]
    members = [Member(~mask, seed) for mask in left_out for seed in range(seeds)]
    print(f"{len(data)} rows of {len(left_out)} titles; {len(left_out)} folds x {seeds} seeds")
    begin = time.perf_counter()
    stacked = fit(lambda: FRRegressor(CONFIG), table, members, options)
    together = time.perf_counter() - begin
    print(f"as train-v2 fits them: {together:.1f} s (at most {MOST_SECONDS:g})")
    chosen = list(range(0, len(members), max(1, len(members) // plain)))[:plain]
    torch.set_num_threads(1)
    begin = time.perf_counter()
    alone = [one_by_one(table, members[index], options) for index in chosen]
    seconds = (time.perf_counter() - begin) / len(chosen)
    apart = [
        net.predict(data.features, data.codec) - stacked[index].predict(data.features, data.codec)
        for index, net in zip(chosen, alone, strict=True)
    ]
    ratio = seconds * len(members) / together
    print(
        f"one by one: {seconds:.2f} s each ({len(chosen)} timed), scaled to {len(members)}:"
        f" {seconds * len(members):.0f} s, {ratio:.1f}x as long (at least {LEAST_RATIO:g}x);"
        f" predictions differ by {np.sqrt(np.mean(np.square(apart))):.2g} VMAF (RMS)"
    )
    return together <= MOST_SECONDS and ratio >= LEAST_RATIO


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants, now; 0 once it is gone."""
    parents: dict[int, list[int]] = {}
    sizes: Counter[int] = Counter()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            sizes[int(entry.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    total, left = 0, [pid]
    while left:
        process = left.pop()
        total += sizes[process]
        left += parents.get(process, [])
    return total


def end_to_end(corpus: Path, seeds: int, epochs: int) -> bool:
    """Times the command in a fresh process; says whether the targets are met."""
    command = [sys.executable, "-m", "vmaftune_frv2", "train-v2", "--corpus", str(corpus), "--no-export"]
    command += ["--seeds", str(seeds), "--epochs", str(epochs)]
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begin, peak = time.perf_counter(), 0
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=silence)
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, tree_bytes(pid))
        time.sleep(0.1)
    wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: {command}")
    peak = max(peak, usage.ru_maxrss * 1024)
    print(
        f"vmaf-tune train-v2 --no-export: {wall:.0f} s (at most {MOST_WALL:g}),"
        f" CPU {usage.ru_utime + usage.ru_stime:.0f} s, all its processes {peak / 1e9:.2f} GB"
        f" (at most {MOST_BYTES / 1e9:g})"
    )
    return wall <= MOST_WALL and peak <= MOST_BYTES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=40)
    parser.add_argument("--rows-per-title", type=int, default=125)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=FitOptions().epochs)
    parser.add_argument("--plain", type=int, default=6, help="members that are timed one by one")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.jsonl.gz"
        make_corpus(corpus, arguments.titles, arguments.rows_per_title)
        met = end_to_end(corpus, arguments.seeds, arguments.epochs)
        options = FitOptions(epochs=arguments.epochs)
        met &= fits(corpus, arguments.seeds, arguments.plain, options)
    print("all targets met" if met else "NOT all targets met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
