"""Patches that set the ranges: balanced, repeatable, and hashed."""

import numpy as np
import pytest

from allconvert.representative import choose_representative
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


def test_the_input_range_is_full_so_that_its_scale_is_one() -> None:
    chosen = choose_representative(PATCHES, LABELS, 3).patches
    assert (chosen.min(), chosen.max()) == (0, 255)
    assert np.array_equal(chosen[1:], PATCHES[choose_representative(PATCHES, LABELS, 3).rows[1:]])


def test_a_label_without_patches_is_no_trouble() -> None:
    assert choose_representative(PATCHES[:100], LABELS[:100], 3, n=10).per_label == pytest.approx((10, 0, 0))
