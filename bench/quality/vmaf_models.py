"""What predictions are worth where cells are scored with another VMAF model than the one that was learnt.

Takes a corpus whose rows have scores of further models, of clips whose titles are among those of `unseen.py`:

    vmaf-tune corpus CLIPS/*_1.mp4 --encoder libx264 --preset medium --crf 16:40:6 --complexity \
        --also-model 4k --also-model neg --also-model phone --also-model v1 --output models.jsonl
    python bench/quality/vmaf_models.py models.jsonl [--corpus FILE ...] [--only-learn FILE ...] [--seeds 5]

Every cell of a clip, encoder and preset predicts every other one, by nets that never saw the clip's title: from
its scores by each model "as they are", as if they were of the learnt one, and "read" on a scale that was fitted
to the frames of all other titles, which is what `predict` does with the scale of all titles. Shown are mean
absolute errors in VMAF points of that model, how often the 90 % interval of the read prediction holds without a
factor of its own, and with the factor and the error that `predict` has for the model: of all cells, and of
those that are predicted below 80, from there to 95, and above. Every line counts alike. At the end come the
scales: scores of each model at the knots, fitted to all frames, and the learnt model's mean score of the frames
that it gives 99.5 and more.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from unseen import Unseen, add_arguments, fit

from vmaftune_frv2.contract.frame_pools import FRAMES
from vmaftune_frv2.contract.rows import PER_FRAME_VMAF, VMAF_ALSO, Row, loads
from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL, short_name
from vmaftune_frv2.predict.curve_model import CurveModel
from vmaftune_frv2.predict.curves import LEVEL, predict_curve
from vmaftune_frv2.predict.predictor import point_of
from vmaftune_frv2.predict.vmaf_scales import KNOTS, SAME, Scale, scale_of

SMOOTH = 0.02
"""Weight, per frame, of second differences of a scale: what holds it where there are few frames."""
LEAST_RISE = 0.01
NORMAL = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * math.sqrt(math.pi / 2.0)
"""Half-width of a normal variable's 90 % interval over its mean absolute value."""
TOP = 99.5
"""Score from which a model has next to nothing more to give."""


def scored_by(row: Row, model: str) -> Row:
    """The row as if it had been scored with one of its models."""
    if model == row["vmaf_model"]:
        return row
    scores = row[VMAF_ALSO][model]
    return {**row, PER_FRAME_VMAF: scores[FRAMES], "vmaf_score": scores["mean"], "vmaf_model": model}


def fitted(rows: Sequence[Row], model: str) -> Scale:
    """The scale of a model: least squares over the frames of rows, straight between KNOTS, made to rise."""
    learnt = np.concatenate([row[PER_FRAME_VMAF] for row in rows])
    other = np.concatenate([row[VMAF_ALSO][model][FRAMES] for row in rows])
    hats = np.stack([np.interp(learnt, KNOTS, unit) for unit in np.eye(len(KNOTS))], axis=1)
    bends = np.diff(np.eye(len(KNOTS)), 2, axis=0) * np.sqrt(SMOOTH * len(learnt) / len(KNOTS))
    inputs, wanted = np.vstack([hats, bends]), np.concatenate([other, np.zeros(len(bends))])
    values: NDArray[np.float64] = np.clip(np.linalg.lstsq(inputs, wanted, rcond=None)[0], 0.0, 100.0)
    for index in range(len(values) - 2, -1, -1):
        values[index] = min(values[index], values[index + 1] - LEAST_RISE)
    best = learnt[other >= TOP]
    return Scale(tuple(map(float, values)), top=float(best.mean()) if len(best) else 100.0)


def judge(line: Sequence[Row], model: str, scale: Scale, nets: CurveModel) -> Iterator[tuple[float, ...]]:
    """(error as they are, error read, half width read, mean read) of every cell of a line, from every other."""
    rows = [scored_by(row, model) for row in line]
    plain, read = ([point_of(row, scale=each) for row in rows] for each in (SAME, scale))
    cells = [point.cell for point in plain]
    for index in range(len(rows)):
        as_is = predict_curve(nets, [plain[index]], cells)
        curve = predict_curve(nets, [read[index]], cells)
        mean, low, high = map(scale.shown, (curve.mean, curve.low, curve.high))
        for other, row in enumerate(rows):
            if other != index:
                wanted = row["vmaf_score"]
                side = (high if wanted > mean[other] else low)[other]
                half = abs(side - mean[other])
                yield abs(wanted - as_is.mean[other]), abs(wanted - mean[other]), half, mean[other]


def report(unseen: Unseen, rows: Sequence[Row]) -> None:
    """Prints the figures of every model that the rows have scores of."""
    found_lines: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        title = PurePath(row["src"]).stem.rpartition("_")[0]
        found_lines[title, row["src"], row["encoder"], row["preset"]].append(row)
    lines = {key: line for key, line in found_lines.items() if len(line) > 1}
    titles = sorted({title for title, *_ in lines})
    models = [DEFAULT_MODEL, *rows[0][VMAF_ALSO]]
    print(f"{len(lines)} lines of {len(titles)} titles, {len(rows)} cells, nominal {100 * LEVEL:g} %")
    print("VMAF model       as they are   read  coverage  as shown    below 80   to 95    above")
    for model in models:
        found, weights = list[tuple[float, ...]](), list[float]()
        for title in titles:
            others = [row for (name, *_), line in lines.items() for row in line if name != title]
            scale = SAME if model == DEFAULT_MODEL else fitted(others, model)
            for key, line in lines.items():
                if key[0] == title:
                    judged = list(judge(line, model, scale, unseen.predictor(title)))
                    found += judged
                    weights += [1.0 / len(judged)] * len(judged)
        plain, error, half, mean = np.asarray(found).T
        weight = np.asarray(weights) / sum(weights)
        shown = scale_of(model, DEFAULT_MODEL)
        wide = np.hypot(shown.wider * half, NORMAL * shown.error)
        parts = [mean >= 0.0, mean < 80.0, (mean >= 80.0) & (mean < 95.0), mean >= 95.0]
        holds = [100.0 * float(weight[part & (error <= wide + 1e-9)].sum() / weight[part].sum()) for part in parts]
        alone = 100.0 * float(weight[error <= half + 1e-9].sum())
        figures = f"{float(weight @ plain):11.2f} {float(weight @ error):6.2f} {alone:7.1f} %"
        print(f"{short_name(model):16s} {figures} " + " ".join(f"{each:7.1f} %" for each in holds), flush=True)
    print(f"knots: {KNOTS}")
    for model in models[1:]:
        scale = fitted(rows, model)
        values = ", ".join(f"{value:.2f}" for value in scale.values)
        print(f"{model}: ({values}), top {scale.top:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="corpus whose rows have scores of further models")
    arguments = add_arguments(parser).parse_args()
    rows = [loads(line) for line in arguments.models.read_bytes().splitlines()]
    report(fit(arguments), [row for row in rows if row["exit_status"] == 0])


if __name__ == "__main__":
    main()
