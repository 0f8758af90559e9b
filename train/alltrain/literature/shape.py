"""The form of a cell and of its nucleus in numbers, in micrometres or without a unit.

Measures of binary objects as in the shape descriptors of L. Putzu, G. Caocci, C. Di Ruberto, Artif. Intell.
Med. 62 (2014) 179-191, taken with scikit-image. All are free of position and orientation.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import perimeter, regionprops

from alledge.types import F64
from alltrain.literature.segmentation import PIXEL_UM, CellMasks

Mask = npt.NDArray[np.bool_]

OBJECT_MEASURES: Final = (
    "area",
    "perimeter",
    "convex area",
    "convex perimeter",
    "equivalent diameter",
    "major axis",
    "minor axis",
    "eccentricity",
    "elongation",
    "solidity",
    "convexity",
    "roundness",
    "compactness",
    "rectangularity",
)

SHAPE_MEASURES: Final = (
    *(f"{name} of the cell" for name in OBJECT_MEASURES),
    *(f"{name} of the nucleus" for name in OBJECT_MEASURES),
    "nucleus to cell",
    "parts of the nucleus",
)
"""The thirty measures of `shape_features`, in its order."""


def shape_features(masks: CellMasks) -> F64:
    """(30,) float64 SHAPE_MEASURES of a cell that was found; lengths in um, areas in um2."""
    cell, nucleus = _object_measures(masks.cell), _object_measures(masks.nucleus)
    _, n_parts = ndimage.label(masks.nucleus)
    return np.array([*cell, *nucleus, nucleus[0] / cell[0], float(n_parts)])


def roundness(mask: Mask) -> float:
    """4 pi area over squared perimeter, 1 for a disc and at most 1."""
    length = float(perimeter(mask))
    return min(1.0, 4 * np.pi * float(np.count_nonzero(mask)) / length**2) if length > 0 else 0.0


def _object_measures(mask: Mask) -> tuple[float, ...]:
    """OBJECT_MEASURES of all parts of a mask together."""
    (region,) = regionprops(mask.astype(np.uint8))
    area, length = float(region.area), max(float(region.perimeter), 1.0)
    convex_length = max(float(perimeter(region.image_convex)), 1.0)
    major, minor = float(region.axis_major_length), float(region.axis_minor_length)
    return (
        area * PIXEL_UM**2,
        length * PIXEL_UM,
        float(region.area_convex) * PIXEL_UM**2,
        convex_length * PIXEL_UM,
        float(region.equivalent_diameter_area) * PIXEL_UM,
        major * PIXEL_UM,
        minor * PIXEL_UM,
        float(region.eccentricity),
        1 - minor / max(major, 1.0),
        float(region.solidity),
        convex_length / length,
        4 * np.pi * area / convex_length**2,
        4 * np.pi * area / length**2,
        float(region.extent),
    )
