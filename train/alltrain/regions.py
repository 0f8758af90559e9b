"""Which pixels of a patch are the cell, which its neighbours, and which plasma.

A patch is 20 um of slide: the cell in its middle fills a third of it, red cells and other white cells much
of the rest. Whoever asks where a network looked needs to know what lies there. The cell is outlined by the
code that found it in the first place: chromatin resolved from the red cells, the nucleus in the middle, and
the stained cytoplasm in reach of it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from alledge.cells import smooth_density
from alledge.familiarity import PLASMA_ABSORBANCE
from alledge.morphology import cell_body
from alledge.nuclei import SMALLEST_UM2, Nucleus, find_nuclei
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.stain import TYPICAL_RED_CELLS, chromatin_density, optical_density, red_cell_direction
from alledge.types import F64, U8

Masks = npt.NDArray[np.bool_]

PIXEL_UM: Final = PATCH_UM / PATCH_PX
TYPICAL_RADIUS_UM: Final = 5.5  # of a white cell; outlines one in the middle where no nucleus is found there
_STAINED: Final = PLASMA_ABSORBANCE * log(10)  # of green, as a natural logarithm
_REACH_UM: Final = 4.0  # a nucleus further from the middle is a neighbour's
_NECK_UM: Final = 2.0
_MASKED: Final = 0.1  # share of pure black from which a patch is cut out on black
_MOSAIC: Final = 24  # patches of an image that tell the colour of its red cells


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """cell, neighbours, plasma: (N, 50, 50) bool, every pixel in one of them.

    outlined: (N,) bool, False where no nucleus was found in the middle and a disc of 11 um stands for the
    cell.
    """

    cell: Masks
    neighbours: Masks
    plasma: Masks
    outlined: Masks


def find_regions(patches: U8, sources: Sequence[str]) -> Regions:
    """Regions of each patch.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB, illumination-normalised.
        sources: (N) image of each; patches of one image share the colour of their red cells.
    """
    bgr = np.ascontiguousarray(patches[..., ::-1])
    red_cells = _red_cells_of(bgr, sources)
    cell = np.zeros(patches.shape[:3], dtype=np.bool_)
    outlined = np.zeros(len(patches), dtype=np.bool_)
    for index, (patch, source) in enumerate(zip(bgr, sources, strict=True)):
        found = _not_black(patch) if is_masked(patch) else _outline(patch, red_cells[source])
        outlined[index] = found is not None
        cell[index] = _typical_disc() if found is None else found
    stained = np.stack([optical_density(patch)[..., 1] > _STAINED for patch in bgr])
    black = ~bgr.any(axis=3)
    neighbours = stained & ~cell & ~black
    return Regions(cell, neighbours, ~cell & ~neighbours, outlined)


def is_masked(patch: U8) -> bool:
    """Whether a patch, (50, 50, 3) uint8, shows a cell cut out on pure black."""
    return float((~patch.any(axis=2)).mean()) > _MASKED


def _red_cells_of(bgr: U8, sources: Sequence[str]) -> dict[str, F64]:
    """Colour direction of the red cells of each image, read from its patches."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        members[source].append(index)
    return {
        source: red_cell_direction(np.concatenate(list(bgr[indices[:_MOSAIC]])))
        if not is_masked(bgr[indices[0]])
        else TYPICAL_RED_CELLS
        for source, indices in members.items()
    }


def _not_black(patch: U8) -> Masks:
    """The cell as whoever cut it out saw it; specks of black inside it are stain."""
    mask = np.asarray(patch.any(axis=2), dtype=np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.asarray(closed > 0)


def _outline(patch: U8, red_cells: F64) -> Masks | None:
    """The cell whose nucleus lies in the middle; None where there is none. patch: BGR."""
    density = smooth_density(chromatin_density(patch, red_cells), PIXEL_UM)
    nuclei = [n for n in find_nuclei(density, PIXEL_UM) if n.area_um2 >= SMALLEST_UM2]
    if not nuclei:
        return None
    nearest = min(nuclei, key=_distance_px)
    if _distance_px(nearest) * PIXEL_UM > _REACH_UM:
        return None
    cell = _hull(_placed(cell_body(nearest, PIXEL_UM), nearest.corner))
    for other in nuclei:
        if other is not nearest:
            cell &= ~_placed(other.mask, other.corner)
    return cell


def _placed(mask: U8, corner: tuple[int, int]) -> Masks:
    """A mask of a window in the whole patch."""
    placed = np.zeros((PATCH_PX, PATCH_PX), dtype=np.bool_)
    x0, y0 = corner
    placed[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask > 0
    return placed


def _hull(body: Masks) -> Masks:
    """The convex hull of the largest part: cells are round, and pale cytoplasm leaves bays and holes.

    Necks towards a touching neighbour, thinner than 2 um, are cut before.
    """
    side = round(_NECK_UM / PIXEL_UM)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    whole = body.astype(np.uint8)
    opened = cv2.morphologyEx(whole, cv2.MORPH_OPEN, disc)
    parts, _ = cv2.findContours(opened if opened.any() else whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(body.shape, dtype=np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(max(parts, key=cv2.contourArea)), 1)
    return np.asarray(filled > 0)


def _distance_px(nucleus: Nucleus) -> float:
    """From the middle of the patch to the nearest pixel of a nucleus."""
    rows, columns = np.nonzero(nucleus.mask)
    middle, (x0, y0) = (PATCH_PX - 1) / 2, nucleus.corner
    return float(np.hypot(columns + x0 - middle, rows + y0 - middle).min())


def _typical_disc() -> Masks:
    middle, radius = (PATCH_PX - 1) / 2, TYPICAL_RADIUS_UM / PIXEL_UM
    y, x = np.mgrid[:PATCH_PX, :PATCH_PX]
    return np.asarray(np.hypot(x - middle, y - middle) <= radius)
