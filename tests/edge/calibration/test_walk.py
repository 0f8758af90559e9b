"""The walk: what is measured, in which order, and what is said when a slide is the wrong one."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.calibration import Calibration, ScaleSource
from alledge.calibration.walk import Asked, Step, walk
from alledge.errors import CalibrationRefused
from alledge.phantom import render_field
from alledge.phantom.bare_slides import render_empty_field, render_micrometer
from tests.edge.calibration.microscope import CONTROLS, OPTICS, WALL, Shelf

ASKED = Asked(division_um=10.0, objective="100x oil", camera="phantom:")


def walked(shelf: Shelf) -> Calibration:
    return walk(shelf, ASKED, lambda: WALL)[0]


def test_all_steps_together_measure_the_microscope():
    made = walked(Shelf())
    assert made.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)
    assert made.scale.source is ScaleSource.STAGE_MICROMETER
    assert (made.illumination.width, made.illumination.height) == (800, 600)
    assert made.controls == CONTROLS
    assert made.focus is not None
    assert made.focus > 1.2
    assert (made.objective, made.camera, made.wall) == ("100x oil", "phantom:", WALL)


def test_red_cells_tell_the_size_where_there_is_no_micrometer():
    made = walked(Shelf(missing=(Step.MICROMETER,)))
    assert made.scale.source is ScaleSource.RED_CELLS
    assert made.pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.08)
    assert made.scale.standard_error_um == pytest.approx(0.04 * made.pixel_um)


def test_focus_may_be_left_out():
    assert walked(Shelf(missing=(Step.SMEAR,))).focus is None


def test_without_anything_that_shows_the_scale_there_is_no_calibration():
    with pytest.raises(CalibrationRefused, match="Nothing shows the size of a pixel"):
        walked(Shelf(missing=(Step.MICROMETER, Step.SMEAR)))


def test_without_an_empty_field_there_is_no_calibration():
    with pytest.raises(CalibrationRefused, match="no picture of the empty field"):
        walked(Shelf(missing=(Step.EMPTY_FIELD,)))


SMEAR = render_field(OPTICS).pixels
WRONG = {
    Step.EMPTY_FIELD: (SMEAR, "There is something on the field."),
    Step.MICROMETER: (SMEAR, "No evenly ruled lines are seen."),
    Step.SMEAR: (render_field(replace(OPTICS, defocus_um=8.0)).pixels, "The smear is out of focus."),
}


@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name)
def test_a_wrong_slide_is_said_at_once(step):
    picture, words = WRONG[step]
    shelf = Shelf(instead={step: picture})
    with pytest.raises(CalibrationRefused):
        walked(shelf)
    assert shelf.heard == [words]


@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name)
def test_and_can_be_shown_again(step):
    shelf = Shelf(instead={step: WRONG[step][0]}, patience=1)
    assert walked(shelf).pixel_um == pytest.approx(OPTICS.pixel_um, rel=0.001)
    assert len(shelf.heard) == 1


def test_pictures_of_another_size_than_the_empty_field_are_refused():
    small = render_micrometer(replace(OPTICS, width_px=640), 10.0)
    with pytest.raises(CalibrationRefused, match="640 x 600 pixels, the empty field 800 x 600"):
        walked(Shelf(instead={Step.MICROMETER: small}))


def test_the_picture_that_is_kept_is_the_mean_of_the_empty_field():
    _, picture = walk(Shelf(), ASKED, lambda: WALL)
    assert np.abs(picture.astype(float) - render_empty_field(OPTICS)).mean() < 2.5
