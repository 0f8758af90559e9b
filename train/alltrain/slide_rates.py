"""How often cells are called positive on a slide that nobody has judged yet.

The share of false alarms differs between slides: stain, lamp, and the normal cells that a patient happens
to have. What matters for the next slide is therefore not the pooled share but how the shares of single
slides scatter, and of that a handful of slides tells little. So the rate of a slide follows a beta
distribution whose mean and scatter are both unknown; every pair of them counts by how well it explains
the slides seen (J. G. Skellam, J. R. Stat. Soc. B 10 (1948) 257-261 for the beta-binomial; A. Gelman et
al., Bayesian Data Analysis, 3rd ed. 2013, section 5.3 for averaging over both). With few slides the
answer is wide, as it should be.

Scatter is the intraclass correlation: the share of a call's variance that lies between slides. A priori
it is Beta(1, 4), 0.2 on average, and the mean rate is Jeffreys' Beta(1/2, 1/2). tests/train hold what
these choices give on simulated slides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import special

from alledge.types import F64, I64

_N_MEANS: Final = 81
_N_SCATTERS: Final = 24
_N_RATES: Final = 128
_SCATTER_PRIOR_B: Final = 4  # Beta(1, 4) of the intraclass correlation


@dataclass(frozen=True, slots=True, eq=False)
class RateOfNextSlide:
    """What is known of the rate of one more slide. rates: (K,) float64 rising; chances: (K,), sum to 1."""

    rates: F64
    chances: F64

    @property
    def mean(self) -> float:
        """Expected rate."""
        return float(self.chances @ self.rates)

    @property
    def interval(self) -> tuple[float, float]:
        """The rate of one more slide lies within it with 95 % chance."""
        reached = np.cumsum(self.chances)
        low, high = np.searchsorted(reached, [0.025, 0.975])
        return float(self.rates[low]), float(self.rates[min(high, self.rates.size - 1)])

    def coarser(self, n_rates: int) -> "RateOfNextSlide":
        """The same in fewer steps; `n_rates` must divide the number of rates."""
        chances = self.chances.reshape(n_rates, -1)
        total = chances.sum(axis=1)
        middle = self.rates.reshape(n_rates, -1).mean(axis=1)
        weighted = (chances * self.rates.reshape(n_rates, -1)).sum(axis=1)
        return RateOfNextSlide(np.where(total > 0, weighted / np.maximum(total, 1e-300), middle), total)


def rate_of_next_slide(successes: I64, totals: I64) -> RateOfNextSlide:
    """Rate of one more slide, from the cells counted on J slides; with no slide, what was thought before.

    successes, totals: (J,) int64, totals above 0.
    """
    a, b, prior, table = _grid()
    log_chance = np.log(prior) * np.ones_like(a)
    for success, total in zip(successes.tolist(), totals.tolist(), strict=True):
        log_chance += special.betaln(a + success, b + total - success) - special.betaln(a, b)
    chance = np.exp(log_chance - log_chance.max())
    chances = np.tensordot(chance / chance.sum(), table, axes=2)
    return RateOfNextSlide(_between(_N_RATES), chances)


def _between(n: int) -> F64:
    """(n,) midpoints of n parts of [0, 1] that are equally likely under Jeffreys' prior."""
    return np.asarray(np.sin(np.pi * (np.arange(n) + 0.5) / (2 * n)) ** 2)


@lru_cache(maxsize=1)
def _grid() -> tuple[F64, F64, F64, F64]:
    """Of each mean and scatter: beta parameters a, b (M, S), prior (1, S), chance of each rate (M, S, K)."""
    mean = _between(_N_MEANS)[:, None]
    root = (np.arange(_N_SCATTERS) + 0.5) / _N_SCATTERS
    scatter = (root**2)[None, :]  # finer towards 0, where a step matters more
    prior = root[None, :] * (1 - scatter) ** (_SCATTER_PRIOR_B - 1)
    a, b = mean * (1 - scatter) / scatter, (1 - mean) * (1 - scatter) / scatter
    edges = np.sin(np.pi * np.arange(_N_RATES + 1) / (2 * _N_RATES)) ** 2
    table = np.diff(special.betainc(a[..., None], b[..., None], edges), axis=-1)
    return a, b, prior / prior.sum(), table


@dataclass(frozen=True, slots=True, eq=False)
class PositiveCalls:
    """Chance of numbers of positive calls on a slide, given its share of blasts.

    false_alarms: of cells that are no blasts; sensitivity: of blasts, both of one more slide. A cell is
    called positive at the rate f + share (s - f), with s never below f.
    """

    false_alarms: RateOfNextSlide
    sensitivity: RateOfNextSlide

    def at_least(self, k: float, n: float, share: float) -> float:
        """Chance of k or more positive calls among n cells; both may be fractions (effective numbers)."""
        return 1.0 if k <= 0 else self._mean_over_rates(special.betainc, (k, n - k + 1), share)

    def at_most(self, k: float, n: float, share: float) -> float:
        """Chance of k or fewer positive calls among n cells."""
        return 1.0 if k >= n else self._mean_over_rates(special.betaincc, (k + 1, n - k), share)

    def _mean_over_rates(self, tail: np.ufunc, arguments: tuple[float, float], share: float) -> float:
        alarms, found = self.false_alarms, self.sensitivity
        gained = np.maximum(found.rates[None, :] - alarms.rates[:, None], 0.0)
        rate = alarms.rates[:, None] + share * gained
        return float(alarms.chances @ tail(*arguments, rate) @ found.chances)

    def share_interval(self, k: float, n: float) -> tuple[float, float]:
        """Shares of blasts that make k positive calls among n neither too many nor too few (95 %).

        The exact interval of C. J. Clopper, E. S. Pearson (Biometrika 26 (1934) 404-413), here also over
        what is not known of both rates; without false alarms and misses it is theirs. Fewer positive
        calls than false alarms alone would make are luck, and must not pass for proof that no blast is
        there: too few is judged relative to none (A. L. Read, J. Phys. G 28 (2002) 2693-2704).
        """
        by_luck = self.at_most(k, n, 0.0)
        low = _border(lambda share: self.at_least(k, n, share) <= 0.025)
        high = 1 - _border(lambda missing: self.at_most(k, n, 1 - missing) <= 0.025 * by_luck)
        return low, high

    def best_share(self, k: float, n: float) -> float:
        """Share of blasts that explains the calls with both rates at their means, within 0 to 1.

        Source: W. J. Rogan, B. Gladen, Am. J. Epidemiol. 107 (1978) 71-76.
        """
        gain = self.sensitivity.mean - self.false_alarms.mean
        return float(np.clip((k / n - self.false_alarms.mean) / gain, 0.0, 1.0)) if gain > 0 else 0.0


def _border(is_out: Callable[[float], bool]) -> float:
    """The point of [0, 1] up to which it is out, for something that is out below and not above it."""
    if not is_out(0.0):
        return 0.0
    outside, inside = 0.0, 1.0
    for _ in range(20):
        middle = (outside + inside) / 2
        if is_out(middle):
            outside = middle
        else:
            inside = middle
    return inside
