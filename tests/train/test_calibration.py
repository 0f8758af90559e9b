"""Temperature undoes overconfidence, the threshold leaves 0.5 only for a reason, the band stays small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.calls import probabilities
from alltrain.calibration import (
    DEFAULT_REVIEW_BAND,
    MIN_REVIEW_HALF_WIDTH,
    REVIEW_SHARE,
    TEMPERATURE_BOUNDS,
    calibrate,
    fit_review_band,
    fit_temperature,
    fit_threshold,
)


def honest_logits(n: int, seed: int = 0, n_labels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Logits that tell the truth: labels are drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, n_labels)).astype(np.float32)
    chances = probabilities(logits, 1.0).cumsum(axis=1)
    return logits, (rng.random(n)[:, None] > chances).sum(axis=1).astype(np.int64)


@pytest.mark.parametrize("overconfidence", [0.8, 1.0, 3.0])
@pytest.mark.parametrize("n_labels", [2, 4])
def test_the_temperature_is_what_the_logits_were_multiplied_by(overconfidence: float, n_labels: int) -> None:
    logits, labels = honest_logits(4000, n_labels=n_labels)
    found = fit_temperature((overconfidence * logits).astype(np.float32), labels)
    assert found == pytest.approx(overconfidence, rel=0.1)


def test_a_validation_without_errors_does_not_make_the_model_boundlessly_sure() -> None:
    logits = np.array([[3, -3], [-3, 3]] * 20, dtype=np.float32)
    labels = np.array([0, 1] * 20, dtype=np.int64)
    assert fit_temperature(logits, labels) == pytest.approx(TEMPERATURE_BOUNDS[0], rel=1e-3)


def test_the_threshold_is_half_when_the_classes_are_parted_there() -> None:
    p = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 0.95])
    assert fit_threshold(p, p > 0.5) == 0.5


def test_the_threshold_moves_to_where_the_classes_part() -> None:
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(0.0, 0.68, 300), rng.uniform(0.72, 1.0, 300)])
    assert 0.66 < fit_threshold(p, np.repeat([False, True], 300)) < 0.73


def test_one_odd_cell_among_few_does_not_move_the_threshold() -> None:
    p = np.array([0.05, 0.1, 0.15, 0.2, 0.55, 0.8, 0.85, 0.9, 0.92, 0.97])
    assert fit_threshold(p, np.arange(10) >= 5) == 0.5


cases = st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=20, max_size=80).filter(
    lambda rows: 0 < sum(positive for _, positive in rows) < len(rows)
)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_the_review_band_holds_the_threshold_and_few_cells(rows: list[tuple[float, bool]]) -> None:
    p = np.array([score for score, _ in rows])
    positive = np.array([truth for _, truth in rows])
    threshold = fit_threshold(p, positive)
    low, high = fit_review_band(p, positive, threshold)
    assert 0 <= low <= threshold <= high <= 1
    narrow = threshold - MIN_REVIEW_HALF_WIDTH, threshold + MIN_REVIEW_HALF_WIDTH
    beyond_the_least = ((p >= low) & (p <= high) & ((p < narrow[0]) | (p > narrow[1]))).sum()
    tied = max(np.unique(np.round(np.abs(np.log(p / (1 - p))), 6), return_counts=True)[1])
    assert beyond_the_least <= REVIEW_SHARE * p.size + tied


def test_the_review_band_reaches_to_the_errors_that_it_can_afford() -> None:
    p = np.concatenate([np.linspace(0.01, 0.2, 60), [0.62], np.linspace(0.8, 0.99, 60)])
    positive = np.concatenate([np.zeros(61, bool), np.ones(60, bool)])
    low, high = fit_review_band(p, positive, 0.5)
    assert low < 0.38 <= 0.62 < high < 0.8


def test_a_validation_of_a_few_cells_calibrates_nothing_and_says_so() -> None:
    logits, labels = honest_logits(12)
    found = calibrate(logits, labels, positive=(1,))
    assert (found.temperature, found.threshold, found.review_band) == (1.0, 0.5, DEFAULT_REVIEW_BAND)
    assert "too few" in found.notes[0]


def test_without_positive_labels_there_is_no_threshold() -> None:
    logits, labels = honest_logits(200, n_labels=3)
    found = calibrate(logits, labels, positive=())
    assert (found.threshold, found.review_band) == (None, None)
    assert found.temperature == pytest.approx(1.0, rel=0.3)


def test_several_positive_labels_share_one_threshold() -> None:
    logits, labels = honest_logits(400, n_labels=3)
    found = calibrate(logits, labels, positive=(1, 2))
    assert found.threshold is not None
    assert found.review_band is not None
    assert found.review_band[0] < found.threshold < found.review_band[1]
