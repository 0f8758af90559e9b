"""Which annotation belongs to which cell that the finder saw, and what that says of the finder.

Pairs are one to one and the nearest go first, so that two detections of one cell never count twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final, TypeAlias

from alledge.types import Cell
from alltrain.datasets.labels import is_learnable, is_undecidable
from alltrain.datasets.study import Box

CELL_RADIUS_UM: Final = 5.0
"""About the radius of the smallest white cell: a detection this near to an annotated centre is that cell."""

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class FinderTally:
    """What an annotated image says of the cell finder, cells near the border left out.

    n_annotated, n_found: annotated white cells, and those of them that the finder saw.
    n_detected, n_right: cells the finder reported where an answer is known, and those that are annotated
        white cells; both 0 where not all white cells are annotated.
    """

    n_annotated: int = 0
    n_found: int = 0
    n_detected: int = 0
    n_right: int = 0

    def __add__(self, other: "FinderTally") -> "FinderTally":
        return FinderTally(
            self.n_annotated + other.n_annotated,
            self.n_found + other.n_found,
            self.n_detected + other.n_detected,
            self.n_right + other.n_right,
        )


NO_TALLY: Final = FinderTally()
"""Of an image that annotates no cell."""


def pair_points(cells: Sequence[Cell], points: Sequence[Point], radius_px: float) -> dict[int, int]:
    """Index of the cell -> index of the annotated centre, for pairs nearer than `radius_px`."""
    distances = [
        (hypot(cell.x - x, cell.y - y), c, p)
        for c, cell in enumerate(cells)
        for p, (x, y) in enumerate(points)
    ]
    return _nearest_first([pair for pair in distances if pair[0] <= radius_px])


def pair_boxes(cells: Sequence[Cell], boxes: Sequence[Box]) -> dict[int, int]:
    """Index of the cell -> index of the box (pixels) that its centre lies in."""
    distances = [
        (hypot(cell.x - (box.x0 + box.x1) / 2, cell.y - (box.y0 + box.y1) / 2), c, b)
        for c, cell in enumerate(cells)
        for b, box in enumerate(boxes)
        if _holds(box, cell)
    ]
    return _nearest_first(distances)


def _nearest_first(pairs: list[tuple[float, int, int]]) -> dict[int, int]:
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, cell, annotation in sorted(pairs):
        if cell not in taken and annotation not in used:
            taken[cell] = annotation
            used.add(annotation)
    return taken


def doubtful_beside_points(
    cells: Sequence[Cell], points: Sequence[Point], pairs: dict[int, int], radius_px: float
) -> set[int]:
    """Cells that lie on an annotated centre without being paired to one.

    They are a second half of a paired cell, or a clump that was not split: neither a normal cell nor
    one cell, so nothing may be learned from them.
    """
    return {
        c
        for c, cell in enumerate(cells)
        if c not in pairs
        and any(
            hypot(cell.x - x, cell.y - y) <= radius_px
            or (cell.box[0] <= x < cell.box[2] and cell.box[1] <= y < cell.box[3])
            for x, y in points
        )
    }


def tally_points(
    points: Sequence[Point], found: set[int], width: int, height: int, margin_px: float
) -> FinderTally:
    """Tally of annotated centres; `found` holds the indices of those that are paired with a cell."""
    inside = [
        p
        for p, (x, y) in enumerate(points)
        if margin_px <= x <= width - 1 - margin_px and margin_px <= y <= height - 1 - margin_px
    ]
    return FinderTally(len(inside), sum(p in found for p in inside))


def tally_boxes(
    cells: Sequence[Cell], boxes: Sequence[Box], pairs: dict[int, int], width: int, height: int
) -> FinderTally:
    """Tally of boxes around all white cells; smudges and artefacts are neither right nor wrong.

    pairs: from `pair_boxes` with the boxes of learnable labels only, indices into `boxes`.
    """
    learnable = [b for b, box in enumerate(boxes) if is_learnable(box.label)]
    inside = {b for b in learnable if not _is_cut(boxes[b], width, height)}
    undecidable = [box for box in boxes if is_undecidable(box.label)]
    n_detected = n_right = 0
    for c, cell in enumerate(cells):
        if c in pairs:
            counts = pairs[c] in inside
            n_right += counts
        else:
            counts = not cell.touches_border and not any(_holds(box, cell) for box in undecidable)
        n_detected += counts
    n_found = sum(b in inside for b in pairs.values())
    return FinderTally(len(inside), n_found, n_detected, n_right)


def _holds(box: Box, cell: Cell) -> bool:
    return box.x0 <= cell.x <= box.x1 and box.y0 <= cell.y <= box.y1


def _is_cut(box: Box, width: int, height: int) -> bool:
    """Whether a box reaches the border, give or take the pixel that annotation tools differ by."""
    return box.x0 <= 1 or box.y0 <= 1 or box.x1 >= width - 2 or box.y1 >= height - 2
