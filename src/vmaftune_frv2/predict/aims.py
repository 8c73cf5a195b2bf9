"""What a pick has to reach, several targets as one: by how much a cell passes or misses all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmaftune_frv2.contract.anchor import AnchorSpace
from vmaftune_frv2.predict.pool_figures import usual_mean
from vmaftune_frv2.predict.results import Prediction
from vmaftune_frv2.predict.search import Goal


@dataclass(frozen=True)
class Aims:
    """Least values of pools of the frames' VMAF.

    Args:
        pool: that ``Prediction.vmaf`` is.
        least: {pool: its least value}.
    """

    pool: str
    least: Mapping[str, float]

    def goal(self, tolerance: float) -> Goal:
        """What a search looks for, in terms of ``worth``."""
        return Goal(self._level, tolerance)

    @property
    def _level(self) -> float:
        return next(iter(self.least.values()), 0.0)

    def worth(self, values: Mapping[str, float]) -> float:
        """The target itself for a cell that just reaches all targets, and by how far it passes or misses beyond.

        Args:
            values: {pool: VMAF} of the cell, those that have a target among them.
        """
        if not self.least:
            return values[self.pool]
        return self._level + min(values[pool] - least for pool, least in self.least.items())

    def of(self, prediction: Prediction) -> float:
        """``worth`` of a predicted cell."""
        return self.worth({pool: vmaf for pool, (vmaf, _) in self._values(prediction).items()})

    def reached_by(self, prediction: Prediction) -> bool:
        """Whether a predicted cell reaches all targets."""
        return self.of(prediction) >= self._level

    def edge(self, prediction: Prediction, factor: float) -> float:
        """``worth`` of a predicted cell whose every value is lower by ``factor`` typical errors."""
        values = self._values(prediction).items()
        return self.worth({pool: vmaf - factor * typical for pool, (vmaf, typical) in values})

    def typical_error(self, prediction: Prediction) -> float:
        """Typical error of what decides on a cell."""
        values = self._values(prediction)
        decides = min(self.least, key=lambda pool: values[pool][0] - self.least[pool], default=self.pool)
        return values[decides][1]

    def usual_target(self, space: AnchorSpace) -> float | None:
        """The mean VMAF at which a usual source reaches all targets; None without any.

        Args:
            space: of the curve model of VMAF.
        """
        return max((usual_mean(pool, least, space) for pool, least in self.least.items()), default=None)

    def _values(self, prediction: Prediction) -> dict[str, tuple[float, float]]:
        """{pool: VMAF and its typical error}."""
        found = {self.pool: (prediction.vmaf, prediction.typical_error)}
        return found | {each.pool: (each.vmaf, each.typical_error) for each in prediction.percentiles}
