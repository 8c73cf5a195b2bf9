"""Picks within a limit of bitrate or size: where no target is named, the best quality that keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vmaftune_frv2.contract.crf import Crf
from vmaftune_frv2.contract.option_groups import TargetOptions
from vmaftune_frv2.contract.sizes import parse_size
from vmaftune_frv2.predict.results import Prediction
from vmaftune_frv2.predict.search import Goal, judge, next_crf

CLOSE = 0.03
"""Share below the limit that a verified pick may stay without another encode."""
TYPICAL_SHARE = 2.06
"""Half of a 90 % interval over the typical absolute error, of a normal distribution."""


@dataclass(frozen=True)
class Limit:
    """The most that an encode may take.

    Args:
        kbps: bitrate, kbit/s.
        option: which says so, and its value.
    """

    kbps: float
    option: str


def limit_of(wanted: TargetOptions, seconds: float) -> Limit | None:
    """The tighter one of the limits of a request; None where there is none.

    Args:
        wanted: the request.
        seconds: duration of the whole encode.
    """
    found = []
    if wanted.max_bitrate is not None:
        found.append(Limit(wanted.max_bitrate, f"--max-bitrate {wanted.max_bitrate:g}"))
    if wanted.max_size is not None:
        size = parse_size(wanted.max_size, "--max-size")
        found.append(Limit(size * 8 / 1000 / seconds, f"--max-size {wanted.max_size}"))
    return min(found, key=lambda limit: limit.kbps, default=None)


@dataclass(frozen=True)
class Within:
    """The search for the lowest crf within a limit: the one for a target, with crf and bitrate turned round.

    Args:
        limit: kbit/s.
        crfs: ascending candidates.
    """

    limit: float
    crfs: Sequence[Crf]

    def best(self, measured: Mapping[Crf, float]) -> tuple[Crf | None, bool]:
        """The lowest crf that was measured to keep the limit, and whether measurements settle it.

        Args:
            measured: {crf: kbit/s}.
        """
        state = judge(self._goal, self._turned, _turn(measured))
        return None if state.best is None else -state.best, state.decided

    def next(self, measured: Mapping[Crf, float], predictions: Sequence[Prediction]) -> Crf:
        """The candidate most likely to settle it.

        Args:
            measured: {crf: kbit/s}, not settled.
            predictions: of every candidate.
        """
        by_crf = {p.cell.crf: p for p in predictions}
        found = [by_crf[-crf] for crf in self._turned]
        mean = np.asarray([-math.log(p.kbps) for p in found])
        typical = np.asarray([math.log(p.kbps_high / p.kbps_low) / 2 / TYPICAL_SHARE for p in found])
        return -next_crf(self._goal, self._turned, _turn(measured), mean, typical)

    @property
    def _goal(self) -> Goal:
        return Goal(-math.log(self.limit), -math.log(1.0 - CLOSE))

    @property
    def _turned(self) -> list[Crf]:
        return sorted(-crf for crf in self.crfs)


def _turn(measured: Mapping[Crf, float]) -> dict[Crf, float]:
    return {-crf: -math.log(kbps) for crf, kbps in measured.items()}
