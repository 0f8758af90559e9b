"""What one microscope was found to be like, and for which frames that holds.

A calibration is a measurement: of the light with nothing on the slide, of the micrometres that a pixel
spans, of the sharpness that the objective reaches, at one setting of the camera. With another size, other
exposure or other gains it says nothing, so each frame is compared with it and a difference is named, never
worked around.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alledge.clock import WallTime
from alledge.illumination import Illumination
from alledge.types import Frame

_EXPOSURE_STEP: Final = 0.02  # relative; sensors expose by whole lines, libcamera tells what came of it
_GAIN_STEP: Final = 0.03  # relative; analogue gain has steps of 1/256 to 1/16


class ScaleSource(StrEnum):
    """What the size of a pixel was measured on, best first."""

    STAGE_MICROMETER = "stage micrometer"
    RED_CELLS = "red cells"


@dataclass(frozen=True, slots=True)
class Scale:
    """Micrometres per pixel, with its standard error, and the lines or red cells that it rests on."""

    pixel_um: float
    standard_error_um: float
    source: ScaleSource
    n_marks: int


@dataclass(frozen=True, slots=True)
class CameraControls:
    """What a camera was locked to; None for what it does not tell. colour_gains: (red, blue)."""

    exposure_us: int | None = None
    analogue_gain: float | None = None
    colour_gains: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A microscope, measured.

    illumination: the empty field; its width and height are those of the frames that all of it holds for.
    controls: what the camera must be locked to.
    white: blue, green and red level of the empty field where it is brightest, 0 to 255.
    focus: `Quality.focus` (1 / um) of a field in best focus; None when no smear was shown.
    objective: as its owner calls it, "" when they did not say. camera: the SPEC it was measured through.
    wall: when. sha256: of everything above, the name by which results refer to it.
    """

    scale: Scale
    illumination: Illumination
    controls: CameraControls
    white: tuple[float, float, float]
    focus: float | None
    objective: str
    camera: str
    software_version: str
    wall: WallTime
    sha256: str

    @property
    def pixel_um(self) -> float:
        """Micrometres that a pixel spans."""
        return self.scale.pixel_um

    def mismatch(self, frame: Frame) -> str | None:
        """Why this calibration does not hold for a frame, in a sentence; None when it does.

        What a frame does not tell (a file has no exposure) is not held against it.
        """
        calibrated, controls = self.illumination, self.controls
        if (frame.width, frame.height) != (calibrated.width, calibrated.height):
            size = f"{calibrated.width} x {calibrated.height}"
            return f"Calibrated for {size} pixels, the frame has {frame.width} x {frame.height}."
        pairs = (
            ("exposure", controls.exposure_us, frame.exposure_us, "us", _EXPOSURE_STEP),
            ("gain", controls.analogue_gain, frame.analogue_gain, "x", _GAIN_STEP),
            ("red gain", _part(controls.colour_gains, 0), _part(frame.colour_gains, 0), "x", _GAIN_STEP),
            ("blue gain", _part(controls.colour_gains, 1), _part(frame.colour_gains, 1), "x", _GAIN_STEP),
        )
        for name, locked, now, unit, step in pairs:
            if locked is not None and now is not None and abs(now - locked) > step * locked:
                return f"Calibrated with {name} {locked:g} {unit}, the frame has {now:g} {unit}."
        return None


def _part(gains: tuple[float, float] | None, index: int) -> float | None:
    return None if gains is None else gains[index]
