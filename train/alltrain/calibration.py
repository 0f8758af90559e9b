"""From logits to a call: temperature, threshold and review band, fitted on validation patches only.

A network's softmax is overconfident; one number, the temperature, mends most of it without changing a
single ranking. The threshold then balances missed blasts against false alarms, and around it lies a band
in which the model abstains and a person looks. All three come from patches that no gradient saw and that
no test figure rests on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.calls import probabilities
from alledge.types import F32, F64, I64

Mask = npt.NDArray[np.bool_]

MIN_PATCHES_TO_CALIBRATE: Final = 20
MIN_PER_SIDE_TO_CALIBRATE: Final = 5
# A validation set without a single error is best explained by temperature 0: the bounds keep it humble.
TEMPERATURE_BOUNDS: Final = (0.25, 10.0)
REVIEW_SHARE: Final = 0.05  # at most this share of validation patches goes to a person
MIN_REVIEW_HALF_WIDTH: Final = 0.05
DEFAULT_REVIEW_BAND: Final = (0.4, 0.6)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become calls.

    threshold: summed probability of the positive labels from which a patch is called positive.
    review_band: (low, high) around it, in which a person looks. Both None when no label is positive.
    notes: what could not be fitted.
    """

    temperature: float
    threshold: float | None
    review_band: tuple[float, float] | None
    notes: tuple[str, ...] = ()


def calibrate(logits: F32, labels: I64, positive: tuple[int, ...]) -> Calibration:
    """Fit temperature, threshold and review band on validation patches.

    logits: (N, L); labels: (N,) int64; positive: indices of the positive labels. Under 20 patches, or
    under 5 positives or negatives, nothing is fitted and the defaults (1, 0.5, 0.4 to 0.6) stand.
    """
    is_positive = np.isin(labels, positive)
    scarcest = min(int(is_positive.sum()), int((~is_positive).sum()))
    if labels.size < MIN_PATCHES_TO_CALIBRATE or (positive and scarcest < MIN_PER_SIDE_TO_CALIBRATE):
        note = f"{labels.size} validation patches are too few to calibrate on: temperature 1, threshold 0.5."
        return _without_threshold(1.0, (note,)) if not positive else _default((note,))
    temperature = fit_temperature(logits, labels)
    if not positive:
        return _without_threshold(temperature)
    p_positive = probabilities(logits, temperature)[:, list(positive)].sum(axis=1)
    threshold = fit_threshold(p_positive, is_positive)
    return Calibration(temperature, threshold, fit_review_band(p_positive, is_positive, threshold))


def _default(notes: tuple[str, ...]) -> Calibration:
    return Calibration(1.0, 0.5, DEFAULT_REVIEW_BAND, notes)


def _without_threshold(temperature: float, notes: tuple[str, ...] = ()) -> Calibration:
    return Calibration(temperature, None, None, notes)


def fit_temperature(logits: F32, labels: I64) -> float:
    """Temperature that makes the labels most likely, within `TEMPERATURE_BOUNDS`.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On Calibration of Modern Neural Networks,
    ICML 2017. The likelihood is unimodal in the logarithm of the temperature: golden-section search.
    """
    rows = np.arange(labels.size)

    def surprise(log_temperature: float) -> float:
        p = probabilities(logits, exp(log_temperature))[rows, labels]
        return -float(np.log(np.maximum(p, 1e-12)).mean())

    low, high = TEMPERATURE_BOUNDS
    return exp(_golden_section(surprise, log(low), log(high)))


def _golden_section(cost: Callable[[float], float], low: float, high: float) -> float:
    """Minimum of a unimodal function of one number, to about 1e-6 of the range."""
    ratio = (5**0.5 - 1) / 2
    for _ in range(30):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if cost(left) <= cost(right):
            high = right
        else:
            low = left
    return (low + high) / 2


def fit_threshold(p_positive: F64, is_positive: Mask) -> float:
    """Threshold nearest 0.5 whose Youden index is within one standard error of the best.

    p_positive: (N,) float64; is_positive: (N,) bool, both classes present. Source of the index:
    W. J. Youden, Cancer 3 (1950) 32-35. The best threshold of a few dozen patches is mostly luck, so
    the one-standard-error rule (L. Breiman et al., Classification and Regression Trees, 1984) keeps
    0.5 unless validation speaks against it.
    """
    cuts = np.unique(p_positive)
    candidates = np.concatenate([[0.5], (cuts[1:] + cuts[:-1]) / 2])
    sensitivity = _share_at_or_above(p_positive[is_positive], candidates)
    specificity = 1 - _share_at_or_above(p_positive[~is_positive], candidates)
    youden = sensitivity + specificity - 1
    best = int(youden.argmax())
    n_positive, n_negative = int(is_positive.sum()), int((~is_positive).sum())
    variance = _variance(sensitivity[best], n_positive) + _variance(specificity[best], n_negative)
    good = candidates[youden >= youden[best] - np.sqrt(variance) - 1e-9]
    return float(good[np.abs(good - 0.5).argmin()])


def _variance(share: float, n: int) -> float:
    """Of a proportion, with one success and one failure added (Laplace): a perfect one has some too."""
    smoothed = (share * n + 1) / (n + 2)
    return smoothed * (1 - smoothed) / n


def _share_at_or_above(values: F64, cuts: F64) -> F64:
    """For each cut, the share of values that reach it."""
    return np.asarray((values[None, :] >= cuts[:, None]).mean(axis=1))


def fit_review_band(p_positive: F64, is_positive: Mask, threshold: float) -> tuple[float, float]:
    """Band around the threshold that holds the validation errors, or as many as 5 % of patches allow.

    The band is symmetric in log-odds. It is the narrowest that holds every wrongly called validation
    patch, unless that would send more than `REVIEW_SHARE` of the patches to a person: then the widest
    that does not. It is never narrower than `MIN_REVIEW_HALF_WIDTH` of probability on either side.
    """
    middle = _log_odds(np.array([threshold]))[0]
    distance = np.abs(_log_odds(p_positive) - middle)
    wrong = (p_positive >= threshold) != is_positive
    nearest = np.sort(distance)
    n_allowed = int(REVIEW_SHARE * p_positive.size)
    affordable = nearest[n_allowed - 1] if n_allowed else 0.0
    reach = min(float(distance[wrong].max()), float(affordable)) if wrong.any() else 0.0
    # Rounding outward by a hair keeps the patch that sets the width inside its own band.
    low, high = (1 / (1 + exp(-(middle + side * (reach + 1e-9)))) for side in (-1, 1))
    low, high = min(low, threshold - MIN_REVIEW_HALF_WIDTH), max(high, threshold + MIN_REVIEW_HALF_WIDTH)
    return max(0.0, float(low)), min(1.0, float(high))


def _log_odds(p: F64) -> F64:
    clipped = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)))
