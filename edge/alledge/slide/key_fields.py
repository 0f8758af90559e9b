"""The fields that the map is built from: few of those seen, placed relative to each other.

A field that shows enough new ground becomes a key field: its view is kept, and its measured shifts
against key fields that it overlaps. Small errors add up along a path; when the hand comes back to a
place, the new shift closes a loop and contradicts the sum. The places that disagree least with all
measured shifts are then the solution of a linear least-squares problem (translations only: a stage does
not turn), as in the globally consistent mosaics of Szeliski (Found Trends Comput Graph Vis 2006, 2:1).
Cells are anchored to key fields and move with them.

Memory is bounded: places cost bytes and stay, keepsakes of views cost kilobytes and the least recently
useful go.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.slide.keepsake import Keepsake
from alledge.types import F64, I64

MOST_VIEWS: Final = 200
"""Views kept, about 70 kB each."""

_SETTLED_UM: Final = 0.3  # a shift that agrees that well changes nothing
_HOLD: Final = 1e-6  # weight that keeps the first field of a region where it is


@dataclass(frozen=True, slots=True)
class Link:
    """Two key fields and the measured place of the second in the first, um, with a weight."""

    first: int
    second: int
    dx_um: float
    dy_um: float
    weight: float


class KeyFields:
    """Places of key fields, by number from 0, in regions; keepsakes of the most recently useful."""

    def __init__(self, most_views: int = MOST_VIEWS) -> None:
        self._most_views = most_views
        self._kept: OrderedDict[int, Keepsake] = OrderedDict()
        self._places = np.zeros((0, 2))
        self._regions = np.zeros(0, np.int64)
        self._links: list[Link] = []

    def __len__(self) -> int:
        return len(self._places)

    def add(self, kept: Keepsake | None, region: int, x_um: float, y_um: float) -> int:
        """Keep a field; gives its number. Without a keepsake the place alone is kept."""
        number = len(self._places)
        self._places = np.vstack([self._places, (x_um, y_um)])
        self._regions = np.append(self._regions, region)
        if kept is not None:
            self._kept[number] = kept
            while len(self._kept) > self._most_views:
                self._kept.popitem(last=False)
        return number

    def place(self, number: int) -> tuple[float, float]:
        """Top-left corner of a key field in its region, um."""
        x, y = self._places[number]
        return float(x), float(y)

    def places(self, numbers: I64) -> F64:
        """(N, 2) top-left corners, um."""
        return np.asarray(self._places[numbers], dtype=np.float64)

    def region(self, number: int) -> int:
        """Region of a key field."""
        return int(self._regions[number])

    def regions(self, numbers: I64) -> I64:
        """(N,) regions."""
        return np.asarray(self._regions[numbers], dtype=np.int64)

    def keepsake(self, number: int) -> Keepsake:
        """What is kept of a key field's view; counts as a use. Only for numbers that `kept` tells."""
        self._kept.move_to_end(number)
        return self._kept[number]

    def peek(self, number: int) -> Keepsake:
        """The same, but looking through all of them is no use of any."""
        return self._kept[number]

    def kept(self, *, in_region: int | None = None, not_in: int | None = None) -> I64:
        """Numbers of the key fields whose keepsake is there, the newest first."""
        numbers = np.array(sorted(self._kept, reverse=True), dtype=np.int64)
        if in_region is not None:
            numbers = numbers[self._regions[numbers] == in_region]
        return numbers if not_in is None else numbers[self._regions[numbers] != not_in]

    def nearest(self, region: int, x_um: float, y_um: float) -> int:
        """The key field of a region whose place is nearest."""
        numbers = np.flatnonzero(self._regions == region)
        away = np.hypot(self._places[numbers, 0] - x_um, self._places[numbers, 1] - y_um)
        return int(numbers[int(away.argmin())])

    def link(self, link: Link) -> None:
        """Remember a measured shift; when it contradicts the places, all of them are settled anew."""
        self._links.append(link)
        off = self._places[link.second] - self._places[link.first] - (link.dx_um, link.dy_um)
        if float(np.hypot(*off)) > _SETTLED_UM:
            self._settle(int(self._regions[link.first]))

    def join(self, kept: int, joined: int, dx_um: float, dy_um: float) -> None:
        """Make two regions one: places of `joined` are moved by (dx, dy) into `kept`."""
        of_joined = self._regions == joined
        self._places[of_joined] += (dx_um, dy_um)
        self._regions[of_joined] = kept

    def _settle(self, region: int) -> None:
        """Least-squares places of a region from all its links; its first field stays."""
        numbers = np.flatnonzero(self._regions == region)
        row_of = {int(number): row for row, number in enumerate(numbers)}
        normal = np.eye(len(numbers)) * _HOLD
        right = self._places[numbers] * _HOLD
        normal[0, 0] += 1e3
        right[0] += self._places[numbers[0]] * 1e3
        for link in self._links:
            i, j = row_of.get(link.first), row_of.get(link.second)
            if i is None or j is None:
                continue
            pull = np.array((link.dx_um, link.dy_um)) * link.weight
            normal[[i, j], [i, j]] += link.weight
            normal[[i, j], [j, i]] -= link.weight
            right[i] -= pull
            right[j] += pull
        self._places[numbers] = np.linalg.solve(normal, right)
