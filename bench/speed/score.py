"""How many cells a second a regressor scores: codec blocks from cells, scaling, the net, clipping.

python bench/speed/score.py [--model ID|FILE.onnx] [--cells 1000000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.predict.committee import open_committee
from vmaftune_frv2.predict.session import open_model


def made_cells(count: int) -> list[Cell]:
    """Distinct objects, as rows of a corpus make them: every encoder, preset and crf, over and over."""
    every = [
        (entry.name, preset, crf)
        for entry in ENCODERS
        for preset in entry.presets
        for crf in range(entry.crf_min, entry.crf_max + 1)
    ]
    return [Cell(*cell) for cell in itertools.islice(itertools.cycle(every), count)]


def best_seconds(work: Callable[[], object], repeat: int) -> float:
    """Wall time of the fastest of some runs."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Prints cells per second of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    model = open_model(options.model)
    cells = made_cells(options.cells)
    mean, std = np.asarray(model.sidecar.scaler.mean), np.asarray(model.sidecar.scaler.std)
    features = np.random.default_rng(0).normal(mean, std, (options.cells, len(mean)))
    block, committee = model.sidecar.block, open_committee(model)
    steps: dict[str, Callable[[], object]] = {"a row of features per cell": lambda: model.score(features, cells)}
    steps["one row of features for all"] = lambda: model.score(features[0], cells)
    if block is not None:
        steps["codec blocks alone"] = lambda: block.matrix(cells)
    if committee is not None:
        predicted = model.score(features, cells)
        steps[f"intervals of {len(committee.members)} members"] = lambda: committee.interval(
            features, cells, predicted
        )
    for name, work in steps.items():
        print(f"{name:32} {options.cells / best_seconds(work, options.repeat):12,.0f} cells/s")


if __name__ == "__main__":
    main()
