"""Every label on its own: recall, precision, F1 and AUROC, and their means over the labels.

One accuracy over four stages or three subtypes hides the label that the model never finds. So each label
is judged as "this one against all others", and the mean counts every label alike, however rare it is.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from alledge.types import F64
from alltrain.figures import Figure, Judge, Predictions
from alltrain.intervals import (
    Interval,
    Statistic,
    mover_mean_interval,
    newcombe_auroc_interval,
    wilson_interval,
)
from alltrain.weighted import Mask, weighted_auroc, weighted_f1, weighted_macro, weighted_share

_UNKNOWN: Final[Interval] = (0.0, 1.0)
_TOLD_TWICE: Final = ("f1", "auroc")


def f1_interval(truth: Mask, called: Mask) -> Interval:
    """Wilson's interval for F1, by way of the share of cells both true and called among those either.

    That share F* is a proportion, and F1 = 2 F* / (1 + F*). At least one cell must be true or called.
    Source of F*: D. J. Hand, P. Christen, N. Kirielle, Machine Learning 110 (2021) 451-456.
    """
    low, high = wilson_interval(int((truth & called).sum()), int((truth | called).sum()))
    return 2 * low / (1 + low), 2 * high / (1 + high)


def auroc_figure(judge: Judge, truth: Mask, score: F64, reason: str) -> Figure:
    """Area under the ROC curve; null where a class is absent."""
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    if not n_positive or not n_negative:
        return judge.null(reason)
    statistic = weighted_auroc(truth, score)
    value = float(statistic(np.ones((1, truth.size)))[0])
    return judge.figure(statistic, reason, newcombe_auroc_interval(value, n_positive, n_negative))


def f1_figure(judge: Judge, truth: Mask, called: Mask, reason: str) -> Figure:
    """F1 of one side; null where no cell is of it and none is called so."""
    if not (truth | called).any():
        return judge.null(reason)
    return judge.figure(weighted_f1(truth, called), reason, f1_interval(truth, called))


def figures_of_classes(predictions: Predictions, judge: Judge) -> dict[str, Figure]:
    """`recall_`, `precision_`, `f1_` and `auroc_` of each label, each label against all others."""
    figures: dict[str, Figure] = {}
    for index, name in enumerate(predictions.label_names):
        truth, called = predictions.labels == index, predictions.called == index
        lacking = f"no cell is labelled {name}"
        figures[f"recall_{name}"] = judge.share(called, truth, lacking)
        figures[f"precision_{name}"] = judge.share(truth, called, f"no cell is called {name}")
        figures[f"f1_{name}"] = f1_figure(judge, truth, called, f"no cell is labelled or called {name}")
        reason = f"{lacking}, or all are"
        figures[f"auroc_{name}"] = auroc_figure(judge, truth, predictions.p[:, index], reason)
    return figures


def macro_figures(predictions: Predictions, judge: Judge, of_classes: dict[str, Figure]) -> dict[str, Figure]:
    """Means over the labels that some cell has; `of_classes` as from `figures_of_classes`.

    A label that no cell was called by has precision 0 here, as scikit-learn counts it. The mean recall
    is `balanced_accuracy`.
    """
    labels, called, p = predictions.labels, predictions.called, predictions.p
    present = [index for index in range(len(predictions.label_names)) if np.any(labels == index)]
    against_others = present if len(present) > 1 else []
    parts: dict[str, list[Statistic]] = {
        "recall": [weighted_share(called == k, labels == k) for k in present],
        "precision": [_zero_for_none(weighted_share(labels == k, called == k)) for k in present],
        "f1": [weighted_f1(labels == k, called == k) for k in present],
        "auroc": [weighted_auroc(labels == k, p[:, k]) for k in against_others],
    }
    figures: dict[str, Figure] = {}
    for kind, statistics in parts.items():
        own = [of_classes[f"{kind}_{predictions.label_names[k]}"] for k in present]
        name = "balanced_accuracy" if kind == "recall" else f"macro_{kind}"
        reason = "one class only" if kind == "auroc" else "no cell"
        figures[name] = judge.figure(weighted_macro(statistics), reason, _floor(own, kind))
    return figures


def _zero_for_none(statistic: Statistic) -> Statistic:
    return lambda weights: np.nan_to_num(statistic(weights), nan=0.0)


def _floor(figures: Sequence[Figure], kind: str) -> Interval:
    """Interval of the mean of the figures' values; a figure without a value could be anything.

    Of two labels, both areas are one fact told twice, and so nearly are both F1: then nothing averages
    out, and the ends themselves are averaged.
    """
    known = [(figure.value or 0.0, figure.ci95 or _UNKNOWN) for figure in figures]
    if len(known) == 2 and kind in _TOLD_TWICE:
        return sum(low for _, (low, _) in known) / 2, sum(high for _, (_, high) in known) / 2
    return mover_mean_interval(known)
