"""Illumination: after it, plasma is the same white everywhere, under every lamp."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.illumination import PLASMA_LEVEL, estimate_illumination, illumination_from_flat_field
from tests.edge.painted_fields import PaintedField

LAMPS = {"neutral": (190, 190, 190), "yellow": (120, 180, 200), "blue": (210, 180, 150), "dim": (90, 95, 100)}


def plasma_of(field: PaintedField) -> np.ndarray:
    return field.density.max(axis=2) == 0.0


@pytest.mark.parametrize("lamp", LAMPS.values(), ids=LAMPS)
def test_plasma_lands_on_its_level_under_every_lamp(lamp):
    field = PaintedField().red_cells(80).white_cell(30, 40)
    pixels = field.pixels(lamp=lamp, blur_um=0.05)
    level = estimate_illumination(pixels).normalise(pixels)[plasma_of(field)]
    assert np.abs(np.median(level, axis=0) - PLASMA_LEVEL).max() <= 3


def test_corners_are_as_bright_as_the_middle_after_vignetting_is_divided_out():
    field = PaintedField().red_cells(60)
    pixels = field.pixels(vignetting=0.35, blur_um=0.05)
    level = estimate_illumination(pixels).normalise(pixels).astype(float)
    level[~plasma_of(field)] = np.nan
    corners = [level[:60, :60], level[:60, -60:], level[-60:, :60], level[-60:, -60:]]
    assert max(abs(float(np.nanmedian(corner)) - PLASMA_LEVEL) for corner in corners) <= 5


def test_a_field_crowded_with_red_cells_still_finds_its_plasma():
    field = PaintedField().red_cells(260)
    assert plasma_of(field).mean() < 0.25
    pixels = field.pixels(blur_um=0.05)
    level = estimate_illumination(pixels).normalise(pixels)[plasma_of(field)]
    assert np.abs(np.median(level, axis=0) - PLASMA_LEVEL).max() <= 6


def test_one_large_cell_that_fills_most_of_a_crop_is_not_taken_for_background():
    field = PaintedField(25.0, 25.0, 0.1).white_cell(12.5, 12.5, 17.0, 19.0)
    pixels = field.pixels(blur_um=0.05)
    level = estimate_illumination(pixels).normalise(pixels)[plasma_of(field)]
    assert np.abs(np.median(level, axis=0) - PLASMA_LEVEL).max() <= 4


def test_a_window_is_normalised_as_it_is_within_the_whole_frame():
    pixels = PaintedField().red_cells().pixels(vignetting=0.3)
    illumination = estimate_illumination(pixels)
    whole = illumination.normalise(pixels)[100:180, 200:300]
    window = illumination.normalise(pixels[100:180, 200:300], x0=200, y0=100)
    assert np.abs(whole.astype(int) - window).max() <= 1


def test_a_reduced_window_is_normalised_at_its_own_place_and_scale():
    field = np.full((400, 400, 3), 120, np.uint8)
    field += (np.arange(400) // 8).astype(np.uint8)[np.newaxis, :, np.newaxis]
    illumination = estimate_illumination(field)
    small = cv2.resize(field, (100, 100), interpolation=cv2.INTER_AREA)
    level = illumination.normalise(small, x0=1.5, y0=1.5, scale=4.0)
    assert np.abs(level.astype(int) - PLASMA_LEVEL).max() <= 4


def test_pure_black_around_a_cell_is_mask_and_stays_black():
    crop = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(crop, (100, 100), 60, (140, 60, 110), -1)
    illumination = estimate_illumination(crop)
    level = illumination.normalise(crop)
    assert illumination.masked
    assert np.array_equal(level, crop)


def test_a_dark_frame_is_not_taken_for_a_mask():
    assert not estimate_illumination(np.zeros((100, 120, 3), np.uint8)).masked


def test_an_empty_field_flattens_itself_and_its_dust_does_not_show():
    empty = PaintedField().pixels(vignetting=0.3, noise=0.5)
    dusty = empty.copy()
    cv2.circle(dusty, (150, 150), 4, (60, 60, 60), -1)
    level = illumination_from_flat_field(dusty).normalise(empty)
    assert np.abs(level.astype(int) - PLASMA_LEVEL).max() <= 8


def test_the_stored_background_cannot_be_written_to():
    background = estimate_illumination(PaintedField().pixels()).background
    with pytest.raises(ValueError, match="read-only"):
        background[0, 0, 0] = 1.0


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 70), width=st.integers(1, 70), level=st.integers(0, 255))
def test_frames_of_any_size_and_level_have_an_illumination(height, width, level):
    pixels = np.full((height, width, 3), level, np.uint8)
    assert estimate_illumination(pixels).normalise(pixels).shape == pixels.shape


def test_background_of_real_sessions_no_longer_tells_the_camera(shared_data: Path):
    """Before, the two cameras of ALL-IDB1 differ by 25 levels of blue against red; after, by none."""
    casts = {"before": [], "after": []}
    for name in ("Im020_1", "Im027_1", "Im034_0", "Im053_1", "Im088_0"):
        pixels = cv2.imread(str(shared_data / "all-idb1" / "im" / f"{name}.jpg"))
        normal = estimate_illumination(pixels).normalise(pixels)
        for key, image in (("before", pixels), ("after", normal)):
            bright = image[::7, ::7].reshape(-1, 3).astype(float)
            bright = bright[bright[:, 1] > np.percentile(bright[:, 1], 80)]
            casts[key].append(float(np.median(bright[:, 0] - bright[:, 2])))
    assert np.ptp(casts["before"]) > 15
    assert np.ptp(casts["after"]) <= 3
