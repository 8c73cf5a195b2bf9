"""How well a curve model does on left-out groups: by how its probe is chosen, by encoder, by the probe's VMAF."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmaftune_frv2.contract.intervals import FROM_ANOTHER
from vmaftune_frv2.contract.scenarios import ANY_OTHER, ANY_OWN, NO_COMPLEXITY
from vmaftune_frv2.training.calibration import Coverage, Residuals, cross_coverage
from vmaftune_frv2.training.metrics import Agreement, agreement
from vmaftune_frv2.training.pairs import Pairs

PROBE_BANDS = (0.0, 30.0, 50.0, 65.0, 75.0, 82.0, 88.0, 92.0, 95.0, 97.0, 99.0, 101.0)


@dataclass(frozen=True)
class CurveEvaluation:
    """Figures on left-out groups.

    Args:
        folds: how many.
        groups: left-out groups in all.
        references: sources in them.
        scenarios: {how the probe is used: agreement of the ensemble}.
        by_encoder: {encoder: agreement with its standard probe}.
        by_group: {group: the same}.
        by_probe: {band of the probe's VMAF: agreement with any cell of the encoder as the probe}.
        by_pair: {encoder of the probe: {encoder: agreement with any cell as the probe}}.
        coverage: of the intervals, any cell of the encoder as the probe.
        coverage_across: the same, any cell of another encoder; None where there is one encoder only.
    """

    folds: int
    groups: int
    references: int
    scenarios: dict[str, Agreement]
    by_encoder: dict[str, Agreement]
    by_group: dict[str, Agreement]
    by_probe: dict[str, Agreement]
    by_pair: dict[str, dict[str, Agreement]]
    coverage: Coverage
    coverage_across: Coverage | None

    def as_json(self) -> dict[str, Any]:
        """For the sidecar and ``--metrics-out``."""
        return dataclasses.asdict(self)


def calibrated_pairs(pairs: Pairs) -> NDArray[np.bool_]:
    """Pairs as ``predict`` uses them: any probe, in the encoder or in another one."""
    return pairs.scenarios[ANY_OWN] | pairs.scenarios[ANY_OTHER]


def evaluate_curves(
    pairs: Pairs,
    fold: NDArray[np.int64],
    predicted: NDArray[np.float64],
    no_complexity: NDArray[np.float64],
    calibrated: Residuals,
) -> CurveEvaluation:
    """Figures of left-out pairs.

    Args:
        pairs: P pairs.
        fold: [P].
        predicted: [S, P] by the nets of each seed.
        no_complexity: [P] predicted without the source's complexity; NaN where that was not tried.
        calibrated: the pairs that intervals are calibrated on.
    """
    mean = predicted.mean(axis=0)
    scenarios = {name: mask for name, mask in pairs.scenarios.items() if mask.any()}

    def agree(mask: NDArray[np.bool_]) -> Agreement:
        return agreement(mean[mask], pairs.targets[mask])

    across = calibrated.covariates["other_encoder"] > 0
    standard, known = next(iter(scenarios.values())), np.isfinite(no_complexity)
    encoders = np.asarray([cell.encoder for cell in pairs.cells])
    groups = [
        (index, name) for index, name in enumerate(pairs.group_names) if (standard & (pairs.groups == index)).any()
    ]
    return CurveEvaluation(
        folds=int(fold.max()) + 1,
        groups=len(set(pairs.groups[pairs.judged].tolist())),
        references=pairs.references,
        scenarios={name: agree(mask) for name, mask in scenarios.items()}
        | ({NO_COMPLEXITY: agreement(no_complexity[known], pairs.targets[known])} if known.any() else {}),
        by_encoder={
            str(name): agree(standard & (encoders == name)) for name in dict.fromkeys(encoders[standard].tolist())
        },
        by_group={name: agree(standard & (pairs.groups == index)) for index, name in groups},
        by_probe=_by_probe(pairs, mean),
        by_pair=_by_pair(pairs, mean),
        coverage=cross_coverage(calibrated, ~across),
        coverage_across=_across(cross_coverage(calibrated, across)) if across.any() else None,
    )


def _across(coverage: Coverage) -> Coverage:
    """The same, encoders by their names alone."""
    by_encoder = {name.removesuffix(FROM_ANOTHER): shares for name, shares in coverage.by_encoder.items()}
    return dataclasses.replace(coverage, by_encoder=by_encoder)


def _by_probe(pairs: Pairs, predicted: NDArray[np.float64]) -> dict[str, Agreement]:
    """{band of the probe's VMAF: agreement}, any cell of the encoder as the probe."""
    usual = pairs.scenarios[ANY_OWN]
    vmaf = pairs.probe_scores
    found = {}
    for low, high in pairwise(PROBE_BANDS):
        mine = usual & (vmaf >= low) & (vmaf < high)
        if mine.any():
            found[f"{low:g}-{min(high, 100):g}"] = agreement(predicted[mine], pairs.targets[mine])
    return found


def _by_pair(pairs: Pairs, predicted: NDArray[np.float64]) -> dict[str, dict[str, Agreement]]:
    """{encoder of the probe: {encoder: agreement}}, any cell as the probe."""
    usual = np.flatnonzero(calibrated_pairs(pairs))
    probes, cells = (
        np.asarray([row[index].encoder for index in usual.tolist()]) for row in (pairs.probes, pairs.cells)
    )
    found: dict[str, dict[str, Agreement]] = {}
    for probe in sorted(set(probes.tolist())):
        for cell in sorted(set(cells[probes == probe].tolist())):
            mine = usual[(probes == probe) & (cells == cell)]
            found.setdefault(probe, {})[cell] = agreement(predicted[mine], pairs.targets[mine])
    return found
