"""The weights that a fit ends with: a mean over its last steps, and a mean with where it came from.

The weights of any one step are those that suited the last few batches. A running mean of them lies where
the loss is flat and tells cells of unseen slides better. smearnet has no batch normalisation, so nothing
but the weights has to be averaged (B. T. Polyak, A. B. Juditsky, SIAM J. Control Optim. 30 (1992) 838-855;
P. Izmailov et al., Averaging Weights Leads to Wider Optima, UAI 2018).

A fit that starts from rehearsed weights forgets some of what holds in every stain while it learns what
holds on a few slides. On the straight line between the two lie weights that know both (M. Wortsman et
al., Robust Fine-Tuning of Zero-Shot Models, CVPR 2022). How far to go depends on how much there was to
learn from.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Weights: TypeAlias = tuple[npt.NDArray[np.float32], ...]

STEPS_APART: Final = 8
"""Steps of the optimiser between two samples of the weights: the graph runs that many at once."""

_HELD_AT_FIRST: Final = 10  # steps, so that the mean of a young fit does not hang on to its first weights


class RunningMean:
    """Exponential running mean of a network's weights. momentum: held over one step; 0 for no mean."""

    def __init__(self, weights: Weights, momentum: float) -> None:
        self.weights, self._momentum = weights, momentum

    def add(self, weights: Sequence[npt.NDArray[np.float32]], n_steps: int) -> None:
        """Take in the weights after `n_steps` steps, `STEPS_APART` after those before."""
        held = min(self._momentum, n_steps / (n_steps + _HELD_AT_FIRST)) ** STEPS_APART
        self.weights = between(tuple(weights), self.weights, held)


def share_of_study(n_patches: int, worth: float) -> float:
    """How far from the rehearsed weights (0) to the fitted ones (1) to go: n / (n + worth).

    n_patches: real ones that were learnt from. worth: how many of them the rehearsal counts as, 0 or more;
    the weight of a prior that is worth so many observations.
    """
    return n_patches / (n_patches + worth) if worth else 1.0


def between(first: Weights, second: Weights, share: float) -> Weights:
    """The point at `share` of the way from the first weights (0) to the second (1)."""
    return tuple(
        np.asarray((1 - share) * one + share * other, dtype=np.float32)
        for one, other in zip(first, second, strict=True)
    )
