"""Is the int8 network as good as the float one? Both called the same held-out patches.

What counts is the call, not the logit: how many cells are called otherwise, and which way. A blast
that becomes normal is the flip that matters most and has a margin of its own. The change in sensitivity
and in specificity may not exceed a margin either; where patches are too few to tell, the comparison says
how many would do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from allconvert.lost_positives import LostPositives
from allconvert.paired import (
    Mask,
    PairedCounts,
    count_pairs,
    mcnemar_p,
    n_to_support,
    newcombe_paired_interval,
)
from alledge.types import F32, F64, I64
from alltrain.intervals import (
    Interval,
    Statistic,
    hull,
    mover_mean_interval,
    plan_resampling,
    wilson_interval,
)
from alltrain.metrics import Figure, Predictions, calibration_view, weighted_auroc, weighted_ece

# Flips in both directions cancel in a change of sensitivity. More of them than ten margins' worth make
# another network, not the same one in integers.
FLIPS_PER_MARGIN: Final = 10
SEED: Final = 0


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
class PairedCalls:
    """What two networks said about the same patches, none of which set a weight of either.

    rows: (N,) int64, where the patches stand in the run. labels: (N,) int64, the truth.
    groups: N names. float_*, int8_*: logits (N, L) float32, probabilities (N, L) float64,
    calls (N,) int64 and reviews (N,) bool.
    """

    rows: I64
    labels: I64
    groups: tuple[str, ...]
    label_names: tuple[str, ...]
    positive: tuple[int, ...]
    float_logits: F32
    int8_logits: F32
    float_p: F64
    int8_p: F64
    float_called: I64
    int8_called: I64
    float_review: Mask
    int8_review: Mask

    def predictions(self, of_int8: bool) -> Predictions:
        """One network's side, for the metrics of `alltrain`."""
        return Predictions(
            labels=self.labels,
            p=self.int8_p if of_int8 else self.float_p,
            called=self.int8_called if of_int8 else self.float_called,
            review=self.int8_review if of_int8 else self.float_review,
            groups=self.groups,
            label_names=self.label_names,
            positive=self.positive,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A figure measured with both networks.

    change: int8 minus float. margin: greatest loss that is let pass, None where nothing is asked.
    resolution: what one patch weighs; a loss below it cannot be told from none.
    n_lost, n_gained: patches right with float only, and with int8 only. mcnemar_p: whether as many may have
    been lost as gained, None where the figure is no share of patches. n_needed: patches that would support
    the margin.
    """

    name: str
    float_value: float
    int8_value: float
    change: float
    ci95: Interval
    n: int
    n_groups: int
    n_lost: int = 0
    n_gained: int = 0
    mcnemar_p: float | None = None
    margin: float | None = None
    resolution: float = 0.0
    n_needed: int | None = None

    @property
    def n_flipped(self) -> int:
        """Patches right with one network only."""
        return self.n_lost + self.n_gained

    @property
    def passes(self) -> bool:
        """The loss is within the margin, or within the single patch that is finer than any margin."""
        return self.margin is None or self.change >= -max(self.margin, self.resolution) - 1e-9

    @property
    def is_supported(self) -> bool:
        """Also the lower end of the interval is within the margin: non-inferiority is shown."""
        return self.margin is None or self.ci95[0] >= -self.margin - 1e-9


@dataclass(frozen=True, slots=True)
class Flip:
    """One patch that the int8 network calls otherwise. row: where it stands in the run."""

    row: int
    truth: str
    float_call: str
    int8_call: str
    float_p: float
    int8_p: float


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
            f"{change.name} could fall by {-100 * change.ci95[0]:.1f} points on {self.what}: a margin of "
            f"{100 * (change.margin or 0):.2g} takes about {change.n_needed} patches, {change.n} count"
            for change in self.changes
            if not change.is_supported
        ]
        lost = self.lost_positives
        if lost is not None and not lost.is_supported:
            needed = f"takes about {lost.n_needed}" if lost.n_needed else "cannot be shown at this rate"
            found.append(
                f"up to {lost.upper95:.1%} of positive calls could be lost on {self.what}: "
                f"a margin of {lost.margin:.1%} {needed}, {lost.n} count"
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
    flips = _flips(paired, agree)
    error = (paired.int8_logits - paired.float_logits).astype(np.float64)
    return Comparison(
        what=what,
        n=agree.size,
        n_groups=n_groups,
        agreement=_agreement(agree, n_groups),
        least_agreement=max(0.0, 1 - FLIPS_PER_MARGIN * margins.loss),
        lost_positives=_lost_positives(paired, margins.lost_positives),
        changes=(*_gated_changes(paired, margins.loss), *_score_changes(paired, margins.loss)),
        flips=flips,
        flip_counts=_count_directions(flips),
        largest_logit_error=float(np.abs(error).max()),
        sqnr_db=_sqnr_db(paired.float_logits.astype(np.float64), error),
        review_shares=(float(paired.float_review.mean()), float(paired.int8_review.mean())),
    )


def pool(parts: Sequence[PairedCalls]) -> PairedCalls:
    """Several sets of patches as one, such as the test folds of all fold models."""
    first = parts[0]
    return PairedCalls(
        rows=np.concatenate([part.rows for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        groups=tuple(group for part in parts for group in part.groups),
        label_names=first.label_names,
        positive=first.positive,
        float_logits=np.concatenate([part.float_logits for part in parts]),
        int8_logits=np.concatenate([part.int8_logits for part in parts]),
        float_p=np.concatenate([part.float_p for part in parts]),
        int8_p=np.concatenate([part.int8_p for part in parts]),
        float_called=np.concatenate([part.float_called for part in parts]),
        int8_called=np.concatenate([part.int8_called for part in parts]),
        float_review=np.concatenate([part.float_review for part in parts]),
        int8_review=np.concatenate([part.int8_review for part in parts]),
    )


def _agreement(agree: Mask, n_groups: int) -> Figure:
    n_agree = int(agree.sum())
    return Figure(n_agree / agree.size, wilson_interval(n_agree, agree.size), agree.size, n_groups)


def _lost_positives(paired: PairedCalls, margin: float) -> LostPositives | None:
    before, after = (np.isin(called, paired.positive) for called in (paired.float_called, paired.int8_called))
    return LostPositives(int((before & ~after).sum()), int(before.sum()), margin) if before.any() else None


# --- changes that the gate looks at -------------------------------------------------------------------------


def _gated_changes(paired: PairedCalls, margin: float) -> tuple[Change, ...]:
    """Sensitivity and specificity where labels are positive, else accuracy and macro recall."""
    if not paired.positive:
        right = (paired.float_called == paired.labels, paired.int8_called == paired.labels)
        everything = np.ones(paired.labels.size, dtype=np.bool_)
        accuracy = _share_change("accuracy", everything, *right, paired.groups, margin)
        return tuple(change for change in (accuracy, _macro_recall(paired, margin)) if change is not None)
    truth = np.isin(paired.labels, paired.positive)
    before, after = (
        np.isin(paired.float_called, paired.positive),
        np.isin(paired.int8_called, paired.positive),
    )
    found = (
        _share_change("sensitivity", truth, before, after, paired.groups, margin),
        _share_change("specificity", ~truth, ~before, ~after, paired.groups, margin),
    )
    return tuple(change for change in found if change is not None)


def _share_change(
    name: str, among: Mask, float_right: Mask, int8_right: Mask, groups: Sequence[str], margin: float
) -> Change | None:
    """Change of a proportion within `among`; None when that is empty. Masks are (N,) bool."""
    if not among.any():
        return None
    before, after = float_right[among], int8_right[among]
    own_groups = [group for group, counts in zip(groups, among, strict=True) if counts]
    pairs = count_pairs(before, after)
    return Change(
        name=name,
        float_value=float(before.mean()),
        int8_value=float(after.mean()),
        change=pairs.change,
        ci95=_paired_interval(pairs, before, after, own_groups),
        n=pairs.n,
        n_groups=len(set(own_groups)),
        n_lost=pairs.lost,
        n_gained=pairs.gained,
        mcnemar_p=mcnemar_p(pairs),
        margin=margin,
        resolution=1 / pairs.n,
        n_needed=n_to_support(margin, pairs),
    )


def _paired_interval(pairs: PairedCounts, before: Mask, after: Mask, groups: Sequence[str]) -> Interval:
    """Newcombe's, widened to the cluster bootstrap's where there are groups enough to resample."""
    ends = newcombe_paired_interval(pairs)
    resampling = plan_resampling(groups, SEED)
    if resampling.ignores_clustering:
        return ends
    gain = after.astype(np.float64) - before.astype(np.float64)
    return hull(ends, resampling.interval(lambda weights: weights @ gain / weights.sum(axis=1)))


def _macro_recall(paired: PairedCalls, margin: float) -> Change | None:
    """Mean over the labels of the change in recall; its interval from each label's (Newcombe's MOVER)."""
    float_right, int8_right = paired.float_called == paired.labels, paired.int8_called == paired.labels
    parts = [
        _share_change(name, paired.labels == index, float_right, int8_right, paired.groups, margin)
        for index, name in enumerate(paired.label_names)
    ]
    recalls = [part for part in parts if part is not None]
    if not recalls:
        return None
    n = min(part.n for part in recalls)
    return Change(
        name="macro recall",
        float_value=float(np.mean([part.float_value for part in recalls])),
        int8_value=float(np.mean([part.int8_value for part in recalls])),
        change=float(np.mean([part.change for part in recalls])),
        ci95=mover_mean_interval([(part.change, part.ci95) for part in recalls]),
        n=paired.labels.size,
        n_groups=len(set(paired.groups)),
        n_lost=sum(part.n_lost for part in recalls),
        n_gained=sum(part.n_gained for part in recalls),
        margin=margin,
        resolution=1 / (n * len(recalls)),
        n_needed=n_to_support(margin, count_pairs(float_right, int8_right)),
    )


# --- changes that are only reported -------------------------------------------------------------------------


def _score_changes(paired: PairedCalls, margin: float) -> tuple[Change, ...]:
    """Macro recall of several sorts, AUROC (two classes present) and expected calibration error."""
    before, after = paired.predictions(of_int8=False), paired.predictions(of_int8=True)
    found: list[Change] = []
    if paired.positive and len(paired.label_names) > 2:
        # Told, not gated: one cell of a rare subtype outweighs any margin; lost agreement is gated.
        sorts = _macro_recall(paired, margin)
        found += [replace(sorts, margin=None, n_needed=None)] if sorts is not None else []
    truth = before.is_positive
    if paired.positive and truth.any() and not truth.all():
        pair = weighted_auroc(truth, before.p_positive), weighted_auroc(truth, after.p_positive)
        found.append(_statistic_change("AUROC", *pair, paired.groups))
    pair = weighted_ece(*calibration_view(before)), weighted_ece(*calibration_view(after))
    found.append(_statistic_change("calibration error", *pair, paired.groups))
    return tuple(found)


def _statistic_change(name: str, before: Statistic, after: Statistic, groups: Sequence[str]) -> Change:
    once = np.ones((1, len(groups)))
    float_value, int8_value = float(before(once)[0]), float(after(once)[0])
    change = int8_value - float_value
    interval = plan_resampling(groups, SEED).interval(lambda weights: after(weights) - before(weights))
    return Change(
        name=name,
        float_value=float_value,
        int8_value=int8_value,
        change=change,
        ci95=hull((change, change), interval),
        n=len(groups),
        n_groups=len(set(groups)),
    )


# --- flips and logits ---------------------------------------------------------------------------------------


def _flips(paired: PairedCalls, agree: Mask) -> tuple[Flip, ...]:
    """Every patch called otherwise, lost positives first, then by how far the probability moved."""
    found = []
    for index in np.flatnonzero(~agree):
        shown = list(paired.positive) or [int(paired.float_called[index])]
        found.append(
            Flip(
                row=int(paired.rows[index]),
                truth=paired.label_names[paired.labels[index]],
                float_call=paired.label_names[paired.float_called[index]],
                int8_call=paired.label_names[paired.int8_called[index]],
                float_p=float(paired.float_p[index, shown].sum()),
                int8_p=float(paired.int8_p[index, shown].sum()),
            )
        )
    positive = {paired.label_names[index] for index in paired.positive}
    return tuple(sorted(found, key=lambda flip: _gravity(flip, positive)))


def _gravity(flip: Flip, positive: set[str]) -> tuple[bool, bool, float]:
    is_loss = flip.float_call in positive and flip.int8_call not in positive
    return not is_loss, flip.truth not in positive, -abs(flip.int8_p - flip.float_p)


def _count_directions(flips: Sequence[Flip]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for flip in flips:
        direction = f"{flip.float_call} to {flip.int8_call}"
        counts[direction] = counts.get(direction, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _sqnr_db(signal: F64, error: F64) -> float:
    """Signal to quantisation noise of the logits, in decibels; 99 when there is no noise to speak of."""
    noise = float((error**2).sum())
    power = float(((signal - signal.mean(axis=0)) ** 2).sum())
    if noise <= power * 10**-9.9:
        return 99.0
    return 10 * float(np.log10(max(power, 1e-12) / noise))
