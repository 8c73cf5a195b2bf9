"""What a curve model starts from: the measured value of a cell, and the space in which it is shifted.

VMAF is shifted as a padded logit, so that what is predicted stays in 0..100 and a step in crf means about the same
everywhere; log bits per pixel is shifted as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmaftune_frv2.contract.cells import UNIVERSAL_ENCODER
from vmaftune_frv2.errors import ModelError

SCORE_MAX = 100.0


@dataclass(frozen=True)
class AnchorSpace:
    """Padded logit of a score, or the identity.

    Args:
        pad: points that the logit's asymptotes lie beyond 0 and 100; None for the identity.
    """

    pad: float | None

    @property
    def bounded(self) -> bool:
        """Whether values end at 0 and 100."""
        return self.pad is not None

    def enter(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values (VMAF, or log bits per pixel) to the space, same shape."""
        v = np.asarray(values, dtype=np.float64)
        if self.pad is None:
            return v
        share = (np.clip(v, 0.0, SCORE_MAX) + self.pad) / (SCORE_MAX + 2.0 * self.pad)
        z: NDArray[np.float64] = np.log(share / (1.0 - share))
        return z

    def leave(self, z: ArrayLike) -> NDArray[np.float64]:
        """The inverse of ``enter``, clipped to 0..100 for scores."""
        v = np.asarray(z, dtype=np.float64)
        if self.pad is None:
            return v
        score = (SCORE_MAX + 2.0 * self.pad) / (1.0 + np.exp(-v)) - self.pad
        clipped: NDArray[np.float64] = np.clip(score, 0.0, SCORE_MAX)
        return clipped


@dataclass(frozen=True)
class CurveStart:
    """Of a curve model: which measured value it starts from, and which cells may give it.

    Args:
        quantity: ``score`` or ``log_bits_per_pixel``.
        pad: of the value's ``AnchorSpace``.
        learnt_from: {encoder: encoders whose cells were its probes in training}; None of a model that learnt each
            encoder from its own cells and libx264's only.
    """

    quantity: str
    pad: float | None
    learnt_from: Mapping[str, tuple[str, ...]] | None = None

    @property
    def space(self) -> AnchorSpace:
        """Where values are shifted."""
        return AnchorSpace(self.pad)

    def learns_from(self, encoder: str, probed: str) -> bool:
        """Whether an encoder's cells can be predicted from a measured cell of the encoder ``probed``."""
        if probed == encoder:
            return True
        if self.learnt_from is None:
            return probed == UNIVERSAL_ENCODER
        return probed in self.learnt_from.get(encoder, ())

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        learnt = {encoder: list(probed) for encoder, probed in (self.learnt_from or {}).items()}
        further = {} if self.learnt_from is None else {"learnt_from": learnt}
        return {"quantity": self.quantity, "pad": self.pad, **further}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CurveStart:
        """The inverse of ``to_json``.

        Raises:
            KeyError: something is missing.
            ModelError: the pad is not a number of VMAF points.
        """
        pad, learnt = document["pad"], document.get("learnt_from")
        if pad is not None and not 0.0 < pad <= SCORE_MAX:
            raise ModelError(
                f"the anchor's pad is {pad}; it must lie above 0 and be at most {SCORE_MAX:g} VMAF points"
            )
        probed = None if learnt is None else {encoder: tuple(names) for encoder, names in learnt.items()}
        return cls(document["quantity"], pad, probed)
