"""A whole slide under the objective: as far as anyone moves it, with every cell known.

The slide is a plane of tiles, each laid out like one phantom field from a seed of its own, so the same
seed is the same slide whatever path the stage takes. Tiles are rendered when they first come into view;
what reaches over the edge of a tile is drawn on its neighbours too. The optics and the camera belong to
the field, not to the slide: the lamp stays where it is while the slide moves, and noise is fresh.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from alledge.phantom.optics import developed, photograph
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.render import Smear
from alledge.phantom.truth import CellKind
from alledge.types import F32, U8

_F16: TypeAlias = npt.NDArray[np.float16]
_Drawn = TypeVar("_Drawn")

_INSET_UM: Final = 13.0  # white cells of neighbouring tiles, and red cells beyond the edge, stay clear
TILES_KEPT: Final = 16
"""A field shows four at most, and a tile needs the canvases of nine."""


@dataclass(frozen=True, slots=True)
class SlideCell:
    """One thing on the slide: white cell, platelet or smudge.

    x_um, y_um: centre, in micrometres of the slide. box_um: (x0, y0, x1, y1) of its outline.
    """

    kind: CellKind
    x_um: float
    y_um: float
    diameter_um: float
    box_um: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """What one tile draws, its margins included: density (h, w, 3) and thickness of red cells (h, w)."""

    density: _F16
    red: _F16
    margin_px: int


class PhantomSlide:
    """A slide whose tiles look like the fields of `parameters` (seed, sizes, numbers of cells a tile).

    tiles_kept: rendered tiles, and canvases of tiles, that stay in memory; the others are drawn again.
    """

    def __init__(self, parameters: PhantomParameters, tiles_kept: int = TILES_KEPT) -> None:
        self.parameters = parameters
        self._tiles_kept = tiles_kept
        self._canvases: OrderedDict[tuple[int, int], _Canvas] = OrderedDict()
        self._tiles: OrderedDict[tuple[int, int], _F16] = OrderedDict()
        self._cells: dict[tuple[int, int], tuple[SlideCell, ...]] = {}

    def photograph(
        self, x_um: float, y_um: float, exposure_number: int, changes: PhantomParameters | None = None
    ) -> U8:
        """The field whose first pixel lies at (x_um, y_um) of the slide: (H, W, 3) uint8 BGR.

        Args:
            x_um: place on the slide, any.
            y_um: place on the slide, any.
            exposure_number: seed of the camera's noise.
            changes: parameters of this exposure (focus, lamp, noise); those of the slide when None.
        """
        rng = np.random.default_rng([self.parameters.seed, exposure_number])
        return developed(photograph(rng, self._density_at(x_um, y_um), changes or self.parameters))

    def cells_within(self, x0_um: float, y0_um: float, x1_um: float, y1_um: float) -> list[SlideCell]:
        """Everything whose outline lies wholly within a rectangle of the slide."""
        found = []
        tile_width_um, tile_height_um = self.parameters.width_um, self.parameters.height_um
        for row in range(int(y0_um // tile_height_um) - 1, int(y1_um // tile_height_um) + 2):
            for column in range(int(x0_um // tile_width_um) - 1, int(x1_um // tile_width_um) + 2):
                for cell in self._cells_of(row, column):
                    left, top, right, bottom = cell.box_um
                    if left >= x0_um and top >= y0_um and right <= x1_um and bottom <= y1_um:
                        found.append(cell)
        return found

    def _density_at(self, x_um: float, y_um: float) -> F32:
        """Optical density of a field, (H, W, 3) float32, between pixels where it has to be."""
        p = self.parameters
        x, y = x_um / p.pixel_um, y_um / p.pixel_um
        left, top = int(np.floor(x)), int(np.floor(y))
        window = np.empty((p.height_px + 1, p.width_px + 1, 3), np.float32)
        for row in range(top // p.height_px, (top + p.height_px) // p.height_px + 1):
            for column in range(left // p.width_px, (left + p.width_px) // p.width_px + 1):
                self._copy_tile(window, left, top, row, column)
        shift = np.array([[1.0, 0.0, x - left], [0.0, 1.0, y - top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(
            window, shift, (p.width_px, p.height_px), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(moved, np.float32)

    def _copy_tile(self, window: F32, left: int, top: int, row: int, column: int) -> None:
        """Put what a tile shows of a window into it."""
        p = self.parameters
        x, y = column * p.width_px - left, row * p.height_px - top
        height, width = window.shape[:2]
        x0, x1 = max(0, x), min(width, x + p.width_px)
        y0, y1 = max(0, y), min(height, y + p.height_px)
        window[y0:y1, x0:x1] = self._tile(row, column)[y0 - y : y1 - y, x0 - x : x1 - x]

    def _tile(self, row: int, column: int) -> _F16:
        return self._kept(self._tiles, (row, column), lambda: self._render_tile(row, column))

    def _canvas(self, row: int, column: int) -> _Canvas:
        return self._kept(self._canvases, (row, column), lambda: self._draw(row, column))

    def _kept(
        self, store: OrderedDict[tuple[int, int], _Drawn], at: tuple[int, int], draw: Callable[[], _Drawn]
    ) -> _Drawn:
        """What is stored for a tile, drawn when it is not; the least recently used goes."""
        drawn = store.pop(at, None)
        store[at] = draw() if drawn is None else drawn
        while len(store) > self._tiles_kept:
            store.popitem(last=False)
        return store[at]

    def _cells_of(self, row: int, column: int) -> tuple[SlideCell, ...]:
        if (row, column) not in self._cells:
            self._canvas(row, column)
        return self._cells[row, column]

    def _parameters_of(self, row: int, column: int) -> PhantomParameters:
        # Seeds are never negative, coordinates of tiles are: even numbers for one half, odd for the other.
        place = [2 * abs(n) + (n < 0) for n in (row, column)]
        seed = int(np.random.default_rng([self.parameters.seed, *place]).integers(2**32))
        return replace(self.parameters, seed=seed)

    def _draw(self, row: int, column: int) -> _Canvas:
        """The canvas of a tile; what is on it is known from then on."""
        p = self._parameters_of(row, column)
        smear = Smear(p, inset_um=_INSET_UM)
        cells, _ = smear.add_everything()
        x_um, y_um = column * p.width_um, row * p.height_um
        known = []
        for cell in cells:
            left, top = (float(v) * p.pixel_um for v in cell.outline.min(axis=0))
            right, bottom = (float(v) * p.pixel_um for v in cell.outline.max(axis=0))
            box = (x_um + left, y_um + top, x_um + right, y_um + bottom)
            centre = x_um + cell.x * p.pixel_um, y_um + cell.y * p.pixel_um
            known.append(SlideCell(cell.kind, *centre, cell.diameter_um, box))
        self._cells[row, column] = tuple(known)
        density, red, margin_px = smear.canvas()
        return _Canvas(density.astype(np.float16), red.astype(np.float16), margin_px)

    def _render_tile(self, row: int, column: int) -> _F16:
        """The optical density of a tile: its own canvas and what its neighbours draw over the edge."""
        p = self._parameters_of(row, column)
        density = np.zeros((p.height_px, p.width_px, 3), np.float32)
        red = np.zeros((p.height_px, p.width_px), np.float32)
        for below in (-1, 0, 1):
            for right in (-1, 0, 1):
                canvas = self._canvas(row + below, column + right)
                x, y = right * p.width_px - canvas.margin_px, below * p.height_px - canvas.margin_px
                height, width = canvas.red.shape
                x0, x1 = max(0, x), min(p.width_px, x + width)
                y0, y1 = max(0, y), min(p.height_px, y + height)
                density[y0:y1, x0:x1] += canvas.density[y0 - y : y1 - y, x0 - x : x1 - x]
                red[y0:y1, x0:x1] += canvas.red[y0 - y : y1 - y, x0 - x : x1 - x]
        return Smear(p).stained(density, red).astype(np.float16)
