"""Blast to normal: positives of the float network that int8 no longer calls positive.

Lost positives and gained ones cancel in a change of sensitivity, and a patch whose label is wrong counts
there for nothing. So this flip is counted by itself, over every patch that float calls positive, and with
the upper bound that so few patches allow: no flip among 60 patches is no proof of less than 1 in 200.
"""

from dataclasses import dataclass
from typing import Final

from scipy import special

CONFIDENCE: Final = 0.95
MAX_FLIPS_PLANNED: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LostPositives:
    """Patches that float calls positive and int8 does not.

    n_lost of n patches that float calls positive, n > 0, whatever their label says. margin: greatest share
    that is let pass.
    """

    n_lost: int
    n: int
    margin: float

    @property
    def share(self) -> float:
        """Lost among those that float calls positive."""
        return self.n_lost / self.n

    @property
    def upper95(self) -> float:
        """One-sided 95 % upper bound of the share."""
        return upper_bound(self.n_lost, self.n)

    @property
    def passes(self) -> bool:
        """Within the margin, or the one patch that is finer than any margin."""
        return self.n_lost <= max(1.0, self.margin * self.n + 1e-9)

    @property
    def is_supported(self) -> bool:
        """Also the upper bound is within the margin."""
        return self.upper95 <= self.margin

    @property
    def n_needed(self) -> int | None:
        """Patches called positive by float that would support the margin, at the share that was seen."""
        return n_for_bound(self.margin, self.share)


def upper_bound(n_events: int, n: int) -> float:
    """One-sided 95 % upper bound of a proportion, exact: it covers the truth in 95 % of studies or more.

    Patches count as independent. Source: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413.

    Raises:
        ValueError: n is not positive, or n_events lie outside 0 to n.
    """
    if n <= 0 or not 0 <= n_events <= n:
        raise ValueError(f"expected 0 <= events <= n and n > 0, got {n_events} of {n}")
    return 1.0 if n_events == n else float(special.betaincinv(n_events + 1, n - n_events, CONFIDENCE))


def n_for_bound(margin: float, share: float) -> int | None:
    """Fewest patches whose upper bound stays within the margin when events come at `share`.

    None when the share is so close to the margin, or beyond, that no study of a sane size would do.
    """
    if share >= margin:
        return None
    too_few, enough = -1, 0
    while enough < share * _n_with(enough, margin):
        too_few, enough = enough, max(1, 2 * enough)
        if enough > MAX_FLIPS_PLANNED:
            return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if middle < share * _n_with(middle, margin):
            too_few = middle
        else:
            enough = middle
    return _n_with(enough, margin)


def _n_with(n_events: int, margin: float) -> int:
    """Fewest patches, `n_events` of them flipped, with an upper bound within the margin."""
    too_few, enough = n_events, n_events + 1
    while upper_bound(n_events, enough) > margin:
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if upper_bound(n_events, middle) > margin:
            too_few = middle
        else:
            enough = middle
    return enough
