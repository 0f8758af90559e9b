"""The cells of the slide, each counted once however often it is seen.

A cell in a field is the known cell whose place it has, or else a new one. Who is who is decided for all
cells of the field together, nearest pairs first and each known cell given once, so that two touching
blasts stay two. What is cut by the border of the field has no trustworthy centre and no whole patch: it
can be recognised, but never counted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.types import F64, I64

SAME_UM: Final = 4.0
"""Centres nearer than that are one cell: the smallest white cell is 6 um across, and cells do not stack."""

UNKNOWN: Final = -1
"""Index of a cell that is none of the known ones."""

_SAME_DIAMETERS: Final = 0.55  # a clump once found as one cell has its centre between the two
_FARTHEST_UM: Final = 7.5
_OFF_CENTRE_UM: Final = 2.5  # a patch is 20 um wide, the finder's centres scatter by 0.3
_MOST_AVERAGED: Final = 20  # sightings that a mean remembers
_CUT_FARTHEST_UM: Final = 10.0  # the visible part of a cut cell has its centre up to a radius off


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Cells as places and sizes in one region.

    centres_um: (N, 2) float64. diameters_um: (N,) float64.
    """

    centres_um: F64
    diameters_um: F64

    def __len__(self) -> int:
        return len(self.diameters_um)


def recognise(found: Spots, is_cut: list[bool], known: Spots) -> tuple[list[int], list[bool]]:
    """Which known cell each found one is.

    Whole cells choose first. One that is left over but lies within SAME_UM of a known cell is a part of
    it that the finder saw apart.

    Returns:
        For each found cell: the index of the known cell or UNKNOWN; and whether it is that cell's own
        sighting rather than a part of it or a cut piece.
    """
    whole = np.array([i for i, cut in enumerate(is_cut) if not cut], dtype=np.int64)
    cut = np.array([i for i, cut in enumerate(is_cut) if cut], dtype=np.int64)
    who, own = [UNKNOWN] * len(found), [False] * len(found)
    taken: set[int] = set()
    distances = _distances(found, known)
    for i, k in _nearest_pairs(distances, _reach(found, known), whole):
        who[i], own[i] = k, True
        taken.add(k)
    for i in whole:
        if who[i] == UNKNOWN and len(known) and distances[i].min() < SAME_UM:
            who[i] = int(distances[i].argmin())
    free = distances.copy()
    free[:, sorted(taken)] = np.inf
    for i, k in _nearest_pairs(free, np.full(distances.shape, _CUT_FARTHEST_UM), cut):
        who[i] = k
    return who, own


def duplicates(earlier: Spots, later: Spots) -> list[tuple[int, int]]:
    """Pairs (index of earlier, index of later) that are one cell, each cell in one pair at most."""
    everyone = np.arange(len(later), dtype=np.int64)
    pairs = _nearest_pairs(_distances(later, earlier), _reach(later, earlier), everyone)
    return [(k, i) for i, k in pairs]


def _distances(found: Spots, known: Spots) -> F64:
    """(N, M) um between centres."""
    apart = found.centres_um[:, np.newaxis, :] - known.centres_um[np.newaxis, :, :]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]), dtype=np.float64)


def _reach(found: Spots, known: Spots) -> F64:
    """(N, M) um within which two centres may be one cell."""
    larger = np.maximum(found.diameters_um[:, np.newaxis], known.diameters_um[np.newaxis, :])
    return np.asarray(np.clip(_SAME_DIAMETERS * larger, SAME_UM, _FARTHEST_UM), dtype=np.float64)


def _nearest_pairs(distances: F64, reach: F64, rows: I64) -> list[tuple[int, int]]:
    """One-to-one pairs (row, column) within reach, the nearest first."""
    if not len(rows) or not distances.shape[1]:
        return []
    near_rows, columns = np.nonzero(distances[rows] < reach[rows])
    candidates = sorted(
        (float(distances[rows[i], k]), int(rows[i]), int(k)) for i, k in zip(near_rows, columns, strict=True)
    )
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for _, row, column in candidates:
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    return pairs


class CountedCells:
    """What is remembered of every counted cell: number from 1, place, size, and the best sharpness.

    Place and size are means over its sightings: now and then the finder sees a cell together with a
    neighbour, and one such sighting must not move it. Places are relative to key fields (anchors), so
    that cells move when the map is settled anew.
    """

    def __init__(self) -> None:
        self._n = 0
        self._anchors = np.zeros(256, np.int64)
        self._table = np.zeros((256, 5))  # dx_um, dy_um, diameter_um, best sharpness, sightings
        self._stays = np.zeros(256, np.bool_)
        self.withdrawn: dict[int, int] = {}

    def __len__(self) -> int:
        return self._n - len(self.withdrawn)

    def add(self, anchor: int, dx_um: float, dy_um: float, diameter_um: float, sharpness: float) -> int:
        """Count a cell; gives its number."""
        if self._n == len(self._anchors):
            self._anchors = np.concatenate([self._anchors, np.zeros_like(self._anchors)])
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._stays = np.concatenate([self._stays, np.zeros_like(self._stays)])
        self._anchors[self._n] = anchor
        self._table[self._n] = (dx_um, dy_um, diameter_um, sharpness, 1)
        self._stays[self._n] = True
        self._n += 1
        return self._n

    def see_again(
        self, number: int, dx_um: float, dy_um: float, diameter_um: float, sharpness: float
    ) -> bool:
        """Take in a whole sighting, its place relative to the cell's anchor.

        Returns:
            Whether its patch is the sharpest so far; a patch with the cell off its middle never is.
        """
        row = self._table[number - 1]
        row[4] = min(row[4] + 1, _MOST_AVERAGED)
        off = np.array((dx_um, dy_um, diameter_um)) - row[:3]
        row[:3] += off / row[4]
        is_sharper = sharpness > row[3] and float(np.hypot(off[0], off[1])) < _OFF_CENTRE_UM
        if is_sharper:
            row[3] = sharpness
        return is_sharper

    def anchor(self, number: int) -> int:
        """The key field that a cell is anchored to."""
        return int(self._anchors[number - 1])

    def withdraw(self, number: int, stays: int) -> None:
        """Take back a count: the cell is another one, counted before."""
        self.withdrawn[number] = stays
        self._stays[number - 1] = False

    def numbers(self) -> I64:
        """Numbers of the cells whose count stands."""
        return np.asarray(np.flatnonzero(self._stays[: self._n]) + 1, dtype=np.int64)

    def anchors(self, numbers: I64) -> I64:
        """(N,) key field that each cell is anchored to."""
        return np.asarray(self._anchors[numbers - 1], dtype=np.int64)

    def offsets_um(self, numbers: I64) -> F64:
        """(N, 2) place relative to the anchor."""
        return np.asarray(self._table[numbers - 1, :2], dtype=np.float64)

    def diameters_um(self, numbers: I64) -> F64:
        """(N,) diameters."""
        return np.asarray(self._table[numbers - 1, 2], dtype=np.float64)
