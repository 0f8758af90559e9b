"""How many micrometres a pixel spans, read off the red cells: nature's own scale bar.

A human red cell on a dried smear is 7.2 um across, and the mean of a field varies little (normal red
cells of one person spread by 0.5 um; Bessis, Living Blood Cells and Their Ultrastructure, 1973).
Red cells lie alone, in chains, in heaps and cut by the border, but their rims are arcs of one radius:
every rim pixel votes, along its normal into the cell, for a centre at each candidate radius, and at the
true radius the votes meet (Hough transform for circles with edge direction; Kimme, Ballard and
Sklansky, Commun ACM 1975, 18:120).

Image width and camera tell magnification only where somebody knows the microscope, and magnification
tells the hospital: both are shortcuts that a classifier must not see.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.illumination import PLASMA_LEVEL, Illumination
from alledge.reduced import reduce_by
from alledge.stain import chromatin_density, red_cell_direction
from alledge.types import F32, F64, U8, PixelSize, PixelSizeSource

RED_CELL_UM: Final = 7.2
"""Mean diameter of a red cell on a dried smear, in micrometres."""

_NUCLEUS_UM: Final = 10.0  # across the stained part of a white cell: median of five annotated sets
_LONG_SIDE: Final = 560  # working size, within a factor 1.4: a red cell is then 8 to 120 pixels wide
_SMALLEST_RADIUS_PX: Final = 3.0
_LARGEST_RADIUS: Final = 0.25  # of the shorter side: with larger cells there is no field to speak of
_RADIUS_STEP: Final = 1.08
_BIN: Final = 0.3  # side of a vote bin over the radius; red cells are not perfect circles
_SMALL_SIDE: Final = 320  # shorter frames are doubled, or a red cell would be ten pixels
_MOST_RIM_PIXELS: Final = 2500
_LEAST_RIM_PIXELS: Final = 40
_FULL_CIRCLE: Final = 0.22  # of a circle's rim pixels in one bin make it a red cell seen
_ENOUGH_RED_CELLS: Final = 2
_FEW_RED_CELLS: Final = 12  # below, chance meetings of rims can beat the true ones
_RIVAL: Final = 0.75  # of the highest summit: a lower one is no rival
_NUCLEUS_SPREAD: Final = 0.5  # standard deviation of the natural log of nuclear diameters
_PLAUSIBLE_UM: Final = (0.02, 1.5)  # a pixel: 100x objective on a fine sensor, to 20x shrunk for the web
_ASSUMED_UM: Final = 0.15  # 100x objective on a 1/2 inch sensor of two megapixels
_MASKED_UM: Final = 0.06  # C-NMC 2019: 100x objective, cells cut out at the full sensor resolution
_COLOURED: Final = 0.88 * PLASMA_LEVEL  # green level of the palest red cell; plasma noise stays above
_NUCLEAR: Final = 0.2  # chromatin density that no red cell reaches
_NOT_RED: Final = 0.12  # chromatin density of cytoplasm and pale nuclei, whose rims must not vote


@dataclass(frozen=True, slots=True, eq=False)
class _Rims:
    """Rim pixels of red cells: position and unit normal into the cell, (N, 2) float64 each, in x, y."""

    at: F64
    inward: F64
    frame_area: float
    thinning: float


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
    halvings = max(0, round(float(np.log2(max(pixels.shape[:2]) / _LONG_SIDE))))
    reduced = reduce_by(pixels, illumination, 2**halvings)
    small, span = reduced.pixels, float(reduced.factor)
    if max(small.shape[:2]) <= _SMALL_SIDE:
        small = np.asarray(cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        span /= 2.0
    chromatin = chromatin_density(small, red_cell_direction(small))
    nuclear = np.asarray(chromatin > _NUCLEAR, dtype=np.uint8)
    nucleus_px = _typical_nucleus(nuclear)
    radius, n_red_cells = _common_radius(_rims(small, chromatin), min(small.shape[:2]), nucleus_px)
    if n_red_cells >= _ENOUGH_RED_CELLS:
        return _plausible(RED_CELL_UM / (2.0 * radius * span), PixelSizeSource.RED_CELLS, n_red_cells)
    if nucleus_px > 0.0:
        return _plausible(_NUCLEUS_UM / (nucleus_px * span), PixelSizeSource.NUCLEI, 0)
    return PixelSize(_ASSUMED_UM, PixelSizeSource.ASSUMED)


def _plausible(pixel_um: float, source: PixelSizeSource, n_red_cells: int) -> PixelSize:
    """The size, if a microscope can have it."""
    if _PLAUSIBLE_UM[0] <= pixel_um <= _PLAUSIBLE_UM[1]:
        return PixelSize(pixel_um, source, n_red_cells)
    return PixelSize(_ASSUMED_UM, PixelSizeSource.ASSUMED)


def _rims(pixels: U8, chromatin: F32) -> _Rims:
    """Where plasma turns into red cell, away from nuclei and platelets."""
    green = np.ascontiguousarray(pixels[..., 1])
    white = np.asarray(chromatin > _NOT_RED, dtype=np.uint8)
    opened = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    away = cv2.dilate(opened, np.ones((9, 9), np.uint8)) == 0
    stained = np.asarray(green < _rim_level(green[away]), dtype=np.uint8)
    rim = (stained != cv2.erode(stained, np.ones((3, 3), np.uint8))) & away
    rim[[0, -1], :] = False
    rim[:, [0, -1]] = False
    rows, columns = np.nonzero(rim)
    stride = max(1, -(-len(rows) // _MOST_RIM_PIXELS))
    rows, columns = rows[::stride], columns[::stride]
    soft = np.asarray(cv2.GaussianBlur(green, (0, 0), 1.5), dtype=np.uint8)
    normal = -np.stack([_slope(soft, 1, 0)[rows, columns], _slope(soft, 0, 1)[rows, columns]], axis=1)
    length = np.hypot(normal[:, 0], normal[:, 1])
    steep = length > 1.0
    at = np.stack([columns, rows], axis=1).astype(np.float64)
    inward = normal[steep].astype(np.float64) / length[steep, np.newaxis]
    return _Rims(at[steep], inward, float(green.size), 1.0 / stride)


def _slope(image: U8, across: int, down: int) -> F32:
    """Brightness gradient in levels per pixel."""
    return np.asarray(cv2.Sobel(image, cv2.CV_32F, across, down, scale=1 / 8), dtype=np.float32)


def _rim_level(levels: U8) -> float:
    """Green level half way, in optical density, between plasma and the typical red cell."""
    coloured = levels[levels < _COLOURED]
    if coloured.size == 0:
        return 0.0
    return float(np.sqrt(PLASMA_LEVEL * max(float(np.median(coloured)), 1.0)))


def _common_radius(rims: _Rims, side: int, nucleus_px: float) -> tuple[float, int]:
    """The radius at which the rims' votes meet best, in pixels, and how many circles they draw there."""
    largest = _LARGEST_RADIUS * side
    count = len(rims.at)
    if count < _LEAST_RIM_PIXELS or largest <= _SMALLEST_RADIUS_PX:
        return 0.0, 0
    steps = int(np.log(largest / _SMALLEST_RADIUS_PX) / np.log(_RADIUS_STEP)) + 1
    radii = np.asarray(_SMALLEST_RADIUS_PX * _RADIUS_STEP ** np.arange(steps), dtype=np.float64)
    meeting = np.empty(steps)  # other rim pixels that agree with a rim pixel, beyond chance
    for index, radius in enumerate(radii):
        votes = _votes(rims, radius)
        by_chance = 1.0 + count * (_BIN * radius) ** 2 / rims.frame_area
        # Long rims meet more, and so do rims of neighbours: the root holds the balance.
        meeting[index] = (float((votes**2).sum()) / count - by_chance) / np.sqrt(radius)
    best = int(meeting.argmax())
    seen = _circles(rims, float(radii[best]))
    if seen < _FEW_RED_CELLS and nucleus_px > 0.0:
        best = _likeliest(meeting, radii, nucleus_px)
        seen = _circles(rims, float(radii[best]))
    return float(radii[best] * _RADIUS_STEP ** _vertex(meeting, best)), seen


def _circles(rims: _Rims, radius: float) -> int:
    """How many places have enough votes to be the centre of a red cell."""
    full = 2.0 * np.pi * radius * rims.thinning
    return int(np.count_nonzero(_votes(rims, radius) > max(_FULL_CIRCLE * full, 3.0)))


def _likeliest(meeting: F64, radii: F64, nucleus_px: float) -> int:
    """Of the summits of a crop with few red cells, the one that makes its nuclei most usual."""
    inner = meeting[1:-1]
    summit = (inner >= meeting[:-2]) & (inner >= meeting[2:]) & (inner >= _RIVAL * meeting.max())
    summits = 1 + np.flatnonzero(summit)
    if len(summits) == 0:
        return int(meeting.argmax())
    nucleus_um = nucleus_px * RED_CELL_UM / (2.0 * radii[summits])
    unusual = np.log(nucleus_um / _NUCLEUS_UM) / _NUCLEUS_SPREAD
    return int(summits[int((meeting[summits] * np.exp(-0.5 * unusual**2)).argmax())])


def _vertex(values: F64, at: int) -> float:
    """Offset from a summit of samples to the vertex of the parabola through it, -0.5 to 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = values[at - 1 : at + 2]
    bend = before - 2.0 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0.0 else 0.0


def _votes(rims: _Rims, radius: float) -> F64:
    """Votes a bin for centres at one radius."""
    bins = np.floor((rims.at + radius * rims.inward) / (_BIN * radius)).astype(np.int64) + 16
    width = int(bins[:, 0].max()) + 1
    return np.bincount(bins[:, 1] * width + bins[:, 0]).astype(np.float64)


def _typical_nucleus(nuclear: U8) -> float:
    """Median diameter in pixels of the lone nuclei in a mask, 0 where there are none."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(nuclear)
    wide, high = stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT]
    area = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    lone = (area > 0.55 * wide * high) & (np.maximum(wide, high) < 1.5 * np.minimum(wide, high))
    lone &= area >= 0.2 * area.max(initial=0.0)
    lone &= area > np.pi * _SMALLEST_RADIUS_PX**2
    return float(np.sqrt(4.0 / np.pi * np.median(area[lone]))) if lone.any() else 0.0
