"""What a haematologist says of one cell, in numbers with units: size, nucleus to cytoplasm, roundness.

The words are those of the FAB classification of acute leukaemias (Bennett et al., Br J Haematol 1976,
33:451): L1 small with scanty cytoplasm and a regular nucleus, L2 large with clefts, L3 large and
vacuolated. Numbers are measured on the reduced image and told in frame coordinates and micrometres.
"""

import cv2
import numpy as np

from alledge.reduced import Reduced
from alledge.types import F32, U8, Cell


def describe_cell(
    nucleus: U8, body: U8, density: F32, corner: tuple[int, int], reduced: Reduced, pixel_um: float
) -> Cell:
    """Measure one cell.

    Args:
        nucleus: (h, w) uint8 0/1, in a window of the reduced image.
        body: (h, w) uint8 0/1, nucleus and cytoplasm.
        density: (h, w) float32 chromatin density in the window.
        corner: (x, y) of the window in the reduced image.
        reduced: the reduced image the window is from.
        pixel_um: micrometres per pixel of the frame.
    """
    unit_um = pixel_um * reduced.factor
    rows, columns = np.nonzero(body)
    left, right = int(columns.min()) + corner[0], int(columns.max()) + corner[0] + 1
    top, bottom = int(rows.min()) + corner[1], int(rows.max()) + corner[1] + 1
    height, width = reduced.pixels.shape[:2]
    moments = cv2.moments(body, binaryImage=True)
    x = moments["m10"] / moments["m00"] + corner[0]
    y = moments["m01"] / moments["m00"] + corner[1]
    nucleus_area = float(np.count_nonzero(nucleus)) * unit_um**2
    body_area = max(float(moments["m00"]) * unit_um**2, nucleus_area)
    factor = reduced.factor
    return Cell(
        x=reduced.to_frame(x),
        y=reduced.to_frame(y),
        box=(left * factor, top * factor, right * factor, bottom * factor),
        diameter_um=float(np.sqrt(4.0 / np.pi * body_area)),
        nucleus_area_um2=nucleus_area,
        nucleus_cytoplasm_ratio=nucleus_area / body_area,
        roundness=_roundness(nucleus),
        texture=float(density[nucleus > 0].std()),
        touches_border=left <= 0 or top <= 0 or right >= width or bottom >= height,
    )


def _roundness(mask: U8) -> float:
    """4 pi area / perimeter^2 over all parts of a mask, 1 for a disc and at most 1."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    area = sum(cv2.contourArea(outline) for outline in outlines)
    perimeter = sum(cv2.arcLength(outline, closed=True) for outline in outlines)
    return float(min(1.0, 4.0 * np.pi * area / perimeter**2)) if perimeter > 0 else 0.0
