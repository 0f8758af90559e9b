"""From logits to a word: temperature, threshold, and the four reasons to leave it to a person."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alledge.calls import (
    CLOSE_TO_THRESHOLD,
    NO_LABEL_LIKELY,
    SORT_UNCLEAR,
    UNFAMILIAR,
    called_labels,
    make_calls,
    positive_probability,
    probabilities,
)
from alledge.types import F32
from tests.edge.tiny_model import tiny_card, tiny_patches

TWO = replace(tiny_card(), familiarity=None)
EIGHT = replace(tiny_card(tuple("abcdefgh"), ()), familiarity=None)
STAGES = replace(tiny_card(("benign", "early", "pre", "pro"), ("early", "pre", "pro")), familiarity=None)


def logits_of(*p_positive: float) -> F32:
    """Logits of two labels whose softmax at temperature 1 is (1 - p, p)."""
    p = np.array(p_positive)
    return np.stack([np.zeros_like(p), np.log(p / (1 - p))], axis=1).astype(np.float32)


@given(
    arrays(np.float32, (7, 4), elements=st.floats(-80, 80, width=32)),
    st.floats(0.1, 10),
)
def test_probabilities_add_up_and_keep_the_ranking(logits: F32, temperature: float) -> None:
    p = probabilities(logits, temperature)
    assert p.sum(axis=1) == pytest.approx(1)
    assert (p >= 0).all()
    best = logits.argmax(axis=1)
    assert (p[np.arange(7), best] == p.max(axis=1)).all()


def test_a_higher_temperature_is_humbler() -> None:
    logits = logits_of(0.9)
    assert probabilities(logits, 1.0)[0, 1] == pytest.approx(0.9, abs=1e-6)
    assert 0.5 < probabilities(logits, 3.0)[0, 1] < 0.9


def test_a_cell_is_positive_from_the_threshold_on() -> None:
    card = replace(TWO, threshold=0.3, review_band=(0.3, 0.3))
    calls = make_calls(logits_of(0.29, 0.31, 0.9), tiny_patches(3), card)
    assert [call.label for call in calls] == ["normal", "blast", "blast"]


def test_close_to_the_threshold_a_person_looks() -> None:
    calls = make_calls(logits_of(0.39, 0.41, 0.59, 0.61), tiny_patches(4), TWO)
    assert [call.review for call in calls] == [False, True, True, False]
    assert [call.reason for call in calls] == [None, CLOSE_TO_THRESHOLD, CLOSE_TO_THRESHOLD, None]


def test_a_label_that_is_the_less_likely_one_is_for_a_person() -> None:
    high = replace(TWO, threshold=0.7, review_band=(0.68, 0.72))
    calls = make_calls(logits_of(0.45, 0.6, 0.8), tiny_patches(3), high)
    assert [(call.label, call.review) for call in calls] == [
        ("normal", False),
        ("normal", True),
        ("blast", False),
    ]


def test_a_call_carries_the_probability_of_every_label() -> None:
    (call,) = make_calls(logits_of(0.8), tiny_patches(1), TWO)
    assert call.p == pytest.approx({"normal": 0.2, "blast": 0.8})


def test_several_positive_labels_are_summed_before_the_threshold() -> None:
    # benign leads, but early, pre and pro together are the likelier finding
    p = np.array([[0.4, 0.3, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]])
    assert positive_probability(p, STAGES) == pytest.approx([0.6, 0.3])
    assert called_labels(p, STAGES) == ("early", "benign")


def test_a_finding_of_no_likely_sort_is_for_a_person() -> None:
    # Rows: surely leukaemic of an unclear stage; surely pre; surely benign; the side itself unclear.
    p = np.array(
        [[0.04, 0.36, 0.3, 0.3], [0.1, 0.2, 0.6, 0.1], [0.9, 0.04, 0.03, 0.03], [0.48, 0.2, 0.16, 0.16]]
    )
    card = replace(STAGES, threshold=0.5, review_band=(0.45, 0.55))
    calls = make_calls(np.log(p).astype(np.float32), tiny_patches(4), card)
    assert [call.label for call in calls] == ["early", "pre", "benign", "early"]
    assert [call.reason for call in calls] == [SORT_UNCLEAR, None, None, CLOSE_TO_THRESHOLD]


@given(st.floats(0.001, 0.999))
def test_with_one_label_a_side_no_sort_can_be_unclear(p: float) -> None:
    (call,) = make_calls(logits_of(p), tiny_patches(1), TWO)
    assert call.reason in (None, CLOSE_TO_THRESHOLD)


def test_without_positive_labels_the_likeliest_is_called() -> None:
    logits = np.zeros((2, 8), dtype=np.float32)
    logits[:, 5] = [5, 0.2]
    sure, unsure = make_calls(logits, tiny_patches(2), EIGHT)
    assert (sure.label, sure.review) == ("f", False)
    assert (unsure.label, unsure.review, unsure.reason) == ("f", True, NO_LABEL_LIKELY)


def test_a_patch_like_none_in_training_is_for_a_person() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1, 50, 50, 3)).astype(np.uint8)
    patches = np.concatenate([tiny_patches(1), noise])
    known, unknown = make_calls(logits_of(0.99, 0.99), patches, tiny_card())
    assert not known.review
    assert (unknown.label, unknown.reason) == ("blast", UNFAMILIAR)


def test_no_cells_no_calls() -> None:
    assert make_calls(np.zeros((0, 2), dtype=np.float32), tiny_patches(0), TWO) == ()


def test_logits_of_other_patches_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match=r"expected \(3, 2\)"):
        make_calls(logits_of(0.5), tiny_patches(3), TWO)
