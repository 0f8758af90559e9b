"""Say whether a field can be judged, before anything is said about its cells.

The worst that a screening aid can do is to count cells in a picture that shows none. Each way of
failing has a name and a sentence that tells a technician what to do.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL, Illumination
from alledge.reduced import Reduced, reduce_by
from alledge.types import U8, Quality, Verdict

_ADVICE: Final = {
    Verdict.OK: "The field can be judged.",
    Verdict.OUT_OF_FOCUS: "Turn the fine focus until the rims of the red cells are crisp.",
    Verdict.TOO_DARK: "Open the condenser or turn the lamp up.",
    Verdict.SATURATED: "Turn the lamp or the exposure down: the cells are washed out.",
    Verdict.NO_SMEAR: "Move the slide: there are no cells here.",
    Verdict.NOT_A_SMEAR: "This is no picture of a stained blood smear.",
}

_LONG_SIDE: Final = 640
_DARK: Final = 40.0  # level of the brightest parts, of 255
_EMPTY: Final = 0.01  # fraction of the field covered by anything stained


def judge_quality(pixels: U8, illumination: Illumination, pixel_um: float | None) -> Quality:
    """Quality of a field.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.
        pixel_um: micrometres per pixel where known.

    Returns:
        The verdict with the figures it rests on: focus (steepest rims, per um), brightness (level of the
        background, 0 to 1), and the fractions of the field that are saturated and stained.
    """
    reduced = reduce_by(pixels, illumination, max(1, round(max(pixels.shape[:2]) / _LONG_SIDE)))
    brightness = float(illumination.background.mean()) / 255.0
    saturated = float((pixels[::4, ::4].min(axis=2) >= 254).mean())
    smear = float((reduced.pixels[..., 1] < PLASMA_LEVEL * 0.85).mean())
    focus = _steepest(reduced) / (reduced.factor * (pixel_um or 0.15))
    verdict = Verdict.OK
    if brightness * 255.0 < _DARK:
        verdict = Verdict.TOO_DARK
    elif saturated > 0.9:
        verdict = Verdict.SATURATED
    elif smear < _EMPTY:
        verdict = Verdict.NO_SMEAR
    return Quality(verdict, _ADVICE[verdict], focus, brightness, saturated, smear)


def _steepest(reduced: Reduced) -> float:
    """The 99th percentile of the brightness gradient, as a fraction of the plasma level per pixel."""
    green = np.ascontiguousarray(reduced.pixels[..., 1])
    across = cv2.Sobel(green, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(green, cv2.CV_32F, 0, 1, scale=1 / 8)
    return float(np.percentile(cv2.magnitude(across, down), 99)) / PLASMA_LEVEL
