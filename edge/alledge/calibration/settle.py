"""Exposure and white balance for one lamp, found on its empty field and then locked for good.

Automatic exposure makes a thick field as bright as a thin one, and automatic white balance takes the stain
for the lamp: both erase what is to be measured. So they are settled once, where there is nothing to see, and
every later frame must carry the same numbers.

A camera's levels follow exposure by a power between a half (gamma) and one (raw); stepping by a power
between the two closes in on the target from either.
"""

from typing import Final, Protocol, runtime_checkable

from alledge.calibration.calibration import CameraControls
from alledge.calibration.empty_field import TARGET_LEVEL, middle_level
from alledge.cameras.source import FrameSource
from alledge.errors import CalibrationRefused
from alledge.types import Frame

_STEPS: Final = 12
_NEAR: Final = 0.03  # relative, of each channel to the target
_POWER: Final = 1.4
_EXPOSURE_US: Final = (20, 200_000)  # longer, and a hand on the stage blurs every frame
_GAINS: Final = (0.2, 16.0)  # what colour gains a sensor pipeline can take
_START: Final = CameraControls(exposure_us=10_000, analogue_gain=1.0, colour_gains=(1.5, 1.5))


@runtime_checkable
class LockableSource(FrameSource, Protocol):
    """A camera whose exposure, gain and colour gains can be set."""

    def lock(self, controls: CameraControls) -> None:
        """Turns the automatics off and holds these settings from the next captured frame on."""
        ...


def settle_camera(source: LockableSource) -> tuple[Frame, CameraControls]:
    """Locks a camera that looks at an empty field so that its middle is grey, at TARGET_LEVEL.

    Returns:
        The last frame, and the settings it was taken with as the frame itself tells them.

    Raises:
        CalibrationRefused: no setting reaches the level: the lamp is too dim or too bright.
        CameraUnavailable: no frame came.
    """
    controls = _START
    for _ in range(_STEPS):
        source.lock(controls)
        frame = source.capture()
        blue, green, red = middle_level(frame.pixels)
        if all(abs(level / TARGET_LEVEL - 1.0) < _NEAR for level in (blue, green, red)):
            return frame, told_controls(frame, controls)
        controls = _next_controls(controls, blue, green, red)
    raise CalibrationRefused(
        f"The light cannot be set: the middle of the field has blue {blue:.0f}, green {green:.0f} and red "
        f"{red:.0f} of 255.",
        "Check that the field is empty, and turn the lamp up or down.",
    )


def told_controls(frame: Frame, asked: CameraControls | None = None) -> CameraControls:
    """The settings of a frame, as its metadata tells them; for what they do not tell, as asked for."""
    asked = asked or CameraControls()
    return CameraControls(
        exposure_us=frame.exposure_us or asked.exposure_us,
        analogue_gain=frame.analogue_gain or asked.analogue_gain,
        colour_gains=frame.colour_gains or asked.colour_gains,
    )


def _next_controls(controls: CameraControls, blue: float, green: float, red: float) -> CameraControls:
    """A step towards the target: green by the exposure, red and blue towards green by their gains."""
    exposure, gains = controls.exposure_us or _EXPOSURE_US[0], controls.colour_gains or (1.0, 1.0)
    brighter = TARGET_LEVEL / max(green, 1.0)
    return CameraControls(
        exposure_us=round(_within(exposure * min(brighter, 4.0) ** _POWER, _EXPOSURE_US)),
        analogue_gain=controls.analogue_gain,
        colour_gains=(
            _within(gains[0] * (max(green, 1.0) / max(red, 1.0)) ** _POWER, _GAINS),
            _within(gains[1] * (max(green, 1.0) / max(blue, 1.0)) ** _POWER, _GAINS),
        ),
    )


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
