"""The space in which curve models shift a measured value.

VMAF is shifted as a padded logit, so that what is predicted stays in 0..100 and a step in crf means about the same
everywhere; log bits per pixel is shifted as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORE_MAX = 100.0


@dataclass(frozen=True)
class AnchorSpace:
    """Padded logit of a score, or the identity.

    Args:
        pad: points that the logit's asymptotes lie beyond 0 and 100; None for the identity.
    """

    pad: float | None

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
