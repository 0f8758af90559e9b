"""What Wright-Giemsa stain absorbs: optical densities in blue, green and red for one unit of a dye.

The densities are those of the pictures, -ln(grey level / grey level of the empty smear), measured as
cluster means over fields Im020_1, Im042_0, Im056_1 and Im084_0 of ALL-IDB1. A camera's gamma raises
transmission to a power, which only scales optical density, so layers still add (Beer-Lambert).
"""

from typing import Final

import numpy as np

from alledge.types import F32


def _dye(blue: float, green: float, red: float) -> F32:
    return np.array([blue, green, red], np.float32)


HAEMOGLOBIN: Final = _dye(0.24, 0.25, 0.085)
CHROMATIN: Final = _dye(0.16, 1.05, 0.43)
CHROMATIN_BLUER: Final = _dye(0.03, 0.0, 0.20)  # what a step of stain hue adds
BASOPHILIC: Final = _dye(0.06, 0.32, 0.32)  # RNA-rich, blue cytoplasm
GREY_BLUE: Final = _dye(0.07, 0.26, 0.24)  # monocyte cytoplasm
EOSIN: Final = _dye(0.09, 0.20, 0.06)  # pink neutrophil cytoplasm
GRANULE: Final = _dye(0.12, 0.62, 0.18)  # neutrophil and platelet granules
SMUDGE: Final = _dye(0.04, 0.50, 0.17)  # spilt chromatin
SPECK: Final = _dye(0.5, 1.2, 0.9)  # precipitated stain
PLASMA: Final = _dye(1.0, 1.0, 0.8)


def chromatin_dye(stain_hue: float) -> F32:
    """Density of one unit of stained chromatin for a hue from -1 (red-purple) to 1 (blue-purple)."""
    return np.asarray(CHROMATIN + np.float32(stain_hue) * CHROMATIN_BLUER, np.float32)
