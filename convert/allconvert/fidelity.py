"""Is the int8 network as good as the float one? Both called the same held-out patches.

What counts is the call, not the logit: how many cells are called otherwise, and which way. A blast
that becomes normal is the flip that matters most and has a margin of its own. The change in sensitivity
and in specificity may not exceed a margin either; where patches are too few to tell, the comparison says
how many would do.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from allconvert.changes import Change, gated_changes, score_changes
from allconvert.flips import Flip, count_directions, find_flips
from allconvert.lost_positives import LostPositives
from allconvert.paired import Mask
from allconvert.paired_calls import PairedCalls, pool
from alledge.types import F64
from alltrain.intervals import wilson_interval
from alltrain.metrics import Figure

__all__ = ["DEFAULT_MARGINS", "Change", "Comparison", "Flip", "Margins", "PairedCalls", "compare", "pool"]

# Flips in both directions cancel in a change of sensitivity. More of them than ten margins' worth make
# another network, not the same one in integers.
FLIPS_PER_MARGIN: Final = 10


@dataclass(frozen=True, slots=True)
class Margins:
    """What int8 may cost at most, as shares of patches.

    loss: of sensitivity and of specificity (of accuracy and macro recall where no label is positive).
    lost_positives: patches that float calls positive and int8 does not, of those that float calls positive.
    """

    loss: float = 0.01
    lost_positives: float = 0.005


DEFAULT_MARGINS: Final = Margins()


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything measured on one set of patches called by both networks.

    agreement: share of equal calls. lost_positives: None where float calls nothing positive. flips: by
    "X to Y" direction in `flip_counts`, each in `flips`. largest_logit_error: greatest distance of a
    logit, in logits. sqnr_db: power of the float logits over power of the error. review_shares: of
    float, of int8.
    """

    what: str
    n: int
    n_groups: int
    agreement: Figure
    least_agreement: float
    lost_positives: LostPositives | None
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]
    flip_counts: dict[str, int]
    largest_logit_error: float
    sqnr_db: float
    review_shares: tuple[float, float]

    @property
    def objections(self) -> tuple[str, ...]:
        """Why the int8 network is not as good, in words; empty when it is."""
        found = [
            f"{change.name} falls from {change.float_value:.1%} to {change.int8_value:.1%} on {self.what}"
            for change in self.changes
            if not change.passes
        ]
        lost = self.lost_positives
        if lost is not None and not lost.passes:
            found.append(f"{lost.n_lost} of {lost.n} positive calls are lost on {self.what}")
        agreement = self.agreement.value or 0.0
        if agreement < self.least_agreement and len(self.flips) > 1:
            found.append(f"only {agreement:.1%} of calls agree on {self.what}")
        return tuple(found)

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Margins that hold or fail here, but of which so few patches are no proof; and how many would be."""
        found = [
            f"{change.name} could fall by {-100 * change.ci95[0]:.1f} points on {self.what}; to show that it "
            f"is {100 * (change.margin or 0):.2g} at most takes about {change.n_needed}, of {change.n} here"
            for change in self.changes
            if not change.is_supported
        ]
        lost = self.lost_positives
        if lost is not None and not lost.is_supported:
            needed = f"about {lost.n_needed}" if lost.n_needed else "more than could be had at this rate"
            found.append(
                f"up to {lost.upper95:.1%} of positive calls could be lost on {self.what}; to show "
                f"that it is {lost.margin:.2%} at most takes {needed}, of {lost.n} here"
            )
        return tuple(found)


def compare(paired: PairedCalls, margins: Margins, what: str) -> Comparison:
    """Compare two networks on the same patches.

    Args:
        paired: N > 0 patches.
        margins: what is let pass.
        what: names the patches in sentences.
    """
    agree = paired.float_called == paired.int8_called
    n_groups = len(set(paired.groups))
    flips = find_flips(paired)
    error = (paired.int8_logits - paired.float_logits).astype(np.float64)
    return Comparison(
        what=what,
        n=agree.size,
        n_groups=n_groups,
        agreement=_agreement(agree, n_groups),
        least_agreement=max(0.0, 1 - FLIPS_PER_MARGIN * margins.loss),
        lost_positives=_lost_positives(paired, margins.lost_positives),
        changes=(*gated_changes(paired, margins.loss), *score_changes(paired, margins.loss)),
        flips=flips,
        flip_counts=count_directions(flips),
        largest_logit_error=float(np.abs(error).max()),
        sqnr_db=_sqnr_db(paired.float_logits.astype(np.float64), error),
        review_shares=(float(paired.float_review.mean()), float(paired.int8_review.mean())),
    )


def _agreement(agree: Mask, n_groups: int) -> Figure:
    n_agree = int(agree.sum())
    return Figure(n_agree / agree.size, wilson_interval(n_agree, agree.size), agree.size, n_groups)


def _lost_positives(paired: PairedCalls, margin: float) -> LostPositives | None:
    before, after = (np.isin(called, paired.positive) for called in (paired.float_called, paired.int8_called))
    return LostPositives(int((before & ~after).sum()), int(before.sum()), margin) if before.any() else None


def _sqnr_db(signal: F64, error: F64) -> float:
    """Signal to quantisation noise of the logits, in decibels; 99 when there is no noise to speak of."""
    noise = float((error**2).sum())
    power = float(((signal - signal.mean(axis=0)) ** 2).sum())
    if noise <= power * 10**-9.9:
        return 99.0
    return 10 * float(np.log10(max(power, 1e-12) / noise))
