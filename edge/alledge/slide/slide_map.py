"""The map of one slide: where each field lies, and each of its cells counted once.

    field -> view -> shift against the field before, else against every kept key field -> place
    place + cells -> who is known, who is new -> sightings

A field is placed by the field before it, and then held to the key fields that it overlaps, old ones
included: that closes loops, and a cell seen again after an hour is the cell it was. A field that
matches nothing was reached by a jump and opens a region of its own. When a later field shows that two
regions are one, they are joined, and what was counted in both is withdrawn once (`withdrawn`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.illumination import Illumination
from alledge.slide.key_fields import MOST_VIEWS, KeyFields, Link
from alledge.slide.placement import NOT_COUNTED, Placement, Sighting
from alledge.slide.registration import Shift, View, confirm, register, view_of
from alledge.slide.seen_cells import UNKNOWN, Spots, duplicates, recognise
from alledge.types import F64, I64, U8, Cell

LEAST_CONFIDENCE: Final = 0.95
"""A shift less sure than that is no shift: the field is taken for the end of a jump."""

_LEAST_CORRELATION: Final = 0.3  # of the true shift even between a sharp and a blurred view
_STILL_UM: Final = 0.25  # registration errs by a tenth of this; the stage stands
_STILL_CORRELATION: Final = 0.8
_KEY_OVERLAP: Final = 0.6  # a field that shows less of any key field is one itself
_HELD_OVERLAP: Final = 0.15  # key fields that a field overlaps by more hold it in place
_HELD_BY: Final = 3  # so many of them
_DRIFT_UM: Final = 6.0  # how far places may be off when a loop closes
_SAME_OPTICS: Final = 0.15  # pixel sizes that differ by less are estimates of one
_NEIGHBOURHOOD_UM: Final = 15.0  # about a field, in which a cell of it may be known


@dataclass(frozen=True, slots=True, eq=False)
class _Located:
    """A view placed relative to a key field."""

    key: int
    dx_um: float
    dy_um: float
    shift: Shift


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """The last field that moved: what the next one is compared with first."""

    view: View
    key: int
    dx_um: float
    dy_um: float
    overlap: float


@dataclass(slots=True)
class _SeenCell:
    """A counted cell: its place relative to a key field, its size, and the sharpness of its best patch."""

    anchor: int
    dx_um: float
    dy_um: float
    diameter_um: float
    sharpness: float


class SlideMap:
    """The map of one slide; make a new one for the next slide. Not safe for use by two threads at once."""

    def __init__(self, most_views: int = MOST_VIEWS) -> None:
        self._keys = KeyFields(most_views)
        self._cells: list[_SeenCell] = []
        self._withdrawn: dict[int, int] = {}
        self._reference: _Reference | None = None
        self._pixel_um = 0.0
        self._shape: tuple[int, ...] = ()
        self._n_regions = 0

    @property
    def n_cells(self) -> int:
        """Cells counted on the slide, each once."""
        return len(self._cells) - len(self._withdrawn)

    @property
    def withdrawn(self) -> dict[int, int]:
        """Cells counted twice before their regions were joined: number withdrawn -> number that stays."""
        return dict(self._withdrawn)

    def place(self, pixels: U8, pixel_um: float, illumination: Illumination) -> Placement:
        """Where a field lies.

        Args:
            pixels: (H, W, 3) uint8 BGR.
            pixel_um: micrometres a pixel. Estimates that vary a little are taken for one objective's, the
                first stays in force; another objective or frame size opens a new region.
            illumination: of the field.
        """
        same_optics = self._adopt_optics(pixels.shape, pixel_um)
        view = view_of(pixels, self._pixel_um, illumination)
        if self._reference is None or not same_optics:
            return self._open_region(view, is_jump=self._reference is not None)
        shift = register(self._reference.view, view)
        if _is_still(shift):
            return self._told(self._reference, shift, is_jump=False)
        if _is_sure(shift):
            reference = self._reference
            located = _Located(
                reference.key, reference.dx_um + shift.dx_um, reference.dy_um + shift.dy_um, shift
            )
            return self._settle(view, located, is_jump=False)
        found = self._relocate(view)
        if found is None:
            return self._open_region(view, is_jump=True)
        return self._settle(view, found, is_jump=True)

    def count(
        self, placement: Placement, cells: Sequence[Cell], pixel_um: float, sharpness: Sequence[float]
    ) -> tuple[Sighting, ...]:
        """Who the cells of a field are; new ones are counted.

        Args:
            placement: of that field, from `place`.
            cells: all cells found in it.
            pixel_um: as given to `place`.
            sharpness: of each cell's patch (`sharpness_of`).

        Returns:
            One sighting a cell, in order.
        """
        centres = np.array([(cell.x, cell.y) for cell in cells], dtype=np.float64).reshape(-1, 2)
        unit_um = self._pixel_um or pixel_um
        found = Spots(
            centres * unit_um + (placement.x_um, placement.y_um),
            np.array([cell.diameter_um for cell in cells], dtype=np.float64),
        )
        is_cut = [cell.touches_border for cell in cells]
        numbers = self._near(placement)
        who, own = recognise(found, is_cut, self._spots(numbers))
        sightings = []
        for i, known in enumerate(who):
            cell_id = int(numbers[known]) if known != UNKNOWN else NOT_COUNTED
            is_new = known == UNKNOWN and not is_cut[i]
            spot = found.only(np.array([i]))
            if is_new:
                cell_id = self._count_new(placement, spot, sharpness[i])
            is_sharper = is_new or (own[i] and self._keep_sharper(cell_id, placement, spot, sharpness[i]))
            x_um, y_um = (float(value) for value in found.centres_um[i])
            sightings.append(Sighting(cell_id, x_um, y_um, is_new, is_sharper, float(sharpness[i])))
        return tuple(sightings)

    def _adopt_optics(self, shape: tuple[int, ...], pixel_um: float) -> bool:
        """Whether a field was taken with the optics in force; otherwise its optics are now."""
        if shape == self._shape and abs(pixel_um / self._pixel_um - 1.0) < _SAME_OPTICS:
            return True
        self._shape, self._pixel_um = shape, pixel_um
        return False

    def _open_region(self, view: View, *, is_jump: bool) -> Placement:
        self._n_regions += 1
        key = self._keys.add(view, self._n_regions, 0.0, 0.0)
        self._reference = _Reference(view, key, 0.0, 0.0, 0.0)
        return Placement(self._n_regions, 0.0, 0.0, 1.0, is_jump, 0.0)

    def _told(self, reference: _Reference, shift: Shift, *, is_jump: bool) -> Placement:
        x_um, y_um = self._keys.place(reference.key)
        return Placement(
            region=self._keys.region(reference.key),
            x_um=x_um + reference.dx_um,
            y_um=y_um + reference.dy_um,
            confidence=shift.confidence,
            is_jump=is_jump,
            overlap=shift.overlap,
        )

    def _relocate(self, view: View) -> _Located | None:
        """The surest match among all kept key fields, the newest first; None when none is sure."""
        for key in list(self._keys.viewed()):
            shift = self._match(key, view)
            if shift is not None:
                return _Located(key, shift.dx_um, shift.dy_um, shift)
        return None

    def _match(self, key: int, view: View) -> Shift | None:
        kept = self._keys.view(key)
        shift = register(kept, view) if kept is not None else None
        return shift if shift is not None and _is_sure(shift) else None

    def _settle(self, view: View, located: _Located, *, is_jump: bool) -> Placement:
        """Hold a located view to the key fields about it, and make it one where it shows new ground."""
        holds = self._holds(view, located)
        best = max(holds, key=lambda hold: hold.shift.overlap, default=located)
        x_um, y_um = self._at(best)
        region = self._keys.region(best.key)
        key, dx_um, dy_um = best.key, best.dx_um, best.dy_um
        if self._is_new_ground(region, x_um, y_um):
            key, dx_um, dy_um = self._keys.add(view, region, x_um, y_um), 0.0, 0.0
            for hold in holds or [located]:
                self._keys.link(Link(hold.key, key, hold.dx_um, hold.dy_um, _weight(hold.shift)))
            self._join_regions(view, key)
        self._reference = _Reference(view, key, dx_um, dy_um, located.shift.overlap)
        return self._told(self._reference, located.shift, is_jump=is_jump)

    def _at(self, located: _Located) -> tuple[float, float]:
        x_um, y_um = self._keys.place(located.key)
        return x_um + located.dx_um, y_um + located.dy_um

    def _holds(self, view: View, located: _Located) -> list[_Located]:
        """The view's measured place against the nearest key fields that it overlaps."""
        x_um, y_um = self._at(located)
        holds = []
        for key in self._keys.nearest(self._keys.region(located.key), x_um, y_um, viewed_only=True)[
            :_HELD_BY
        ]:
            kept = self._keys.view(key)
            key_x_um, key_y_um = self._keys.place(key)
            dx_um, dy_um = x_um - key_x_um, y_um - key_y_um
            if kept is None or self._overlap(dx_um, dy_um) < _HELD_OVERLAP:
                continue
            shift = confirm(kept, view, dx_um, dy_um, _DRIFT_UM)
            if not _is_sure(shift):
                shift = register(kept, view)
            if _is_sure(shift):
                holds.append(_Located(key, shift.dx_um, shift.dy_um, shift))
        return holds

    def _overlap(self, dx_um: float, dy_um: float) -> float:
        """Share of a field that one shifted against it shows too."""
        width_um, height_um = self._shape[1] * self._pixel_um, self._shape[0] * self._pixel_um
        return max(0.0, 1.0 - abs(dx_um) / width_um) * max(0.0, 1.0 - abs(dy_um) / height_um)

    def _is_new_ground(self, region: int, x_um: float, y_um: float) -> bool:
        nearest = self._keys.nearest(region, x_um, y_um, viewed_only=True)[:4]
        overlaps = []
        for key in nearest:
            key_x_um, key_y_um = self._keys.place(key)
            overlaps.append(self._overlap(x_um - key_x_um, y_um - key_y_um))
        return max(overlaps, default=0.0) < _KEY_OVERLAP

    def _join_regions(self, view: View, key: int) -> None:
        """Look for the new key field in every other region, and join the regions it belongs to."""
        for other in list(self._keys.viewed()):
            if self._keys.region(other) == self._keys.region(key):
                continue
            shift = self._match(other, view)
            if shift is not None:
                self._join(other, key, shift)

    def _join(self, other: int, key: int, shift: Shift) -> None:
        """Make the regions of two key fields one; the older region's coordinates stay."""
        first, second = (self._keys.region(k) for k in (other, key))
        kept, joined = min(first, second), max(first, second)
        key_x_um, key_y_um = self._keys.place(key)
        other_x_um, other_y_um = self._keys.place(other)
        dx_um, dy_um = other_x_um + shift.dx_um - key_x_um, other_y_um + shift.dy_um - key_y_um
        sign = 1.0 if joined == second else -1.0
        before = self._numbers_in(kept), self._numbers_in(joined)
        self._keys.join(kept, joined, sign * dx_um, sign * dy_um)
        self._keys.link(Link(other, key, shift.dx_um, shift.dy_um, _weight(shift)))
        for old, new in duplicates(self._spots(before[0]), self._spots(before[1])):
            one, two = sorted((int(before[0][old]), int(before[1][new])))
            self._withdrawn[two] = one

    def _numbers_in(self, region: int) -> I64:
        """Numbers of the cells counted in a region."""
        if not self._cells:
            return np.zeros(0, np.int64)
        anchors = np.array([cell.anchor for cell in self._cells], dtype=np.int64)
        numbers = np.flatnonzero(self._keys.regions(anchors) == region) + 1
        return np.array([n for n in numbers if int(n) not in self._withdrawn], dtype=np.int64)

    def _spots(self, numbers: I64) -> Spots:
        """Places and sizes of counted cells, in their region."""
        cells = [self._cells[int(number) - 1] for number in numbers]
        anchors = np.array([cell.anchor for cell in cells], dtype=np.int64)
        offsets = np.array([(cell.dx_um, cell.dy_um) for cell in cells], dtype=np.float64).reshape(-1, 2)
        diameters = np.array([cell.diameter_um for cell in cells], dtype=np.float64)
        return Spots(self._keys.places(anchors) + offsets, diameters)

    def _near(self, placement: Placement) -> I64:
        """Numbers of the cells counted within a field or close to it."""
        numbers = self._numbers_in(placement.region)
        if not len(numbers):
            return numbers
        centres: F64 = self._spots(numbers).centres_um - (placement.x_um, placement.y_um)
        far = np.array([self._shape[1], self._shape[0]]) * self._pixel_um + _NEIGHBOURHOOD_UM
        return numbers[((centres > -_NEIGHBOURHOOD_UM) & (centres < far)).all(axis=1)]

    def _count_new(self, placement: Placement, spot: Spots, sharpness: float) -> int:
        anchor = self._keys.nearest(placement.region, placement.x_um, placement.y_um)[0]
        dx_um, dy_um = spot.centres_um[0] - self._keys.place(anchor)
        self._cells.append(
            _SeenCell(anchor, float(dx_um), float(dy_um), float(spot.diameters_um[0]), float(sharpness))
        )
        return len(self._cells)

    def _keep_sharper(self, number: int, placement: Placement, spot: Spots, sharpness: float) -> bool:
        """Whether this sighting is the sharpest so far; the cell's place and size are then this one's."""
        cell = self._cells[number - 1]
        if sharpness <= cell.sharpness:
            return False
        cell.anchor = self._keys.nearest(placement.region, placement.x_um, placement.y_um)[0]
        dx_um, dy_um = spot.centres_um[0] - self._keys.place(cell.anchor)
        cell.dx_um, cell.dy_um = float(dx_um), float(dy_um)
        cell.diameter_um, cell.sharpness = float(spot.diameters_um[0]), float(sharpness)
        return True


def _is_sure(shift: Shift) -> bool:
    return shift.confidence >= LEAST_CONFIDENCE and shift.correlation >= _LEAST_CORRELATION


def _is_still(shift: Shift) -> bool:
    moved_um = float(np.hypot(shift.dx_um, shift.dy_um))
    return _is_sure(shift) and shift.correlation >= _STILL_CORRELATION and moved_um < _STILL_UM


def _weight(shift: Shift) -> float:
    """Worth of a measured shift: more overlap and better agreement place it better."""
    return shift.overlap * shift.correlation**2
