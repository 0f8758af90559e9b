"""Candidates for nuclei in a field whose stain has been resolved, each with what its kind is told by.

Stain that lies together is looked at together, and "together" reaches over the clear cytoplasm between
the lobes of a neutrophil. Within such a group the nucleus is what has at least half the density of its
dark part: the edge of a blurred disc lies at half its height, whether the slide is pale or dark.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.masks import fill_round_holes
from alledge.splitting import split_nuclei
from alledge.types import F32, U8

FAINTEST: Final = 0.13
"""Chromatin density that is still stain: camera noise and the rims of red cells stay below."""

SMALLEST_UM2: Final = 13.8
"""Area of a disc of 4.2 um. No nucleus is smaller; platelets are 2 to 4 um across."""

_BRIDGE_UM: Final = 1.2  # half the widest gap between lobes that are looked at together
_SPECK_UM2: Final = 1.2  # less stain than that is dust
_HOLE_UM2: Final = 12.0  # vacuoles and the eye of a ring-shaped nucleus
_HALF_HEIGHT: Final = 0.5
_DARK_PART: Final = 90.0  # percentile of density that stands for the dark part


@dataclass(frozen=True, slots=True, eq=False)
class Nucleus:
    """Something stained like chromatin, all parts of one cell.

    mask: (h, w) uint8 0/1, in a window of the working image.
    stained: (h, w) uint8 0/1, all that is stained in the window and belongs to no other nucleus.
    corner: (x, y) of the window in the working image.
    area_um2: of the mask.
    density: median chromatin density over the mask.
    cut: the frame cuts it.
    """

    mask: U8
    stained: U8
    corner: tuple[int, int]
    area_um2: float
    density: float
    cut: bool

    @property
    def chromatin(self) -> float:
        """Integrated density in um2: the dye bound, which follows the DNA that is there."""
        return self.area_um2 * self.density

    @property
    def diameter_um(self) -> float:
        """Diameter of the disc of the same area."""
        return float(np.sqrt(4.0 / np.pi * self.area_um2))


def find_nuclei(density: F32, pixel_um: float) -> list[Nucleus]:
    """All candidates in a field, in no particular order.

    Args:
        density: (h, w) float32 chromatin density, smoothed.
        pixel_um: micrometres per pixel of `density`.
    """
    stained = np.asarray(density > FAINTEST, dtype=np.uint8)
    side = 2 * round(_BRIDGE_UM / pixel_um) + 1
    together = cv2.dilate(stained, np.ones((side, side), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(together, connectivity=8)
    found: list[Nucleus] = []
    for index in range(1, len(stats)):
        left, top, width, height = (int(value) for value in stats[index, :4])
        window = (slice(top, top + height), slice(left, left + width))
        group = np.where(labels[window] == index, stained[window], 0).astype(np.uint8)
        area_um2 = np.count_nonzero(group) * pixel_um**2
        if area_um2 >= SMALLEST_UM2:
            found += _in_group(density[window], group, (left, top), density.shape[:2], pixel_um)
        elif area_um2 >= _SPECK_UM2:
            found.append(_describe(group, group, density[window], (left, top), density.shape[:2], pixel_um))
    return found


def _in_group(
    density: F32, stained: U8, corner: tuple[int, int], frame: tuple[int, ...], pixel_um: float
) -> list[Nucleus]:
    """The candidates in one group of stain."""
    darkest = float(np.percentile(density[stained > 0], _DARK_PART))
    nuclear = np.asarray((density > max(FAINTEST, _HALF_HEIGHT * darkest)) & (stained > 0), dtype=np.uint8)
    nuclear = fill_round_holes(nuclear, int(_HOLE_UM2 / pixel_um**2))
    labels, count = split_nuclei(nuclear, density, pixel_um)
    found = []
    for number in range(1, count + 1):
        mask = np.asarray(labels == number, dtype=np.uint8)
        own = np.asarray((stained > 0) & ((labels == 0) | (labels == number)), dtype=np.uint8)
        found.append(_describe(mask, own, density, corner, frame, pixel_um))
    return found


def _describe(
    mask: U8, stained: U8, density: F32, corner: tuple[int, int], frame: tuple[int, ...], pixel_um: float
) -> Nucleus:
    """Measure one candidate."""
    rows, columns = np.nonzero(mask)
    left, right = columns.min() + corner[0], columns.max() + corner[0]
    top, bottom = rows.min() + corner[1], rows.max() + corner[1]
    return Nucleus(
        mask=mask,
        stained=stained,
        corner=corner,
        area_um2=float(len(rows)) * pixel_um**2,
        density=float(np.median(density[mask > 0])),
        cut=bool(left <= 0 or top <= 0 or right >= frame[1] - 1 or bottom >= frame[0] - 1),
    )
