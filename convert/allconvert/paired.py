"""Intervals for a change measured twice on the same patches: float, then int8.

Two accuracies with overlapping intervals say little; the same patch called twice says much more,
because nearly all calls agree and only the few that flipped count.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from alltrain.intervals import Interval, wilson_interval

Mask = npt.NDArray[np.bool_]
GROWTH: Final = 1.05


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Patches by what each network made of them: right twice, lost by int8, gained by int8, wrong twice."""

    both: int
    lost: int
    gained: int
    neither: int

    @property
    def n(self) -> int:
        """All patches."""
        return self.both + self.lost + self.gained + self.neither

    @property
    def change(self) -> float:
        """Share right with int8 minus share right with float; n must be above 0."""
        return (self.gained - self.lost) / self.n


def count_pairs(float_right: Mask, int8_right: Mask) -> PairedCounts:
    """Count pairs; both (N,) bool, one entry a patch."""
    return PairedCounts(
        both=int((float_right & int8_right).sum()),
        lost=int((float_right & ~int8_right).sum()),
        gained=int((~float_right & int8_right).sum()),
        neither=int((~float_right & ~int8_right).sum()),
    )


def newcombe_paired_interval(counts: PairedCounts) -> Interval:
    """95 % interval of int8 share minus float share on the same patches.

    Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 17 (1998) 2635-2650, method 10.
    It has width when nothing flipped, and stays within -1 to 1.

    Raises:
        ValueError: no patch.
    """
    n = counts.n
    after, before = (counts.both + counts.gained) / n, (counts.both + counts.lost) / n
    after_low, after_high = wilson_interval(counts.both + counts.gained, n)
    before_low, before_high = wilson_interval(counts.both + counts.lost, n)
    phi = _correlation(counts)

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    low = counts.change - reach(after - after_low, before_high - before)
    high = counts.change + reach(after_high - after, before - before_low)
    return max(-1.0, low), min(1.0, high)


def mcnemar_p(counts: PairedCounts) -> float:
    """Two-sided exact p of McNemar's test: could as many be lost as gained, seeing those that flipped?

    1 where nothing flipped. Sources: Q. McNemar, Psychometrika 12 (1947) 153-157; the exact conditional
    form, twice the smaller binomial tail, as in M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical
    Research Methodology 13 (2013) 91.
    """
    n_flipped = counts.lost + counts.gained
    tail = float(special.bdtr(min(counts.lost, counts.gained), n_flipped, 0.5)) if n_flipped else 1.0
    return min(1.0, 2 * tail)


def _correlation(counts: PairedCounts) -> float:
    """Newcombe's continuity-corrected phi: how far the two calls go together."""
    margins = (counts.both + counts.lost) * (counts.gained + counts.neither)
    margins *= (counts.both + counts.gained) * (counts.lost + counts.neither)
    if margins == 0:
        return 0.0
    covariance = float(counts.both * counts.neither - counts.lost * counts.gained)
    if covariance > 0:
        covariance = max(covariance - counts.n / 2, 0.0)
    return covariance / sqrt(margins)


def n_to_support(margin: float, seen: PairedCounts) -> int:
    """About how many patches would show that nothing beyond the margin is lost, were there no net loss.

    The same shares as seen, with (flips + 1) / (n + 2) of the patches flipped, half of them each way:
    the number from which the lower end of Newcombe's interval stays within the margin. To 5 %.
    """
    share_flipped = (seen.lost + seen.gained + 1) / (seen.n + 2)
    share_right = (seen.both + (seen.lost + seen.gained) / 2) / seen.n
    n = ceil(1 / margin)
    while newcombe_paired_interval(_expected(n, share_flipped, share_right))[0] < -margin:
        n = ceil(n * GROWTH)
    return n


def _expected(n: int, share_flipped: float, share_right: float) -> PairedCounts:
    each_way = ceil(n * share_flipped / 2)
    both = min(max(round(n * share_right) - each_way, 0), max(n - 2 * each_way, 0))
    return PairedCounts(both, each_way, each_way, max(n - both - 2 * each_way, 0))
