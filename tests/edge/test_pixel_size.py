"""Pixel size: read off the red cells, however they lie; said to be a guess where it is one."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.illumination import estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alledge.types import PixelSize, PixelSizeSource
from tests.edge.painted_fields import PaintedField


def size_of(pixels: np.ndarray) -> PixelSize:
    return estimate_pixel_size(pixels, estimate_illumination(pixels))


@pytest.mark.parametrize("pixel_um", [0.08, 0.15, 0.3, 0.5])
def test_red_cells_give_the_pixel_size_at_every_magnification(pixel_um):
    size = size_of(PaintedField(90.0, 70.0, pixel_um).red_cells(45).pixels())
    assert size.source is PixelSizeSource.RED_CELLS
    assert size.pixel_um == pytest.approx(pixel_um, rel=0.1)


def test_red_cells_in_heaps_give_the_pixel_size_too():
    size = size_of(PaintedField().red_cells(170).pixels())
    assert size.pixel_um == pytest.approx(0.2, rel=0.12)


def test_white_cells_do_not_pass_for_red_ones():
    field = PaintedField().red_cells(50)
    for x in range(10, 100, 16):
        for y in range(10, 80, 20):
            field.white_cell(x, y, 12.0, 14.0)
    assert size_of(field.pixels()).pixel_um == pytest.approx(0.2, rel=0.12)


def test_the_number_of_red_cells_is_told():
    few, many = (size_of(PaintedField().red_cells(n).pixels()).n_red_cells for n in (15, 60))
    assert 5 <= few < many


def test_without_red_cells_nuclei_give_a_size_that_says_so():
    size = size_of(PaintedField().white_cell(30, 40, 10.0).white_cell(70, 30, 10.0).pixels())
    assert size.source is PixelSizeSource.NUCLEI
    assert size.n_red_cells == 0
    assert size.pixel_um == pytest.approx(0.2, rel=0.35)


def test_an_empty_field_has_an_assumed_size():
    assert size_of(PaintedField().pixels()).source is PixelSizeSource.ASSUMED


def test_a_cell_cut_out_on_black_has_an_assumed_size():
    crop = np.zeros((300, 300, 3), np.uint8)
    cv2.circle(crop, (150, 150), 100, (140, 60, 110), -1)
    assert size_of(crop).source is PixelSizeSource.ASSUMED


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 9))
def test_any_picture_has_some_plausible_size(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert 0.02 <= size_of(pixels).pixel_um <= 1.5


def test_fields_of_one_microscope_agree_and_the_two_cameras_differ(shared_data: Path):
    folder = shared_data / "all-idb1"
    with (folder / "images.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["width"]) in (1712, 2592)]
    sizes: dict[str, list[float]] = {}
    for row in rows[::5]:
        pixels = cv2.imread(str(folder / "im" / f"{row['image']}.jpg"))
        sizes.setdefault(row["camera"], []).append(size_of(pixels).pixel_um)
    for values in sizes.values():
        assert max(values) / min(values) < 1.3
    olympus, canon = (np.median(sizes[camera]) for camera in ("C2500L", "Canon PowerShot G5"))
    assert olympus / canon > 1.1
    assert olympus / canon < 1712**-1 * 2592, "width alone is not the magnification"


def test_crops_of_one_microscope_agree(shared_data: Path):
    paths = sorted((shared_data / "bccd" / "JPEGImages").glob("*.jpg"))[::30]
    sizes = [size_of(cv2.imread(str(path))).pixel_um for path in paths]
    assert max(sizes) / min(sizes) < 1.6
