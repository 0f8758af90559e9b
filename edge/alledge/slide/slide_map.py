"""The map of one slide: where each field lies, and each of its cells counted once.

    field -> view -> shift against the field before, else against every kept key field -> place
    place + cells -> who is known, who is new -> sightings

A field is placed by the field before it, and then held to the key fields that it overlaps, old ones
included: that closes loops, and a cell seen again after an hour is the cell it was. A field that
matches nothing was reached by a jump and opens a region of its own. When a later field shows that two
regions are one, they are joined, and what was counted in both is withdrawn once (`withdrawn`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.illumination import Illumination
from alledge.reduced import Halvings
from alledge.slide.keepsake import keepsake_of, sketch_of
from alledge.slide.key_fields import MOST_VIEWS, KeyFields, Link
from alledge.slide.placement import NOT_COUNTED, Placement, Sighting
from alledge.slide.registration import (
    FieldView,
    Shift,
    View,
    confirm,
    field_view,
    register,
    view_of_green,
)
from alledge.slide.seen_cells import UNKNOWN, CountedCells, Spots, duplicates, recognise
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
_LIKE: Final = 5.5  # likeness of sketches, in standard deviations: by chance up to 6, at 30 % overlap above 9
_MOST_ALIKE: Final = 5  # so many are registered in full


@dataclass(frozen=True, slots=True)
class _Located:
    """A view placed relative to a key field, by a measured shift."""

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


class SlideMap:
    """The map of one slide; make a new one for the next slide. Not safe for use by two threads at once.

    most_views: key fields whose views are kept, to close loops and to find places again.
    """

    def __init__(self, most_views: int = MOST_VIEWS) -> None:
        self._keys = KeyFields(most_views)
        self._cells = CountedCells()
        self._reference: _Reference | None = None
        self._optics: list[tuple[tuple[int, ...], float]] = []
        self._shape: tuple[int, ...] = ()
        self._pixel_um = 0.0
        self._n_regions = 0

    @property
    def n_cells(self) -> int:
        """Cells counted on the slide, each once."""
        return len(self._cells)

    @property
    def withdrawn(self) -> dict[int, int]:
        """Cells counted twice before their regions were joined: number withdrawn -> number that stays."""
        return dict(self._cells.withdrawn)

    def place(self, pixels: U8, pixel_um: float, illumination: Illumination) -> Placement:
        """Where a field lies.

        Args:
            pixels: (H, W, 3) uint8 BGR.
            pixel_um: micrometres a pixel. Estimates that vary a little are taken for one objective's, the
                first stays in force; fields of another objective or frame size are never matched with these.
            illumination: of the field.
        """
        return self.place_view(self.view(Halvings(pixels), pixel_um, illumination))

    def view(self, seen: Halvings, pixel_um: float, illumination: Illumination) -> FieldView:
        """What a field is placed by, for `place_view`; arguments as for `place`."""
        self._adopt_optics(seen.pixels.shape, pixel_um)
        return field_view(seen, self._pixel_um, illumination)

    def place_view(self, kept: FieldView) -> Placement:
        """Where a field lies, by its view; the same again where the same views were placed before it."""
        self._adopt_optics(kept.frame_shape, kept.pixel_um)
        view = view_of_green(kept.green, kept.unit_um)
        reference = self._reference
        if reference is None:
            return self._open_region(view, is_jump=False)
        shift = register(reference.view, view)
        if _is_still(shift):
            return self._told(reference, shift, is_jump=False)
        if _is_sure(shift):
            x_um, y_um = reference.dx_um + shift.dx_um, reference.dy_um + shift.dy_um
            return self._settle(view, _Located(reference.key, x_um, y_um, shift), is_jump=False)
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
        found = Spots(
            centres * (self._pixel_um or pixel_um) + (placement.x_um, placement.y_um),
            np.array([cell.diameter_um for cell in cells], dtype=np.float64),
        )
        is_cut = [cell.touches_border for cell in cells]
        numbers = self._near(placement)
        who, own = recognise(found, is_cut, self._spots(numbers))
        anchor = self._keys.nearest(placement.region, placement.x_um, placement.y_um)
        sightings = []
        for i, known in enumerate(who):
            x_um, y_um = (float(value) for value in found.centres_um[i])
            told = (float(found.diameters_um[i]), float(sharpness[i]))
            is_new = known == UNKNOWN and not is_cut[i]
            cell_id = int(numbers[known]) if known != UNKNOWN else NOT_COUNTED
            is_sharper = is_new
            if is_new:
                cell_id = self._cells.add(anchor, *self._offset(anchor, x_um, y_um), *told)
            elif own[i]:
                offset = self._offset(self._cells.anchor(cell_id), x_um, y_um)
                is_sharper = self._cells.see_again(cell_id, *offset, *told)
            sightings.append(Sighting(cell_id, x_um, y_um, is_new, is_sharper, told[1]))
        return tuple(sightings)

    def open_blind_region(self) -> Placement:
        """A region of which no view is known, for cells that are only told of; gives its origin."""
        self._n_regions += 1
        self._keys.add(None, self._n_regions, 0.0, 0.0)
        return Placement(self._n_regions, 0.0, 0.0, 0.0, is_jump=True, overlap=0.0)

    def count_as_told(
        self,
        placement: Placement,
        cells: Sequence[Cell],
        pixel_um: float,
        sightings: Sequence[Sighting],
    ) -> None:
        """Take in the cells of a field whose sightings are known already, with their numbers.

        Raises:
            ValueError: a new cell's number is not the next one.
        """
        anchor = self._keys.nearest(placement.region, placement.x_um, placement.y_um)
        for cell, seen in zip(cells, sightings, strict=True):
            x_um = placement.x_um + cell.x * (self._pixel_um or pixel_um)
            y_um = placement.y_um + cell.y * (self._pixel_um or pixel_um)
            if seen.is_new:
                offset = self._offset(anchor, x_um, y_um)
                number = self._cells.add(anchor, *offset, cell.diameter_um, seen.sharpness)
                if number != seen.cell_id:
                    raise ValueError(f"expected the field that counts cell {number}, got cell {seen.cell_id}")
            elif seen.cell_id != NOT_COUNTED and not cell.touches_border:
                offset = self._offset(self._cells.anchor(seen.cell_id), x_um, y_um)
                self._cells.see_again(seen.cell_id, *offset, cell.diameter_um, seen.sharpness)

    def withdraw_as_told(self, withdrawn: Mapping[int, int]) -> None:
        """Take back counts that are known to be others: number -> the number that stays."""
        for number, stays in withdrawn.items():
            self._cells.withdraw(number, stays)

    def _adopt_optics(self, shape: tuple[int, ...], pixel_um: float) -> None:
        """Go on with the optics that a field was taken with: known ones, or else these."""
        for known in self._optics:
            if known[0] == shape and abs(pixel_um / known[1] - 1.0) < _SAME_OPTICS:
                self._shape, self._pixel_um = known
                return
        self._optics.append((shape, pixel_um))
        self._shape, self._pixel_um = shape, pixel_um

    def _open_region(self, view: View, *, is_jump: bool) -> Placement:
        self._n_regions += 1
        key = self._keys.add(keepsake_of(view), self._n_regions, 0.0, 0.0)
        self._reference = _Reference(view, key, 0.0, 0.0)
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
        """The surest match among all kept key fields; None when none is sure."""
        return max(self._matches(view, self._keys.kept()), key=lambda one: one.shift.overlap, default=None)

    def _matches(self, view: View, keys: I64) -> list[_Located]:
        """Where the view lies in those of the key fields that it surely matches."""
        sketch = sketch_of(view)
        likeness = {int(key): sketch.likeness(self._keys.peek(int(key)).sketch) for key in keys}
        alike = sorted((key for key in likeness if likeness[key] > _LIKE), key=lambda key: -likeness[key])
        matches = []
        for key in alike[:_MOST_ALIKE]:
            shift = register(self._keys.peek(key).view(), view)
            if _is_sure(shift):
                self._keys.keepsake(key)  # only a match is a use
                matches.append(_Located(key, shift.dx_um, shift.dy_um, shift))
        return matches

    def _settle(self, view: View, located: _Located, *, is_jump: bool) -> Placement:
        """Hold a located view to the key fields about it, and make it one where it shows new ground."""
        x_um, y_um = self._at(located)
        region = self._keys.region(located.key)
        near, overlaps = self._overlapped(region, x_um, y_um)
        holds = self._holds(view, near[:_HELD_BY], x_um, y_um)
        best = max(holds, key=lambda hold: hold.shift.overlap, default=located)
        self._reference = _Reference(view, best.key, best.dx_um, best.dy_um)
        if not len(near) or overlaps[0] < _KEY_OVERLAP:
            key = self._keys.add(keepsake_of(view), region, *self._at(best))
            for hold in holds or [located]:
                self._keys.link(Link(hold.key, key, hold.dx_um, hold.dy_um, _weight(hold.shift)))
            self._reference = _Reference(view, key, 0.0, 0.0)
            self._join_regions(view, key)
        return self._told(self._reference, located.shift, is_jump=is_jump)

    def _at(self, located: _Located) -> tuple[float, float]:
        x_um, y_um = self._keys.place(located.key)
        return x_um + located.dx_um, y_um + located.dy_um

    def _offset(self, key: int, x_um: float, y_um: float) -> tuple[float, float]:
        key_x_um, key_y_um = self._keys.place(key)
        return x_um - key_x_um, y_um - key_y_um

    def _holds(self, view: View, keys: I64, x_um: float, y_um: float) -> list[_Located]:
        """The view's measured place against key fields that it overlaps."""
        holds = []
        for key in keys.tolist():
            kept = self._keys.keepsake(key).view()
            shift = confirm(kept, view, *self._offset(key, x_um, y_um), _DRIFT_UM)
            if not _is_sure(shift):
                shift = register(kept, view)
            if _is_sure(shift):
                holds.append(_Located(key, shift.dx_um, shift.dy_um, shift))
        return holds

    def _overlapped(self, region: int, x_um: float, y_um: float) -> tuple[I64, F64]:
        """Kept key fields of a region that a field at (x, y) overlaps, and how much, the most first."""
        keys = self._keys.kept(in_region=region)
        apart = np.abs(self._keys.places(keys) - (x_um, y_um)) / self._size_um()
        share = np.prod(np.maximum(1.0 - apart, 0.0), axis=1)
        order = np.argsort(-share, kind="stable")
        order = order[share[order] > _HELD_OVERLAP]
        return keys[order], share[order]

    def _size_um(self) -> F64:
        """Width and height of a field."""
        return np.array((self._shape[1], self._shape[0])) * self._pixel_um

    def _join_regions(self, view: View, key: int) -> None:
        """Look for a new key field in the other regions, and join those that it belongs to as well."""
        elsewhere = self._keys.kept(not_in=self._keys.region(key))
        for match in self._matches(view, elsewhere) if len(elsewhere) else []:
            if self._keys.region(match.key) != self._keys.region(key):
                self._join(match, key)
            self._keys.link(Link(match.key, key, match.dx_um, match.dy_um, _weight(match.shift)))

    def _join(self, match: _Located, key: int) -> None:
        """Make the regions of two key fields one; the older region's coordinates stay."""
        regions = self._keys.region(match.key), self._keys.region(key)
        older, younger = min(regions), max(regions)
        before = self._numbers_in(older), self._numbers_in(younger)
        x_um, y_um = self._at(match)
        dx_um, dy_um = self._offset(key, x_um, y_um)
        sign = -1.0 if regions[1] == older else 1.0
        self._keys.join(older, younger, sign * dx_um, sign * dy_um)
        for stays, goes in duplicates(self._spots(before[0]), self._spots(before[1])):
            first, second = sorted((int(before[0][stays]), int(before[1][goes])))
            self._cells.withdraw(second, first)

    def _numbers_in(self, region: int) -> I64:
        """Numbers of the cells counted in a region."""
        numbers = self._cells.numbers()
        here = self._keys.regions(self._cells.anchors(numbers)) == region
        return np.asarray(numbers[here], dtype=np.int64)

    def _spots(self, numbers: I64) -> Spots:
        """Places and sizes of counted cells, in their region."""
        places = self._keys.places(self._cells.anchors(numbers)) + self._cells.offsets_um(numbers)
        return Spots(places, self._cells.diameters_um(numbers))

    def _near(self, placement: Placement) -> I64:
        """Numbers of the cells counted within a field or close to it."""
        numbers = self._numbers_in(placement.region)
        centres = self._spots(numbers).centres_um - (placement.x_um, placement.y_um)
        inside = (centres > -_NEIGHBOURHOOD_UM) & (centres < self._size_um() + _NEIGHBOURHOOD_UM)
        return np.asarray(numbers[inside.all(axis=1)], dtype=np.int64)


def _is_sure(shift: Shift) -> bool:
    return shift.confidence >= LEAST_CONFIDENCE and shift.correlation >= _LEAST_CORRELATION


def _is_still(shift: Shift) -> bool:
    moved_um = float(np.hypot(shift.dx_um, shift.dy_um))
    return _is_sure(shift) and shift.correlation >= _STILL_CORRELATION and moved_um < _STILL_UM


def _weight(shift: Shift) -> float:
    """Worth of a measured shift: more overlap and better agreement place it better."""
    return shift.overlap * shift.correlation**2
