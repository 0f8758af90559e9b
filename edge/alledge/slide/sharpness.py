"""Which of several patches of one cell is the sharpest.

The same cell is photographed in several fields, some a little out of focus or in motion. Blur takes the
steep edges, so the mean squared slope (Tenengrad: Krotkov, Int J Comput Vis 1987, 1:223) ranks views of
one cell. It does not compare different cells: a coarse nucleus is steeper than a smooth one.
"""

from typing import Final

import cv2
import numpy as np

from alledge.types import F64, U8

_GREEN: Final = 1  # of RGB as of BGR; every stain absorbs it


def sharpness_of(patches: U8) -> F64:
    """Sharpness of each patch.

    Args:
        patches: (N, 50, 50, 3) uint8 from `alledge.patches.cut_patches`, lamp already divided out.

    Returns:
        (N,) mean squared slope of green, in (grey levels a pixel)^2.
    """
    return np.array(
        [_squared_slope(np.ascontiguousarray(patch[..., _GREEN])) for patch in patches], np.float64
    )


def _squared_slope(green: U8) -> float:
    across = cv2.Sobel(green, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(green, cv2.CV_32F, 0, 1, scale=1 / 8)
    return float(np.mean(across**2 + down**2))
