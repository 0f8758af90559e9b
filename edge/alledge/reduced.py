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
    return Halvings(pixels).reduce_by(illumination, factor)


class Halvings:
    """A frame and its averages over blocks of pixels, each made once, when somebody first asks for it.

    Several stages look at the same frame at different sizes; a size is most cheaply made from the next
    larger one. Does not outlive the memory that the frame lies in.
    """

    def __init__(self, pixels: U8) -> None:
        self.pixels = pixels
        self._made: dict[int, U8] = {1: pixels}

    def by(self, factor: int) -> U8:
        """Averages over blocks of factor x factor pixels, as the camera saw them; not to be written to.

        Rows and columns beyond the last whole block are left out.

        Raises:
            ValueError: the frame is smaller than one block.
        """
        if min(self.pixels.shape[:2]) < factor:
            shape = self.pixels.shape
            raise ValueError(f"expected a frame of at least {factor} x {factor} pixels, got {shape}")
        if factor not in self._made:
            # By halves where possible: OpenCV averages 2 x 2 blocks many times faster than others.
            step, power = (2, factor // 2) if _is_power_of_two(factor) else _odd_part(factor)
            self._made[factor] = _average(self.by(power), step)
        return self._made[factor]

    def reduce_by(self, illumination: Illumination, factor: int) -> Reduced:
        """The same with the lamp divided out; as `reduce_by`."""
        offset = (factor - 1) / 2
        return Reduced(illumination.normalise(self.by(factor), offset, offset, float(factor)), factor)


def _is_power_of_two(factor: int) -> bool:
    return factor & (factor - 1) == 0


def _odd_part(factor: int) -> tuple[int, int]:
    """A factor as (odd part, power of two)."""
    power = factor & -factor
    return factor // power, power


def _average(pixels: U8, step: int) -> U8:
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    whole = pixels[: height * step, : width * step]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
