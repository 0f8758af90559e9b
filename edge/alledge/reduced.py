"""A smaller copy of the frame for finding things: cells are many pixels wide, so most pixels say nothing new.

Reduction is by a whole factor with area averaging: it is the cheapest resampling there is, it does not
alias, and the position of every reduced pixel in the frame is exact.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.types import U8


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """An illumination-normalised, reduced copy of a frame.

    pixels: (h, w, 3) uint8 BGR, plasma at PLASMA_LEVEL.
    factor: frame pixels a reduced pixel spans, along each side.
    """

    pixels: U8
    factor: int

    def to_frame(self, position: float) -> float:
        """Frame coordinate of a reduced coordinate: centres of pixels, as everywhere."""
        return position * self.factor + (self.factor - 1) / 2


def reduce_by(pixels: U8, illumination: Illumination, factor: int) -> Reduced:
    """Average blocks of factor x factor pixels, then divide the lamp out.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.
        factor: 1 or more; rows and columns beyond the last whole block are left out.

    Raises:
        ValueError: the frame is smaller than one block.
    """
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    if height == 0 or width == 0:
        raise ValueError(f"expected a frame of at least {factor} x {factor} pixels, got {pixels.shape}")
    small = pixels[: height * factor, : width * factor]
    left = factor
    while left > 1:
        # By halves where possible: OpenCV averages 2 x 2 blocks many times faster than others.
        step = 2 if left % 2 == 0 else left
        left //= step
        size = (width * left, height * left)
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    offset = (factor - 1) / 2
    return Reduced(illumination.normalise(small, offset, offset, float(factor)), factor)
