"""Smears painted for tests of the pixel path: every place and size known, nothing shared with the phantom.

Colours are optical densities (blue, green, red) against plasma, as they are on a real slide.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from alledge.types import F64, U8

RED_CELL = (0.35, 0.38, 0.12)
NUCLEUS = (0.20, 1.30, 0.75)
CYTOPLASM = (0.08, 0.38, 0.25)
PLATELET = (0.10, 0.55, 0.30)


class PaintedField:
    """A field of plasma that matter is put on; places and sizes in micrometres."""

    def __init__(self, width_um: float = 100.0, height_um: float = 80.0, pixel_um: float = 0.2) -> None:
        self.pixel_um = pixel_um
        shape = (round(height_um / pixel_um), round(width_um / pixel_um), 3)
        self.density: F64 = np.zeros(shape)

    def disc(
        self, x_um: float, y_um: float, diameter_um: float, density: Sequence[float], *, add: bool = False
    ) -> "PaintedField":
        """Put a disc on the field, in place of what lies there or on top of it."""
        mask = np.zeros(self.density.shape[:2], np.uint8)
        centre = (round(16 * x_um / self.pixel_um), round(16 * y_um / self.pixel_um))
        cv2.circle(mask, centre, round(8 * diameter_um / self.pixel_um), 255, -1, cv2.LINE_AA, 4)
        cover = (mask / 255.0)[..., np.newaxis]
        kept = 1.0 if add else 1.0 - cover
        self.density = self.density * kept + cover * np.array(density)
        return self

    def red_cells(self, count: int = 60, seed: int = 1, diameter_um: float = 7.2) -> "PaintedField":
        """Scatter red cells with pallor; they overlap as chance has it."""
        rng = np.random.default_rng(seed)
        height, width = (size * self.pixel_um for size in self.density.shape[:2])
        for x, y in rng.uniform((0.0, 0.0), (width, height), (count, 2)):
            self.disc(x, y, diameter_um, RED_CELL, add=True)
            self.disc(x, y, 0.3 * diameter_um, [-0.4 * part for part in RED_CELL], add=True)
        return self

    def white_cell(
        self, x_um: float, y_um: float, nucleus_um: float = 9.0, cell_um: float = 12.0
    ) -> "PaintedField":
        """A round nucleus in a rim of cytoplasm."""
        return self.disc(x_um, y_um, cell_um, CYTOPLASM).disc(x_um, y_um, nucleus_um, NUCLEUS)

    def pixels(
        self,
        lamp: Sequence[float] = (170.0, 185.0, 190.0),
        vignetting: float = 0.15,
        blur_um: float = 0.35,
        noise: float = 1.5,
    ) -> U8:
        """Photograph the field: (h, w, 3) uint8 BGR."""
        height, width = self.density.shape[:2]
        y, x = np.mgrid[-1.0 : 1.0 : height * 1j, -1.0 : 1.0 : width * 1j]
        light = np.array(lamp) * (1.0 - vignetting * (x**2 + y**2) / 2.0)[..., np.newaxis]
        picture = cv2.GaussianBlur(light * np.exp(-self.density), (0, 0), blur_um / self.pixel_um)
        picture += np.random.default_rng(0).normal(0.0, noise, picture.shape)
        return np.asarray(np.clip(picture.round(), 0, 255), dtype=np.uint8)
