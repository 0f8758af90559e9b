"""Too thick: cells that lie on one another are refused by name, and no real field is."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.crowding import is_too_thick
from alledge.illumination import estimate_illumination
from alledge.phantom import PhantomParameters, render_field
from alledge.pipeline import analyse_field
from alledge.pixel_size import estimate_pixel_size
from alledge.types import Frame, Verdict
from tests.edge.painted_fields import PaintedField

FIELD = PhantomParameters(seed=5, width_px=800, height_px=600)
RED_CELLS = 0.0096 * FIELD.width_um * FIELD.height_um  # as many as in a good area


def thick(pixels: np.ndarray, pixel_um: float) -> bool:
    return is_too_thick(pixels, estimate_illumination(pixels), pixel_um)


@pytest.mark.parametrize("crowd", [3, 5, 8])
def test_a_thick_area_is_refused_by_name(crowd):
    pixels = render_field(replace(FIELD, n_red_cells=round(crowd * RED_CELLS))).pixels
    result = analyse_field(Frame(pixels, "thick"), None, pixel_um=FIELD.pixel_um)
    assert result.quality.verdict is Verdict.TOO_THICK
    assert result.quality.advice == "Move towards the feathered edge: the cells overlap here."
    assert result.cells == ()


@pytest.mark.parametrize("crowd", [0.3, 1, 1.5])
def test_a_good_area_is_judged(crowd):
    pixels = render_field(replace(FIELD, n_red_cells=round(crowd * RED_CELLS))).pixels
    assert not thick(pixels, FIELD.pixel_um)


def test_clumps_of_cells_in_open_plasma_are_not_thick():
    field = PaintedField()
    for x, y in ((30, 30), (36, 32), (33, 38), (40, 38), (27, 36), (35, 26)):
        field.disc(x, y, 7.2, (0.35, 0.38, 0.12), add=True)
    assert not thick(field.pixels(), field.pixel_um)


def test_a_crop_of_one_cell_is_never_too_thick():
    crop = PaintedField(30.0, 30.0).red_cells(60).pixels()
    assert not thick(crop, 0.2)


@pytest.mark.parametrize("pattern", ["all-idb1/im/*.jpg", "bccd/JPEGImages/*.jpg", "taleqani/*/*.jpg"])
def test_no_real_field_is_too_thick(shared_data: Path, pattern):
    paths = sorted(shared_data.glob(pattern))
    for path in paths[:: len(paths) // 12]:
        pixels = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
        assert not thick(pixels, estimate_pixel_size(pixels, estimate_illumination(pixels)).pixel_um), path
