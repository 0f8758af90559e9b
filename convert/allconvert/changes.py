"""Figures measured with both networks, and what lies between: what the gate looks at, and what is only told.

Sensitivity and specificity (accuracy and macro recall where no label is positive) have a margin. AUROC and
calibration error are reported with the interval of their change, from the same resamples for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from allconvert.paired import (
    Mask,
    PairedCounts,
    count_pairs,
    mcnemar_p,
    n_to_support,
    newcombe_paired_interval,
)
from allconvert.paired_calls import PairedCalls
from alltrain.intervals import Interval, Statistic, hull, mover_mean_interval, plan_resampling
from alltrain.metrics import calibration_view, weighted_auroc, weighted_ece

SEED: Final = 0


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


def gated_changes(paired: PairedCalls, margin: float) -> tuple[Change, ...]:
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


def score_changes(paired: PairedCalls, margin: float) -> tuple[Change, ...]:
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
