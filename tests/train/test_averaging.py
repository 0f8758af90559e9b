"""Weights are averaged over steps, and with those of the rehearsal by how much there was to learn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alltrain.averaging import STEPS_APART, RunningMean, Weights, between, share_of_study


def scalar(value: float) -> Weights:
    return (np.full((2, 2), value, dtype=np.float32),)


@given(st.floats(0, 1), st.floats(-5, 5), st.floats(-5, 5))
def test_a_point_between_lies_between_and_keeps_its_type(share: float, first: float, second: float) -> None:
    (point,) = between(scalar(first), scalar(second), share)
    assert point.dtype == np.float32
    low, high = sorted((first, second))
    assert low - 1e-5 <= point.min() <= point.max() <= high + 1e-5


def test_the_mean_of_weights_that_stay_is_those_weights() -> None:
    mean = RunningMean(scalar(3.0), 0.99)
    for step in range(1, 6):
        mean.add(scalar(3.0), step * STEPS_APART)
    np.testing.assert_allclose(mean.weights[0], 3.0, rtol=1e-6)


def test_a_late_mean_holds_its_momentum_over_every_step() -> None:
    mean = RunningMean(scalar(1.0), 0.99)
    mean.add(scalar(0.0), 100_000)
    np.testing.assert_allclose(mean.weights[0], 0.99**STEPS_APART, rtol=1e-5)


def test_a_young_mean_soon_leaves_its_first_weights() -> None:
    mean = RunningMean(scalar(1.0), 0.99)
    for step in range(1, 4):
        mean.add(scalar(0.0), step * STEPS_APART)
    assert mean.weights[0].max() < 0.01


def test_no_momentum_is_no_mean() -> None:
    mean = RunningMean(scalar(1.0), 0.0)
    mean.add(scalar(0.25), STEPS_APART)
    np.testing.assert_array_equal(mean.weights[0], 0.25)


def test_the_more_there_was_to_learn_from_the_less_the_rehearsal_counts() -> None:
    shares = [share_of_study(n, 200) for n in (0, 50, 200, 2000)]
    assert shares == sorted(shares)
    assert (shares[0], shares[2]) == (0.0, 0.5)
    assert share_of_study(7, 0) == pytest.approx(1.0)
