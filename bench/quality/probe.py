"""Which probe serves best: what of it is heard, and at which cell it is made. On left-out titles, one net each.

First the curve model of VMAF is fitted with less and less of the descriptor (what is left out is unknown,
which is the training mean). Then, with all of it, every cell that most clips have is the probe in turn: mean
absolute error over the whole crf range of its encoder, within eight crf of it, and in its own preset.

    python bench/quality/probe.py [--corpus FILE...] [--only-learn FILE...] [--seeds N]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from unseen import GROUP_BY, add_arguments, read

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.contract.descriptor import COMPLEXITY_BLOCK, DESCRIPTOR, block_of
from vmaftune_frv2.contract.kinds import VMAF_CURVE
from vmaftune_frv2.contract.scenarios import (
    ANY_OWN,
    OF_ENCODER,
    OF_PRESET,
    OF_PRESET_NEAR,
    UNIVERSAL_OTHERS,
    WORDS,
)
from vmaftune_frv2.training.curve_models import SCORE_FIT, SCORE_NET, FittedCurves, block_for, fit_curve_model
from vmaftune_frv2.training.pairs import SHARED, Pairs, make_pairs

MEANS = DESCRIPTOR.index("vmaf_p05")
JITTER = DESCRIPTOR.index("log_jitter_adm2")
KNOWN = {
    "means of the canonical-6": np.arange(len(DESCRIPTOR)) < MEANS,
    "and VMAF, its spread, bits, geometry": np.arange(len(DESCRIPTOR)) < JITTER,
    "and jitter": np.arange(len(DESCRIPTOR)) < block_of(COMPLEXITY_BLOCK).start,
    "and the source's complexity (all)": np.ones(len(DESCRIPTOR), dtype=bool),
}
SHOWN = (OF_ENCODER, OF_PRESET, OF_PRESET_NEAR, ANY_OWN, UNIVERSAL_OTHERS)


def left_out(model: FittedCurves) -> NDArray[np.float64]:
    """[P] what nets that never saw a pair's title say of it; NaN for pairs that are only learnt from."""
    pairs = model.pairs
    inputs = pairs.inputs(AnchorSpace(model.config.pad))
    predicted = np.full(len(pairs), np.nan)
    for index, name in enumerate(pairs.group_names):
        mine = (pairs.groups == index) & pairs.judged
        if mine.any():
            inputs_of = pairs.descriptors[pairs.probe_rows[mine]], *(array[mine] for array in inputs)
            predicted[mine] = np.mean([net.predict(*inputs_of) for net in model.folded[name]], axis=0)
    return predicted


def by_cell(pairs: Pairs, predicted: NDArray[np.float64]) -> None:
    """Prints the errors of every cell that most clips have, as the probe."""
    usual = pairs.scenarios[ANY_OWN]
    error = np.abs(predicted - pairs.targets)
    names = np.asarray([str(probe) for probe in pairs.probes])
    near = pairs.near
    line = np.asarray([p.preset == c.preset for p, c in zip(pairs.probes, pairs.cells, strict=True)])
    print(f"\n{'probe cell':24}   VMAF   MAE    p95   near  preset")
    for name in sorted(set(names[usual])):
        mine = usual & (names == name)
        if len(set(pairs.anchor[mine])) < SHARED * pairs.references:
            continue
        parts = [error[mine].mean(), np.percentile(error[mine], 95), error[mine & near].mean()]
        parts.append(error[mine & line].mean())
        print(f"{name:24} {np.median(pairs.anchor[mine]):6.1f} " + " ".join(f"{part:6.2f}" for part in parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments = add_arguments(parser, seeds=1).parse_args()
    rows = read(arguments)
    pairs = make_pairs(rows, block_for(rows), "score", GROUP_BY)
    print(f"{'MAE, VMAF points':38}" + "".join(f"{WORDS[name]:>60}" for name in SHOWN))
    for name, known in KNOWN.items():
        some = replace(pairs, descriptors=np.where(known, pairs.descriptors, np.nan))
        model = fit_curve_model(VMAF_CURVE, SCORE_NET, some, SCORE_FIT, arguments.seeds)
        figures = model.evaluation.scenarios
        print(f"{name:38}" + "".join(f"{figures[shown].mae:60.3f}" for shown in SHOWN), flush=True)
    by_cell(pairs, left_out(model))


if __name__ == "__main__":
    main()
