"""Is a whole field stained unlike anything the model was fitted on?

One odd cell is sent to review by itself. When the typical cell of a field is off in colour, it is not the
cells: the buffer, the stain or the camera is another, and none of the model's calls there is worth much.
Judged are the five colour features of the model's own description of its training patches (familiarity.py),
the median over the field's cells, by Mahalanobis' distance.
"""

from typing import Final

import numpy as np

from alledge.familiarity import Familiarity, patch_colours
from alledge.types import U8

_COLOURS: Final = slice(0, 5)  # of the features: absorbance of red, green, blue, and how two of them spread
LEAST_CELLS: Final = 3
"""Whole cells that a field must have to be judged: the median of fewer is one cell's colour."""

_FARTHEST: Final = 5.0
"""Fields of the training slides reach 3.9, those of another laboratory mostly 2 to 5. One session of
ALL-IDB1, left out of training, lies at 8 to 11: half of its patches are unfamiliar one by one, too."""


def stain_distance(patches: U8, familiarity: Familiarity) -> float:
    """How far the typical colour of a field lies from the training patches, in standard deviations.

    Args:
        patches: (N, 50, 50, 3) uint8 RGB of one field; 0 is returned for fewer than three.
        familiarity: of the model.
    """
    if len(patches) < LEAST_CELLS:
        return 0.0
    typical = np.median(patch_colours(patches), axis=0)
    mean, spread = np.array(familiarity.mean)[_COLOURS], np.array(familiarity.spread)[_COLOURS]
    correlation = np.linalg.inv(np.array(familiarity.precision))[_COLOURS, _COLOURS]
    off = (typical - mean) / spread
    return float(np.sqrt(off @ np.linalg.solve(correlation, off)))


def is_stain_strange(patches: U8, familiarity: Familiarity) -> bool:
    """Whether the typical cell of a field is too far in colour from the training patches."""
    return stain_distance(patches, familiarity) > _FARTHEST
