"""The cell in the middle of a patch, cut out the way that Putzu and Di Ruberto cut out leucocytes.

Their steps (L. Putzu, C. Di Ruberto, White Blood Cells Identification and Counting from Microscopic Blood
Images, WASET 2013; L. Putzu, G. Caocci, C. Di Ruberto, Artif. Intell. Med. 62 (2014) 179-191): leucocytes
stand out in the yellow ink of a picture, because red cells hold much of it and stained nuclei hardly any;
a triangle threshold parts them (G. W. Zack, W. E. Rogers, S. A. Latt, J. Histochem. Cytochem. 25 (1977)
741-753); touching cells are parted by a watershed of the distance transform; the nucleus is what Otsu's
threshold keeps both in green and in a* of CIE Lab.

A patch is a crop of one cell whose lamp has been divided out, not a field: little yellow ink is left in it,
so yellow is read from b* of CIE Lab, and only the cell in the middle is kept. Black pixels are mask.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu, threshold_triangle
from skimage.morphology import disk
from skimage.segmentation import watershed

from alledge.patches import PATCH_PX, PATCH_UM
from alledge.types import F64, I64, U8

Mask = npt.NDArray[np.bool_]

PIXEL_UM: Final = PATCH_UM / PATCH_PX
"""Micrometres that a pixel of a patch spans: 0.4."""

_BLACK: Final = 8  # brightest channel of what is masked out
_LEAST_NUCLEUS_UM2: Final = 10.0  # a disc of 3.6 um; smaller stain is dirt
_REACH_UM: Final = 4.0  # how far from the middle the nucleus may begin
_APART_UM: Final = 3.2  # between the middles of two nuclei that the watershed parts
_GAP_UM: Final = 1.2  # between the lobes of one nucleus, at most
_LOBE_UM2: Final = 45.0  # a lobe is smaller than the nucleus of a small lymphocyte
_LOBED_UM2: Final = 70.0  # the largest part of a nucleus whose other lobes were parted from it
_MOST_LOBES: Final = 5
_CYTOPLASM_UM: Final = 3.2  # how far cytoplasm reaches beyond its nucleus
_LEAST_SPREAD: Final = 4.0  # of a channel, 98 % of it; flatter ones hold no cell to be parted


@dataclass(frozen=True, slots=True, eq=False)
class CellMasks:
    """The central cell of a patch.

    cell, nucleus: (50, 50) bool, the nucleus inside the cell; both empty when no cell was found.
    """

    cell: Mask
    nucleus: Mask

    @property
    def found(self) -> bool:
        """Whether there is a cell."""
        return bool(self.nucleus.any())


def segment_cell(patch: U8) -> CellMasks:
    """Cut out the cell in the middle; empty masks where there is none.

    Args:
        patch: (50, 50, 3) uint8 RGB, plasma at one white.
    """
    nothing = np.zeros(patch.shape[:2], dtype=np.bool_)
    seen = patch.max(axis=2) > _BLACK
    if np.count_nonzero(seen) * PIXEL_UM**2 < _LEAST_NUCLEUS_UM2:
        return CellMasks(nothing, nothing)
    lab = np.asarray(rgb2lab(patch), dtype=np.float64)
    nuclei = seen & _low(patch[..., 1].astype(np.float64), seen) & _low(-lab[..., 1], seen)
    parted = _part(np.asarray(ndimage.binary_fill_holes(ndimage.binary_opening(nuclei))))
    number = _middle_one(parted)
    if number == 0:
        return CellMasks(nothing, nothing)
    nucleus = _with_lobes(parted, number)
    stained = seen & (nuclei | _little_yellow(lab[..., 2], seen))
    return CellMasks(_cell_around(nucleus, parted, stained), nucleus)


def _low(channel: F64, seen: Mask) -> Mask:
    """Below Otsu's threshold of what is seen (N. Otsu, IEEE Trans. SMC 9 (1979) 62-66)."""
    values = channel[seen]
    if _spread(values) < _LEAST_SPREAD:
        return np.zeros(seen.shape, dtype=np.bool_)
    return np.asarray(channel < threshold_otsu(values))


def _little_yellow(b_star: F64, seen: Mask) -> Mask:
    """Below the triangle threshold of b*: leucocytes, against red cells and plasma."""
    values = b_star[seen]
    if _spread(values) < _LEAST_SPREAD:
        return np.zeros(seen.shape, dtype=np.bool_)
    # Where a cell fills the patch the peak is the cell itself, and the triangle hangs on the wrong side.
    paler = float(np.median(values[values > threshold_otsu(values)]))
    return np.asarray(b_star < min(float(threshold_triangle(values)), paler))


def _spread(values: F64) -> float:
    return float(np.subtract(*np.percentile(values, [99, 1])))


def _part(nuclei: Mask) -> I64:
    """(50, 50) int64 numbers of nuclei, touching ones parted where the distance transform has a waist."""
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(nuclei), 1.0)
    peaks = peak_local_max(
        distance,
        min_distance=round(_APART_UM / PIXEL_UM),
        labels=nuclei.astype(np.int64),
        exclude_border=False,
    )
    markers = np.zeros(nuclei.shape, dtype=np.int64)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, markers, mask=nuclei), dtype=np.int64)


def _middle_one(parted: I64) -> int:
    """Number of the nucleus in the middle: the largest within reach; 0 for none."""
    rows, columns = np.indices(parted.shape)
    middle = (PATCH_PX - 1) / 2
    within = np.hypot(rows - middle, columns - middle) * PIXEL_UM <= _REACH_UM
    areas = np.bincount(parted[within], minlength=int(parted.max()) + 1)
    areas[0] = 0
    number = int(areas.argmax())
    large_enough = np.count_nonzero(parted == number) * PIXEL_UM**2 >= _LEAST_NUCLEUS_UM2
    return number if areas[number] and large_enough else 0


def _with_lobes(parted: I64, number: int) -> Mask:
    """The nucleus and the lobes beside it that the watershed parted; a neutrophil has up to five.

    A neighbour that the border of the patch cuts looks as small as a lobe, and is none.
    """
    areas = np.bincount(parted.ravel()) * PIXEL_UM**2
    cut = np.unique(np.concatenate([parted[0], parted[-1], parted[:, 0], parted[:, -1]]))
    may_be_lobe = (areas < _LOBE_UM2) & ~np.isin(np.arange(len(areas)), cut)
    nucleus = np.asarray(parted == number)
    for _ in range(_MOST_LOBES - 1):
        near = ndimage.distance_transform_edt(~nucleus) * PIXEL_UM <= _GAP_UM
        lobes = [k for k in np.unique(parted[near & ~nucleus]) if k > 0 and may_be_lobe[k]]
        if areas[number] > _LOBED_UM2 or not lobes:
            break
        nucleus |= np.isin(parted, lobes)
    return nucleus


def _cell_around(nucleus: Mask, parted: I64, stained: Mask) -> Mask:
    """The nucleus and the stain around it that is in reach, nearer to it than to any other nucleus."""
    others = (parted > 0) & ~nucleus
    distance = ndimage.distance_transform_edt(~nucleus)
    own = distance * PIXEL_UM <= _CYTOPLASM_UM
    if others.any():
        own &= distance <= ndimage.distance_transform_edt(~others)
    # The bluish rims of red cells are thin arcs; opening takes them off.
    body = ndimage.binary_opening((stained & own & ~others) | nucleus, disk(3)) | nucleus
    numbers, _ = ndimage.label(body)
    return np.asarray(ndimage.binary_fill_holes(np.isin(numbers, np.unique(numbers[nucleus]))))
