"""The three figures that shortcuts are judged by: those of `metrics.score`, without the other dozen.

A study is probed up to twenty times; all figures of each would take longer than the rest of the audit.
"""

import numpy as np

from alltrain.intervals import (
    Resampling,
    Statistic,
    hull,
    mover_mean_interval,
    newcombe_auroc_interval,
    plan_resampling,
    wilson_interval,
)
from alltrain.metrics import (
    Figure,
    Predictions,
    weighted_auroc,
    weighted_balanced_accuracy,
    weighted_share,
)


def few_figures(predictions: Predictions, seed: int) -> dict[str, Figure]:
    """Accuracy, balanced accuracy and macro AUROC, with the values and intervals of `metrics.score`.

    The area of two labels has the interval of `score`'s `auroc`: never narrower than Newcombe's.
    """
    labels, called, n_labels = predictions.labels, predictions.called, len(predictions.label_names)
    resampling = plan_resampling(predictions.groups, seed)
    recalls = []
    for label in np.unique(labels):
        n, hits = int((labels == label).sum()), int(((labels == label) & (called == label)).sum())
        everyone = weighted_share(called == labels, labels == label)
        recalls.append((hits / n, _share_interval(hits, n, everyone, resampling)))
    right, everything = called == labels, np.ones(labels.size, dtype=np.bool_)
    share = weighted_share(right, everything)
    n_right = int(right.sum())
    return {
        "accuracy": _figure(
            predictions, n_right / labels.size, _share_interval(n_right, labels.size, share, resampling)
        ),
        "balanced_accuracy": _resampled(
            predictions,
            weighted_balanced_accuracy(labels, called, n_labels),
            resampling,
            mover_mean_interval(recalls),
        ),
        "macro_auroc": _area(predictions, resampling),
    }


def macro_auroc(predictions: Predictions) -> Statistic:
    """Mean over labels of the area of one label against the others, as a function of patch weights."""
    labels, p = predictions.labels, predictions.p
    areas = [
        weighted_auroc(labels == index, p[:, index])
        for index in range(p.shape[1])
        if 0 < int((labels == index).sum()) < labels.size
    ]
    return lambda weights: np.asarray(np.mean([area(weights) for area in areas], axis=0), dtype=np.float64)


def _area(predictions: Predictions, resampling: Resampling) -> Figure:
    statistic = macro_auroc(predictions)
    floor = None
    if len(predictions.label_names) == 2:
        value = float(statistic(np.ones((1, predictions.labels.size)))[0])
        n_last = int((predictions.labels == 1).sum())
        floor = newcombe_auroc_interval(value, n_last, predictions.labels.size - n_last)
    return _resampled(predictions, statistic, resampling, floor)


def _resampled(
    predictions: Predictions,
    statistic: Statistic,
    resampling: Resampling,
    floor: tuple[float, float] | None,
) -> Figure:
    value = float(statistic(np.ones((1, predictions.labels.size)))[0])
    ends = resampling.interval(statistic)
    return _figure(predictions, value, floor if ends is None else hull(ends, floor))


def _share_interval(
    successes: int, n: int, statistic: Statistic, resampling: Resampling
) -> tuple[float, float]:
    ends = wilson_interval(successes, n)
    return ends if resampling.ignores_clustering else hull(ends, resampling.interval(statistic))


def _figure(predictions: Predictions, value: float, ends: tuple[float, float] | None) -> Figure:
    return Figure(value, ends, predictions.labels.size, len(set(predictions.groups)))
