"""Cut the square of slide around each cell that a classifier sees: 20 um, always 50 pixels, always RGB.

A patch is a physical square, so that magnification tells the classifier nothing, and the lamp is
divided out, so that it tells nothing either. Shrinking averages over the area of each patch pixel;
point sampling would alias the texture of chromatin, which is what the classifier lives on.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL, Illumination
from alledge.types import U8

PATCH_UM: Final = 20.0
"""Side of a patch in micrometres: the largest blast with a rim around it."""

PATCH_PX: Final = 50
"""Side of a patch in pixels: the seed network's input."""


def cut_patches(
    pixels: U8, centres: Sequence[tuple[float, float]], pixel_um: float, illumination: Illumination
) -> U8:
    """Patches around cells, as every model of allscope sees them.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        centres: (x, y) in frame pixels, one a cell.
        pixel_um: micrometres per pixel of the frame.
        illumination: of that frame.

    Returns:
        (N, 50, 50, 3) uint8 RGB, plasma at PLASMA_LEVEL. Beyond the frame: plasma; black if it is masked.
    """
    patches = np.empty((len(centres), PATCH_PX, PATCH_PX, 3), np.uint8)
    for patch, (x, y) in zip(patches, centres, strict=True):
        bgr = _cut(pixels, x, y, PATCH_UM / pixel_um / PATCH_PX, illumination)
        patch[...] = bgr[..., ::-1]
    return patches


def _cut(pixels: U8, x: float, y: float, step: float, illumination: Illumination) -> U8:
    """(50, 50, 3) uint8 BGR patch; `step` is the side of a patch pixel in frame pixels."""
    # Oversampled by a whole number, then averaged: an area average at any position and any step.
    samples = max(1, round(step))
    side = PATCH_PX * samples
    fine = step / samples
    first_x, first_y = x - (side - 1) / 2 * fine, y - (side - 1) / 2 * fine
    to_frame = np.array([[fine, 0.0, first_x], [0.0, fine, first_y]])
    outside = 0 if illumination.masked else PLASMA_LEVEL
    window = cv2.warpAffine(
        pixels,
        to_frame,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    patch = cv2.resize(window, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA)
    centre = (samples - 1) / 2 * fine
    level = illumination.normalise(
        np.asarray(patch, dtype=np.uint8), first_x + centre, first_y + centre, step
    )
    at_x = first_x + centre + step * np.arange(PATCH_PX)
    at_y = first_y + centre + step * np.arange(PATCH_PX)
    if at_x[0] < -0.5 or at_x[-1] > pixels.shape[1] - 0.5:
        level[:, (at_x < -0.5) | (at_x > pixels.shape[1] - 0.5)] = outside
    if at_y[0] < -0.5 or at_y[-1] > pixels.shape[0] - 0.5:
        level[(at_y < -0.5) | (at_y > pixels.shape[0] - 0.5)] = outside
    return level
