"""Where a smear is too thick, cells lie on one another and nothing can be said of any.

In the area that haematologists read, red cells lie side by side with open plasma between them. Where it gets
thick, the plasma shrinks to gaps and all blood becomes one connected sheet. Both happen within a narrow
range of cells per area (a percolation threshold), so together they tell the two apart sharply, whatever the
stain: how dark the overlaps are differs too much between slides to go by.

Thicker still, so little plasma is left that the background is read off single red cells. The plasma about the
white cells then is brighter than "plasma", in the colours that blood absorbs, as nothing else on a slide is.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.stain import optical_density
from alledge.types import F32, U8

_SAMPLES_A_SIDE: Final = 320
_STAINED: Final = 0.25  # total optical density of the palest cells
_CLEAR: Final = 0.2  # total optical density that is still plasma
_GAP_UM: Final = 2.0  # clear places narrower than that are gaps between cells, not open plasma
_ALL: Final = np.array([[1.0, 1.0, 1.0]], np.float32)
_BLUE_GREEN: Final = np.array([[1.0, 1.0, 0.0]], np.float32)
_SMALLEST_FIELD_UM: Final = 50.0  # crops of a cell and its neighbours are connected by chance
_JOINED: Final = 0.4  # of the blood in one piece: 0.25 at most in 61 fields of ALL-IDB1
_BRIGHTER: Final = -0.15  # optical density of blue and green together, against what was taken for plasma
_TAKEN_FOR_PLASMA: Final = 0.01  # of the field brighter than that: 0.006 at most in 500 real fields
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
    # Sampled, not averaged: averaging a frame takes longer than all the rest.
    sampled = cv2.blur(np.ascontiguousarray(pixels[::step, ::step]), (3, 3))
    normal = illumination.normalise(np.asarray(sampled, dtype=np.uint8), scale=float(step))
    density = optical_density(normal)
    if float((cv2.transform(density, _BLUE_GREEN) < _BRIGHTER).mean()) > _TAKEN_FOR_PLASMA:
        return True
    total = np.asarray(cv2.transform(density, _ALL), dtype=np.float32)
    return _joined(total) > _JOINED and _open_plasma(total, pixel_um * step) < _OPEN


def _joined(total: F32) -> float:
    """Share of the stained area that its largest piece has."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((total > _STAINED).astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return float(areas.max(initial=0)) / max(float(areas.sum()), 1.0)


def _open_plasma(total: F32, pixel_um: float) -> float:
    """Share of the field that is clear over more than a gap."""
    side = 2 * max(1, round(_GAP_UM / 2.0 / pixel_um)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return float(cv2.morphologyEx((total < _CLEAR).astype(np.uint8), cv2.MORPH_OPEN, disc).mean())
