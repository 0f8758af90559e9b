"""A smear that never was: rendered fields of stained blood whose truth is known to the last outline.

The phantom stands in for a microscope wherever the truth must be known: the demo, the tests, and the
commissioning of a lens and a lamp. `PhantomParameters` names every knob with its unit and range,
`render_field` turns them into pixels and truth, the same for the same seed. What it renders imitates
Wright-Giemsa stained fields and says nothing about clinical performance.

The order of the modules is the order of making a picture: `parameters` (what is asked for), `traits`
(what kinds of cell are like), `layout` (where they lie), `red_cells`, `white_cells` and `debris`
(what they absorb), `optics` (what the camera makes of it), `render` (all of it), `truth` (the answer).
"""

from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.render import render_field
from alledge.phantom.slides import parameters_for_slide
from alledge.phantom.spec import parse_phantom_spec
from alledge.phantom.truth import CellKind, PhantomField, TrueCell

__all__ = [
    "CellKind",
    "PhantomField",
    "PhantomParameters",
    "TrueCell",
    "parameters_for_slide",
    "parse_phantom_spec",
    "render_field",
]
