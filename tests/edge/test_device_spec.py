"""The settings of a calibration travel in the SPEC of the camera."""

import pytest

from alledge.calibration import CameraControls
from alledge.cameras.device_spec import locked_spec, parse_device_spec

CONTROLS = CameraControls(9994, 1.4545454545, (1.812345678, 1.4))


def test_what_is_locked_comes_back_to_the_last_digit() -> None:
    spec = locked_spec("picamera2:0", CONTROLS, (2028, 1520))
    told = parse_device_spec(spec.removeprefix("picamera2:"))
    assert (told.device, told.size, told.controls) == ("0", (2028, 1520), CONTROLS)


@pytest.mark.parametrize(
    "spec", ["picamera2:0,exposure_us=500", "v4l2:/dev/video2,size=640x480,red_gain=1,blue_gain=2"]
)
def test_what_a_user_sets_stands_above_the_calibration(spec: str) -> None:
    given = parse_device_spec(spec.partition(":")[2])
    told = parse_device_spec(locked_spec(spec, CONTROLS, (2028, 1520)).partition(":")[2])
    assert told.size == (given.size or (2028, 1520))
    assert told.controls.exposure_us == (given.controls.exposure_us or CONTROLS.exposure_us)
    assert told.controls.colour_gains == (given.controls.colour_gains or CONTROLS.colour_gains)


@pytest.mark.parametrize("spec", ["phantom:seed=3", "file:/srv/a,b", "faulty:hang|picamera2:0", "nonsense"])
def test_other_specs_stay_as_they_are(spec: str) -> None:
    assert locked_spec(spec, CONTROLS, (10, 10)) == spec


def test_a_calibration_that_tells_no_settings_locks_none() -> None:
    assert locked_spec("v4l2:/dev/video0", CameraControls()) == "v4l2:/dev/video0"
