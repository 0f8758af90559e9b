"""The live differential: counts, shares with their intervals, and what is still missing, in words.

Every counted cell is in exactly one of three places: called by the model, called by a person, or waiting
for review. Cells that wait are not dropped. The share of blasts is told three ways: of the cells that
have a call, and of all cells as if every waiting cell were no blast, and as if every one were a blast.
The truth of the cells counted lies between the last two, whatever a person will see.

The corrected share rests on the model's own likeliest label of every cell, those that wait included,
because that is how the card's sensitivity and specificity were measured.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.card import Card
from alledge.differential.correction import ErrorRates, corrected_interval, read_error_rates, rogan_gladen
from alledge.differential.exact import clopper_pearson
from alledge.differential.stopping import StopRule, missing_words
from alledge.types import Call

NO_POSITIVE_LABEL: Final = "No label of this model counts as a finding."
NO_RATES: Final = "The model's card tells no sensitivity and specificity with their intervals."
NO_GAIN: Final = "By its card the model tells blasts from other cells hardly better than a coin."
NO_CELL: Final = "No cell has been counted."


@dataclass(frozen=True, slots=True)
class CountedCell:
    """One cell of a slide, counted once, with the call of its sharpest patch.

    person_label: what a person called it; it stands above the model's call.
    """

    cell_id: int
    call: Call
    person_label: str | None = None

    @property
    def label(self) -> str | None:
        """The label it counts under, None while it waits for review."""
        if self.person_label is not None:
            return self.person_label
        return None if self.call.review else self.call.label


@dataclass(frozen=True, slots=True)
class Share:
    """A share from 0 to 1 with its 95 % interval."""

    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Differential:
    """A differential as it stands now.

    n_cells: cells counted; n_called of them have a label, n_review wait for a person.
    counts, shares: per label, of the n_called cells; all labels of the card first, in its order.
    blast_share: positive labels together, of the n_called cells; None without a cell or a positive label.
    if_review_none, if_review_all: the same of all n_cells, the waiting ones taken for no blasts, for blasts.
    corrected: for the model's error rates; None says why in `not_corrected`.
    target: cells with a call that make it complete. missing: what is still to do, "" when nothing is.
    """

    n_cells: int
    n_called: int
    n_review: int
    counts: Mapping[str, int]
    shares: Mapping[str, Share]
    blast_share: Share | None
    if_review_none: Share | None
    if_review_all: Share | None
    corrected: Share | None
    not_corrected: str | None
    target: int
    is_complete: bool
    missing: str


def differential(
    cells: Sequence[CountedCell], card: Card, target: int, widest: float | None = None
) -> Differential:
    """The differential of the cells of one slide.

    Args:
        cells: counted cells, each once.
        card: of the model that called them.
        target: cells with a call that are wanted, 1 or more; haematologists count 100 or 200.
        widest: also wanted, the width of the interval of the share of blasts at most this; None asks nothing.

    Raises:
        ValueError: the target is below 1 or widest is not between 0 and 1.
    """
    rule = StopRule(target, widest)
    labels = [cell.label for cell in cells]
    counted = Counter(label for label in labels if label is not None)
    # A person may name a kind that the model does not know; it is counted under its own name.
    names = (*card.labels, *sorted(set(counted) - set(card.labels)))
    counts = {name: counted.get(name, 0) for name in names}
    n_called = sum(counts.values())
    n_review = len(cells) - n_called
    positive = sum(counts[label] for label in card.positive_labels)
    told = bool(card.positive_labels)
    blast_share = _share(positive, n_called) if told else None
    corrected, not_corrected = _corrected(cells, card)
    return Differential(
        n_cells=len(cells),
        n_called=n_called,
        n_review=n_review,
        counts=counts,
        shares={name: share for name in names if (share := _share(counts[name], n_called)) is not None},
        blast_share=blast_share,
        if_review_none=_share(positive, len(cells)) if told else None,
        if_review_all=_share(positive + n_review, len(cells)) if told else None,
        corrected=corrected,
        not_corrected=not_corrected,
        target=target,
        is_complete=rule.is_met(n_called, _width(blast_share)),
        missing=missing_words(rule, n_called, n_review, _width(blast_share)),
    )


def corrected_share(n_positive: int, n: int, rates: ErrorRates) -> Share:
    """Rogan and Gladen's share of blasts with its interval, of n_positive blast calls among n > 0 cells."""
    found, cells, se, n_se, sp, n_sp, low, high = np.array(
        [
            n_positive,
            n,
            rates.sensitivity,
            rates.n_positive,
            rates.specificity,
            rates.n_negative,
            *clopper_pearson(n_positive, n),
        ],
        dtype=np.float64,
    ).reshape(8, 1)
    ends = corrected_interval(found, cells, (low, high), (se, n_se, sp, n_sp))
    return Share(float(rogan_gladen(found / cells, se, sp)[0]), (float(ends[0][0]), float(ends[1][0])))


def _share(n_found: int, n: int) -> Share | None:
    return Share(n_found / n, clopper_pearson(n_found, n)) if n else None


def _width(share: Share | None) -> float | None:
    return None if share is None else share.ci95[1] - share.ci95[0]


def _corrected(cells: Sequence[CountedCell], card: Card) -> tuple[Share | None, str | None]:
    """The corrected share of blasts, or why there is none."""
    rates = read_error_rates(card.metrics)
    if not card.positive_labels:
        return None, NO_POSITIVE_LABEL
    if rates is None:
        return None, NO_RATES
    if not rates.can_correct:
        return None, NO_GAIN
    if not cells:
        return None, NO_CELL
    n_positive = sum(cell.call.label in card.positive_labels for cell in cells)
    return corrected_share(n_positive, len(cells), rates), None
