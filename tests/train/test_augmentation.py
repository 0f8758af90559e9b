"""Patches vary as slides vary, and in no other way: plasma stays plasma, black stays black."""

import numpy as np
import pytest

from alledge.illumination import PLASMA_LEVEL
from alltrain.augmentation import Augmentation, augment
from tests.train.patch_sets import make_patch_set

STILL = Augmentation(scale=0, shift_um=0, stain=0, tint=0, brightness=0, blurred_share=0)


def patches(n: int = 40) -> np.ndarray:
    return make_patch_set().patches[:n]


def test_the_same_generator_gives_the_same_patches() -> None:
    first, again = (augment(patches(), np.random.default_rng(5), Augmentation()) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_patches_keep_their_shape_and_range_and_are_not_touched_themselves() -> None:
    given = patches()
    before = given.copy()
    varied = augment(given, np.random.default_rng(0), Augmentation())
    assert (varied.shape, varied.dtype) == (given.shape, np.float32)
    assert varied.min() >= 0
    assert varied.max() <= 255
    np.testing.assert_array_equal(given, before)


def test_every_patch_is_varied_in_its_own_way() -> None:
    varied = augment(np.repeat(patches(1), 8, axis=0), np.random.default_rng(0), Augmentation())
    assert len({patch.tobytes() for patch in varied}) == 8


def test_stain_varies_but_empty_plasma_stays_where_the_pixel_path_puts_it() -> None:
    plasma = np.full((20, 50, 50, 3), PLASMA_LEVEL, dtype=np.uint8)
    how = Augmentation(brightness=0)
    np.testing.assert_allclose(augment(plasma, np.random.default_rng(0), how), PLASMA_LEVEL, atol=0.01)


def test_a_lamp_that_varies_moves_plasma_by_no_more_than_it_says() -> None:
    plasma = np.full((50, 50, 50, 3), PLASMA_LEVEL, dtype=np.uint8)
    varied = augment(plasma, np.random.default_rng(0), Augmentation(brightness=0.04))
    assert varied.std() > 1
    assert np.abs(np.log(varied / PLASMA_LEVEL)).max() <= 0.0401


def test_what_was_cut_away_stays_black() -> None:
    masked = patches().copy()
    masked[:, :, :12] = 0
    varied = augment(masked, np.random.default_rng(0), Augmentation(blurred_share=0))
    black = varied.max(axis=3) < 0.5
    assert black.mean() > 0.1
    whole_stain = varied.min(axis=3)[~black]  # a cut edge is mixed of both, all channels alike
    assert (whole_stain < 0.5).mean() < 0.01


def test_without_stain_and_place_only_turns_and_mirrors_are_left() -> None:
    """A cell in the middle has the same mean brightness however it is turned."""
    given = patches()
    varied = augment(given, np.random.default_rng(0), STILL)
    centre = (slice(None), slice(15, 35), slice(15, 35))
    np.testing.assert_allclose(varied[centre].mean((1, 2, 3)), given[centre].mean((1, 2, 3)), rtol=0.1)


@pytest.mark.parametrize("shift_um", [0.0, 2.0])
def test_a_cell_is_shifted_by_micrometres(shift_um: float) -> None:
    dot = np.full((60, 50, 50, 3), PLASMA_LEVEL, dtype=np.uint8)
    dot[:, 23:27, 23:27] = 60
    how = Augmentation(scale=0, shift_um=shift_um, stain=0, tint=0, brightness=0, blurred_share=0)
    dark = PLASMA_LEVEL - augment(dot, np.random.default_rng(0), how)[..., 0]
    rows = np.arange(50)
    centre = (dark.sum(axis=2) @ rows) / dark.sum(axis=(1, 2))
    reach_um = np.abs(centre - 24.5).max() * 20 / 50
    assert reach_um == pytest.approx(shift_um, abs=0.25)
