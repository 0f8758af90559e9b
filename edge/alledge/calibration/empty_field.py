"""The empty field: what lamp, condenser and sensor show with nothing on the slide.

Several pictures are averaged, because the noise of one would be printed on every frame after. A picture
that is no empty field would do worse, so it is refused with what is wrong: cells on it, too little light,
or parts at the top of the scale, where the true shape is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.errors import CalibrationRefused
from alledge.illumination import Illumination, illumination_from_flat_field
from alledge.stain import optical_density
from alledge.types import U8

TARGET_LEVEL: Final = 205.0
"""Where the middle of the empty field belongs, of 255: bright, with room for haloes and noise above."""

_DARKEST: Final = 60.0  # of the brightest channel; as in quality.py
_CLIPPED: Final = 0.005  # fraction of the frame at the top of the scale in any channel
_STAINED: Final = 0.15  # total optical density of anything that is no dust
_MOST_STAINED: Final = 0.01  # fraction of the frame that dust may cover
_LEAST_CORNER: Final = 0.25  # of the brightest part; darker corners are the edge of the field of view
_SAMPLES_A_SIDE: Final = 400


@dataclass(frozen=True, slots=True, eq=False)
class EmptyField:
    """A measured empty field.

    pixels: (H, W, 3) uint8 BGR, the mean of the pictures. illumination: its smooth surface.
    white: blue, green and red level in the middle of the field.
    """

    pixels: U8
    illumination: Illumination
    white: tuple[float, float, float]

    @property
    def white_balance(self) -> tuple[float, float]:
        """Factors on the red and blue gain of the camera that would make the empty field grey."""
        blue, green, red = self.white
        return green / red, green / blue


def measure_empty_field(pictures: Sequence[U8]) -> EmptyField:
    """The empty field from pictures of it, one or more, (H, W, 3) uint8 BGR of one size.

    Raises:
        CalibrationRefused: the pictures show something else, are too dark, or washed out.
    """
    sizes = {picture.shape for picture in pictures}
    if len(sizes) != 1:
        raise CalibrationRefused("The pictures of the empty field differ in size.", "Take them in one mode.")
    mean = np.zeros(pictures[0].shape, np.float32)
    for picture in pictures:
        cv2.accumulate(picture, mean)
    pixels = np.asarray(cv2.convertScaleAbs(mean, alpha=1.0 / len(pictures)), dtype=np.uint8)
    white = middle_level(pixels)
    if max(white) < _DARKEST:
        raise CalibrationRefused("The empty field is too dark.", "Turn the lamp up, or expose longer.")
    if float((pixels >= 254).any(axis=2).mean()) > _CLIPPED:
        raise CalibrationRefused("The empty field is washed out.", "Turn the lamp or the exposure down.")
    illumination = illumination_from_flat_field(pixels)
    surface = illumination.background
    if float((surface / surface.max(axis=(0, 1))).min()) < _LEAST_CORNER:
        raise CalibrationRefused(
            "The corners of the field are dark.", "Centre and open the condenser and the field diaphragm."
        )
    if _stained_fraction(pixels, illumination) > _MOST_STAINED:
        raise CalibrationRefused("There is something on the field.", "Move to a clean, empty part of it.")
    return EmptyField(pixels, illumination, white)


def middle_level(pixels: U8) -> tuple[float, float, float]:
    """Median blue, green and red level of the middle third of a frame."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 3 : height - height // 3 : 2, width // 3 : width - width // 3 : 2]
    blue, green, red = (float(np.median(middle[..., channel])) for channel in range(3))
    return blue, green, red


def _stained_fraction(pixels: U8, illumination: Illumination) -> float:
    """Fraction of a frame that is clearly darker than its own smooth surface."""
    step = max(1, round(max(pixels.shape[:2]) / _SAMPLES_A_SIDE))
    calm = np.asarray(cv2.blur(np.ascontiguousarray(pixels[::step, ::step]), (3, 3)), dtype=np.uint8)
    level = illumination.normalise(calm, scale=float(step))
    return float((optical_density(level).sum(axis=2) > _STAINED).mean())
