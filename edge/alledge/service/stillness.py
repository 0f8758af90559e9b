"""Does the stage stand still? Then the field has its result already, and nothing is to be looked at again.

The view is compared with the one that was analysed last, not with the frame before: a slow drift adds up
and is seen. Blocks of pixels are averaged, so that sensor noise cancels; the mean brightness of each colour
is divided out, so that a flickering lamp is no movement.
"""

from typing import Final

import cv2
import numpy as np

from alledge.reduced import Halvings
from alledge.types import F32

_BLOCK_PX: Final = 8  # about a micrometre at 0.13 um a pixel
_MOVED_LEVELS: Final = 6.0  # of 255: a shift of one pixel changes blocks on the rim of a cell by more
_MOVED_FRACTION: Final = 0.002  # of the blocks; a red cell's rim alone covers more
_DARKEST_MEAN: Final = 32.0  # below it the noise of a dark frame would be enlarged into movement


class Stillness:
    """Remembers, reduced, the view that was analysed last."""

    def __init__(self) -> None:
        self._kept: F32 | None = None
        self._asked: F32 | None = None

    def is_unchanged(self, view: Halvings) -> bool:
        """Whether a frame shows what the kept one shows."""
        if self._kept is None:
            self._asked = None
            return False
        now = self._asked = _reduced(view)
        if now.shape != self._kept.shape:
            return False
        blue, green, red = cv2.split(cv2.absdiff(now, self._kept))
        moved = cv2.max(cv2.max(blue, green), red) > _MOVED_LEVELS
        return float(moved.mean()) < _MOVED_FRACTION

    def keep(self, view: Halvings) -> None:
        """Take a frame, the one that was asked about last, as the one that was analysed."""
        self._kept = _reduced(view) if self._asked is None else self._asked
        self._asked = None

    def forget(self) -> None:
        """Have the next frame analysed whatever it shows."""
        self._kept = None


def _reduced(view: Halvings) -> F32:
    """(h, w, 3) float32 block averages, each colour brought to a mean of 128."""
    side = min(view.pixels.shape[:2])
    small = view.by(min(_BLOCK_PX, 1 << (side.bit_length() - 1))).astype(np.float32)
    mean = np.maximum(small.mean(axis=(0, 1)), _DARKEST_MEAN)
    return np.asarray(small * np.float32(128.0) / mean, dtype=np.float32)
