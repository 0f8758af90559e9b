"""What a haematologist says of one cell, in numbers with units: size, nucleus to cytoplasm, roundness.

The words are those of the FAB classification of acute leukaemias (Bennett et al., Br J Haematol 1976,
33:451): L1 small with scanty cytoplasm and a regular nucleus, L2 large with clefts, L3 large and
vacuolated. Numbers are measured on the reduced image and told in frame coordinates and micrometres.
"""

from typing import Final

import cv2
import numpy as np

from alledge.nuclei import Nucleus
from alledge.reduced import Reduced
from alledge.types import F32, U8, Cell

_CYTOPLASM_UM: Final = 3.0  # how far cytoplasm is looked for beyond the nucleus


def describe_cell(nucleus: Nucleus, density: F32, reduced: Reduced, pixel_um: float) -> Cell:
    """Measure one cell.

    Args:
        nucleus: its nucleus.
        density: (h, w) float32 chromatin density of the whole reduced image.
        reduced: the reduced image that the nucleus was found in.
        pixel_um: micrometres per pixel of the frame.
    """
    unit_um = pixel_um * reduced.factor
    body = cell_body(nucleus, unit_um)
    x0, y0 = nucleus.corner
    rows, columns = np.nonzero(body)
    left, right = int(columns.min()) + x0, int(columns.max()) + x0 + 1
    top, bottom = int(rows.min()) + y0, int(rows.max()) + y0 + 1
    height, width = density.shape
    window = density[y0 : y0 + body.shape[0], x0 : x0 + body.shape[1]]
    body_area = float(len(rows)) * unit_um**2
    factor = reduced.factor
    return Cell(
        x=reduced.to_frame(float(columns.mean()) + x0),
        y=reduced.to_frame(float(rows.mean()) + y0),
        box=(left * factor, top * factor, right * factor, bottom * factor),
        diameter_um=float(np.sqrt(4.0 / np.pi * body_area)),
        nucleus_area_um2=nucleus.area_um2,
        nucleus_cytoplasm_ratio=nucleus.area_um2 / body_area,
        roundness=_roundness(nucleus.mask),
        texture=float(window[nucleus.mask > 0].std()),
        touches_border=left <= 0 or top <= 0 or right >= width or bottom >= height,
    )


def cell_body(nucleus: Nucleus, unit_um: float) -> U8:
    """(h, w) uint8 0/1: the nucleus and the stained cytoplasm within reach of it."""
    side = 2 * round(_CYTOPLASM_UM / unit_um) + 1
    reach = cv2.dilate(nucleus.mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray((nucleus.mask > 0) | ((reach > 0) & (nucleus.stained > 0)), dtype=np.uint8)


def _roundness(mask: U8) -> float:
    """4 pi area / perimeter^2 over all parts of a mask, 1 for a disc and at most 1."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    area = sum(cv2.contourArea(outline) for outline in outlines)
    perimeter = sum(cv2.arcLength(outline, closed=True) for outline in outlines)
    return float(min(1.0, 4.0 * np.pi * area / perimeter**2)) if perimeter > 0 else 0.0
