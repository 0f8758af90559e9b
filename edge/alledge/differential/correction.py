"""The share of blasts behind the share of blast calls: a model that errs at known rates can be corrected.

Of a share P of blasts, a model with sensitivity Se and specificity Sp calls P Se + (1 - P)(1 - Sp). Turned
round this is the estimate of Rogan and Gladen (Am J Epidemiol 1978, 107:71). On a slide without blasts a
model of 94 % specificity finds six in a hundred; the correction takes them away again.

Se and Sp were measured themselves, on some hundred cells of other slides, and the next slide's differ from
them. The interval of Lang and Reiczigel (Prev Vet Med 2014, 113:13) counts in how exactly they are known; it
is approximate, so it is never taken narrower than the exact one for known rates (Reiczigel et al., Epidemiol
Infect 2010, 138:1674). How exactly they are known is read off the intervals and groups of the card: cells of
one slide resemble each other, so 300 of them weigh less than 300 (design effect: Kish, Survey Sampling,
1965), and by as much as slides differ, the mean of all says less of the next.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.strict_json import Json
from alledge.types import F64

Z95: Final = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

_LEAST_GAIN: Final = 0.05  # Se + Sp - 1 below this: the model is a coin, and nothing can be corrected
_STEPS: Final = 60
_LEAST_GROUPS: Final = 5  # as in alltrain: intervals over fewer groups do not show how slides differ
_ASSUMED_ICC: Final = 0.05  # then: a specificity of 0.75 spreads by 0.10 over slides, as on ALL-IDB1
_MOST_ICC: Final = 0.5


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a model is right, cell by cell, and on how many independent cells that is known.

    sensitivity: share of blasts called blasts. specificity: share of others called others.
    n_positive, n_negative: independent cells that would tell the rates of one more slide as exactly as the
        card does, above 0.
    """

    sensitivity: float
    n_positive: float
    specificity: float
    n_negative: float

    @property
    def gain(self) -> float:
        """Youden's index, Se + Sp - 1: 0 for a coin, 1 for a model that never errs."""
        return self.sensitivity + self.specificity - 1.0

    @property
    def can_correct(self) -> bool:
        """Whether the model tells blasts from others at all."""
        return self.gain >= _LEAST_GAIN


def read_error_rates(metrics: Mapping[str, Json]) -> ErrorRates | None:
    """The error rates in a card's metrics, None where it tells no sensitivity, specificity or interval."""
    sensitivity, specificity = _figure(metrics.get("sensitivity")), _figure(metrics.get("specificity"))
    if sensitivity is None or specificity is None:
        return None
    return ErrorRates(sensitivity.value, _cells_for(sensitivity), specificity.value, _cells_for(specificity))


def rogan_gladen(positive_share: F64, sensitivity: F64, specificity: F64) -> F64:
    """Share of blasts that explains the share of positive calls, cut off at 0 and 1; arrays of one shape."""
    return np.asarray(
        np.clip((positive_share + specificity - 1.0) / (sensitivity + specificity - 1.0), 0.0, 1.0)
    )


def lang_reiczigel(
    n_called: F64, n: F64, sensitivity: F64, n_positive: F64, specificity: F64, n_negative: F64
) -> tuple[F64, F64]:
    """95 % interval of the share of blasts, error rates being estimates; arrays of one shape.

    Args:
        n_called: cells called blasts.
        n: cells in all, above 0.
        sensitivity: as measured.
        n_positive: blasts that it was measured on.
        specificity: as measured.
        n_negative: other cells that it was measured on.

    Returns:
        (low, high) within 0 to 1; (0, 1) where the adjusted rates are those of a coin.
    """
    squared = Z95**2
    share, weight = (n_called + squared / 2.0) / (n + squared), n + squared
    se, n_se = (n_positive * sensitivity + 1.0) / (n_positive + 2.0), n_positive + 2.0
    sp, n_sp = (n_negative * specificity + 1.0) / (n_negative + 2.0), n_negative + 2.0
    gain = se + sp - 1.0
    safe = np.where(gain >= _LEAST_GAIN, gain, 1.0)
    prevalence = np.clip((share + sp - 1.0) / safe, 0.0, 1.0)
    of_se, of_sp = se * (1.0 - se) / n_se, sp * (1.0 - sp) / n_sp
    shift = 2.0 * squared * (prevalence * of_se - (1.0 - prevalence) * of_sp)
    variance = share * (1.0 - share) / weight + prevalence**2 * of_se + (1.0 - prevalence) ** 2 * of_sp
    reach = Z95 * np.sqrt(variance) / safe
    known = gain >= _LEAST_GAIN
    low = np.where(known, np.clip(prevalence + shift - reach, 0.0, 1.0), 0.0)
    high = np.where(known, np.clip(prevalence + shift + reach, 0.0, 1.0), 1.0)
    return low, high


def corrected_interval(
    n_called: F64, n: F64, exact: tuple[F64, F64], rates: tuple[F64, F64, F64, F64]
) -> tuple[F64, F64]:
    """Lang and Reiczigel's interval, widened to what holds if the rates were known; arrays of one shape.

    Args:
        n_called: cells called blasts.
        n: cells in all, above 0.
        exact: interval of Clopper and Pearson of n_called among n.
        rates: sensitivity, n_positive, specificity, n_negative as in `lang_reiczigel`; Se + Sp above 1.

    Returns:
        (low, high) within 0 to 1; the corrected share lies between them.
    """
    low, high = lang_reiczigel(n_called, n, *rates)
    known = [rogan_gladen(end, rates[0], rates[2]) for end in exact]
    return np.minimum(low, known[0]), np.maximum(high, known[1])


@dataclass(frozen=True, slots=True)
class _Figure:
    """A share of the card with its interval, and the cells and groups it was counted on."""

    value: float
    low: float
    high: float
    n: float
    n_groups: float


def _figure(entry: Json) -> _Figure | None:
    """A `{"value", "ci95", "n"}` of a card; None where any of it is missing or no share."""
    if not isinstance(entry, dict):
        return None
    ci95 = entry.get("ci95")
    if not isinstance(ci95, list) or len(ci95) != 2:
        return None
    numbers = [n for n in (entry.get("value"), *ci95, entry.get("n")) if isinstance(n, int | float)]
    if len(numbers) != 4 or not all(0.0 <= number <= 1.0 for number in numbers[:3]) or numbers[3] <= 0:
        return None
    groups = entry.get("n_groups")
    value, low, high, n = (float(number) for number in numbers)
    return _Figure(value, low, high, n, float(groups) if isinstance(groups, int) else 0.0)


def _cells_for(figure: _Figure) -> float:
    """Independent cells that would tell the rate of one more slide as exactly.

    Its variance is that of the mean, p (1 - p) / n_effective, and that between slides, icc p (1 - p), where
    the design effect is 1 + (cells a group - 1) icc.
    """
    n_effective = _effective_n(figure)
    icc = _ASSUMED_ICC
    if figure.n_groups >= _LEAST_GROUPS and figure.n > figure.n_groups:
        icc = (figure.n / n_effective - 1.0) / (figure.n / figure.n_groups - 1.0)
    return 1.0 / (1.0 / n_effective + min(icc, _MOST_ICC))


def _effective_n(figure: _Figure) -> float:
    """Independent cells whose Wilson interval (J Am Stat Assoc 1927, 22:209) is as wide, at most n."""
    width = figure.high - figure.low
    low, high = 0.1, figure.n
    if _wilson_width(figure.value, high) >= width:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if _wilson_width(figure.value, middle) > width:
            low = middle
        else:
            high = middle
    return high


def _wilson_width(share: float, n: float) -> float:
    squared = Z95**2
    root = math.sqrt(share * (1.0 - share) / n + squared / (4.0 * n**2))
    return 2.0 * Z95 * root / (1.0 + squared / n)
