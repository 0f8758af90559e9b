"""What the curve allows: the sensitivity that can be had at a specificity of 0.95, and the reverse.

A laboratory fixes what it can bear (one false alarm in twenty, or one missed blast in twenty) and asks
for the rest. These figures choose their threshold on the very cells that they are measured on, so they
describe the ROC curve and not the shipped threshold; `sensitivity` and `specificity` describe that one.
The threshold is chosen anew in every resample, so that the interval holds the luck of choosing it.

Source: R. W. Platt, J. A. Hanley, H. Yang, Bootstrap confidence intervals for the sensitivity of a
quantitative diagnostic test, Statistics in Medicine 19 (2000) 313-322.
"""

from typing import Final

import numpy as np

from alledge.types import F64
from alltrain.figures import Figure, Judge
from alltrain.intervals import Statistic, wilson_interval
from alltrain.weighted import Mask, ends_of_ties

TARGETS: Final = (0.90, 0.95)
_ROUNDING: Final = 1e-9  # 19 of 20 reaches 0.95


def weighted_sensitivity_at(truth: Mask, score: F64, specificity: float) -> Statistic:
    """Greatest sensitivity of any threshold whose specificity is at least the one asked for.

    truth: (N,) bool; score: (N,) float64, higher is more positive. Nothing is interpolated between
    thresholds, and equal scores are never parted. NaN where a class is absent.
    """
    order = np.argsort(-score, kind="stable")
    positive = truth[order].astype(np.float64)
    ends = ends_of_ties(-score[order])

    def statistic(weights: F64) -> F64:
        ordered = weights[:, order]
        alarms = np.cumsum(ordered * (1 - positive), axis=1)[:, ends]
        found = np.cumsum(ordered * positive, axis=1)[:, ends]
        bearable = alarms <= (1 - specificity + _ROUNDING) * alarms[:, -1:]
        best = np.where(bearable, found, 0.0).max(axis=1)
        defined = (found[:, -1] > 0) & (alarms[:, -1] > 0)
        return np.where(defined, best / np.where(defined, found[:, -1], 1.0), np.nan)

    return statistic


def weighted_specificity_at(truth: Mask, score: F64, sensitivity: float) -> Statistic:
    """Greatest specificity of any threshold whose sensitivity is at least the one asked for."""
    return weighted_sensitivity_at(~truth, -score, sensitivity)


def operating_point_names() -> tuple[str, ...]:
    """Names of the figures of `operating_points`, always the same."""
    return tuple(
        f"{wanted}_at_{fixed}_{round(100 * target)}"
        for wanted, fixed in (("sensitivity", "specificity"), ("specificity", "sensitivity"))
        for target in TARGETS
    )


def operating_points(judge: Judge, truth: Mask, score: F64) -> dict[str, Figure]:
    """The figures of `TARGETS`, both ways round; truth: (N,) bool with both classes present."""
    figures = [
        _figure(judge, side, side_score, target, word)
        for side, side_score, word in ((truth, score, "negative"), (~truth, -score, "positive"))
        for target in TARGETS
    ]
    return dict(zip(operating_point_names(), figures, strict=True))


def _figure(judge: Judge, wanted: Mask, score: F64, target: float, fixed_word: str) -> Figure:
    """Share of the wanted class at a bearable share of the other; null where cells cannot tell that share."""
    n_fixed, n_wanted = int((~wanted).sum()), int(wanted.sum())
    n_needed = round(1 / (1 - target))
    if n_fixed < n_needed:
        reason = f"{n_fixed} {fixed_word} cells cannot tell {target:.2f} from 1; {n_needed} are needed"
        return judge.null(reason)
    statistic = weighted_sensitivity_at(wanted, score, target)
    value = float(statistic(np.ones((1, wanted.size)))[0])
    # Even with the threshold given, the share is known no better than this.
    floor = wilson_interval(value * n_wanted, n_wanted)
    return judge.figure(statistic, "one class only", floor)
