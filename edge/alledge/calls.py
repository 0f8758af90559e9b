"""From logits to a word on each cell: a label, or `review` when a person must look.

Softmax with the model's temperature, so that 0.9 means nine in ten; the threshold that validation
chose; and three reasons to abstain. A screening aid that never says "I do not know" says the wrong
thing about the cells that matter.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.card import Card
from alledge.familiarity import is_familiar
from alledge.types import F32, F64, U8, Call

CLOSE_TO_THRESHOLD: Final = "close to the threshold"
NO_LABEL_LIKELY: Final = "no label is likely"
UNFAMILIAR: Final = "unlike the training patches"
CUT_BY_BORDER: Final = "cut by the border of the field"
# Without positive labels: below this the most likely label is more probably wrong than right.
LEAST_TOP_PROBABILITY: Final = 0.5


def probabilities(logits: F32, temperature: float) -> F64:
    """Softmax of logits / temperature.

    Args:
        logits: (N, L) float32.
        temperature: above 0, from the card (C. Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Returns:
        (N, L) float64, each row adding up to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    p: F64 = powers / powers.sum(axis=1, keepdims=True)
    return p


def positive_probability(p: F64, card: Card) -> F64:
    """(N,) float64: summed probability of the positive labels, from (N, L)."""
    columns = [card.labels.index(label) for label in card.positive_labels]
    summed: F64 = p[:, columns].sum(axis=1)
    return summed


def called_labels(p: F64, card: Card) -> tuple[str, ...]:
    """The label of each row of p (N, L): by the threshold where labels are positive, else the likeliest."""
    if card.threshold is None:
        return tuple(card.labels[index] for index in p.argmax(axis=1))
    is_positive = positive_probability(p, card) >= card.threshold
    of_positives = np.array([label in card.positive_labels for label in card.labels])
    allowed = np.where(is_positive[:, None], of_positives, ~of_positives)
    return tuple(card.labels[index] for index in np.where(allowed, p, -1.0).argmax(axis=1))


def make_calls(logits: F32, patches: U8, card: Card) -> tuple[Call, ...]:
    """One call a cell.

    Args:
        logits: (N, L) float32, one column a label of the card.
        patches: (N, 50, 50, 3) uint8 RGB, the patches that the logits are of.
        card: the model's card.
    """
    if logits.shape != (len(patches), len(card.labels)):
        raise ValueError(f"expected {(len(patches), len(card.labels))} logits, got {logits.shape}")
    if len(patches) == 0:
        return ()
    p = probabilities(logits, card.temperature)
    labels = called_labels(p, card)
    reasons = _reasons(p, patches, card)
    return tuple(
        Call(label, dict(zip(card.labels, row, strict=True)), reason is not None, reason)
        for label, row, reason in zip(labels, p.tolist(), reasons, strict=True)
    )


def _reasons(p: F64, patches: U8, card: Card) -> list[str | None]:
    """Why a person must look at each cell, None where nobody must; the gravest reason wins."""
    reasons: list[str | None] = [None] * len(p)
    for row in np.flatnonzero(_is_doubtful(p, card)):
        reasons[row] = NO_LABEL_LIKELY if card.review_band is None else CLOSE_TO_THRESHOLD
    if card.familiarity is not None:
        for row in np.flatnonzero(~is_familiar(patches, card.familiarity)):
            reasons[row] = UNFAMILIAR
    return reasons


def _is_doubtful(p: F64, card: Card) -> npt.NDArray[np.bool_]:
    if card.review_band is None:
        unlikely: npt.NDArray[np.bool_] = p.max(axis=1) < LEAST_TOP_PROBABILITY
        return unlikely
    p_positive = positive_probability(p, card)
    # Between even odds and the threshold the label is the less likely one: nobody should read it unasked.
    low, high = min(card.review_band[0], 0.5), max(card.review_band[1], 0.5)
    close: npt.NDArray[np.bool_] = (p_positive >= low) & (p_positive <= high)
    return close
