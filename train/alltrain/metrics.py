"""Every figure of a run, each with its 95 % interval, the patches and the groups that it rests on.

Each metric is one function of patch *weights*: the figure itself has weight one everywhere, a
bootstrap resample has the number of times that each patch was drawn. So there is one implementation
of each metric, and the interval is of exactly that figure. A figure that has no value (sensitivity
without a positive cell) is null with the reason beside it, never NaN and never a made-up zero.

Positive means: one of `positive_labels`, a blast. Sensitivity is the share of blasts that are called
blasts, specificity the share of other cells that are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from alledge.strict_json import Json
from alledge.types import F64, I64
from alltrain.intervals import (
    Interval,
    Resampling,
    Statistic,
    hull,
    mover_mean_interval,
    newcombe_auroc_interval,
    plan_resampling,
    wilson_interval,
)

Mask = npt.NDArray[np.bool_]

N_RELIABILITY_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: value and interval are None when it is undefined, and then `reason` says why.

    n: patches that it rests on. n_groups: groups that they come from.
    """

    value: float | None
    ci95: Interval | None
    n: int
    n_groups: int
    reason: str | None = None

    def in_words(self) -> str:
        """The figure for a person: 0.938 (95 % 0.89 to 0.97), or why there is none."""
        if self.value is None:
            return f"none: {self.reason}"
        if self.ci95 is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} (95 % {self.ci95[0]:.3f} to {self.ci95[1]:.3f})"

    def as_json(self) -> dict[str, Json]:
        """The figure as metrics.json holds it, rounded to six digits; `reason` only beside a null."""
        record: dict[str, Json] = {
            "value": None if self.value is None else round(self.value, 6),
            "ci95": None if self.ci95 is None else [round(end, 6) for end in self.ci95],
            "n": self.n,
            "n_groups": self.n_groups,
        }
        if self.reason is not None:
            record["reason"] = self.reason
        return record


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model said about patches whose label is known.

    labels, called: (N,) int64, indices into label_names. p: (N, L) float64, rows sum to one.
    review: (N,) bool, a person must look. groups: N names.
    positive: indices of the positive labels, empty when none is known.
    """

    labels: I64
    p: F64
    called: I64
    review: Mask
    groups: tuple[str, ...]
    label_names: tuple[str, ...]
    positive: tuple[int, ...]

    @property
    def is_positive(self) -> Mask:
        """(N,) bool: the patch is of a positive label."""
        return np.isin(self.labels, self.positive)

    @property
    def called_positive(self) -> Mask:
        """(N,) bool: the patch was called a positive label."""
        return np.isin(self.called, self.positive)

    @property
    def p_positive(self) -> F64:
        """(N,) float64: probability of any positive label."""
        return np.asarray(self.p[:, list(self.positive)].sum(axis=1), dtype=np.float64)

    def part(self, chosen: Mask) -> "Predictions":
        """The predictions of the chosen patches only. chosen: (N,) bool."""
        return replace(
            self,
            labels=self.labels[chosen],
            p=self.p[chosen],
            called=self.called[chosen],
            review=self.review[chosen],
            groups=tuple(group for group, keep in zip(self.groups, chosen, strict=True) if keep),
        )


# --- metrics as functions of weights (R, N) -> (R,), NaN where undefined ---


def _ratio(numerator: F64, denominator: F64) -> F64:
    """Elementwise quotient, NaN where the denominator is zero."""
    safe = np.where(denominator > 0, denominator, np.nan)
    return np.asarray(numerator / safe, dtype=np.float64)


def weighted_share(success: Mask, among: Mask) -> Statistic:
    """Share of `success` within `among`; both (N,) bool."""
    hit = (success & among).astype(np.float64)
    base = among.astype(np.float64)
    return lambda weights: _ratio(weights @ hit, weights @ base)


def weighted_balanced_accuracy(labels: I64, called: I64, n_labels: int) -> Statistic:
    """Mean of the recalls of the labels that are present in `labels`."""
    present = [index for index in range(n_labels) if np.any(labels == index)]
    recalls = [weighted_share(called == index, labels == index) for index in present]
    return lambda weights: np.asarray(np.mean([recall(weights) for recall in recalls], axis=0))


def weighted_f1(truth: Mask, called: Mask) -> Statistic:
    """Harmonic mean of precision and sensitivity: 2 TP / (2 TP + FP + FN)."""
    both = (truth & called).astype(np.float64)
    either = truth.astype(np.float64) + called.astype(np.float64)
    return lambda weights: _ratio(2 * (weights @ both), weights @ either)


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
        return _ratio(covariance, np.sqrt(np.maximum(spread, 0.0)))

    return statistic


def _ends_of_ties(sorted_scores: F64) -> I64:
    """Index of the last element of each run of equal scores, ascending order given."""
    return np.append(np.flatnonzero(np.diff(sorted_scores) != 0), sorted_scores.size - 1).astype(np.int64)


def weighted_auroc(truth: Mask, score: F64) -> Statistic:
    """Chance that a positive scores higher than a negative, ties counted half (Mann-Whitney).

    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982) 29-36.
    """
    order = np.argsort(score, kind="stable")
    positive = truth[order].astype(np.float64)
    ends = _ends_of_ties(score[order])

    def statistic(weights: F64) -> F64:
        ordered = weights[:, order]
        positives = np.diff(np.cumsum(ordered * positive, axis=1)[:, ends], axis=1, prepend=0.0)
        up_to = np.cumsum(ordered * (1 - positive), axis=1)[:, ends]
        negatives = np.diff(up_to, axis=1, prepend=0.0)
        wins = (positives * (up_to - negatives / 2)).sum(axis=1)
        return _ratio(wins, positives.sum(axis=1) * negatives.sum(axis=1))

    return statistic


def weighted_auprc(truth: Mask, score: F64) -> Statistic:
    """Average precision: precision at each threshold, weighted by the recall that it adds."""
    order = np.argsort(-score, kind="stable")
    positive = truth[order].astype(np.float64)
    ends = _ends_of_ties(-score[order])

    def statistic(weights: F64) -> F64:
        ordered = weights[:, order]
        found = np.cumsum(ordered * positive, axis=1)[:, ends]
        named = np.cumsum(ordered, axis=1)[:, ends]
        gained = np.diff(found, axis=1, prepend=0.0)
        precision = np.where(named > 0, found / np.maximum(named, 1e-12), 0.0)
        return _ratio((gained * precision).sum(axis=1), found[:, -1])

    return statistic


def weighted_brier(labels: I64, p: F64) -> Statistic:
    """Mean squared distance of the probabilities from the truth.

    Two labels: (p_positive - truth)^2, so that 0.25 is a coin; more: summed over labels as in the
    source, G. W. Brier, Monthly Weather Review 78 (1950) 1-3.
    """
    squared = ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1) / (2 if p.shape[1] == 2 else 1)
    return lambda weights: _ratio(weights @ squared, weights.sum(axis=1))


def reliability_bin(confidence: F64) -> I64:
    """(N,) int64: which of `N_RELIABILITY_BINS` equal bins of [0, 1] each confidence falls in."""
    return np.minimum((confidence * N_RELIABILITY_BINS).astype(np.int64), N_RELIABILITY_BINS - 1)


def weighted_ece(confidence: F64, right: Mask) -> Statistic:
    """Expected calibration error: mean gap of confidence and truth over equal-width bins.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, ICML 2017, equation 3.
    """
    members = np.eye(N_RELIABILITY_BINS)[reliability_bin(confidence)]
    gap = members * (confidence - right.astype(np.float64))[:, None]
    return lambda weights: _ratio(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))


# --- figures ---


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """Turns statistics of one set of predictions into figures."""

    groups: tuple[str, ...]
    resampling: Resampling

    def _rests_on(self, among: Mask) -> tuple[int, int]:
        return int(among.sum()), len({self.groups[index] for index in np.flatnonzero(among)})

    def _value(self, statistic: Statistic) -> float | None:
        value = float(statistic(np.ones((1, len(self.groups))))[0])
        return value if np.isfinite(value) else None

    def figure(self, statistic: Statistic, reason: str, floor: Interval | None = None) -> Figure:
        """A figure of all patches; `floor` is an interval that the reported one must hold."""
        n, n_groups = self._rests_on(np.ones(len(self.groups), dtype=np.bool_))
        value = self._value(statistic)
        if value is None:
            return Figure(None, None, n, n_groups, reason)
        resampled = self.resampling.interval(statistic)
        ends = floor if resampled is None else hull(resampled, floor)
        return Figure(value, ends, n, n_groups)

    def error(self, statistic: Statistic) -> Figure:
        """A figure that is never below zero and that noise can only raise."""
        n, n_groups = self._rests_on(np.ones(len(self.groups), dtype=np.bool_))
        value = self._value(statistic)
        ends = self.resampling.interval(statistic, recentre=True)
        return Figure(value, None if ends is None else (max(0.0, ends[0]), ends[1]), n, n_groups)

    def share(self, success: Mask, among: Mask, reason: str) -> Figure:
        """A proportion: Wilson, widened to the cluster bootstrap's interval where groups are resampled."""
        n, n_groups = self._rests_on(among)
        if n == 0:
            return Figure(None, None, 0, 0, reason)
        successes = int((success & among).sum())
        ends = wilson_interval(successes, n)
        if not self.resampling.ignores_clustering:
            ends = hull(ends, self.resampling.interval(weighted_share(success, among)))
        return Figure(successes / n, ends, n, n_groups)


def score(predictions: Predictions, seed: int = 0) -> dict[str, Figure]:
    """All figures of a set of predictions, by the names that metrics.json uses.

    Always the same names, so that runs compare; `recall_LABEL` for each label on top.
    """
    judge = _Judge(predictions.groups, plan_resampling(predictions.groups, seed))
    figures = _figures_of_calls(predictions, judge)
    figures.update(_figures_of_positives(predictions, judge))
    figures.update(_figures_of_probabilities(predictions, judge))
    return figures


def _figures_of_calls(predictions: Predictions, judge: _Judge) -> dict[str, Figure]:
    labels, called, names = predictions.labels, predictions.called, predictions.label_names
    everything = np.ones(labels.size, dtype=np.bool_)
    recalls = {
        f"recall_{name}": judge.share(called == index, labels == index, f"no cell is labelled {name}")
        for index, name in enumerate(names)
    }
    known = [(f.value, f.ci95) for f in recalls.values() if f.value is not None and f.ci95 is not None]
    majority = int(np.bincount(labels, minlength=len(names)).argmax())
    return {
        "accuracy": judge.share(called == labels, everything, "no cell"),
        "accuracy_without_review": judge.share(
            called == labels, ~predictions.review, "every cell is sent to review"
        ),
        "review_share": judge.share(predictions.review, everything, "no cell"),
        "baseline_accuracy": judge.share(labels == majority, everything, "no cell"),
        "balanced_accuracy": judge.figure(
            weighted_balanced_accuracy(labels, called, len(names)), "no cell", mover_mean_interval(known)
        ),
        "mcc": judge.figure(
            weighted_mcc(labels, called, len(names)), "all cells have one label, or all calls are alike"
        ),
        **recalls,
    }


def _figures_of_positives(predictions: Predictions, judge: _Judge) -> dict[str, Figure]:
    names = ("sensitivity", "specificity", "f1", "auroc", "auprc")
    n, n_groups = predictions.labels.size, len(set(predictions.groups))
    if not predictions.positive:
        reason = "no label is known to be positive"
        return dict.fromkeys(names, Figure(None, None, n, n_groups, reason))
    truth, called, p = predictions.is_positive, predictions.called_positive, predictions.p_positive
    figures = {
        "sensitivity": judge.share(called, truth, "no positive cell"),
        "specificity": judge.share(~called, ~truth, "no negative cell"),
    }
    if truth.all() or not truth.any():
        reason = "no negative cell" if truth.all() else "no positive cell"
        return figures | dict.fromkeys(names[2:], Figure(None, None, n, n_groups, reason))
    figures["f1"] = judge.figure(weighted_f1(truth, called), "no positive cell and no positive call")
    figures["auroc"] = _auroc(judge, truth, p)
    figures["auprc"] = judge.figure(weighted_auprc(truth, p), "no positive cell")
    return figures


def _auroc(judge: _Judge, truth: Mask, p: F64) -> Figure:
    statistic = weighted_auroc(truth, p)
    value = float(statistic(np.ones((1, truth.size)))[0])
    floor = newcombe_auroc_interval(value, int(truth.sum()), int((~truth).sum()))
    return judge.figure(statistic, "one class only", floor)


def _figures_of_probabilities(predictions: Predictions, judge: _Judge) -> dict[str, Figure]:
    labels, p = predictions.labels, predictions.p
    confidence, right = calibration_view(predictions)
    per_label = [
        weighted_auroc(labels == index, p[:, index])
        for index in range(p.shape[1])
        if 0 < int((labels == index).sum()) < labels.size
    ]

    def macro(weights: F64) -> F64:
        if not per_label:
            return np.full(weights.shape[0], np.nan)
        return np.asarray(np.mean([statistic(weights) for statistic in per_label], axis=0))

    return {
        "macro_auroc": judge.figure(macro, "one class only"),
        "ece": judge.error(weighted_ece(confidence, right)),
        "brier": judge.figure(weighted_brier(labels, p), "no cell"),
    }


def calibration_view(predictions: Predictions) -> tuple[F64, Mask]:
    """What is held against the truth in ECE and the reliability curve.

    Two labels with a known positive: (p_positive, is positive). Otherwise: (largest p, argmax is right).
    """
    if predictions.p.shape[1] == 2 and predictions.positive:
        return predictions.p_positive, predictions.is_positive
    top = predictions.p.argmax(axis=1)
    return predictions.p.max(axis=1), np.asarray(top == predictions.labels)


def confusion_matrix(labels: I64, called: I64, n_labels: int) -> I64:
    """(L, L) int64 counts: row = true label, column = called label."""
    counts = np.bincount(labels * n_labels + called, minlength=n_labels * n_labels)
    return counts.reshape(n_labels, n_labels).astype(np.int64)


@dataclass(frozen=True, slots=True)
class PartScore:
    """Accuracy within one part (a fold or a group) and the number of patches of each label in it."""

    name: str
    accuracy: Figure
    counts: tuple[int, ...]


def score_parts(predictions: Predictions, part_names: Sequence[str]) -> tuple[PartScore, ...]:
    """Accuracy of each part, with its Wilson interval, in the order of their names (2 before 10)."""
    names = np.asarray(part_names, dtype=str)
    scores = []
    for name in sorted(set(part_names), key=lambda part_name: (len(part_name), part_name)):
        part = predictions.part(names == name)
        right, n = int((part.labels == part.called).sum()), part.labels.size
        accuracy = Figure(right / n, wilson_interval(right, n), n, len(set(part.groups)))
        counts = np.bincount(part.labels, minlength=len(predictions.label_names))
        scores.append(PartScore(name, accuracy, tuple(int(count) for count in counts)))
    return tuple(scores)


def interval_notes(predictions: Predictions) -> tuple[str, ...]:
    """What a reader must know about the intervals of these predictions."""
    resampling = plan_resampling(predictions.groups, 0)
    if resampling.ignores_clustering:
        note = (
            f"Interval ignores clustering: {resampling.n_groups} groups are too few to resample, so each"
            " patch counts as independent; the true uncertainty is larger."
        )
    else:
        note = f"Intervals resample whole groups ({resampling.n_groups}), {resampling.n_resamples} times."
    return (note,)
