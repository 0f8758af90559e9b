"""What the slide map says: where a field lies on the slide, and which cell of the slide each of its cells is.

Slide coordinates are micrometres, x to the right and y down as in the field, from the top-left pixel
of the first field of a region. A region is an area within which everything is known relative to
everything else; a jump of the hand to a place never seen opens a new one.
"""

from dataclasses import dataclass
from typing import Final

NOT_COUNTED: Final = 0
"""`cell_id` of a cell that the border cuts and that was not seen whole before: it may be counted later."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a field lies.

    region: number of the region, from 1; regions that turn out to be one carry the lower number.
    x_um, y_um: centre of the field's first pixel, in the region's coordinates.
    confidence: 0 to 1, that the field lies there and was not matched by chance; 1 for the first field.
    is_jump: the field does not follow from the one before it: the stage was moved past what overlaps.
    overlap: share of the field, 0 to 1, that shows the same part of the slide as the field it was placed by.
    """

    region: int
    x_um: float
    y_um: float
    confidence: float
    is_jump: bool
    overlap: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """One cell of one field, told as a cell of the slide.

    cell_id: number of the cell on the slide, from 1; NOT_COUNTED for a cut cell that is not known yet.
    x_um, y_um: its centre, in the coordinates of the field's region.
    is_new: the cell was never counted before; it counts now, once.
    is_sharper: its patch in this field is the sharpest so far (also the first): keep this one.
    sharpness: of its patch in this field, as given.
    """

    cell_id: int
    x_um: float
    y_um: float
    is_new: bool
    is_sharper: bool
    sharpness: float
