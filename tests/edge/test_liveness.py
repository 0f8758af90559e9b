"""A live camera never shows the same noise twice, and never shows the past."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.liveness import frozen_fraction, is_frozen, is_stale
from tests.edge.painted_fields import PaintedField

SMEAR = PaintedField().red_cells(40).white_cell(40, 40).pixels()


def shot(noise: float, seed: int) -> np.ndarray:
    noisy = SMEAR + np.random.default_rng(seed).normal(0.0, noise, SMEAR.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def test_the_same_picture_twice_is_a_frozen_camera():
    assert frozen_fraction(SMEAR, SMEAR.copy()) == 1.0
    assert is_frozen(SMEAR, SMEAR)


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_a_stage_that_stands_still_is_not(noise):
    assert frozen_fraction(shot(noise, 1), shot(noise, 2)) == 0.0


def test_a_torn_frame_is_frozen_in_part():
    torn = shot(2.0, 1)
    torn[: torn.shape[0] // 4] = SMEAR[: torn.shape[0] // 4]
    fraction = frozen_fraction(SMEAR, torn)
    assert fraction is not None
    assert 0.1 < fraction < 0.4
    assert not is_frozen(SMEAR, torn)


@pytest.mark.parametrize("level", [0, 2, 253, 255])
def test_where_there_is_no_noise_to_compare_nothing_is_claimed(level):
    plain = np.full((400, 500, 3), level, np.uint8)
    assert frozen_fraction(plain, plain) is None
    assert not is_frozen(plain, plain)


def test_frames_of_different_shapes_cannot_be_compared():
    assert frozen_fraction(SMEAR, SMEAR[:-1]) is None


def test_an_exposure_that_began_before_the_question_is_stale():
    assert is_stale(timestamp_ns=2_000_000, exposure_us=600, asked_ns=1_500_000)
    assert not is_stale(timestamp_ns=2_000_000, exposure_us=400, asked_ns=1_500_000)


@given(st.integers(0, 10**15), st.integers(0, 10**9))
def test_a_timestamp_that_does_not_grow_is_stale(previous, back):
    assert is_stale(previous - back, None, asked_ns=0, previous_ns=previous)
    assert not is_stale(previous + 1 + back, None, asked_ns=0, previous_ns=previous)
