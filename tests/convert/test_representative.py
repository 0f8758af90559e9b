"""Patches that set the ranges: balanced, repeatable, and hashed."""

import numpy as np
import pytest

from allconvert.ranges import Extremes
from allconvert.representative import choose_covering, choose_representative
from tests.convert.conftest import made_patches

LABELS = np.array([0] * 100 + [1] * 30 + [2] * 5)
PATCHES = made_patches(LABELS, seed=0)


def test_labels_count_alike_as_far_as_there_are_enough() -> None:
    assert choose_representative(PATCHES, LABELS, 3, n=15).per_label == (5, 5, 5)
    assert choose_representative(PATCHES, LABELS, 3, n=60).per_label == (28, 27, 5)


def test_few_patches_are_all_taken() -> None:
    chosen = choose_representative(PATCHES, LABELS, 3, n=1000)
    assert sorted(chosen.rows) == list(range(135))


def test_no_patch_is_taken_twice() -> None:
    rows = choose_representative(PATCHES, LABELS, 3, n=100).rows
    assert len(set(rows.tolist())) == 100


def test_the_order_of_the_patches_does_not_matter() -> None:
    shuffle = np.random.default_rng(1).permutation(len(LABELS))
    one = choose_representative(PATCHES, LABELS, 3, n=50)
    other = choose_representative(PATCHES[shuffle], LABELS[shuffle], 3, n=50)
    assert one.sha256 == other.sha256


def test_the_hash_is_of_what_was_used() -> None:
    changed = PATCHES.copy()
    changed[:, 10, 10] ^= 1
    assert (
        choose_representative(PATCHES, LABELS, 3).sha256 != choose_representative(changed, LABELS, 3).sha256
    )


def test_patches_are_taken_as_they_are() -> None:
    chosen = choose_representative(PATCHES, LABELS, 3)
    assert np.array_equal(chosen.patches, PATCHES[chosen.rows])


def extremes_of(values: np.ndarray) -> dict[str, Extremes]:
    """One activation of as many channels as `values`, (N, C), has columns."""
    return {"a": Extremes(values.astype(np.float32), values.astype(np.float32))}


def test_a_covering_set_holds_the_ends_of_every_channel() -> None:
    values = np.random.default_rng(2).normal(size=(135, 30))
    rows = choose_covering(PATCHES, LABELS, 3, extremes_of(values), n=60).rows
    assert np.allclose(values[rows].max(axis=0), values.max(axis=0), atol=0.2)
    assert np.allclose(values[rows].min(axis=0), values.min(axis=0), atol=0.2)


def test_what_a_covering_set_leaves_room_for_is_filled_so_that_labels_count_alike() -> None:
    values = np.zeros((135, 2))
    values[:4, 0] = 1, 2, 3, 4  # the loudest patch is of label 0
    chosen = choose_covering(PATCHES, LABELS, 3, extremes_of(values), n=15)
    assert 3 in chosen.rows
    assert chosen.per_label == (5, 5, 5)
    assert len(set(chosen.rows.tolist())) == 15


def test_a_covering_set_is_the_same_in_whatever_order_the_patches_come() -> None:
    values = np.random.default_rng(3).normal(size=(135, 8))
    shuffle = np.random.default_rng(1).permutation(len(LABELS))
    one = choose_covering(PATCHES, LABELS, 3, extremes_of(values), n=40)
    other = choose_covering(PATCHES[shuffle], LABELS[shuffle], 3, extremes_of(values[shuffle]), n=40)
    assert one.sha256 == other.sha256


def test_a_label_without_patches_is_no_trouble() -> None:
    assert choose_representative(PATCHES[:100], LABELS[:100], 3, n=10).per_label == pytest.approx((10, 0, 0))
