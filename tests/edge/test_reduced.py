"""A reduced frame: block averages, whatever sizes were asked for before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.illumination import Illumination
from alledge.reduced import Halvings, reduce_by

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (67, 91, 3), dtype=np.uint8)


def block_means(factor: int) -> np.ndarray:
    height, width = PIXELS.shape[0] // factor, PIXELS.shape[1] // factor
    whole = PIXELS[: height * factor, : width * factor].astype(np.float64)
    return np.asarray(whole.reshape(height, factor, width, factor, 3).mean(axis=(1, 3)))


@given(factors=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_each_size_is_the_mean_of_blocks_whatever_was_asked_for_before(factors: list[int]) -> None:
    view = Halvings(PIXELS)
    for factor in factors:
        # Each halving rounds once.
        assert (
            np.abs(view.by(factor).astype(np.float64) - block_means(factor)).max()
            <= 0.6 * factor.bit_length()
        )


def test_each_size_is_made_once() -> None:
    view = Halvings(PIXELS)
    assert view.by(8) is view.by(8)
    assert view.by(1) is PIXELS


@pytest.mark.parametrize("factor", [1, 2, 3, 6, 8, 12])
def test_the_same_comes_out_with_and_without_other_sizes_made_before(factor: int) -> None:
    background = np.full((2, 2, 3), 180.0, np.float32)
    lamp = Illumination(background, PIXELS.shape[1], PIXELS.shape[0])
    view = Halvings(PIXELS)
    for other in (2, 4, 8, 16, 3):
        view.by(other)
    together, alone = view.reduce_by(lamp, factor), reduce_by(PIXELS, lamp, factor)
    assert np.array_equal(together.pixels, alone.pixels)
    assert together.factor == alone.factor == factor


def test_a_frame_smaller_than_one_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 68 x 68"):
        Halvings(PIXELS).by(68)
