"""Cell finding: every nucleated cell once, and nothing else."""

import csv
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.cells import find_cells
from alledge.illumination import estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alledge.types import CellsFound
from tests.edge.painted_fields import NUCLEUS, PLATELET, PaintedField


def found_in(field: PaintedField, **photograph) -> CellsFound:
    pixels = field.pixels(**photograph)
    return find_cells(pixels, estimate_illumination(pixels), field.pixel_um)


def centres_um(found: CellsFound, field: PaintedField) -> list[tuple[float, float]]:
    return [(cell.x * field.pixel_um, cell.y * field.pixel_um) for cell in found.cells]


def test_a_white_cell_is_found_where_it_lies():
    field = PaintedField().red_cells().white_cell(35, 50)
    [(x, y)] = centres_um(found_in(field), field)
    assert math.hypot(x - 35, y - 50) < 0.5


def test_a_field_of_red_cells_alone_has_no_white_cell():
    assert found_in(PaintedField().red_cells(150)).cells == ()


def test_plasma_alone_has_nothing():
    assert found_in(PaintedField()) == CellsFound((), 0, 0)


@pytest.mark.parametrize("lamp", [(190, 190, 190), (120, 180, 200), (210, 180, 150), (90, 95, 100)])
def test_the_lamp_does_not_matter(lamp):
    field = PaintedField().red_cells().white_cell(30, 30).white_cell(70, 50)
    assert len(found_in(field, lamp=lamp).cells) == 2


@pytest.mark.parametrize("pixel_um", [0.06, 0.12, 0.35, 0.5])
def test_the_magnification_does_not_matter(pixel_um):
    field = PaintedField(70.0, 50.0, pixel_um).red_cells(30).white_cell(20, 25).white_cell(50, 25)
    found = found_in(field)
    assert len(found.cells) == 2
    for cell in found.cells:
        assert cell.diameter_um == pytest.approx(12.0, rel=0.12)


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.3])
def test_pale_and_dark_stain_are_found_alike(strength):
    field = PaintedField().red_cells()
    for x, y in ((25, 25), (50, 55), (75, 30)):
        field.disc(x, y, 9.5, [strength * part for part in NUCLEUS])
    assert len(found_in(field).cells) == 3


def test_ten_touching_blasts_are_ten_cells():
    field = PaintedField()
    places = [(20 + 11 * i + 5.5 * (j % 2), 20 + 9.6 * j) for j in range(2) for i in range(5)]
    for x, y in places:
        field.white_cell(x, y, 10.4, 11.0)
    found = centres_um(found_in(field), field)
    assert len(found) == 10
    assert all(min(math.hypot(x - a, y - b) for a, b in found) < 1.5 for x, y in places)


def test_the_lobes_of_a_neutrophil_are_one_cell():
    field = PaintedField().red_cells(40).disc(50, 40, 13.5, (0.03, 0.16, 0.06))
    for x, y in ((46.5, 38), (50, 43.5), (53.5, 38)):
        field.disc(x, y, 4.2, NUCLEUS)
    [(x, y)] = centres_um(found_in(field), field)
    assert math.hypot(x - 50, y - 40) < 1.5


def test_lobes_in_cytoplasm_too_clear_to_see_are_one_cell_too():
    field = PaintedField().red_cells(40)
    for x, y in ((46.5, 38), (50, 43), (53.5, 38)):
        field.disc(x, y, 4.6, NUCLEUS)
    assert len(found_in(field).cells) == 1


def test_platelets_are_counted_apart():
    field = PaintedField().white_cell(30, 40)
    for x in range(45, 95, 8):
        field.disc(x, 20, 2.8, PLATELET)
    found = found_in(field)
    assert len(found.cells) == 1
    assert found.n_platelets == 7


def test_a_smudge_beside_whole_cells_is_counted_apart():
    field = PaintedField().red_cells(40).white_cell(20, 20).white_cell(45, 20).white_cell(70, 20)
    field.disc(50, 58, 19.0, [0.28 * part for part in NUCLEUS])
    found = found_in(field)
    assert len(found.cells) == 3
    assert found.n_smudges == 1


def test_red_cells_on_top_of_each_other_are_no_nucleus():
    field = PaintedField()
    for x in np.linspace(40, 50, 5):
        field.red_cells(0).disc(x, 40, 7.2, (0.35, 0.38, 0.12), add=True)
    field.red_cells(60, seed=3)
    assert found_in(field).cells == ()


def test_an_arrow_burnt_in_is_no_cell():
    field = PaintedField().red_cells()
    pixels = field.pixels()
    cv2.arrowedLine(pixels, (150, 300), (150, 220), (60, 180, 250), 14)
    assert find_cells(pixels, estimate_illumination(pixels), field.pixel_um).cells == ()


def test_a_cell_cut_by_the_border_is_marked():
    field = PaintedField().red_cells(30).white_cell(1.0, 40).white_cell(50, 40)
    found = found_in(field)
    assert [cell.touches_border for cell in sorted(found.cells, key=lambda cell: cell.x)] == [True, False]


def test_morphology_is_in_micrometres():
    field = PaintedField().red_cells(30).white_cell(50, 40, 9.0, 12.0)
    [cell] = found_in(field).cells
    assert cell.diameter_um == pytest.approx(12.0, rel=0.1)
    assert cell.nucleus_area_um2 == pytest.approx(math.pi / 4 * 81, rel=0.15)
    assert cell.nucleus_cytoplasm_ratio == pytest.approx(0.56, abs=0.1)
    assert cell.roundness > 0.8
    x0, y0, x1, y1 = (edge * field.pixel_um for edge in cell.box)
    assert (x0, y0, x1, y1) == pytest.approx((44, 34, 56, 46), abs=1.2)


def test_cells_come_in_reading_order():
    field = PaintedField().white_cell(70, 20).white_cell(20, 60).white_cell(30, 22)
    rows = [cell.y for cell in found_in(field).cells]
    assert rows == sorted(rows)


def test_a_cell_cut_out_on_black_is_one_cell():
    crop = np.zeros((300, 300, 3), np.uint8)
    cv2.circle(crop, (150, 150), 110, (150, 120, 140), -1)
    cv2.circle(crop, (150, 150), 85, (110, 45, 85), -1)
    found = find_cells(crop, estimate_illumination(crop), 0.06)
    assert len(found.cells) == 1


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 60), width=st.integers(1, 60), pixel_um=st.floats(0.02, 1.5), seed=st.integers(0, 5)
)
def test_any_picture_at_any_pixel_size_gives_cells_within_the_frame(height, width, pixel_um, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for cell in find_cells(pixels, estimate_illumination(pixels), pixel_um).cells:
        x0, y0, x1, y1 = cell.box
        assert 0 <= x0 <= cell.x < x1 <= width
        assert 0 <= y0 <= cell.y < y1 <= height


def test_annotated_cells_of_real_fields_are_found(shared_data: Path):
    """A sample of every session; bench/cell_finding.py measures all of them (docs/cells.md)."""
    folder = shared_data / "all-idb1"
    with (folder / "wbc_points.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    hits = cells = detections = 0
    for name in ("Im023_1", "Im026_1", "Im034_0", "Im051_1", "Im060_1", "Im084_0", "Im088_0"):
        pixels = cv2.imread(str(folder / "im" / f"{name}.jpg"))
        illumination = estimate_illumination(pixels)
        pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
        found = find_cells(pixels, illumination, pixel_um).cells
        detections += sum(not c.touches_border for c in found)
        for row in points:
            white = row["type"] in ("blast", "wbc_other") and float(row["dist_to_border_px"]) >= 60
            if row["image"] == name and white:
                cells += 1
                x, y = float(row["x"]), float(row["y"])
                hits += any(math.hypot(c.x - x, c.y - y) * pixel_um < 5.0 for c in found)
    assert hits / cells >= 0.97
    assert hits / detections >= 0.85
