"""Noise with a grain in micrometres, in octaves, from which chromatin and cytoplasm are made.

One set of tiles serves a whole field: each cell takes its own random, flipped cut of each octave.
"""

from typing import Final

import cv2
import numpy as np

from alledge.types import F32

GRAINS_UM: Final = (0.25, 0.5, 1.0, 2.0)
_TILE_MARGIN: Final = 160  # spare pixels, so that two cells hardly ever share a cut


class Texture:
    """Tiles of smooth noise, one an octave of grain, each with mean 0 and standard deviation 1."""

    def __init__(self, rng: np.random.Generator, pixel_um: float, largest_px: int) -> None:
        side = largest_px + _TILE_MARGIN
        self._tiles = [self._tile(rng, side, grain / pixel_um) for grain in GRAINS_UM]

    @staticmethod
    def _tile(rng: np.random.Generator, side: int, grain_px: float) -> F32:
        white = rng.standard_normal((side, side), dtype=np.float32)
        # A grain is a blob and its gap: half a wavelength, about 2.5 standard deviations of the blur.
        smooth = cv2.GaussianBlur(white, (0, 0), max(grain_px / 2.5, 0.3))
        return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)

    def cut(self, rng: np.random.Generator, shape: tuple[int, int], octave: int) -> F32:
        """One octave over a window: (h, w) float32."""
        tile = self._tiles[octave]
        height, width = shape
        top = int(rng.integers(0, tile.shape[0] - height + 1))
        left = int(rng.integers(0, tile.shape[1] - width + 1))
        piece = tile[top : top + height, left : left + width]
        return piece[:: int(rng.choice((-1, 1))), :: int(rng.choice((-1, 1)))]

    def mix(self, rng: np.random.Generator, shape: tuple[int, int], weights: tuple[float, ...]) -> F32:
        """A weighted sum of octaves, finest first, scaled to standard deviation about 1."""
        total = np.zeros(shape, np.float32)
        for octave, weight in enumerate(weights):
            if weight:
                total += np.float32(weight) * self.cut(rng, shape, octave)
        return np.asarray(total / np.float32(np.linalg.norm(weights)), np.float32)
