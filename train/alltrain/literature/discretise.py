"""From a measure to a few ranges that tell the labels apart, and to none when no cut does.

Source: U. M. Fayyad, K. B. Irani, Multi-Interval Discretization of Continuous-Valued Attributes for
Classification Learning, IJCAI 1993: cut where the labels on both sides are purest, and only when that pays
for the description of the cut (minimum description length). It is also what CBA used for its rules.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.types import F64, I64

MOST_RANGES: Final = 4
"""More ranges than words help nobody who reads a rule."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """A partition of the real line: (-inf, c1], (c1, c2], ..., (ck, inf). cuts: ascending."""

    cuts: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.cuts) + 1

    def index(self, values: F64) -> I64:
        """(N,) int64 which range each value lies in, -1 for NaN. values: (N,) float64."""
        places = np.searchsorted(np.array(self.cuts), values, side="left").astype(np.int64)
        return np.where(np.isnan(values), -1, places)

    def ends(self, index: int) -> tuple[float, float]:
        """Open lower and closed upper end of a range."""
        edges = (-np.inf, *self.cuts, np.inf)
        return float(edges[index]), float(edges[index + 1])


def discretise(values: F64, labels: I64, least_cells: int = 5) -> Ranges:
    """Ranges of a measure that tell labels apart; one range when none does.

    Args:
        values: (N,) float64; NaN is left out.
        labels: (N,) int64.
        least_cells: cells that every range keeps, at least.
    """
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ascending, ordered = values[known][order], labels[known][order]
    segments, cuts = [(0, len(ascending))], list[float]()
    while segments and len(cuts) < MOST_RANGES - 1:
        start, stop = segments.pop(0)
        place = _best_cut(ascending[start:stop], ordered[start:stop], least_cells)
        if place is not None:
            cuts.append(float(ascending[start + place - 1] + ascending[start + place]) / 2)
            segments += [(start, start + place), (start + place, stop)]
    return Ranges(tuple(sorted(cuts)))


def equal_shares(values: F64, n_ranges: int = 3) -> Ranges:
    """Ranges with about as many cells each, for when labels are too few to choose cuts by; NaN left out."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return Ranges(())
    cuts = np.unique(np.quantile(known, np.arange(1, n_ranges) / n_ranges))
    return Ranges(tuple(float(cut) for cut in cuts if known.min() <= cut < known.max()))


def _best_cut(values: F64, labels: I64, least_cells: int) -> int | None:
    """How many cells lie below the best cut of ascending values, None when it does not pay."""
    n = len(values)
    places = np.arange(least_cells, n - least_cells + 1)
    places = places[(places > 0) & (places < n)]
    places = places[values[places - 1] < values[places]]
    if places.size == 0:
        return None
    below = np.cumsum(np.eye(int(labels.max()) + 1)[labels], axis=0)
    total = below[-1]
    under, over = below[places - 1], total - below[places - 1]
    purity = (places * _entropy(under) + (n - places) * _entropy(over)) / n
    best = int(purity.argmin())
    gain = float(_entropy(total[None])[0] - purity[best])
    return int(places[best]) if gain > _price(total, under[best], over[best]) else None


def _price(total: F64, under: F64, over: F64) -> float:
    """Bits a cell that a cut must gain, equation 9 of the source."""
    n = float(total.sum())
    k, k1, k2 = ((counts > 0).sum() for counts in (total, under, over))
    bits = k * _entropy(total[None])[0] - k1 * _entropy(under[None])[0] - k2 * _entropy(over[None])[0]
    return float((np.log2(n - 1) + np.log2(3.0**k - 2) - bits) / n)


def _entropy(counts: F64) -> F64:
    """(R,) bits of each row of (R, L) counts; 0 for an empty row."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    p = counts / total
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=1))
