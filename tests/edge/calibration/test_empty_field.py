"""The empty field: measured where it is one, refused with what is wrong where it is not."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.calibration.empty_field import TARGET_LEVEL, measure_empty_field, middle_level
from alledge.calibration.settle import LockableSource, settle_camera
from alledge.errors import CalibrationRefused
from alledge.phantom import render_field
from alledge.phantom.bare_slides import render_empty_field
from tests.edge.calibration.microscope import OPTICS, LockableCamera


def test_white_is_the_middle_of_the_field():
    empty = measure_empty_field([render_empty_field(replace(OPTICS, vignetting=0.4))])
    lamp = (OPTICS.lamp_blue_level, OPTICS.lamp_green_level, OPTICS.lamp_red_level)
    assert empty.white == pytest.approx(lamp, rel=0.03)


def test_white_balance_makes_the_field_grey():
    empty = measure_empty_field([render_empty_field(OPTICS)])
    red, blue = empty.white_balance
    assert empty.white[2] * red == pytest.approx(empty.white[1])
    assert empty.white[0] * blue == pytest.approx(empty.white[1])


def test_several_pictures_are_averaged():
    noisy = replace(OPTICS, shot_noise=12.0)
    one = measure_empty_field([render_empty_field(noisy)]).pixels
    many = measure_empty_field([render_empty_field(replace(noisy, seed=seed)) for seed in range(8)]).pixels
    middle = slice(280, 320), slice(380, 420), 1
    assert many[middle].std() < 0.6 * one[middle].std()


def test_its_illumination_levels_the_field():
    picture = render_empty_field(replace(OPTICS, vignetting=0.4, lamp_tilt=0.2))
    level = measure_empty_field([picture]).illumination.normalise(picture)
    assert float(level[..., 1].std()) < 4.0


WRONG = {
    "something on the field": render_field(OPTICS).pixels,
    "too dark": render_empty_field(replace(OPTICS, exposure=0.25)),
    "washed out": render_empty_field(replace(OPTICS, exposure=1.6)),
    "corners of the field are dark": render_empty_field(replace(OPTICS, vignetting=0.9)),
}


@pytest.mark.parametrize("what", WRONG)
def test_another_picture_is_refused_with_what_is_wrong(what):
    with pytest.raises(CalibrationRefused, match=what):
        measure_empty_field([WRONG[what]])


def test_one_white_cell_on_the_field_is_enough_to_refuse_it():
    bare = replace(OPTICS, n_red_cells=0, n_platelets=0, n_smudges=0, n_specks=0, n_neutrophils=0)
    few = replace(bare, n_lymphocytes=3, n_monocytes=0, n_blasts_l1=0, n_blasts_l2=0, n_blasts_l3=0)
    with pytest.raises(CalibrationRefused, match="something on the field"):
        measure_empty_field([render_field(few).pixels])


def test_pictures_of_different_sizes_are_refused():
    picture = render_empty_field(OPTICS)
    with pytest.raises(CalibrationRefused, match="differ in size"):
        measure_empty_field([picture, picture[:-2]])


@pytest.mark.parametrize("gamma", [1.0, 2.2])
@pytest.mark.parametrize("lamp", [0.05, 0.4, 3.0])
def test_a_camera_that_can_be_locked_is_settled_on_grey(lamp, gamma):
    camera = LockableCamera(lamp, gamma)
    assert isinstance(camera, LockableSource)
    frame, controls = settle_camera(camera)
    assert middle_level(frame.pixels) == pytest.approx((TARGET_LEVEL,) * 3, rel=0.04)
    assert controls == camera.controls


@pytest.mark.parametrize("lamp", [1e-4, 1e4])
def test_a_lamp_beyond_what_the_camera_can_do_is_said(lamp):
    with pytest.raises(CalibrationRefused, match="The light cannot be set"):
        settle_camera(LockableCamera(lamp))


def test_a_dead_sensor_is_not_settled():
    camera = LockableCamera(0.0)
    with pytest.raises(CalibrationRefused):
        settle_camera(camera)
    assert np.isfinite(camera.controls.exposure_us or 0)
