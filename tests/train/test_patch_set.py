"""A PatchSet: what belongs to one patch stays with it, and morphology is never invented."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.types import Cell
from alltrain.datasets.dataset import MORPHOLOGY, morphology_of
from tests.train.patch_sets import make_patch_set


def test_without_measures_the_morphology_is_unknown_not_zero() -> None:
    patch_set = make_patch_set(2)
    assert patch_set.morphology.shape == (len(patch_set), len(MORPHOLOGY))
    assert np.isnan(patch_set.morphology).all()


def test_measures_stand_in_the_order_of_their_names() -> None:
    cell = Cell(10.0, 20.0, (0, 0, 20, 40), 12.34567, 80.0, 0.75, 0.9, 0.11, touches_border=False)
    assert morphology_of(cell) == (12.3457, 80.0, 0.75, 0.9, 0.11)
    assert [getattr(cell, name) for name in MORPHOLOGY[1:]] == [80.0, 0.75, 0.9, 0.11]


@pytest.mark.parametrize("by", ["indices", "mask"])
def test_a_selection_keeps_together_what_belongs_to_a_patch(by: str) -> None:
    n = len(make_patch_set())
    measured = replace(make_patch_set(), morphology=np.arange(5.0 * n).reshape(n, 5))
    chosen = np.array([3, 8, 20]) if by == "indices" else np.isin(np.arange(n), [3, 8, 20])
    few = measured.select(chosen)
    assert few.patch_ids == tuple(measured.patch_ids[k] for k in (3, 8, 20))
    assert few.groups == tuple(measured.groups[k] for k in (3, 8, 20))
    assert few.sources == tuple(measured.sources[k] for k in (3, 8, 20))
    assert few.morphology[:, 0].tolist() == [15.0, 40.0, 100.0]
    assert np.array_equal(few.patches, measured.patches[[3, 8, 20]])
    assert few.labels.tolist() == measured.labels[[3, 8, 20]].tolist()
    assert few.label_names == measured.label_names


def test_measures_of_other_patches_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match=r"expected \(24, 5\)"):
        replace(make_patch_set(2), morphology=np.zeros((3, 5)))
