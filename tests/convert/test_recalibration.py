"""Int8 logits get a temperature of their own and the float model's operating point."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allconvert.recalibration import carry_over_threshold, recalibrate
from tests.edge.tiny_model import tiny_card

CARD = replace(tiny_card(), familiarity=None, threshold=0.3, review_band=(0.2, 0.45))


def logits(n: int = 200, noise: float = 0.8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    signal = np.where(labels == 1, 1.0, -1.0) + rng.normal(0, noise, n)
    return np.stack([-signal, signal], axis=1).astype(np.float32), labels


def test_equal_logits_keep_threshold_and_band() -> None:
    float_logits, labels = logits()
    fitted = replace(CARD, temperature=recalibrate(CARD, float_logits, float_logits, labels).temperature)
    again = recalibrate(fitted, float_logits, float_logits, labels)
    assert again.threshold == fitted.threshold
    assert again.review_band == pytest.approx(fitted.review_band)


def test_a_hairs_breadth_of_logit_moves_no_threshold_far() -> None:
    float_logits, labels = logits()
    fitted = replace(CARD, temperature=recalibrate(CARD, float_logits, float_logits, labels).temperature)
    for seed in range(20):
        nudged = float_logits + np.random.default_rng(seed).normal(0, 0.01, float_logits.shape).astype(
            np.float32
        )
        threshold = recalibrate(fitted, float_logits, nudged, labels).threshold
        assert threshold == pytest.approx(0.3, abs=0.02)


def test_logits_that_int8_shifted_get_a_threshold_that_repeats_the_calls() -> None:
    float_logits, labels = logits()
    shifted = float_logits + np.array([0, 0.7], dtype=np.float32)
    card = recalibrate(CARD, float_logits, shifted, labels)
    assert card.threshold is not None
    assert card.review_band is not None
    assert card.threshold > 0.4
    assert card.review_band[0] < card.threshold < card.review_band[1]


def test_logits_on_another_scale_get_another_temperature() -> None:
    float_logits, labels = logits()
    once = recalibrate(CARD, float_logits, float_logits, labels).temperature
    assert recalibrate(CARD, float_logits, 2 * float_logits, labels).temperature == pytest.approx(
        2 * once, rel=0.01
    )


def test_too_few_patches_change_nothing() -> None:
    float_logits, labels = logits(n=10)
    assert recalibrate(CARD, float_logits, 2 * float_logits, labels) == CARD


def test_without_positive_labels_only_the_temperature_is_fitted() -> None:
    card = replace(tiny_card(positive=()), familiarity=None)
    float_logits, labels = logits()
    recalibrated = recalibrate(card, float_logits, float_logits, labels)
    assert recalibrated == replace(card, temperature=recalibrated.temperature)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.001, 0.999)), min_size=2, max_size=40),
    st.floats(0.01, 0.99),
)
def test_no_other_threshold_repeats_more_calls(cells: list[tuple[bool, float]], threshold: float) -> None:
    called = np.array([is_positive for is_positive, _ in cells])
    p = np.array([value for _, value in cells])

    def n_differing(cut: float) -> int:
        return int(((p >= cut) != called).sum())

    carried = carry_over_threshold(called, p, threshold)
    assert 0 < carried < 1
    # Below all and above all cells are no thresholds of a screening aid, so they are not tried.
    inner = [(a + b) / 2 for a, b in zip(sorted(set(p)), sorted(set(p))[1:], strict=False)]
    assert n_differing(carried) == min(n_differing(cut) for cut in [threshold, *inner])
