"""A fixed specificity gives the best sensitivity of a real threshold, and says when cells are too few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from alltrain import metrics
from alltrain.intervals import plan_resampling
from alltrain.operating_points import (
    TARGETS,
    operating_point_names,
    weighted_sensitivity_at,
    weighted_specificity_at,
)
from tests.train.test_metrics import predictions_of

# Scores on a coarse grid, so that ties are common.
two_classes = st.lists(
    st.tuples(st.booleans(), st.integers(0, 12).map(lambda twelfths: twelfths / 12)), min_size=2, max_size=60
).filter(lambda rows: len({truth for truth, _ in rows}) == 2)


def columns(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([truth for truth, _ in rows]), np.array([score for _, score in rows])


@settings(max_examples=100, deadline=None)
@given(two_classes, st.sampled_from([*TARGETS, 0.5]))
def test_both_ways_agree_with_the_curve_of_scikit_learn(
    rows: list[tuple[bool, float]], target: float
) -> None:
    truth, score = columns(rows)
    false_alarms, found, _ = roc_curve(truth, score, drop_intermediate=False)
    ones = np.ones((1, truth.size))
    best = found[1 - false_alarms >= target - 1e-9].max()
    assert weighted_sensitivity_at(truth, score, target)(ones)[0] == pytest.approx(best)
    best = (1 - false_alarms)[found >= target - 1e-9].max()
    assert weighted_specificity_at(truth, score, target)(ones)[0] == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(two_classes, st.data())
def test_a_weight_of_two_is_the_same_as_two_copies(
    rows: list[tuple[bool, float]], data: st.DataObject
) -> None:
    truth, score = columns(rows)
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows))))
    copies = np.repeat(np.arange(len(rows)), weights)
    weighted = weighted_sensitivity_at(truth, score, 0.9)(weights[None, :].astype(float))
    copied = weighted_sensitivity_at(truth[copies], score[copies], 0.9)(np.ones((1, copies.size)))
    assert weighted[0] == pytest.approx(copied[0])


def test_the_threshold_is_chosen_anew_in_each_resample() -> None:
    """Dropping the one negative that stands in the way lets the others' threshold sink."""
    truth = np.array([False] * 20 + [True] * 10)
    score = np.concatenate([np.linspace(0.0, 0.3, 19), [0.9], np.linspace(0.4, 0.8, 10)])
    weights = np.ones((2, 30))
    weights[1, 19] = 3.0  # three of 22 negatives now stand above every blast
    with_one, with_three = weighted_sensitivity_at(truth, score, 0.95)(weights)
    assert (with_one, with_three) == (1.0, 0.0)


def test_too_few_negatives_to_tell_95_from_100_percent_is_null_with_the_number_needed() -> None:
    figures = metrics.score(predictions_of([0] * 12 + [1] * 30, [0.2] * 12 + [0.8] * 30))
    assert figures["sensitivity_at_specificity_90"].value == 1.0
    record = figures["sensitivity_at_specificity_95"].as_json()
    assert record["value"] is None
    assert record["reason"] == "12 negative cells cannot tell 0.95 from 1; 20 are needed"
    assert figures["specificity_at_sensitivity_95"].value == 1.0


def test_a_perfect_curve_of_few_cells_still_has_a_wide_interval() -> None:
    figures = metrics.score(predictions_of([0, 1] * 20, [0.1, 0.9] * 20))
    for name in operating_point_names():
        assert figures[name].value == 1.0
        interval = figures[name].ci95
        assert interval is not None
        assert interval[0] < 0.9


def test_the_interval_covers_the_sensitivity_that_many_cells_would_show() -> None:
    """Two normal scores one and a half standard deviations apart: 0.442 at specificity 0.95."""
    true_value, rng, covered = 0.4424, np.random.default_rng(3), []
    truth = np.repeat([False, True], 150)
    plan = plan_resampling([f"cell{index}" for index in range(300)], seed=0, n_resamples=300)
    for _ in range(80):
        score = np.concatenate([rng.normal(0, 1, 150), rng.normal(1.5, 1, 150)])
        ends = plan.interval(weighted_sensitivity_at(truth, score, 0.95))
        assert ends is not None
        covered.append(ends[0] <= true_value <= ends[1])
    assert np.mean(covered) > 0.88
