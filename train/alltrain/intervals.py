"""How sure a figure is: 95 % intervals that respect that cells of one patient are not independent.

Two hundred cells of four patients hold far less evidence than two hundred patients. So the intervals
resample whole groups (patients, slides, sessions), never single cells, as soon as there are enough
groups to resample. With fewer than `MIN_GROUPS_TO_RESAMPLE` a resampled interval is itself noise; then
single patches are the unit, and whoever prints the figure has to say that clustering is ignored.

A bootstrap of a few groups is too narrow: the groups that were drawn know nothing of the spread among
those that were not. The percentiles are therefore taken further out, as Student's t is wider than the
normal distribution. A bootstrap of a perfect score has no width at all. Figures with a closed formula
(Wilson for a proportion, Newcombe for AUROC) are therefore never given a narrower interval than that
formula's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from alledge.types import F64, I64

Interval: TypeAlias = tuple[float, float]
Statistic: TypeAlias = Callable[[F64], F64]

Z95: Final = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
MIN_GROUPS_TO_RESAMPLE: Final = 5
N_RESAMPLES: Final = 1000
N_RESAMPLES_OF_FEW: Final = 2000  # of fewer than FEW_UNITS, for then the ends lie far out in the tails
FEW_UNITS: Final = 50
_CHUNK_ELEMENTS: Final = 2_000_000  # 16 MB of weights at a time, whatever the size of the study
_KEPT_ELEMENTS: Final = 30_000_000  # 60 MB of draws are kept for the next figure of the same study


def wilson_interval(successes: float, n: float) -> Interval:
    """Score interval of a proportion, inside [0, 1] and never empty, also at 0 and at n successes.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.

    Raises:
        ValueError: n is not positive, or successes lie outside 0 to n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n and n > 0, got {successes} of {n}")
    p = successes / n
    centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
    # Rounding must not push the estimate itself out of its interval.
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def newcombe_auroc_interval(auroc: float, n_positive: int, n_negative: int) -> Interval:
    """Score-type interval of an area under the ROC curve, with width also at 0 and 1.

    Holds every area whose own standard error (Hanley and McNeil 1982) would make the observed one
    unsurprising. Source: R. G. Newcombe, Statistics in Medicine 25 (2006) 559-573, method 5.

    Raises:
        ValueError: a class is empty, or auroc lies outside 0 to 1.
    """
    if n_positive < 1 or n_negative < 1 or not 0 <= auroc <= 1:
        raise ValueError(f"expected an area of two classes, got {auroc} of {n_positive}, {n_negative}")
    half_total = (n_positive + n_negative) / 2

    def too_far(area: float) -> bool:
        spread = 1 + (half_total - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        variance = area * (1 - area) * spread / (n_positive * n_negative)
        return (auroc - area) ** 2 > Z95**2 * variance

    return _bisect(0.0, auroc, too_far), _bisect(1.0, auroc, too_far)


def _bisect(outside: float, inside: float, too_far: Callable[[float], bool]) -> float:
    """Border between a point that is `too_far` and one that is not; `outside` when nothing is too far."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if too_far(middle):
            outside = middle
        else:
            inside = middle
    return inside


def mover_mean_interval(parts: Sequence[tuple[float, Interval]]) -> Interval:
    """Interval of the mean of independent estimates from the interval of each (square and add).

    parts: (estimate, (low, high)) of each. Source: R. G. Newcombe, Statistics in Medicine 17 (1998)
    873-890, method 10, here for a mean.
    """
    mean = sum(estimate for estimate, _ in parts) / len(parts)
    below = sqrt(sum((estimate - low) ** 2 for estimate, (low, _) in parts)) / len(parts)
    above = sqrt(sum((high - estimate) ** 2 for estimate, (_, high) in parts)) / len(parts)
    return mean - below, mean + above


def hull(first: Interval, second: Interval | None) -> Interval:
    """The smallest interval that holds both."""
    if second is None:
        return first
    return min(first[0], second[0]), max(first[1], second[1])


@dataclass(frozen=True, slots=True)
class Resampling:
    """A bootstrap over units: groups where there are enough of them, else single patches.

    unit_of_patch: (N,) int64, index of the unit that each patch belongs to.
    ignores_clustering: patches were the unit although they come in groups.
    """

    unit_of_patch: I64
    n_groups: int
    ignores_clustering: bool
    n_resamples: int
    seed: int

    @property
    def n_units(self) -> int:
        """Units to draw from."""
        return int(self.unit_of_patch.max()) + 1

    @property
    def tails(self) -> tuple[float, float]:
        """Shares of the resamples below which the ends of the interval lie: 0.025 and 0.975, or further out.

        With G units the percentiles are taken at Phi(-t sqrt(G / (G - 1))), t the quantile of Student's
        t with G - 1 degrees of freedom. Source: T. C. Hesterberg, "What Teachers Should Know About the
        Bootstrap", The American Statistician 69 (2015) 371-386, expanded percentile interval.
        """
        if self.n_units < 2:
            return 0.0, 1.0
        t = float(special.stdtrit(self.n_units - 1, 0.975)) * sqrt(self.n_units / (self.n_units - 1))
        low = float(special.ndtr(-t))
        return low, 1 - low

    def interval(self, statistic: Statistic, recentre: bool = False) -> Interval | None:
        """Percentile interval of a statistic of patch weights; None when hardly any resample has a value.

        statistic: (R, N) float64 weights of each patch in each resample -> (R,) float64, NaN where
        the resample leaves it undefined (no positive drawn, say).
        recentre: move the interval by the bias that resampling adds, which matters for figures that
        noise can only raise, such as a calibration error. Source: B. Efron, R. J. Tibshirani,
        An Introduction to the Bootstrap (1993), chapter 13; whole clusters as in A. C. Davison,
        D. V. Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
        """
        every = self.values(statistic)
        defined = every[np.isfinite(every)]
        if defined.size < self.n_resamples / 2:
            return None
        low, high = np.quantile(defined, self.tails)
        bias = (
            float(defined.mean() - statistic(np.ones((1, self.unit_of_patch.size)))[0]) if recentre else 0.0
        )
        return float(low) - bias, float(high) - bias

    def values(self, statistic: Statistic) -> F64:
        """(R,) float64: the statistic of every resample; the same resamples for every statistic."""
        chunk = max(1, _CHUNK_ELEMENTS // max(1, self.unit_of_patch.size))
        drawn = _drawn(self.n_units, self.n_resamples, self.seed)
        return np.concatenate(
            [
                statistic(drawn[start : start + chunk][:, self.unit_of_patch].astype(np.float64))
                for start in range(0, self.n_resamples, chunk)
            ]
        )


def _drawn(n_units: int, n_resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """(R, U) uint16: how often each unit is drawn in each resample."""
    keep = n_units * n_resamples <= _KEPT_ELEMENTS
    return (_draw_and_keep if keep else _draw)(n_units, n_resamples, seed)


def _draw(n_units: int, n_resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    drawn = np.empty((n_resamples, n_units), dtype=np.uint16)
    chunk = max(1, _CHUNK_ELEMENTS // n_units)
    for start in range(0, n_resamples, chunk):
        n_rows = min(chunk, n_resamples - start)
        drawn[start : start + n_rows] = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_rows)
    drawn.flags.writeable = False
    return drawn


_draw_and_keep = lru_cache(maxsize=1)(_draw)


def plan_resampling(groups: Sequence[str], seed: int, n_resamples: int | None = None) -> Resampling:
    """Decide what is resampled: groups when at least `MIN_GROUPS_TO_RESAMPLE`, else single patches.

    n_resamples: None for as many as the number of units asks for.
    """
    names, unit_of_patch = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    n_groups = len(names)
    too_few = n_groups < MIN_GROUPS_TO_RESAMPLE
    units = np.arange(len(groups)) if too_few else unit_of_patch
    if n_resamples is None:
        n_resamples = N_RESAMPLES_OF_FEW if units.max(initial=0) + 1 < FEW_UNITS else N_RESAMPLES
    return Resampling(
        unit_of_patch=units.astype(np.int64).reshape(-1),
        n_groups=n_groups,
        ignores_clustering=too_few,
        n_resamples=n_resamples,
        seed=seed,
    )
