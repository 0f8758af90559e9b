"""Temperature, threshold and review band for int8 logits, fitted on validation patches only.

The temperature is fitted anew. The threshold is carried over: where it should lie was decided when the
float model was fitted, and on a few dozen patches that decision can jump far for a hair's breadth of
logit. So of all thresholds the one is taken under which int8 calls validation patches most as float
did, and among equals the one nearest to float's own. The review band moves along with it.
"""

from dataclasses import replace

import numpy as np

from allconvert.paired import Mask
from alledge.calls import positive_probability, probabilities
from alledge.card import Card
from alledge.types import F32, F64, I64
from alltrain.calibration import MIN_PATCHES_TO_CALIBRATE, fit_temperature


def recalibrate(card: Card, float_logits: F32, int8_logits: F32, labels: I64) -> Card:
    """The card for the int8 network.

    Args:
        card: of the float network.
        float_logits: (N, L) float32 of validation patches.
        int8_logits: (N, L) float32 of the same patches, from the int8 network.
        labels: (N,) int64. With fewer than `MIN_PATCHES_TO_CALIBRATE` everything stays as it is.
    """
    if labels.size < MIN_PATCHES_TO_CALIBRATE:
        return card
    recalibrated = replace(card, temperature=fit_temperature(int8_logits, labels))
    if card.threshold is None or card.review_band is None:
        return recalibrated
    float_p = positive_probability(probabilities(float_logits, card.temperature), card)
    int8_p = positive_probability(probabilities(int8_logits, recalibrated.temperature), card)
    threshold = carry_over_threshold(float_p >= card.threshold, int8_p, card.threshold)
    shift = _log_odds(threshold) - _log_odds(card.threshold)
    low, high = (_probability(_log_odds(end) + shift) for end in card.review_band)
    return replace(recalibrated, threshold=threshold, review_band=(min(low, threshold), max(high, threshold)))


def carry_over_threshold(float_is_positive: Mask, int8_p: F64, float_threshold: float) -> float:
    """The threshold on int8 probabilities that repeats float's calls best; float's own wins ties.

    float_is_positive: (N,) bool, what float called. int8_p: (N,) float64, probability of a positive.
    """
    levels = np.unique(int8_p)
    candidates = np.concatenate([[float_threshold], (levels[1:] + levels[:-1]) / 2])
    n_differing = ((int8_p[None, :] >= candidates[:, None]) != float_is_positive[None, :]).sum(axis=1)
    best = candidates[n_differing == n_differing.min()]
    return float(best[np.abs(best - float_threshold).argmin()])


def _log_odds(p: float) -> float:
    clipped = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(clipped / (1 - clipped)))


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
