"""Patches: the same 20 um of slide in the same 50 pixels, whatever the microscope."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.illumination import PLASMA_LEVEL, estimate_illumination
from alledge.patches import PATCH_PX, PATCH_UM, cut_patches
from tests.edge.painted_fields import PaintedField


def patch_of(field: PaintedField, x_um: float, y_um: float, **photograph) -> np.ndarray:
    pixels = field.pixels(**photograph)
    centre = (x_um / field.pixel_um, y_um / field.pixel_um)
    return cut_patches(pixels, [centre], field.pixel_um, estimate_illumination(pixels))[0]


def test_patches_are_rgb_squares_of_one_size():
    field = PaintedField().red_cells().white_cell(50, 40)
    pixels = field.pixels()
    patches = cut_patches(pixels, [(250, 200), (100, 100)], 0.2, estimate_illumination(pixels))
    assert patches.shape == (2, PATCH_PX, PATCH_PX, 3)
    assert patches.dtype == np.uint8
    red, green, blue = patches[0, 25, 25]
    assert green < red < blue, "a nucleus is purple: it lets blue through best, green least"


def test_no_centres_give_no_patches():
    pixels = PaintedField().pixels()
    assert cut_patches(pixels, [], 0.2, estimate_illumination(pixels)).shape == (0, 50, 50, 3)


@pytest.mark.parametrize("pixel_um", [0.08, 0.13, 0.2, 0.4, 0.55])
def test_a_cell_has_the_same_size_in_a_patch_at_every_magnification(pixel_um):
    field = PaintedField(60.0, 50.0, pixel_um).white_cell(30, 25, 10.0, 10.0)
    patch = patch_of(field, 30, 25)
    dark = np.count_nonzero(patch[..., 1] < 130) * (PATCH_UM / PATCH_PX) ** 2
    assert dark == pytest.approx(np.pi / 4 * 100, rel=0.09)


@pytest.mark.parametrize("pixel_um", [0.07, 0.1, 0.2, 0.4])
def test_the_centre_of_the_cell_is_the_centre_of_the_patch(pixel_um):
    field = PaintedField(60.0, 50.0, pixel_um).white_cell(30, 25, 10.0, 10.0)
    rows, columns = np.nonzero(patch_of(field, 30, 25)[..., 1] < 130)
    assert columns.mean() == pytest.approx(24.5, abs=0.6)
    assert rows.mean() == pytest.approx(24.5, abs=0.6)


def test_the_lamp_does_not_show_in_a_patch():
    field = PaintedField().red_cells().white_cell(70, 60)
    yellow = patch_of(field, 70, 60, lamp=(120, 170, 200), noise=0.0)
    blue = patch_of(field, 70, 60, lamp=(210, 180, 150), noise=0.0)
    assert np.abs(yellow.astype(int) - blue).mean() < 2.5


def test_shrinking_averages_instead_of_aliasing():
    stripes = np.full((500, 500, 3), 200, np.uint8)
    stripes[:, ::2] = 100
    illumination = estimate_illumination(np.full_like(stripes, PLASMA_LEVEL))
    patch = cut_patches(stripes, [(250, 250)], 0.04, illumination)[0]
    assert np.ptp(patch) <= 6
    assert patch.mean() == pytest.approx(150, abs=3)


def test_beyond_the_frame_lies_plasma():
    field = PaintedField().white_cell(0, 0)
    patch = patch_of(field, 0, 0)
    assert (patch[:24, :24] == PLASMA_LEVEL).all()
    assert (patch[30, 30] < PLASMA_LEVEL - 30).any()


def test_beyond_a_masked_frame_lies_black():
    crop = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(crop, (100, 100), 60, (140, 60, 110), -1)
    patch = cut_patches(crop, [(0, 0)], 0.1, estimate_illumination(crop))[0]
    assert not patch[:20, :20].any()


@settings(deadline=None, max_examples=25)
@given(
    x=st.floats(-300, 700), y=st.floats(-300, 700), pixel_um=st.floats(0.02, 1.5), side=st.integers(1, 300)
)
def test_any_centre_at_any_pixel_size_gives_a_patch(x, y, pixel_um, side):
    pixels = np.full((side, side + 3, 3), 180, np.uint8)
    patch = cut_patches(pixels, [(x, y)], pixel_um, estimate_illumination(pixels))[0]
    assert np.abs(patch.astype(int) - PLASMA_LEVEL).max() <= 2
