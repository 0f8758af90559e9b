"""From logits to a word on each cell: a label, or `review` when a person must look.

Softmax with the model's temperature, so that 0.9 means nine in ten; the threshold that validation
chose; and four reasons to abstain. A screening aid that never says "I do not know" says the wrong
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
SORT_UNCLEAR: Final = "of several sorts, none is likely"
UNFAMILIAR: Final = "unlike the training patches"
CUT_BY_BORDER: Final = "cut by the border of the field"
# Below this the likeliest of several labels is more probably wrong than right.
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
    reasons = _reasons(p, labels, patches, card)
    return tuple(
        Call(label, dict(zip(card.labels, row, strict=True)), reason is not None, reason)
        for label, row, reason in zip(labels, p.tolist(), reasons, strict=True)
    )


def _reasons(p: F64, labels: tuple[str, ...], patches: U8, card: Card) -> list[str | None]:
    """Why a person must look at each cell, None where nobody must; the gravest reason wins."""
    reasons: list[str | None] = [None] * len(p)
    if card.review_band is None:
        _give(reasons, p.max(axis=1) < LEAST_TOP_PROBABILITY, NO_LABEL_LIKELY)
    else:
        _give(reasons, _is_unsure_of_sort(p, labels, card), SORT_UNCLEAR)
        _give(reasons, _is_close(positive_probability(p, card), card.review_band), CLOSE_TO_THRESHOLD)
    if card.familiarity is not None:
        _give(reasons, ~is_familiar(patches, card.familiarity), UNFAMILIAR)
    return reasons


def _give(reasons: list[str | None], where: npt.NDArray[np.bool_], reason: str) -> None:
    for row in np.flatnonzero(where):
        reasons[row] = reason


def _is_close(p_positive: F64, band: tuple[float, float]) -> npt.NDArray[np.bool_]:
    # Between even odds and the threshold the label is the less likely one: nobody should read it unasked.
    close: npt.NDArray[np.bool_] = (p_positive >= min(band[0], 0.5)) & (p_positive <= max(band[1], 0.5))
    return close


def _is_unsure_of_sort(p: F64, labels: tuple[str, ...], card: Card) -> npt.NDArray[np.bool_]:
    """Whether none of several labels of the called side (finding or not) has half of its probability."""
    of_positives = np.array([label in card.positive_labels for label in card.labels])
    called = np.array([card.labels.index(label) for label in labels])
    of_side = of_positives[None, :] == of_positives[called][:, None]
    of_called = p[np.arange(len(p)), called]
    unsure: npt.NDArray[np.bool_] = of_called < LEAST_TOP_PROBABILITY * (p * of_side).sum(axis=1)
    return unsure
