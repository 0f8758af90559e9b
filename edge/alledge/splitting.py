"""One mask, several nuclei: cut wherever there is a waist, then put together what fits into one cell.

Blasts lie in clumps of ten, so a component is not a cell. A touching pair has a waist: the distance to
the edge has a summit in each and a saddle between. But a neutrophil's nucleus is waisted too, and its
lobes are parts of one cell. Size tells them apart, because nuclei have sizes: the lobes of one cell lie
within one cell's reach, and two whole nuclei side by side reach farther than any one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from alledge.types import F32, F64, I64, U8

Labels: TypeAlias = npt.NDArray[np.int32]

WAIST: Final = 0.85
"""Saddle over the smaller summit below which a mask is cut. Two equal discs have it when their centres
lie one radius apart; closer pairs are one object to the eye."""

REACH_UM: Final = 17.5
"""Widest waisted nucleus, lobes and gaps included. Of 1400 cut-up nuclei of annotated single cells 99 %
reach less far, and all of 148 pairs of annotated neighbours in ALL-IDB1 reach farther."""

_HARDLY_WAISTED: Final = 0.9  # of the smaller summit: one large dented nucleus
_CLEAR_WAIST: Final = 0.65
_WHOLE_UM2: Final = 50.0  # a disc of 8 um: no lobe is so large, not even of an eosinophil
_LARGEST_UM: Final = 20.0  # the largest blast or monocyte nucleus
_TWO_CELLS_UM: Final = 22.0  # two blasts of 11 um side by side; what is narrower is not cut along pale lines
_LEVELS: Final = (0.6, 0.7, 0.8)  # of the dark part: where pale lines are looked for
_CALM_UM: Final = 0.8  # standard deviation of the blur under which texture disappears
_CORE_UM2: Final = 30.0  # the dark part of the smallest nucleus
_GAP_UM: Final = 2.6  # lobes hang on threads; between nuclei of neighbours lie two rims of cytoplasm
_SPECK_UM: Final = 1.6  # diameter of the smallest part worth a cut


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Part of a clump: its edge pixels in micrometres, (n, 2), area, and the height of its summit."""

    edge: F64
    area_um2: float
    summit_um: float


def split_nuclei(mask: U8, density: F32, pixel_um: float) -> tuple[Labels, int]:
    """Label the nuclei of a mask.

    Args:
        mask: (h, w) uint8 0/1, nuclear stain; where it reaches the edge of the array, the frame cuts it.
        density: (h, w) float32 chromatin density: cells pressed flat against each other have no waist,
            only a pale line between them.
        pixel_um: micrometres per pixel of both.

    Returns:
        (h, w) int32 labels 1 to n with 0 outside, and n.
    """
    labels, count = _cut_and_join(mask, pixel_um)
    for number in range(1, count + 1):
        piece = np.asarray(labels == number, dtype=np.uint8)
        parts, more = _cut_along_pale_lines(piece, density, pixel_um)
        if more > 1:
            labels = np.where(parts > 1, parts + count - 1, labels).astype(np.int32)
            count += more - 1
    return labels, count


def _cut_and_join(mask: U8, pixel_um: float) -> tuple[Labels, int]:
    """Cut a mask at its waists and join what is one cell."""
    depth = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), dtype=np.float32) * np.float32(pixel_um)
    summits = _summits(depth, pixel_um)
    if len(summits) <= 1:
        return mask.astype(np.int32), int(mask.any())
    return _join(_flood(depth, summits, pixel_um), depth, len(summits), pixel_um)


def _cut_along_pale_lines(piece: U8, density: F32, pixel_um: float) -> tuple[Labels, int]:
    """Cut what is wider than a cell where its density falls between parts that are nuclei themselves."""
    whole = piece.astype(np.int32)
    points = np.argwhere(piece > 0).astype(np.float64) * pixel_um
    if _reach(points[:: 1 + len(points) // 500]) <= _TWO_CELLS_UM:
        return whole, 1
    # Blurred: chromatin texture is as deep as a pale line, but not as long.
    calm = np.asarray(cv2.GaussianBlur(density, (0, 0), _CALM_UM / pixel_um), dtype=np.float32)
    dark = float(np.percentile(calm[piece > 0], 90))
    for share in _LEVELS:
        core = np.asarray((piece > 0) & (calm > share * dark), dtype=np.uint8)
        labels, count = _cut_and_join(core, pixel_um)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:] * pixel_um**2
        nuclei = np.flatnonzero(areas >= _CORE_UM2) + 1
        if len(nuclei) > 1:
            table = np.zeros(count + 1, np.int32)
            table[nuclei] = np.arange(1, len(nuclei) + 1)
            return _grow(table[labels], piece), len(nuclei)
    return whole, 1


def _grow(labels: Labels, mask: U8) -> Labels:
    """Let labels spread over the rest of a mask, all at the same pace."""
    grown = labels.astype(np.uint16)
    free = (mask > 0) & (grown == 0)
    while True:
        wet = np.where(free, cv2.dilate(grown, np.ones((3, 3), np.uint8)), 0)
        if not wet.any():
            return grown.astype(np.int32)
        grown = np.maximum(grown, wet).astype(np.uint16)
        free &= grown == 0


def _summits(depth: F32, pixel_um: float) -> I64:
    """(n, 2) rows and columns of one summit per waisted part, highest first."""
    side = 2 * max(1, round(1.0 / pixel_um)) + 1
    top = cv2.dilate(depth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    rows, columns = np.nonzero((depth >= top) & (depth > min(_SPECK_UM / 2, 0.9 * float(depth.max()))))
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


def _flood(depth: F32, summits: I64, pixel_um: float) -> Labels:
    """(h, w) int32: the mask shared out among its summits, by falling water level."""
    labels = np.zeros(depth.shape, np.int32)
    labels[summits[:, 0], summits[:, 1]] = np.arange(1, len(summits) + 1)
    for level in (*np.arange(float(depth.max()), 0.0, -pixel_um), 1e-6):
        labels = _grow(labels, np.asarray(depth >= level, dtype=np.uint8))
    return labels


def _join(labels: Labels, depth: F32, count: int, pixel_um: float) -> tuple[Labels, int]:
    """Join pieces, closest fit first, while what they make still fits into one cell."""
    groups = {n: _piece(labels == n, depth, pixel_um) for n in range(1, count + 1)}
    waists = _waists(labels, depth, groups)
    owner = np.arange(count + 1, dtype=np.int32)
    fits = {pair: _fit(groups[pair[0]], groups[pair[1]], waists.get(pair, 0.0)) for pair in _pairs(groups)}
    while fits:
        pair = min(fits, key=lambda pair: (fits[pair], pair))
        if fits[pair] > _LARGEST_UM:
            break
        a, b = pair
        groups[a] = _united(groups[a], groups.pop(b))
        owner[owner == b] = a
        waists = _renamed(waists, b, a)
        fits = {
            pair: _fit(groups[pair[0]], groups[pair[1]], waists.get(pair, 0.0)) if a in pair else fits[pair]
            for pair in _pairs(groups)
        }
    names = np.unique(owner[1:])
    table = np.concatenate([[0], np.searchsorted(names, owner[1:]) + 1]).astype(np.int32)
    return table[labels], len(names)


def _pairs(groups: Iterable[int]) -> list[tuple[int, int]]:
    """Every two groups once, in order."""
    return list(combinations(sorted(groups), 2))


def _fit(one: _Piece, other: _Piece, saddle_um: float) -> float:
    """How far two pieces reach together; infinity when they are two nuclei."""
    if saddle_um == 0.0 and _gap(one.edge, other.edge) > _GAP_UM:
        return np.inf
    waist = saddle_um / min(one.summit_um, other.summit_um)
    if waist < _CLEAR_WAIST and min(one.area_um2, other.area_um2) > _WHOLE_UM2:
        return np.inf
    reach = _reach(np.vstack([one.edge, other.edge]))
    return reach if reach <= (_LARGEST_UM if waist >= _HARDLY_WAISTED else REACH_UM) else np.inf


def _piece(mask: npt.NDArray[np.bool_], depth: F32, pixel_um: float) -> _Piece:
    inner = mask.astype(np.uint8)
    rows, columns = np.nonzero(inner & (cv2.erode(inner, np.ones((3, 3), np.uint8), borderValue=0) == 0))
    edge = np.stack([columns, rows], axis=1).astype(np.float64) * pixel_um
    area = float(np.count_nonzero(mask)) * pixel_um**2
    return _Piece(edge[:: 1 + len(edge) // 60], area, float(depth[mask].max(initial=0.0)))


def _united(one: _Piece, other: _Piece) -> _Piece:
    edge = np.vstack([one.edge, other.edge])
    return _Piece(edge, one.area_um2 + other.area_um2, max(one.summit_um, other.summit_um))


def _reach(points: F64) -> float:
    """Diameter of the smallest circle round some points."""
    return float(2.0 * cv2.minEnclosingCircle(np.ascontiguousarray(points, dtype=np.float32))[1])


def _gap(one: F64, other: F64) -> float:
    """Least distance between two sets of points."""
    return float(np.sqrt(((one[:, np.newaxis] - other[np.newaxis]) ** 2).sum(axis=2).min()))


def _waists(labels: Labels, depth: F32, groups: dict[int, _Piece]) -> dict[tuple[int, int], float]:
    """Height of the saddle, in micrometres, for each pair of pieces that touch."""
    wide = {n: cv2.dilate((labels == n).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for n in groups}
    saddles = {
        (a, b): float(depth[wide[a] & wide[b]].max(initial=0.0)) for a in groups for b in groups if a < b
    }
    return {pair: height for pair, height in saddles.items() if height > 0.0}


def _renamed(waists: dict[tuple[int, int], float], old: int, new: int) -> dict[tuple[int, int], float]:
    """Saddles after the piece `old` became part of `new`; of two saddles the higher counts."""
    renamed: dict[tuple[int, int], float] = {}
    for pair, height in waists.items():
        a, b = sorted(new if one == old else one for one in pair)
        if a != b:
            renamed[a, b] = max(height, renamed.get((a, b), 0.0))
    return renamed
