"""Images become labelled patches through the device's own pixel path, one image at a time.

Cells are found, and patches cut, by the code that runs under the microscope. So a model only ever meets
cells that the device would find, centred as the device would centre them. An annotated cell that the
finder misses is no training example; it is counted, and `alltrain cells` reports it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, pi, sqrt
from typing import TypeAlias

import numpy as np

from alledge.cells import find_cells
from alledge.illumination import Illumination, estimate_illumination
from alledge.images import read_image
from alledge.patches import cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.types import U8, Cell, PixelSize, PixelSizeSource
from alltrain.datasets.dataset import morphology_of
from alltrain.datasets.labels import is_learnable
from alltrain.datasets.matching import (
    CELL_RADIUS_UM,
    NO_TALLY,
    FinderTally,
    doubtful_beside_points,
    pair_boxes,
    pair_points,
    tally_boxes,
    tally_points,
)
from alltrain.datasets.scale import Measured
from alltrain.datasets.study import Box, Boxes, CentreCell, CropOrField, EveryCell, LabelledImage, Points


@dataclass(frozen=True, slots=True)
class CutCell:
    """A labelled cell. index: its number in the image. x, y in pixels. morphology: None if not found."""

    index: int
    label: str
    x: float
    y: float
    morphology: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class ImageCells:
    """All that one image gives. patches: (n, 50, 50, 3) uint8 RGB, in the order of `cells`.

    n_cut_by_border, n_doubtful, n_unannotated: cells found that give no patch, by reason.
    n_off_centre: 1 for a crop in whose centre no cell was found.
    """

    image: LabelledImage
    pixel_um: float
    cells: tuple[CutCell, ...]
    patches: U8
    tally: FinderTally = NO_TALLY
    n_cut_by_border: int = 0
    n_doubtful: int = 0
    n_unannotated: int = 0
    n_off_centre: int = 0


@dataclass(frozen=True, slots=True)
class _Choice:
    """Cells of one image that get a label, and counts of those that do not."""

    cells: tuple[CutCell, ...]
    tally: FinderTally = NO_TALLY
    n_cut_by_border: int = 0
    n_doubtful: int = 0
    n_unannotated: int = 0
    n_off_centre: int = 0


_Found: TypeAlias = Sequence[Cell]


def measure_image(image: LabelledImage) -> Measured:
    """Scale of one image, from the layout or from its red cells. Raises ImageUnreadable, PathUnusable."""
    group = image.group or ""
    if image.pixel_um is not None:
        return Measured(PixelSize(image.pixel_um, PixelSizeSource.GIVEN), 0, 0, (0.0, 0.0, 0.0), group)
    pixels = read_image(image.path)
    height, width = pixels.shape[:2]
    illumination = estimate_illumination(pixels)
    blue, green, red = (float(level) for level in illumination.background.mean(axis=(0, 1)))
    return Measured(estimate_pixel_size(pixels, illumination), width, height, (blue, green, red), group)


def cut_image(image: LabelledImage, pixel_um: float) -> ImageCells:
    """Labelled patches of one image. Raises ImageUnreadable, PathUnusable."""
    pixels = read_image(image.path)
    illumination = estimate_illumination(pixels)
    found = find_cells(pixels, illumination, pixel_um).cells
    choice = _choose(image, found, pixels, pixel_um, illumination)
    centres = [(cell.x, cell.y) for cell in choice.cells]
    return ImageCells(
        image,
        pixel_um,
        choice.cells,
        cut_patches(pixels, centres, pixel_um, illumination),
        choice.tally,
        choice.n_cut_by_border,
        choice.n_doubtful,
        choice.n_unannotated,
        choice.n_off_centre,
    )


def _choose(
    image: LabelledImage, found: _Found, pixels: U8, pixel_um: float, illumination: Illumination
) -> _Choice:
    height, width = pixels.shape[:2]
    truth = image.truth
    if isinstance(truth, CentreCell):
        if illumination.masked:
            return _cell_on_black(truth.label, found, pixels, pixel_um)
        return _centre_cell(truth.label, found, pixels)
    if isinstance(truth, EveryCell):
        return _every_cell(truth.label, found)
    if isinstance(truth, Points):
        return _cells_at_points(truth, found, width, height, CELL_RADIUS_UM / pixel_um)
    if isinstance(truth, Boxes):
        return _cells_in_boxes(_in_pixels(truth, width, height), found, width, height)
    raise TypeError(f"{type(truth).__name__} must be settled before cutting")


def settle_crop_or_field(image: LabelledImage, *, crops: bool) -> LabelledImage:
    """The same image with its truth settled, once it is known whether the study consists of crops."""
    if not isinstance(image.truth, CropOrField):
        return image
    truth = CentreCell(image.truth.label) if crops else EveryCell(image.truth.label)
    return LabelledImage(image.source, image.path, truth, image.group, image.pixel_um)


def _centre_cell(label: str, found: _Found, pixels: U8) -> _Choice:
    """The found cell nearest to the centre, within a quarter of the width; else the centre itself."""
    height, width = pixels.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    distances = [hypot(cell.x - middle[0], cell.y - middle[1]) for cell in found]
    nearest = int(np.argmin(distances)) if distances else -1
    if nearest < 0 or distances[nearest] > width / 4:
        return _Choice((CutCell(0, label, *middle, None),), n_off_centre=1)
    return _Choice((_cut_cell(0, label, found[nearest]),))


def _cut_cell(index: int, label: str, cell: Cell) -> CutCell:
    return CutCell(index, label, cell.x, cell.y, morphology_of(cell))


def _cell_on_black(label: str, found: _Found, pixels: U8, pixel_um: float) -> _Choice:
    """The cell that somebody else segmented: all that is not black, with the largest nucleus found in it."""
    rows, columns = np.nonzero(pixels.any(axis=2))
    area_um2 = rows.size * pixel_um**2
    nucleus = max(found, key=lambda cell: cell.nucleus_area_um2, default=None)
    measured: tuple[float, ...] | None = None
    if nucleus is not None:
        share = min(1.0, nucleus.nucleus_area_um2 / area_um2)
        whole = replace(nucleus, diameter_um=sqrt(4 / pi * area_um2), nucleus_cytoplasm_ratio=share)
        measured = morphology_of(whole)
    return _Choice((CutCell(0, label, float(columns.mean()), float(rows.mean()), measured),))


def _every_cell(label: str, found: _Found) -> _Choice:
    whole = _labelled(found, dict.fromkeys(range(len(found)), label))
    return _Choice(whole, n_cut_by_border=len(found) - len(whole))


def _cells_at_points(truth: Points, found: _Found, width: int, height: int, radius_px: float) -> _Choice:
    pairs = pair_points(found, truth.points, radius_px)
    doubtful = doubtful_beside_points(found, truth.points, pairs, radius_px)
    labels = {
        c: truth.label if c in pairs else truth.other_label for c in range(len(found)) if c not in doubtful
    }
    cells = _labelled(found, labels)
    tally = tally_points(truth.points, set(pairs.values()), width, height, radius_px)
    return _Choice(cells, tally, n_cut_by_border=len(labels) - len(cells), n_doubtful=len(doubtful))


def _cells_in_boxes(boxes: Sequence[Box], found: _Found, width: int, height: int) -> _Choice:
    learnable = [b for b, box in enumerate(boxes) if is_learnable(box.label)]
    among_learnable = pair_boxes(found, [boxes[b] for b in learnable])
    pairs = {c: learnable[k] for c, k in among_learnable.items()}
    cells = _labelled(found, {c: boxes[b].label for c, b in pairs.items()})
    return _Choice(
        cells,
        tally_boxes(found, boxes, pairs, width, height),
        n_cut_by_border=len(pairs) - len(cells),
        n_unannotated=len(found) - len(pairs),
    )


def _labelled(found: _Found, labels: dict[int, str]) -> tuple[CutCell, ...]:
    """Cells with a label, except those that the border cuts: half a cell has no diameter and no shape."""
    return tuple(
        _cut_cell(c, labels[c], cell)
        for c, cell in enumerate(found)
        if c in labels and not cell.touches_border
    )


def _in_pixels(truth: Boxes, width: int, height: int) -> list[Box]:
    if not truth.are_fractions:
        return list(truth.boxes)
    return [
        Box(box.label, box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height)
        for box in truth.boxes
    ]
