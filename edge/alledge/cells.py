"""Find the white cells of a field.

White cells are the nucleated ones, and a nucleus is where the chromatin dye is. So: reduce the image
to a third of a micrometre per pixel (reduced.py), resolve the dye from the red cells (stain.py), cut
what is dyed into nuclei (nuclei.py, splitting.py), tell white cells from platelets and smudges
(kinds.py), and measure each white cell with its cytoplasm (morphology.py). Every limit is a length in
micrometres or a dye density, never a number of pixels.
"""

from typing import Final

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.kinds import Kind, tell_kinds
from alledge.morphology import describe_cell
from alledge.nuclei import find_nuclei
from alledge.reduced import Halvings
from alledge.stain import TYPICAL_RED_CELLS, chromatin_density, red_cell_direction
from alledge.types import F32, U8, CellsFound

WORKING_UM: Final = 0.36
"""Coarsest working resolution: a red cell is then 20 pixels wide and a lobe five."""

_SMOOTHING_UM: Final = 0.35  # the resolution limit of the objectives; chromatin texture is finer
_LEAST_SIDE_PX: Final = 16


def find_cells(
    pixels: U8, illumination: Illumination, pixel_um: float, seen: Halvings | None = None
) -> CellsFound:
    """White cells of a field, with smudges and platelets told apart from them.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.
        pixel_um: micrometres per pixel of the frame.
        seen: the same frame, where others look at reduced copies of it as well.

    Returns:
        Cells in reading order (by row of the centre, then column); none where nothing nucleated is seen.
    """
    factor = max(1, min(int(WORKING_UM / pixel_um), min(pixels.shape[:2]) // _LEAST_SIDE_PX))
    reduced = (seen or Halvings(pixels)).reduce_by(illumination, factor)
    # Cut out on black there are no red cells to read their colour from.
    red_cells = TYPICAL_RED_CELLS if illumination.masked else red_cell_direction(reduced.pixels)
    density = smooth_density(chromatin_density(reduced.pixels, red_cells), pixel_um * factor)
    nuclei = find_nuclei(density, pixel_um * factor)
    kinds = tell_kinds(nuclei)
    cells = [
        describe_cell(nucleus, density, reduced, pixel_um)
        for nucleus, kind in zip(nuclei, kinds, strict=True)
        if kind is Kind.WHITE_CELL
    ]
    return CellsFound(
        cells=tuple(sorted(cells, key=lambda cell: (cell.y, cell.x))),
        n_smudges=kinds.count(Kind.SMUDGE),
        n_platelets=kinds.count(Kind.PLATELET),
    )


def smooth_density(density: F32, pixel_um: float) -> F32:
    """Blur to the working resolution; an image coarser than that is left alone."""
    sigma = _SMOOTHING_UM / pixel_um
    if sigma < 0.3:
        return density
    return np.asarray(cv2.GaussianBlur(density, (0, 0), sigma), dtype=np.float32)
