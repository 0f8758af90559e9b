"""Fields under a calibration: a misfit is named, changed light is refused, drift is followed."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.calibration.lamp_check import follow_level, lamp_change
from alledge.illumination import PLASMA_LEVEL, estimate_illumination
from alledge.phantom import PhantomParameters, render_field
from alledge.pipeline import analyse_field, analyse_with_evidence
from alledge.types import Frame, PixelSizeSource, Verdict
from tests.edge.calibration.microscope import OPTICS, calibration_of, frame_of

CALIBRATION = calibration_of(OPTICS)
FRAME = frame_of(render_field(OPTICS).pixels)


def seen(**change: float) -> Frame:
    return frame_of(render_field(replace(OPTICS, **change)).pixels)


def test_a_field_of_the_calibrated_microscope_is_judged_with_its_pixel_size():
    result = analyse_field(FRAME, None, calibration=CALIBRATION)
    assert result.quality.verdict is Verdict.OK
    assert result.pixel_size.pixel_um == CALIBRATION.pixel_um
    assert result.pixel_size.source is PixelSizeSource.GIVEN
    assert len(result.cells) > 5


def test_the_cells_are_those_that_are_found_without():
    with_it = analyse_field(FRAME, None, calibration=CALIBRATION).cells
    without = analyse_field(FRAME, None, pixel_um=CALIBRATION.pixel_um).cells
    places = [np.array([(cell.x, cell.y) for cell in cells]) for cells in (with_it, without)]
    assert places[0].shape == places[1].shape
    assert np.abs(places[0] - places[1]).max() < 4.0


MISFITS = {
    "Calibrated for 800 x 600 pixels, the frame has 800 x 590.": {"pixels": FRAME.pixels[:590]},
    "Calibrated with exposure 8000 us, the frame has 9000 us.": {"exposure_us": 9000},
    "Calibrated with gain 1 x, the frame has 1.5 x.": {"analogue_gain": 1.5},
    "Calibrated with red gain 2 x, the frame has 2.2 x.": {"colour_gains": (2.2, 1.6)},
    "Calibrated with blue gain 1.6 x, the frame has 1.2 x.": {"colour_gains": (2.0, 1.2)},
}


@pytest.mark.parametrize("words", MISFITS)
def test_a_frame_that_it_does_not_hold_for_is_refused_with_what_differs(words):
    frame = replace(FRAME, **MISFITS[words])
    assert CALIBRATION.mismatch(frame) == words
    result = analyse_field(frame, None, calibration=CALIBRATION)
    assert result.quality.verdict is Verdict.NOT_CALIBRATED
    assert result.quality.advice.startswith(words)
    assert result.cells == ()


def test_a_line_of_exposure_more_or_less_is_the_same_exposure():
    assert CALIBRATION.mismatch(replace(FRAME, exposure_us=8013)) is None


def test_what_a_frame_does_not_tell_is_not_held_against_it():
    assert CALIBRATION.mismatch(Frame(FRAME.pixels, "file")) is None


CHANGES = {
    "The light is 30 % darker than at calibration.": {"exposure": 0.70},
    "brighter than at calibration.": {"exposure": 1.35},
    "The colour of the light is": {"lamp_red_level": 145.0},
    "The light falls otherwise on the field": {"vignetting": 0.4},
}


@pytest.mark.parametrize("words", CHANGES)
def test_light_that_changed_since_is_refused_with_what_changed(words):
    result = analyse_field(seen(**CHANGES[words]), None, calibration=CALIBRATION)
    assert result.quality.verdict is Verdict.LIGHT_CHANGED
    assert words in result.quality.advice
    assert result.cells == ()


@pytest.mark.parametrize("exposure", [0.88, 1.0, 1.12])
def test_a_lamp_that_drifts_is_followed(exposure):
    analysis = analyse_with_evidence(seen(exposure=exposure), None, calibration=CALIBRATION)
    assert analysis.result.quality.verdict is Verdict.OK
    level = analysis.illumination.normalise(seen(exposure=exposure).pixels)
    assert float(np.percentile(level[..., 1], 90)) == pytest.approx(PLASMA_LEVEL, abs=4)


def test_the_shape_of_the_light_is_the_calibrated_one():
    tilted = replace(OPTICS, lamp_tilt=0.3, vignetting=0.35)
    followed = follow_level(
        calibration_of(tilted).illumination, estimate_illumination(render_field(tilted).pixels)
    )
    change = lamp_change(calibration_of(tilted).illumination, followed)
    assert (change.shape, change.level, change.finding) == pytest.approx((0.0, 0.0, None), abs=0.02)


def test_a_bad_field_keeps_its_own_name():
    blurred = seen(defocus_um=8.0)
    assert analyse_field(blurred, None, calibration=CALIBRATION).quality.verdict is Verdict.OUT_OF_FOCUS


@pytest.mark.parametrize("seed", range(6))
def test_no_good_field_is_refused_for_its_light(seed):
    optics = PhantomParameters(seed=seed, width_px=800, height_px=600, n_red_cells=60 + 12 * seed)
    result = analyse_field(frame_of(render_field(optics).pixels), None, calibration=CALIBRATION)
    assert result.quality.verdict is Verdict.OK
