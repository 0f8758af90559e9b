"""Intervals for a change measured twice on the same patches: float, then int8.

Two accuracies with overlapping intervals say little; the same patch called twice says much more,
because nearly all calls agree and only the few that flipped count.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

from alltrain.intervals import Z95, Interval, wilson_interval

Mask = npt.NDArray[np.bool_]


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


def n_to_support(margin: float, n_flipped: int, n: int) -> int:
    """Patches needed before an interval around "no change" stays within the margin.

    The variance of a paired change is the share of flips over n (R. J. Connett, J. A. Smith,
    R. B. McHugh, Statistics in Medicine 6 (1987) 537-544), so n = z^2 x flips / margin^2. Where hardly
    anything flipped, the share is (flips + 1) / (n + 2), and never fewer than 3 / margin patches are
    asked for: the rule of three for an event never seen (J. A. Hanley, JAMA 249 (1983) 1743-1745).
    """
    share = (n_flipped + 1) / (n + 2)
    return max(ceil(Z95**2 * share / margin**2), ceil(3 / margin))
