"""The features that a regressor takes, out of what a row or a file has: the canonical-6, or FULL_FEATURES."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmaftune_frv2.contract.features import CANONICAL6, feature_vector, in_range, mean_key
from vmaftune_frv2.contract.rows import FULL_FEATURES
from vmaftune_frv2.errors import InputError

if TYPE_CHECKING:
    from vmaftune_frv2.contract.sidecar import Sidecar

ALWAYS_THERE = 10.0
"""Standard deviations from 0 to a column's mean; were a hundredth of it null in training, they would be fewer."""


@dataclass(frozen=True)
class Columns:
    """The features of a model, in its order.

    Training reads null as 0, so a column may be null here where it sometimes was there.

    Args:
        names: of the features.
        never: columns that had no value in training.
        always: columns that always had one.
    """

    names: tuple[str, ...]
    never: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sidecar: Sidecar) -> Columns:
        """The features that a sidecar names."""
        learnt = list(zip(sidecar.feature_order, sidecar.scaler.mean, sidecar.scaler.std, strict=True))
        return cls(
            sidecar.feature_order,
            never=frozenset(name for name, mean, std in learnt if mean == 0.0 and std == 1.0),
            always=frozenset(CANONICAL6).union(
                name for name, mean, std in learnt if abs(mean) > ALWAYS_THERE * std
            ),
        )

    @property
    def full(self) -> bool:
        """Whether they are more than the canonical-6."""
        return self.names != CANONICAL6

    def read(self, values: Mapping[str, Any], where: str) -> list[float]:
        """Their values.

        Args:
            values: a corpus row, or {feature: value} with means under their keys or bare names.
            where: what to call the mapping in an error.

        Raises:
            InputError: a feature is missing, no finite number, or one that libvmaf never gives; all that are
                missing are named.
        """
        if not self.full:
            return feature_vector(values, where)
        further = values.get(FULL_FEATURES)
        given = {**values, **further} if isinstance(further, Mapping) else values
        missing, found = [], []
        for name in self.names:
            value = given.get(mean_key(name), given.get(name))
            if value is None:
                if name in self.always or (name not in given and name not in self.never):
                    missing.append(name)
                value = 0.0
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise InputError(f"{where}: feature {name} is {value!r}, not a finite number")
            found.append(in_range(name, value, where))
        if missing:
            raise InputError(
                f"{where}: no {', '.join(missing)}; the model takes the columns of `corpus --feature-set full`"
            )
        return found
