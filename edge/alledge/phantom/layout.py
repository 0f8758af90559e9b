"""Where things lie on the smear: free cells apart, clumps touching, red cells crowded but beside them.

Placement is dart throwing: try a few random spots, take the first that is free, else the freest. It
never fails and never drops a cell, so the numbers asked for are the numbers rendered.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.types import F64

_TRIES: Final = 48
_CLUMP_SIZE: Final = 4  # cells after which a clump stops growing, on average
_OVERLAP: Final = 0.06  # cells in a clump press into each other by this part of the distance


@dataclass(frozen=True, slots=True)
class Area:
    """The rectangle that centres may lie in, um."""

    left: float
    top: float
    right: float
    bottom: float

    def darts(self, rng: np.random.Generator, n: int) -> F64:
        """(n, 2) random spots."""
        return rng.uniform((self.left, self.top), (self.right, self.bottom), (n, 2))

    def holds(self, spots: F64) -> np.typing.NDArray[np.bool_]:
        """(n,) whether each spot lies inside."""
        return np.asarray(((spots > (self.left, self.top)) & (spots < (self.right, self.bottom))).all(axis=1))


def clearance(spots: F64, centres: F64, radii: F64) -> F64:
    """(n,) distance of each spot to the nearest of the discs given, um; infinite without discs."""
    if not len(centres):
        return np.full(len(spots), np.inf)
    away = np.hypot(spots[:, None, 0] - centres[None, :, 0], spots[:, None, 1] - centres[None, :, 1])
    return np.asarray((away - radii[None, :]).min(axis=1), np.float64)


def _freest(spots: F64, free_um: F64, enough_um: float) -> F64:
    good = np.flatnonzero(free_um >= enough_um)
    return np.asarray(spots[good[0] if len(good) else int(np.argmax(free_um))], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Discs:
    """What is already there: centres (N, 2) and radii (N,), um."""

    centres: F64
    radii: F64

    def plus(self, centre: F64, radius_um: float) -> "Discs":
        """These and one more."""
        return Discs(np.vstack([self.centres, centre]), np.append(self.radii, radius_um))

    def joined(self, others: "Discs") -> "Discs":
        """These and others."""
        return Discs(np.vstack([self.centres, others.centres]), np.append(self.radii, others.radii))


NOTHING: Final = Discs(np.zeros((0, 2)), np.zeros(0))


def place_apart_or_clumped(
    rng: np.random.Generator,
    area: Area,
    radii_um: F64,
    clumped: list[bool],
    gap_um: float,
    obstacles: Discs = NOTHING,
) -> F64:
    """(N, 2) centres for N discs: free ones `gap_um` apart, a `clumped` one touching another of them."""
    centres = np.zeros((len(radii_um), 2))
    own, clump = NOTHING, NOTHING  # all placed so far, and those of the clump that is growing
    for i in sorted(range(len(radii_um)), key=lambda i: clumped[i]):  # free ones first, then those that join
        everything = obstacles.joined(own)
        spot: F64 | None = None
        if clumped[i] and len(own.radii):
            full = rng.random() < len(clump.radii) / (2 * _CLUMP_SIZE)
            clump = clump if len(clump.radii) and not full else _any_of(rng, own)
            spot = _beside(rng, area, _any_of(rng, clump), everything, radii_um[i])
        if spot is None:
            darts = area.darts(rng, _TRIES)
            free = clearance(darts, everything.centres, everything.radii) - radii_um[i]
            spot = _freest(darts, free, gap_um)
        else:
            clump = clump.plus(spot, radii_um[i])
        own = own.plus(spot, radii_um[i])
        centres[i] = spot
    return centres


def _any_of(rng: np.random.Generator, discs: Discs) -> Discs:
    """One of the discs."""
    i = int(rng.integers(len(discs.radii)))
    return Discs(discs.centres[i : i + 1], discs.radii[i : i + 1])


def _beside(rng: np.random.Generator, area: Area, host: Discs, placed: Discs, radius_um: float) -> F64 | None:
    """A spot touching the host and pressing into nothing much; None when there is no such spot."""
    turns = rng.uniform(0, 2 * np.pi, _TRIES)
    reach = (host.radii[0] + radius_um) * (1 - _OVERLAP)
    spots = host.centres + reach * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    free = clearance(spots, placed.centres, placed.radii) - radius_um
    # The host itself is pressed into by exactly this much; no other neighbour by more.
    pressed = -_OVERLAP * (host.radii[0] + radius_um) - 1e-6
    good = np.flatnonzero(area.holds(spots) & (free >= pressed))
    return np.asarray(spots[good[0]], np.float64) if len(good) else None


def place_red_cells(
    rng: np.random.Generator,
    area: Area,
    radii_um: F64,
    white_centres: F64,
    white_radii_um: F64,
    rouleaux_fraction: float,
) -> F64:
    """(N, 2) centres: spread out, beside the white cells, some stacked like coins in rouleaux."""
    centres = np.zeros((len(radii_um), 2))
    heading = rng.uniform(0, 2 * np.pi)
    for i, radius in enumerate(radii_um):
        spot: F64 | None = None
        if i and rng.random() < rouleaux_fraction:
            heading += rng.normal(0, 0.35)
            step = radius * rng.uniform(0.75, 1.5)
            along = centres[i - 1] + step * np.array([np.cos(heading), np.sin(heading)])
            room = clearance(along[None], white_centres, white_radii_um)[0] > 0.85 * radius
            spot = along if room and area.holds(along[None])[0] else None
        if spot is None:
            heading = rng.uniform(0, 2 * np.pi)
            darts = area.darts(rng, _TRIES // 4)
            beside_white = clearance(darts, white_centres, white_radii_um) - 0.85 * radius
            beside_red = clearance(darts, centres[:i], radii_um[:i]) - radius
            # White cells push red cells away; red cells only tend to lie side by side.
            spot = _freest(darts, np.minimum(beside_red, 4 * np.minimum(beside_white, 0) + 1), 0.3)
        centres[i] = spot
    return centres


@dataclass(frozen=True, slots=True)
class Contact:
    """A neighbour pressing on a cell: where it is, and how far from the centre the wall between them."""

    direction_rad: float
    distance_um: float


def contacts(i: int, centres: F64, radii_um: F64) -> list[Contact]:
    """The walls that the neighbours of cell i press into it, on the radical axes of the two discs."""
    offset = centres - centres[i]
    away = np.hypot(offset[:, 0], offset[:, 1])
    pressing = np.flatnonzero((away < radii_um + radii_um[i]) & (away > 0.3 * radii_um[i]))
    found = []
    for j in pressing:
        wall = (away[j] ** 2 + radii_um[i] ** 2 - radii_um[j] ** 2) / (2 * away[j])
        if wall > 0.4 * radii_um[i]:
            found.append(Contact(float(np.arctan2(offset[j, 1], offset[j, 0])), float(wall)))
    return found
