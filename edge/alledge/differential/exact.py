"""The interval of a counted share, exact for any share and any number of cells.

A differential of 100 cells with no blast among them does not say that there is none. The interval of
Clopper and Pearson (Biometrika 1934, 26:404) holds the true share in at least 95 of 100 slides whatever
that share is, at 0 as well: those who count blasts near 0 and near 1 cannot use one that is right on
average only. It is also what haematologists know: the table of Rümke (Triangle 1960, 4:154), printed
in their textbooks and in CLSI H20-A2, is this interval, rounded outwards.

Its ends are quantiles of beta distributions. The device has no scipy, so they are found by bisection on
the regularised incomplete beta function, which a continued fraction gives to machine precision.
"""

import math
from functools import lru_cache
from typing import Final

_STEPS: Final = 60  # halvings of 0..1: beyond the precision of a float
_TERMS: Final = 10_000  # far more than 10 million cells need
_TINY: Final = 1e-300  # in place of 0 in Lentz's method
_PRECISION: Final = 1e-15


@lru_cache(maxsize=4096)
def clopper_pearson(n_found: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share.

    Args:
        n_found: cells of the kind that is counted, 0 to n.
        n: cells in all; with 0 nothing is known, and the interval is (0, 1).
        level: chance, at least, with which the interval holds the true share.

    Raises:
        ValueError: n_found is below 0 or above n.
    """
    if not 0 <= n_found <= n:
        raise ValueError(f"expected 0 <= n_found <= n, got {n_found} of {n}")
    tail = (1.0 - level) / 2.0
    low = 0.0 if n_found == 0 else beta_quantile(tail, n_found, n - n_found + 1)
    high = 1.0 if n_found == n else beta_quantile(1.0 - tail, n_found + 1, n - n_found)
    return low, high


def beta_quantile(chance: float, a: float, b: float) -> float:
    """The x with P(X <= x) = chance, X of a beta distribution with shapes a, b > 0; chance in 0 to 1."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if incomplete_beta(middle, a, b) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b): chance that a beta variable is at most x.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5.8; a, b > 0 and x in 0 to 1.
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # The fraction converges quickly below the mean; above it the mirrored one does.
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _fraction(x, a, b) / a
    return 1.0 - math.exp(log_front) * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b), by Lentz's method (Appl Opt 1976, 15:668)."""
    above = 1.0
    below = 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    value = below
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            below = 1.0 / _not_zero(1.0 + term * below)
            above = _not_zero(1.0 + term / above)
            value *= above * below
        if abs(above * below - 1.0) < _PRECISION:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
