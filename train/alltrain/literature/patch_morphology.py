"""The device's measures of a cell, taken in its patch instead, for patches that carry none.

Same names and units as `alledge.types.Cell`, measured on the masks of `segmentation`. They are near the
device's measures and not the same: the device looks at the whole field at its own resolution.
"""

from typing import Final

import numpy as np
from scipy import ndimage

from alledge.stain import TYPICAL_RED_CELLS, chromatin_density
from alledge.types import F64, U8
from alltrain.datasets.dataset import MORPHOLOGY, NOT_MEASURED
from alltrain.literature.segmentation import PIXEL_UM, segment_cell
from alltrain.literature.shape import roundness

_SMOOTHING_UM: Final = 0.35  # as the device smooths before it looks


def complete_morphology(patches: U8, morphology: F64) -> F64:
    """(N, 5) float64 MORPHOLOGY with rows that the device left open measured in the patch.

    patches: (N, 50, 50, 3) uint8 RGB; morphology: (N, 5) float64. NaN where the patch shows no cell either.
    """
    completed = np.array(morphology, dtype=np.float64).reshape(len(patches), len(MORPHOLOGY))
    for index in np.flatnonzero(np.isnan(completed).any(axis=1)):
        completed[index] = measure_patch(patches[index])
    return completed


def measure_patch(patch: U8) -> tuple[float, ...]:
    """MORPHOLOGY of the central cell, all NaN where there is none. patch: (50, 50, 3) uint8 RGB."""
    masks = segment_cell(patch)
    if not masks.found:
        return NOT_MEASURED
    cell_um2 = np.count_nonzero(masks.cell) * PIXEL_UM**2
    nucleus_um2 = np.count_nonzero(masks.nucleus) * PIXEL_UM**2
    density = chromatin_density(np.ascontiguousarray(patch[..., ::-1]), TYPICAL_RED_CELLS)
    smooth = ndimage.gaussian_filter(density.astype(np.float64), _SMOOTHING_UM / PIXEL_UM)
    return (
        float(np.sqrt(4 / np.pi * cell_um2)),
        nucleus_um2,
        nucleus_um2 / cell_um2,
        roundness(masks.nucleus),
        float(smooth[masks.nucleus].std()),
    )
