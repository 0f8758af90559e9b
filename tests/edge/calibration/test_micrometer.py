"""The pixel size from ruled lines: right within a thousandth at any angle, and refused without lines."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.calibration import ScaleSource
from alledge.calibration.micrometer import measure_micrometer
from alledge.errors import CalibrationRefused
from alledge.illumination import Illumination, illumination_from_flat_field
from alledge.phantom import render_field
from alledge.phantom.bare_slides import render_empty_field, render_micrometer
from tests.edge.calibration.microscope import OPTICS


def light(optics=OPTICS) -> Illumination:
    return illumination_from_flat_field(render_empty_field(optics))


@pytest.mark.parametrize("angle_deg", [0.0, 0.7, 21.0, 45.0, 89.0, 90.0, 133.3, 179.5])
def test_the_lines_may_lie_at_any_angle(angle_deg):
    scale = measure_micrometer(render_micrometer(OPTICS, 10.0, angle_deg), light(), 10.0)
    assert scale.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)
    assert scale.source is ScaleSource.STAGE_MICROMETER
    assert scale.n_marks >= 5


@pytest.mark.parametrize(("pixel_um", "division_um"), [(0.07, 5.0), (0.11, 10.0), (0.2, 5.0), (0.3, 20.0)])
def test_whatever_the_objective_and_the_ruling(pixel_um, division_um):
    optics = replace(OPTICS, pixel_um=pixel_um)
    scale = measure_micrometer(render_micrometer(optics, division_um, 12.0), light(optics), division_um)
    assert scale.pixel_um == pytest.approx(pixel_um, rel=0.001)


@pytest.mark.parametrize("change", [{"defocus_um": 1.5}, {"shot_noise": 8.0}, {"vignetting": 0.5}])
def test_a_poor_picture_costs_little(change):
    optics = replace(OPTICS, **change)
    scale = measure_micrometer(render_micrometer(optics, 10.0, 30.0), light(optics), 10.0)
    assert scale.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)


def test_dust_on_the_glass_is_no_line():
    picture = render_micrometer(OPTICS, 10.0, 60.0)
    rng = np.random.default_rng(2)
    for x, y in rng.integers((0, 0), (790, 590), (25, 2)).tolist():
        picture[y : y + 9, x : x + 9] = 30
    assert measure_micrometer(picture, light(), 10.0).pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.002)


def test_the_error_that_is_told_is_the_error_that_is_made():
    scale = measure_micrometer(render_micrometer(OPTICS, 10.0, 77.0), light(), 10.0)
    assert abs(scale.pixel_um - OPTICS.pixel_um) < 4 * scale.standard_error_um + 0.0005 * OPTICS.pixel_um


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(80, 200, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        render_empty_field(OPTICS),
        render_field(OPTICS).pixels,
        noise((600, 800)),
        np.zeros((600, 800, 3), np.uint8),
    ],
    ids=["empty field", "smear", "noise", "black"],
)
def test_what_shows_no_lines_is_refused(picture):
    with pytest.raises(CalibrationRefused, match="No evenly ruled lines"):
        measure_micrometer(picture, light(), 10.0)


def test_four_lines_are_too_few():
    with pytest.raises(CalibrationRefused):
        measure_micrometer(render_micrometer(OPTICS, 40.0, 0.0), light(), 40.0)


def test_a_division_that_no_microscope_could_show_is_refused():
    with pytest.raises(CalibrationRefused, match="which no microscope has"):
        measure_micrometer(render_micrometer(OPTICS, 10.0, 0.0), light(), 1000.0)
