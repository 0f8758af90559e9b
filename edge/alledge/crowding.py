"""Where a smear is too thick, cells lie on one another and nothing can be said of any.

In the area that haematologists read, red cells lie side by side with open plasma between them. Where it gets
thick, the plasma shrinks to gaps and all blood becomes one connected sheet. Both happen within a narrow
range of cells per area (a percolation threshold), so together they tell the two apart sharply, whatever the
stain: how dark the overlaps are differs too much between slides to go by.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.stain import optical_density
from alledge.types import U8

_SAMPLES_A_SIDE: Final = 320
_STAINED: Final = 0.25  # total optical density of the palest cells
_CLEAR: Final = 0.2  # total optical density that is still plasma
_GAP_UM: Final = 2.0  # clear places narrower than that are gaps between cells, not open plasma
_SUM: Final = np.ones((1, 3), np.float32)
_SMALLEST_FIELD_UM: Final = 50.0  # crops of a cell and its neighbours are connected by chance
_JOINED: Final = 0.4  # of the blood in one piece: 0.25 at most in 61 fields of ALL-IDB1
_OPEN: Final = 0.14  # of the field in open plasma: 0.33 at least there, 0.15 in 200 fields of Taleqani


def is_too_thick(pixels: U8, illumination: Illumination, pixel_um: float) -> bool:
    """Whether the cells of a field overlap too much to be judged one by one.

    Args:
        pixels: (H, W, 3) uint8 BGR frame, not masked.
        illumination: of that frame.
        pixel_um: micrometres per pixel.
    """
    if max(pixels.shape[:2]) * pixel_um < _SMALLEST_FIELD_UM:
        return False
    step = max(1, round(max(pixels.shape[:2]) / _SAMPLES_A_SIDE))
    # Sampled, not averaged: noise is far below the limits of density, and averaging a frame takes longer.
    sampled = np.ascontiguousarray(pixels[::step, ::step])
    total = cv2.transform(optical_density(illumination.normalise(sampled, scale=float(step))), _SUM)
    _, _, stats, _ = cv2.connectedComponentsWithStats((total > _STAINED).astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    joined = float(areas.max(initial=0)) / max(float(areas.sum()), 1.0)
    side = 2 * max(1, round(_GAP_UM / 2.0 / (pixel_um * step))) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx((total < _CLEAR).astype(np.uint8), cv2.MORPH_OPEN, disc)
    return joined > _JOINED and float(opened.mean()) < _OPEN
