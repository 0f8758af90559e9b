"""One mask, several nuclei: cut a clump where it is waisted, and put the lobes of one nucleus together.

Blasts lie in clumps of ten, so a component is not a cell. A touching pair has a waist; the distance to
the edge has one summit per cell and a saddle at the waist. But a neutrophil's nucleus is waisted too:
its lobes are parts of one cell. Size tells them apart, because nuclei have sizes: no whole white-cell
nucleus is as small as a lobe, and no cell is wider than its reach.
"""

from typing import Final

import cv2
import numpy as np

from alledge.types import F32, F64, I64, U8

WAIST: Final = 0.75
"""Waist over the smaller summit below which a component is cut; equal discs that overlap by a
tenth of their area have 0.75."""

LOBE_UM: Final = 6.0
"""Diameter of a disc that no lobe of a segmented nucleus exceeds and every whole nucleus does."""

REACH_UM: Final = 13.0
"""The farthest ends of one segmented nucleus; a neutrophil is 12 to 15 um across (Bain, Blood Cells)."""

_GAP_UM: Final = 2.5  # lobes of one nucleus hang on a thread; nuclei of neighbours have two rims between


def split_nuclei(mask: U8, pixel_um: float) -> tuple[np.ndarray, int]:
    """Label the nuclei of a mask.

    Args:
        mask: (h, w) uint8 0/1, nuclear stain of one component.
        pixel_um: micrometres per pixel of the mask.

    Returns:
        (h, w) int32 labels 1 to n with 0 outside, and n.
    """
    # A mask that reaches the edge of its window is cut by the frame there: no membrane, no distance to it.
    depth = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), dtype=np.float32) * np.float32(pixel_um)
    summits = _summits(depth, pixel_um)
    if len(summits) <= 1:
        return mask.astype(np.int32), int(mask.any())
    labels = _flood(mask, depth, summits)
    return _join_lobes(labels, len(summits), pixel_um)


def _summits(depth: F32, pixel_um: float) -> I64:
    """(n, 2) rows and columns of one summit per waisted part, highest first."""
    side = 2 * max(1, round(1.0 / pixel_um)) + 1
    top = cv2.dilate(depth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    rows, columns = np.nonzero((depth >= top) & (depth > 0.8))
    kept: list[int] = []
    for index in np.argsort(-depth[rows, columns], kind="stable"):
        here = np.array([rows[index], columns[index]])
        height = float(depth[rows[index], columns[index]])
        if all(_lowest_between(depth, here, np.array([rows[k], columns[k]])) < WAIST * height for k in kept):
            kept.append(int(index))
    return np.stack([rows[kept], columns[kept]], axis=1).astype(np.int64)


def _lowest_between(depth: F32, start: I64, end: I64) -> float:
    """The least depth on the straight way between two pixels."""
    steps = int(np.abs(end - start).max()) + 1
    way = np.linspace(start, end, steps).round().astype(np.int64)
    return float(depth[way[:, 0], way[:, 1]].min())


def _flood(mask: U8, depth: F32, summits: I64) -> np.ndarray:
    """(h, w) int32: the mask cut along the waists between its summits."""
    # One pixel of rim: cv2.watershed leaves the edge of its image unlabelled.
    markers = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.int32)
    markers[np.pad(mask, 1) == 0] = len(summits) + 1
    for number, (row, column) in enumerate(summits, start=1):
        markers[row + 1, column + 1] = number
    relief = np.pad((255.0 * (1.0 - depth / depth.max())).astype(np.uint8), 1, constant_values=255)
    labels = np.asarray(cv2.watershed(cv2.merge([relief] * 3), markers), dtype=np.int32)[1:-1, 1:-1]
    return np.where((labels > len(summits)) | (labels < 0), 0, labels)


def _join_lobes(labels: np.ndarray, count: int, pixel_um: float) -> tuple[np.ndarray, int]:
    """Give lobes of one nucleus one label."""
    pieces = [np.argwhere(labels == number).astype(np.float64) * pixel_um for number in range(1, count + 1)]
    owner = list(range(count))
    lobe_area = np.pi / 4 * LOBE_UM**2
    areas = [len(piece) * pixel_um**2 for piece in pieces]
    for small in np.argsort(areas, kind="stable"):
        if areas[small] >= lobe_area:
            break
        near = _nearest_partner(pieces, owner, int(small))
        if near is not None:
            old, new = owner[int(small)], owner[near]
            owner = [new if one == old else one for one in owner]
    names = sorted(set(owner))
    table = np.zeros(count + 1, np.int32)
    for number in range(count):
        table[number + 1] = names.index(owner[number]) + 1
    return table[labels], len(names)


def _nearest_partner(pieces: list[F64], owner: list[int], small: int) -> int | None:
    """The piece next to a lobe with which it still fits into one cell."""
    group = np.vstack([piece for piece, name in zip(pieces, owner, strict=True) if name == owner[small]])
    best, best_gap = None, _GAP_UM
    for other, piece in enumerate(pieces):
        if owner[other] == owner[small] or not len(piece):
            continue
        gap = _gap(group, piece)
        whole = np.vstack([p for p, name in zip(pieces, owner, strict=True) if name == owner[other]])
        if gap < best_gap and _extent(np.vstack([group, whole])) <= REACH_UM:
            best, best_gap = other, gap
    return best


def _gap(one: F64, other: F64) -> float:
    """Least distance between two point sets, on a thinned copy."""
    one, other = one[:: 1 + len(one) // 200], other[:: 1 + len(other) // 200]
    return float(np.sqrt(((one[:, np.newaxis] - other[np.newaxis]) ** 2).sum(axis=2).min()))


def _extent(points: F64) -> float:
    """Diameter of the smallest circle round the points."""
    return 2.0 * cv2.minEnclosingCircle(points.astype(np.float32))[1]
