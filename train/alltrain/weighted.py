"""Metrics as functions of patch weights: (R, N) weights in, (R,) values out, NaN where undefined.

The figure itself has weight one everywhere, a bootstrap resample has the number of times that each patch
was drawn. So there is one implementation of each metric, and the interval is of exactly that figure.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.types import F64, I64
from alltrain.intervals import Statistic

Mask = npt.NDArray[np.bool_]

N_RELIABILITY_BINS: Final = 10


def ratio(numerator: F64, denominator: F64) -> F64:
    """Elementwise quotient, NaN where the denominator is zero."""
    safe = np.where(denominator > 0, denominator, np.nan)
    return np.asarray(numerator / safe, dtype=np.float64)


def weighted_share(success: Mask, among: Mask) -> Statistic:
    """Share of `success` within `among`; both (N,) bool."""
    return _quotient((success & among).astype(np.float64), among.astype(np.float64))


def _quotient(numerator: F64, denominator: F64) -> Statistic:
    """Weighted sum of one (N,) quantity over that of another; the weights are gone through once."""
    both = np.stack([numerator, denominator], axis=1)

    def statistic(weights: F64) -> F64:
        sums = weights @ both
        return ratio(sums[:, 0], sums[:, 1])

    return statistic


def weighted_balanced_accuracy(labels: I64, called: I64, n_labels: int) -> Statistic:
    """Mean of the recalls of the labels that are present in `labels`."""
    present = [index for index in range(n_labels) if np.any(labels == index)]
    return weighted_macro([weighted_share(called == index, labels == index) for index in present])


def weighted_f1(truth: Mask, called: Mask) -> Statistic:
    """Harmonic mean of precision and sensitivity: 2 TP / (2 TP + FP + FN)."""
    either = truth.astype(np.float64) + called.astype(np.float64)
    return _quotient(2 * (truth & called).astype(np.float64), either)


def weighted_macro(parts: Sequence[Statistic]) -> Statistic:
    """Mean of several statistics, NaN where one of them is; no parts, NaN throughout."""

    def statistic(weights: F64) -> F64:
        if not parts:
            return np.full(weights.shape[0], np.nan)
        return np.asarray(np.mean([part(weights) for part in parts], axis=0))

    return statistic


def weighted_mcc(labels: I64, called: I64, n_labels: int) -> Statistic:
    """Matthews correlation of truth and call, for any number of labels.

    Source: B. W. Matthews, Biochim. Biophys. Acta 405 (1975) 442-451; for several classes
    J. Gorodkin, Comput. Biol. Chem. 28 (2004) 367-374. Undefined when truth or calls are all alike.
    """
    truth = np.eye(n_labels)[labels]
    calls = np.eye(n_labels)[called]
    right = (labels == called).astype(np.float64)

    def statistic(weights: F64) -> F64:
        total = weights.sum(axis=1)
        truly, as_called = weights @ truth, weights @ calls
        covariance = (weights @ right) * total - (truly * as_called).sum(axis=1)
        spread = (total**2 - (truly**2).sum(axis=1)) * (total**2 - (as_called**2).sum(axis=1))
        return ratio(covariance, np.sqrt(np.maximum(spread, 0.0)))

    return statistic


def ends_of_ties(sorted_scores: F64) -> I64:
    """Index of the last element of each run of equal scores, ascending order given."""
    return np.append(np.flatnonzero(np.diff(sorted_scores) != 0), sorted_scores.size - 1).astype(np.int64)


def weighted_auroc(truth: Mask, score: F64) -> Statistic:
    """Chance that a positive scores higher than a negative, ties counted half (Mann-Whitney).

    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982) 29-36.
    """
    order = np.argsort(score, kind="stable")
    positive = truth[order].astype(np.float64)
    ends = ends_of_ties(score[order])

    def statistic(weights: F64) -> F64:
        ordered = weights[:, order]
        positives = np.diff(np.cumsum(ordered * positive, axis=1)[:, ends], axis=1, prepend=0.0)
        up_to = np.cumsum(ordered * (1 - positive), axis=1)[:, ends]
        negatives = np.diff(up_to, axis=1, prepend=0.0)
        wins = (positives * (up_to - negatives / 2)).sum(axis=1)
        return ratio(wins, positives.sum(axis=1) * negatives.sum(axis=1))

    return statistic


def weighted_auprc(truth: Mask, score: F64) -> Statistic:
    """Average precision: precision at each threshold, weighted by the recall that it adds."""
    order = np.argsort(-score, kind="stable")
    positive = truth[order].astype(np.float64)
    ends = ends_of_ties(-score[order])

    def statistic(weights: F64) -> F64:
        ordered = weights[:, order]
        found = np.cumsum(ordered * positive, axis=1)[:, ends]
        named = np.cumsum(ordered, axis=1)[:, ends]
        gained = np.diff(found, axis=1, prepend=0.0)
        precision = np.where(named > 0, found / np.maximum(named, 1e-12), 0.0)
        return ratio((gained * precision).sum(axis=1), found[:, -1])

    return statistic


def weighted_brier(labels: I64, p: F64) -> Statistic:
    """Mean squared distance of the probabilities from the truth.

    Two labels: (p_positive - truth)^2, so that 0.25 is a coin; more: summed over labels as in the
    source, G. W. Brier, Monthly Weather Review 78 (1950) 1-3.
    """
    squared = ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1) / (2 if p.shape[1] == 2 else 1)
    return lambda weights: ratio(weights @ squared, weights.sum(axis=1))


def reliability_bin(confidence: F64) -> I64:
    """(N,) int64: which of `N_RELIABILITY_BINS` equal bins of [0, 1] each confidence falls in."""
    return np.minimum((confidence * N_RELIABILITY_BINS).astype(np.int64), N_RELIABILITY_BINS - 1)


def weighted_ece(confidence: F64, right: Mask) -> Statistic:
    """Expected calibration error: mean gap of confidence and truth over equal-width bins.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, ICML 2017, equation 3.
    """
    members = np.eye(N_RELIABILITY_BINS)[reliability_bin(confidence)]
    gap = members * (confidence - right.astype(np.float64))[:, None]
    return lambda weights: ratio(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))
