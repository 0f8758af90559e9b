"""The map of a slide again, after the power went: from what the journal has of its fields.

Pictures of the fields, where they were kept, are placed anew; the cells are taken as they were counted,
with their numbers, so that the map and the journal speak of the same cells. A field without a picture
cannot be found again by its looks; its cells are put where they were told to lie.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from alledge.illumination import estimate_illumination
from alledge.slide.placement import Placement, Sighting
from alledge.slide.registration import FieldView
from alledge.slide.slide_map import SlideMap
from alledge.types import U8, Cell


@dataclass(frozen=True, slots=True, eq=False)
class RememberedField:
    """One field as it was mapped.

    cells, sightings: in the same order. view: what the field was placed by. pixels: (H, W, 3) uint8 BGR.
    With a view the field is placed exactly as it was, with pixels nearly so; both may be missing.
    """

    placement: Placement
    cells: tuple[Cell, ...]
    sightings: tuple[Sighting, ...]
    pixel_um: float
    pixels: U8 | None = None
    view: FieldView | None = None


def restore_map(fields: Iterable[RememberedField], withdrawn: Mapping[int, int] | None = None) -> SlideMap:
    """A map that goes on where the last of the fields was.

    Args:
        fields: all fields of the slide that were placed, in the order in which they were.
        withdrawn: cells that were found out to be others, number -> the number that stays.

    Raises:
        ValueError: cells were counted that no field tells of; a field is missing.
    """
    slide_map = SlideMap()
    moved: dict[int, Placement] = {}  # a told region -> where its origin lies in the restored map
    for field in fields:
        told = field.placement
        if field.view is None and field.pixels is None:
            origin = moved.get(told.region) or slide_map.open_blind_region()
            moved[told.region] = origin
            placement = _shifted(told, origin, 1.0)
        else:
            placement = _placed(slide_map, field)
            moved[told.region] = _shifted(placement, told, -1.0)
        slide_map.count_as_told(placement, field.cells, field.pixel_um, field.sightings)
    slide_map.withdraw_as_told(withdrawn or {})
    return slide_map


def _placed(slide_map: SlideMap, field: RememberedField) -> Placement:
    if field.view is not None:
        return slide_map.place_view(field.view)
    assert field.pixels is not None
    return slide_map.place(field.pixels, field.pixel_um, estimate_illumination(field.pixels))


def _shifted(placement: Placement, by: Placement, sign: float) -> Placement:
    """A placement moved by another's place; into the other's region where it is moved forwards."""
    return replace(
        placement,
        region=by.region if sign > 0 else placement.region,
        x_um=placement.x_um + sign * by.x_um,
        y_um=placement.y_um + sign * by.y_um,
    )
