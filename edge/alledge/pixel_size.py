"""How many micrometres a pixel spans, read off the red cells: nature's own scale bar.

A human red cell on a dried smear is 7.2 um across, and the mean of a field varies little (normal red
cells of one person spread by 0.5 um; Bessis, Living Blood Cells and Their Ultrastructure, 1973). Lone
round components of the stained foreground are red cells; half their widths say the rest. Where
red cells lie in chains and heaps, the largest disc that fits at each bulge is a red cell.

Image width and camera tell magnification only where somebody knows the microscope, and magnification
tells the hospital: both are shortcuts that a classifier must not see.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL, Illumination
from alledge.reduced import Reduced, reduce_by
from alledge.stain import chromatin_density, red_cell_direction
from alledge.types import F64, U8, PixelSize, PixelSizeSource

RED_CELL_UM: Final = 7.2
"""Mean diameter of a red cell on a dried smear, in micrometres."""

_NUCLEUS_UM: Final = 9.0  # across the stained part of a white cell, median over the annotated blasts
_LONG_SIDE: Final = 640  # working size: a red cell is then 8 to 120 pixels wide for every camera seen
_LEAST_DIAMETER_PX: Final = 5.0
_ENOUGH_RED_CELLS: Final = 5
_PLAUSIBLE_UM: Final = (0.02, 1.5)  # a pixel: 100x objective on a fine sensor, to 20x shrunk for the web
_ASSUMED_UM: Final = 0.15  # 100x objective on a 1/2 inch sensor of two megapixels
_MASKED_UM: Final = 0.06  # C-NMC 2019: 100x objective, cells cut out at the full sensor resolution
_NUCLEAR: Final = 0.2  # chromatin density that no red cell reaches


def estimate_pixel_size(pixels: U8, illumination: Illumination) -> PixelSize:
    """Micrometres per pixel of a frame.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.

    Returns:
        From red cells where there are some; else from nuclei; else assumed, and its source says so.
    """
    if illumination.masked:
        return PixelSize(_MASKED_UM, PixelSizeSource.ASSUMED)
    reduced = reduce_by(pixels, illumination, max(1, round(max(pixels.shape[:2]) / _LONG_SIDE)))
    if min(reduced.pixels.shape[:2]) < 4 * _LEAST_DIAMETER_PX:
        return PixelSize(_ASSUMED_UM, PixelSizeSource.ASSUMED)
    chromatin = chromatin_density(reduced.pixels, red_cell_direction(reduced.pixels))
    nuclear = np.asarray(chromatin > _NUCLEAR, dtype=np.uint8)
    stained = _stained(reduced)
    diameters = _lone_discs(stained, nuclear)
    if diameters.size < _ENOUGH_RED_CELLS:
        diameters = np.concatenate([diameters, _discs_in_heaps(stained, nuclear)])
    if diameters.size:
        typical = _typical(diameters)
        return _checked(
            RED_CELL_UM / float(np.median(typical)), reduced.factor, PixelSizeSource.RED_CELLS, typical.size
        )
    nuclei = _lone_discs(nuclear, np.zeros_like(nuclear))
    if nuclei.size:
        return _checked(_NUCLEUS_UM / float(np.median(nuclei)), reduced.factor, PixelSizeSource.NUCLEI, 0)
    return PixelSize(_ASSUMED_UM, PixelSizeSource.ASSUMED)


def _checked(reduced_um: float, factor: int, source: PixelSizeSource, n_red_cells: int) -> PixelSize:
    pixel_um = reduced_um / factor
    if not _PLAUSIBLE_UM[0] <= pixel_um <= _PLAUSIBLE_UM[1]:
        return PixelSize(_ASSUMED_UM, PixelSizeSource.ASSUMED)
    return PixelSize(pixel_um, source, n_red_cells)


def _stained(reduced: Reduced) -> U8:
    """(h, w) uint8 0/1: cells of any kind, with the pale middle of red cells filled in."""
    green = np.clip(reduced.pixels[..., 1], 120, PLASMA_LEVEL)  # nuclei must not pull the threshold down
    level, mask = cv2.threshold(green, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    if level > PLASMA_LEVEL - 8:
        mask = np.asarray(green < PLASMA_LEVEL - 8, dtype=np.uint8)
    return _fill_holes(np.asarray(mask, dtype=np.uint8))


def _fill_holes(mask: U8) -> U8:
    """Fill what the foreground encloses: the pallor of red cells, but not the plasma between heaps."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    if count <= 1:
        return mask
    height, width = mask.shape
    left, top, right, bottom = _edges(stats)
    enclosed = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    # Pallor is round; gaps between cells are concave triangles and worms.
    disc = np.pi / 4 * stats[:, cv2.CC_STAT_WIDTH] * stats[:, cv2.CC_STAT_HEIGHT]
    enclosed &= stats[:, cv2.CC_STAT_AREA] > 0.6 * disc
    enclosed[0] = False
    return np.asarray(mask | enclosed.astype(np.uint8)[labels], dtype=np.uint8)


def _edges(stats: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    return left, top, left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]


def _lone_discs(mask: U8, nuclear: U8) -> F64:
    """Diameters in pixels of the round components that hold no nucleus and touch no edge."""
    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    left, top, right, bottom = _edges(stats)
    wide, high = (right - left).astype(np.float64), (bottom - top).astype(np.float64)
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    nucleated = np.bincount(labels.ravel(), weights=nuclear.ravel(), minlength=count) > 0.1 * area
    round_one = (np.maximum(wide, high) < 1.25 * np.minimum(wide, high)) & (
        np.abs(area / (np.pi / 4 * wide * high) - 1.0) < 0.08
    )
    inside = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    keep = round_one & inside & ~nucleated & (np.minimum(wide, high) >= _LEAST_DIAMETER_PX)
    keep[0] = False
    return np.asarray(np.sqrt(4.0 / np.pi * area[keep]), dtype=np.float64)


def _discs_in_heaps(stained: U8, nuclear: U8) -> F64:
    """Diameters in pixels of the largest discs that fit where heaps of red cells bulge."""
    clear = np.where(cv2.dilate(nuclear, np.ones((5, 5), np.uint8)) > 0, 0, stained).astype(np.uint8)
    depth = cv2.distanceTransform(clear, cv2.DIST_L2, 5)
    side = 2 * round(max(_LEAST_DIAMETER_PX, 0.5 * float(depth.max()))) + 1
    peaks = (depth == cv2.dilate(depth, np.ones((side, side), np.uint8))) & (depth > _LEAST_DIAMETER_PX / 2)
    return np.asarray(2.0 * depth[peaks], dtype=np.float64)


def _typical(diameters: F64) -> F64:
    """The diameters around the commonest size, each weighted by its area: specks do not outvote cells."""
    logs = np.log(diameters)
    near = np.abs(logs[:, np.newaxis] - logs[np.newaxis, :]) < np.log(1.2)
    support = near @ diameters**2
    return np.asarray(diameters[near[int(support.argmax())]], dtype=np.float64)
