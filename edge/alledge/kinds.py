"""Tell white cells, platelets and smudges apart by what a nucleus is: DNA behind a membrane.

Platelets hold no nucleus. Their granules take the dye, but a disc of 2 to 4 um binds little of it. Every
human white cell holds the same DNA, once or twice over, so integrated density is the measure: what binds
a third of the dye that the field's nuclei bind is none of them.

Smudge (basket, Gumprecht) cells are nuclei burst in smearing: the same DNA spread wide, so large, and
pale beside the field's whole nuclei.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from alledge.nuclei import SMALLEST_UM2, Nucleus


class Kind(Enum):
    """What a stained object is."""

    WHITE_CELL = auto()
    PLATELET = auto()
    SMUDGE = auto()
    DEBRIS = auto()


_WHOLE_DIAMETER_UM: Final = 6.3  # nuclei that stand for the field; giant platelets seldom reach it
_LEAST_CHROMATIN: Final = 9.0  # in um2 of unit density; a pyknotic erythroblast has 8 to 15, a lymphocyte 30
_LEAST_SHARE: Final = 0.3  # of the chromatin of the field's typical nucleus
_PALE_SMALL: Final = 0.5  # density of small nuclei, which are dense; platelets stay below
_PALEST: Final = 0.15  # density of the palest nuclei seen, on overexposed pictures
_PLATELET_UM: Final = 1.2  # across; less is dust
_BURST: Final = 0.5  # of the field's typical density: chromatin spread over twice the area


def tell_kinds(nuclei: Sequence[Nucleus]) -> list[Kind]:
    """The kind of each candidate of one field, judged beside the others."""
    whole = [n for n in nuclei if n.diameter_um >= _WHOLE_DIAMETER_UM and n.density >= _PALEST]
    if not whole:
        return [_kind(n, 0.0, 0.0) for n in nuclei]
    # The upper part, because smudges can outnumber whole cells on a slide of fragile blasts.
    density = float(np.percentile([n.density for n in whole], 75))
    typical = [n.chromatin for n in whole if n.density >= _BURST * density]
    return [_kind(n, density, float(np.median(typical))) for n in nuclei]


def _kind(nucleus: Nucleus, typical_density: float, typical_chromatin: float) -> Kind:
    """The kind of one candidate beside a typical nucleus of its field."""
    if _too_little(nucleus, typical_chromatin):
        small = _PLATELET_UM <= nucleus.diameter_um < _WHOLE_DIAMETER_UM
        return Kind.PLATELET if small and not nucleus.cut else Kind.DEBRIS
    if nucleus.density < _PALEST:
        return Kind.SMUDGE
    share = nucleus.density / typical_density if typical_density else 1.0
    return Kind.SMUDGE if share < _BURST else Kind.WHITE_CELL


def _too_little(nucleus: Nucleus, typical_chromatin: float) -> bool:
    """Whether it binds less dye than any nucleus."""
    if nucleus.area_um2 < SMALLEST_UM2 or nucleus.chromatin < _LEAST_CHROMATIN:
        return True
    if nucleus.cut:
        return False
    if nucleus.diameter_um < _WHOLE_DIAMETER_UM and nucleus.density < _PALE_SMALL:
        return nucleus.chromatin < 2 * _LEAST_CHROMATIN
    return nucleus.chromatin < _LEAST_SHARE * typical_chromatin
