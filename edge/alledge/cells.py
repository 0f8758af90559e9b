"""Find the white cells of a field.

White cells are the nucleated ones, and a nucleus is where the chromatin dye is. So: reduce the image
to a third of a micrometre per pixel, resolve the dye from the red cells (stain.py), keep what is dyed,
cut clumps into nuclei and put lobes together (splitting.py), and add the cytoplasm around. What is
smaller than any nucleus is a platelet; what is large, pale and ragged is a smudge, the remains of a
burst cell. Every limit is a length in micrometres or a dye density, never a number of pixels.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.illumination import Illumination
from alledge.masks import fill_holes
from alledge.morphology import describe_cell
from alledge.reduced import Reduced, reduce_by
from alledge.splitting import split_nuclei
from alledge.stain import chromatin_density, red_cell_direction
from alledge.types import F32, U8, Cell, CellsFound

WORKING_UM: Final = 0.36
"""Coarsest working resolution: a red cell is then 20 pixels wide and a lobe five."""

_FAINTEST: Final = 0.13  # chromatin density that is still stain, not noise or a red cell's rim
_PALEST_NUCLEUS: Final = 0.20  # the palest nuclei seen (Taleqani, overexposed) have 0.22
_PLATELET_UM: Final = 1.2  # across; less is dust
_NUCLEUS_UM: Final = 4.2  # across; platelets are 2 to 4 um, the smallest lymphocyte nucleus 6
_HOLE_UM2: Final = 12.0  # vacuoles and the eye of a ring-shaped nucleus
_SMOOTHING_UM: Final = 0.35
_CYTOPLASM_UM: Final = 3.0  # how far cytoplasm is looked for beyond the nucleus


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """A reduced field with its stain resolved."""

    reduced: Reduced
    density: F32
    unit_um: float


def find_cells(pixels: U8, illumination: Illumination, pixel_um: float) -> CellsFound:
    """White cells of a field, with smudges and platelets told apart from them.

    Args:
        pixels: (H, W, 3) uint8 BGR frame.
        illumination: of that frame.
        pixel_um: micrometres per pixel of the frame.

    Returns:
        Cells in reading order (by row of the centre, then column); none where nothing nucleated is seen.
    """
    field = _resolve(pixels, illumination, pixel_um)
    stained = np.asarray(field.density > _FAINTEST, dtype=np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(stained, connectivity=8)
    area_um2 = stats[:, cv2.CC_STAT_AREA] * field.unit_um**2
    cells: list[Cell] = []
    n_platelets = n_smudges = 0
    for index in np.nonzero(area_um2 > np.pi / 4 * _PLATELET_UM**2)[0]:
        if index == 0:
            continue
        left, top, width, height = (int(value) for value in stats[index, :4])
        # One pixel of rim, so that only the frame's own edge cuts a component.
        window = (slice(max(top - 1, 0), top + height + 1), slice(max(left - 1, 0), left + width + 1))
        component = np.asarray(labels[window] == index, dtype=np.uint8)
        found = _cells_of(field, component, window)
        cells += found.cells
        n_platelets += found.n_platelets
        n_smudges += found.n_smudges
    return CellsFound(tuple(sorted(cells, key=lambda c: (c.y, c.x))), n_smudges, n_platelets)


def _resolve(pixels: U8, illumination: Illumination, pixel_um: float) -> _Field:
    """Reduce the frame and resolve its stain."""
    factor = max(1, min(int(WORKING_UM / pixel_um), min(pixels.shape[:2]) // 32))
    reduced = reduce_by(pixels, illumination, factor)
    unit_um = pixel_um * factor
    density = chromatin_density(reduced.pixels, red_cell_direction(reduced.pixels))
    sigma = _SMOOTHING_UM / unit_um
    if sigma > 0.3:
        density = np.asarray(cv2.GaussianBlur(density, (0, 0), sigma), dtype=np.float32)
    return _Field(reduced, density, unit_um)


def _cells_of(field: _Field, component: U8, window: tuple[slice, slice]) -> CellsFound:
    """The cells in one stained component."""
    density = field.density[window]
    unit_um2 = field.unit_um**2
    darkest = float(np.percentile(density[component > 0], 90))
    if darkest < _PALEST_NUCLEUS:
        return CellsFound((), 0, 0)
    level = max(_FAINTEST, 0.5 * darkest)
    nuclear = np.asarray((density > level) & (component > 0), dtype=np.uint8)
    nuclear = fill_holes(nuclear, int(_HOLE_UM2 / unit_um2))
    labels, count = split_nuclei(nuclear, field.unit_um)
    cells: list[Cell] = []
    n_platelets = 0
    for number in range(1, count + 1):
        nucleus = np.asarray(labels == number, dtype=np.uint8)
        area = np.count_nonzero(nucleus) * unit_um2
        if area < np.pi / 4 * _NUCLEUS_UM**2:
            n_platelets += count == 1
            continue
        body = _body(nucleus, component, np.asarray((labels > 0) & (labels != number)), field.unit_um)
        corner = (window[1].start, window[0].start)
        unit = field.unit_um / field.reduced.factor
        cells.append(describe_cell(nucleus, body, density, corner, field.reduced, unit))
    return CellsFound(tuple(cells), 0, n_platelets)


def _body(nucleus: U8, component: U8, others: np.ndarray, unit_um: float) -> U8:
    """Nucleus and the stained cytoplasm within reach that belongs to no other nucleus."""
    side = 2 * round(_CYTOPLASM_UM / unit_um) + 1
    reach = cv2.dilate(nucleus, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray((reach > 0) & (component > 0) & ~others, dtype=np.uint8)
