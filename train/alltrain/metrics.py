"""Every figure of a run, each with its 95 % interval, the patches and the groups that it rests on.

Positive means: one of the positive labels, a blast. Sensitivity is the share of blasts that are called
blasts, specificity the share of other cells that are not. Per-label figures are in class_figures.py,
figures at a fixed sensitivity or specificity in operating_points.py, what each name means in meanings.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from alledge.types import F64, I64
from alltrain.class_figures import auroc_figure, f1_figure, figures_of_classes, macro_figures
from alltrain.figures import Figure, Judge, Predictions
from alltrain.intervals import Statistic, plan_resampling, wilson_interval
from alltrain.operating_points import operating_point_names, operating_points
from alltrain.weighted import (
    N_RELIABILITY_BINS,
    Mask,
    reliability_bin,
    weighted_auprc,
    weighted_auroc,
    weighted_balanced_accuracy,
    weighted_brier,
    weighted_ece,
    weighted_f1,
    weighted_macro,
    weighted_mcc,
    weighted_share,
)

__all__ = [
    "N_RELIABILITY_BINS",
    "STATISTICS",
    "Figure",
    "Mask",
    "PartScore",
    "Predictions",
    "calibration_view",
    "confusion_matrix",
    "difference",
    "interval_notes",
    "reliability_bin",
    "score",
    "score_parts",
    "weighted_auprc",
    "weighted_auroc",
    "weighted_balanced_accuracy",
    "weighted_brier",
    "weighted_ece",
    "weighted_f1",
    "weighted_mcc",
    "weighted_share",
]

FEW_GROUPS: Final = 12  # below it intervals are told to be too narrow, as bench/interval_coverage.py finds
StatisticOf: TypeAlias = Callable[[Predictions], Statistic]


def score(predictions: Predictions, seed: int = 0) -> dict[str, Figure]:
    """All figures of a set of predictions, by the names that metrics.json uses.

    Always the same names, so that runs compare; `recall_`, `precision_`, `f1_` and `auroc_LABEL` of each
    label on top.
    """
    judge = Judge(predictions.groups, plan_resampling(predictions.groups, seed))
    of_classes = figures_of_classes(predictions, judge)
    return {
        **_figures_of_calls(predictions, judge),
        **macro_figures(predictions, judge, of_classes),
        **_figures_of_positives(predictions, judge),
        **_figures_of_probabilities(predictions, judge),
        **of_classes,
    }


def _figures_of_calls(predictions: Predictions, judge: Judge) -> dict[str, Figure]:
    labels, called, names = predictions.labels, predictions.called, predictions.label_names
    everything = np.ones(labels.size, dtype=np.bool_)
    majority = int(np.bincount(labels, minlength=len(names)).argmax())
    return {
        "accuracy": judge.share(called == labels, everything, "no cell"),
        "accuracy_without_review": judge.share(
            called == labels, ~predictions.review, "every cell is sent to review"
        ),
        "review_share": judge.share(predictions.review, everything, "no cell"),
        "baseline_accuracy": judge.share(labels == majority, everything, "no cell"),
        "mcc": judge.figure(
            weighted_mcc(labels, called, len(names)), "all cells have one label, or all calls are alike"
        ),
    }


def _figures_of_positives(predictions: Predictions, judge: Judge) -> dict[str, Figure]:
    of_calls = ("sensitivity", "specificity", "precision", "npv")
    of_curves = ("f1", "auroc", "auprc", *operating_point_names())
    if not predictions.positive:
        return dict.fromkeys((*of_calls, *of_curves), judge.null("no label is known to be positive"))
    truth, called, p = predictions.is_positive, predictions.called_positive, predictions.p_positive
    figures = {
        "sensitivity": judge.share(called, truth, "no positive cell"),
        "specificity": judge.share(~called, ~truth, "no negative cell"),
        "precision": judge.share(truth, called, "no cell is called positive"),
        "npv": judge.share(~truth, ~called, "no cell is called negative"),
    }
    if truth.all() or not truth.any():
        reason = "no negative cell" if truth.all() else "no positive cell"
        return figures | dict.fromkeys(of_curves, judge.null(reason))
    figures["f1"] = f1_figure(judge, truth, called, "no positive cell and no positive call")
    figures["auroc"] = auroc_figure(judge, truth, p, "one class only")
    figures["auprc"] = judge.figure(weighted_auprc(truth, p), "no positive cell")
    return figures | operating_points(judge, truth, p)


def _figures_of_probabilities(predictions: Predictions, judge: Judge) -> dict[str, Figure]:
    confidence, right = calibration_view(predictions)
    return {
        "ece": judge.error(weighted_ece(confidence, right)),
        "brier": judge.figure(weighted_brier(predictions.labels, predictions.p), "no cell"),
    }


def _undefined(weights: F64) -> F64:
    return np.full(weights.shape[0], np.nan)


def _where_two_sides(build: StatisticOf) -> StatisticOf:
    """The statistic, undefined where no label is positive or all cells are of one side."""

    def of(made: Predictions) -> Statistic:
        sides = np.unique(made.is_positive).size if made.positive else 0
        return build(made) if sides == 2 else _undefined

    return of


def _macro_auroc(predictions: Predictions) -> Statistic:
    labels = predictions.labels
    present = [k for k in range(predictions.p.shape[1]) if 0 < int((labels == k).sum()) < labels.size]
    return weighted_macro([weighted_auroc(labels == k, predictions.p[:, k]) for k in present])


# Headline figures as statistics of a set of predictions, for differences of two models on the same cells.
STATISTICS: Final[Mapping[str, StatisticOf]] = MappingProxyType(
    {
        "accuracy": lambda made: weighted_share(made.called == made.labels, np.ones_like(made.review)),
        "balanced_accuracy": lambda made: weighted_balanced_accuracy(
            made.labels, made.called, len(made.label_names)
        ),
        "sensitivity": _where_two_sides(lambda made: weighted_share(made.called_positive, made.is_positive)),
        "specificity": _where_two_sides(
            lambda made: weighted_share(~made.called_positive, ~made.is_positive)
        ),
        "auroc": _where_two_sides(lambda made: weighted_auroc(made.is_positive, made.p_positive)),
        "auprc": _where_two_sides(lambda made: weighted_auprc(made.is_positive, made.p_positive)),
        "f1": _where_two_sides(lambda made: weighted_f1(made.is_positive, made.called_positive)),
        "mcc": lambda made: weighted_mcc(made.labels, made.called, len(made.label_names)),
        "macro_auroc": _macro_auroc,
        "brier": lambda made: weighted_brier(made.labels, made.p),
    }
)


def difference(first: Predictions, second: Predictions, name: str, seed: int = 0) -> Figure:
    """How much higher the first model's figure is than the second's, both on the same cells.

    Every resample draws the same cells for both, so that a hard patient counts for neither. Groups are
    those of `first`. name: one of `STATISTICS`.

    Raises:
        ValueError: the two are not of the same cells.
    """
    if not np.array_equal(first.labels, second.labels):
        raise ValueError("expected two sets of predictions of the same cells in the same order")
    one, other = STATISTICS[name](first), STATISTICS[name](second)
    judge = Judge(first.groups, plan_resampling(first.groups, seed))
    return judge.figure(lambda weights: one(weights) - other(weights), "one of the two has no value")


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
        if resampling.n_groups < FEW_GROUPS:
            note += (
                " With so few groups they hold the truth less often than 95 times in 100 (docs/judging.md)."
            )
    return (note,)
