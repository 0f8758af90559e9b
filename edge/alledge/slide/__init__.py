"""Each cell of a slide counted once, while a person moves the stage by hand and fields overlap.

`SlideMap.place` registers a field against those before it, `SlideMap.count` tells which of its cells
are new. The order of the modules is the order of the work: `registration` (how two fields lie to each
other), `key_fields` (the places that all measured shifts agree on), `seen_cells` (who is who),
`sharpness` (which patch to keep), `slide_map` (all of it), `placement` (what comes out), `restoring`
(all of it again, after a power cut).
"""

from alledge.slide.placement import NOT_COUNTED, Placement, Sighting
from alledge.slide.registration import FieldView
from alledge.slide.restoring import RememberedField, restore_map
from alledge.slide.sharpness import sharpness_of
from alledge.slide.slide_map import SlideMap

__all__ = [
    "NOT_COUNTED",
    "FieldView",
    "Placement",
    "RememberedField",
    "Sighting",
    "SlideMap",
    "restore_map",
    "sharpness_of",
]
