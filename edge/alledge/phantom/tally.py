"""A count of a slide beside the truth: which true cell was counted twice, which was lost.

Every cell found in a field is given to the true cell that lies there. A true cell was *countable* when it
was found whole in at least one field, *double* for every count beyond its first, and *lost* when it was
countable and no count is its own (it was taken for another cell). Where something is counted and there is
no true cell (a smudge, say), that thing is a true one from then on: it too may be counted once only. What
the finder never found is the finder's failing and is judged elsewhere (docs/cells.md).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alledge.types import F64

_OWN_UM: Final = 5.0  # a cell found that far from a true one is another


@dataclass(frozen=True, slots=True)
class TrueSpot:
    """A true cell that a field shows at least in part: its number on the slide and its true place, um."""

    number: int
    x_um: float
    y_um: float


@dataclass(frozen=True, slots=True)
class FoundSpot:
    """A cell found in a field: true place of where it was found, um, and what was made of it.

    cell_id, is_new: as the sighting says. is_cut: the border cuts it.
    """

    x_um: float
    y_um: float
    cell_id: int
    is_new: bool
    is_cut: bool


@dataclass(slots=True)
class Tally:
    """Adds up fields; `verdict` may be asked at any time."""

    _countable: set[int] = field(default_factory=set)
    _owner_of: dict[int, int] = field(default_factory=dict)  # cell_id -> true cell
    _others: list[TrueSpot] = field(default_factory=list)  # counted where there is no true cell

    def add_field(self, true_spots: Sequence[TrueSpot], found: Sequence[FoundSpot]) -> None:
        """Take in the sightings of one field."""
        owners = _owners([*true_spots, *self._others], found)
        for spot, given in zip(found, owners, strict=True):
            if given is None and not spot.is_new:
                continue  # two cells seen as one, or half of one: no cell of its own
            owner = self._add_other(spot) if given is None else given
            if not spot.is_cut:
                self._countable.add(owner)
            if spot.is_new:
                self._owner_of[spot.cell_id] = owner

    def _add_other(self, spot: FoundSpot) -> int:
        self._others.append(TrueSpot(-1 - len(self._others), spot.x_um, spot.y_um))
        return self._others[-1].number

    def verdict(self, withdrawn: Mapping[int, int]) -> "CountVerdict":
        """What the count is worth, once the withdrawn cells are taken out of it."""
        counts = Counter(owner for cell_id, owner in self._owner_of.items() if cell_id not in withdrawn)
        return CountVerdict(
            n_countable=len(self._countable),
            n_double=sum(count - 1 for count in counts.values()),
            n_lost=len(self._countable - set(counts)),
        )


@dataclass(frozen=True, slots=True)
class CountVerdict:
    """Cells that could be counted, counts too many, and cells lost."""

    n_countable: int
    n_double: int
    n_lost: int

    def __add__(self, other: "CountVerdict") -> "CountVerdict":
        return CountVerdict(
            self.n_countable + other.n_countable,
            self.n_double + other.n_double,
            self.n_lost + other.n_lost,
        )

    @property
    def double_share(self) -> float:
        """Counts too many, of the cells that could be counted."""
        return self.n_double / max(self.n_countable, 1)

    @property
    def lost_share(self) -> float:
        """Cells lost, of the cells that could be counted."""
        return self.n_lost / max(self.n_countable, 1)


def _owners(true_spots: Sequence[TrueSpot], found: Sequence[FoundSpot]) -> list[int | None]:
    """The true cell at each found one, nearest pairs first, each true cell once."""
    owners: list[int | None] = [None] * len(found)
    if not true_spots or not found:
        return owners
    places: F64 = np.array([(spot.x_um, spot.y_um) for spot in true_spots])
    seen: F64 = np.array([(spot.x_um, spot.y_um) for spot in found])
    away = np.hypot(*(seen[:, np.newaxis, :] - places[np.newaxis, :, :]).transpose(2, 0, 1))
    while float(away.min()) < _OWN_UM:
        i, k = np.unravel_index(int(away.argmin()), away.shape)
        owners[int(i)] = true_spots[int(k)].number
        away[i, :] = np.inf
        away[:, k] = np.inf
    return owners
