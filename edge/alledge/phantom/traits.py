"""What cells of each kind are like, in numbers: the morphology that haematology books put in words.

Blasts follow the FAB classification (Bennett et al., Br J Haematol 33:451, 1976): L1 small with scant
cytoplasm, regular nucleus and hardly visible nucleoli; L2 larger and varied, nucleus clefted or
indented, nucleoli large, more cytoplasm; L3 large, deep blue cytoplasm full of vacuoles, round nucleus
with nucleoli. Chromatin tells blasts (fine, open) from lymphocytes (coarse blocks). The ranges overlap
on purpose: no single trait separates blasts from normal cells, as in life.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.phantom.truth import CellKind


@dataclass(frozen=True, slots=True)
class Spread:
    """A bell curve cut off at both ends."""

    mean: float
    sd: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator, spread: float) -> float:
        """One value, with the standard deviation multiplied by `spread`."""
        return float(np.clip(rng.normal(self.mean, self.sd * spread), self.low, self.high))


@dataclass(frozen=True, slots=True)
class KindTraits:
    """How the cells of one kind vary.

    diameter_um: whole cell. nucleus_ratio: nucleus area over cell area. chromatin: units of dye.
    clumping: share of coarse blocks in the chromatin, 0 is fine and even. waviness: nuclear outline.
    indent: depth of the deepest notch, of the nuclear radius. nucleoli: how many. nucleolus_clarity:
    0 unseen, 1 pale holes. basophilia: units of cytoplasm dye. vacuoles: how many.
    """

    diameter_um: Spread
    nucleus_ratio: Spread
    chromatin: Spread
    clumping: Spread
    waviness: Spread
    indent: Spread
    nucleoli: Spread
    nucleolus_clarity: Spread
    basophilia: Spread
    vacuoles: Spread


@dataclass(frozen=True, slots=True)
class CellTraits:
    """One nucleated cell before it is drawn: KindTraits with the values drawn."""

    kind: CellKind
    diameter_um: float
    nucleus_ratio: float
    chromatin: float
    clumping: float
    waviness: float
    indent: float
    n_nucleoli: int
    nucleolus_clarity: float
    basophilia: float
    n_vacuoles: int


_NONE = Spread(0, 0, 0, 0)

_SMALL_LYMPHOCYTE = KindTraits(
    diameter_um=Spread(9.2, 0.9, 7.5, 12.0),
    nucleus_ratio=Spread(0.74, 0.08, 0.52, 0.92),
    chromatin=Spread(1.32, 0.15, 0.8, 1.7),
    clumping=Spread(0.84, 0.13, 0.3, 1.0),
    waviness=Spread(0.05, 0.02, 0.01, 0.12),
    indent=Spread(0.05, 0.06, 0, 0.25),
    nucleoli=Spread(0.2, 0.4, 0, 1),
    nucleolus_clarity=Spread(0.2, 0.12, 0, 0.5),
    basophilia=Spread(0.55, 0.16, 0.2, 1.0),
    vacuoles=_NONE,
)
_REACTIVE_LYMPHOCYTE = KindTraits(
    diameter_um=Spread(12.6, 1.3, 10.0, 16.0),
    nucleus_ratio=Spread(0.56, 0.08, 0.38, 0.78),
    chromatin=Spread(1.1, 0.16, 0.7, 1.5),
    clumping=Spread(0.74, 0.15, 0.2, 1.0),
    waviness=Spread(0.08, 0.03, 0.01, 0.18),
    indent=Spread(0.1, 0.08, 0, 0.35),
    nucleoli=Spread(0.4, 0.6, 0, 2),
    nucleolus_clarity=Spread(0.3, 0.15, 0, 0.7),
    basophilia=Spread(0.62, 0.2, 0.25, 1.2),
    vacuoles=Spread(0.3, 0.6, 0, 3),
)
_TRAITS: Final[Mapping[CellKind, KindTraits]] = {
    CellKind.NEUTROPHIL: KindTraits(
        diameter_um=Spread(13.0, 0.9, 11.0, 15.5),
        nucleus_ratio=Spread(0.36, 0.04, 0.26, 0.46),
        chromatin=Spread(1.38, 0.15, 0.95, 1.8),
        clumping=Spread(0.7, 0.15, 0.2, 1.0),
        waviness=Spread(0.1, 0.03, 0.02, 0.2),
        indent=_NONE,
        nucleoli=_NONE,
        nucleolus_clarity=_NONE,
        basophilia=Spread(0.8, 0.2, 0.4, 1.3),
        vacuoles=_NONE,
    ),
    CellKind.MONOCYTE: KindTraits(
        diameter_um=Spread(15.0, 1.4, 12.0, 18.5),
        nucleus_ratio=Spread(0.5, 0.06, 0.36, 0.68),
        chromatin=Spread(0.95, 0.13, 0.6, 1.3),
        clumping=Spread(0.6, 0.13, 0.15, 0.95),
        waviness=Spread(0.1, 0.03, 0.02, 0.2),
        indent=Spread(0.42, 0.12, 0.1, 0.6),
        nucleoli=Spread(0.2, 0.4, 0, 1),
        nucleolus_clarity=Spread(0.25, 0.12, 0, 0.6),
        basophilia=Spread(0.85, 0.2, 0.4, 1.5),
        vacuoles=Spread(4, 3, 0, 10),
    ),
    CellKind.BLAST_L1: KindTraits(
        diameter_um=Spread(11.1, 1.0, 8.8, 13.8),
        nucleus_ratio=Spread(0.87, 0.045, 0.72, 0.95),
        chromatin=Spread(1.0, 0.16, 0.65, 1.45),
        clumping=Spread(0.18, 0.12, 0.0, 0.7),
        waviness=Spread(0.05, 0.02, 0.01, 0.12),
        indent=Spread(0.05, 0.06, 0, 0.25),
        nucleoli=Spread(0.9, 0.8, 0, 2),
        nucleolus_clarity=Spread(0.28, 0.12, 0, 0.55),
        basophilia=Spread(0.95, 0.28, 0.35, 1.7),
        vacuoles=Spread(0.1, 0.4, 0, 2),
    ),
    CellKind.BLAST_L2: KindTraits(
        diameter_um=Spread(13.4, 1.4, 10.5, 17.5),
        nucleus_ratio=Spread(0.74, 0.07, 0.55, 0.9),
        chromatin=Spread(0.95, 0.16, 0.6, 1.4),
        clumping=Spread(0.22, 0.13, 0.0, 0.75),
        waviness=Spread(0.14, 0.04, 0.05, 0.26),
        indent=Spread(0.26, 0.12, 0, 0.5),
        nucleoli=Spread(2.2, 0.9, 1, 4),
        nucleolus_clarity=Spread(0.7, 0.15, 0.35, 1.0),
        basophilia=Spread(0.95, 0.28, 0.35, 1.7),
        vacuoles=Spread(0.2, 0.6, 0, 3),
    ),
    CellKind.BLAST_L3: KindTraits(
        diameter_um=Spread(13.6, 1.1, 11.0, 17.0),
        nucleus_ratio=Spread(0.66, 0.06, 0.48, 0.82),
        chromatin=Spread(1.0, 0.15, 0.65, 1.4),
        clumping=Spread(0.3, 0.13, 0.0, 0.75),
        waviness=Spread(0.05, 0.02, 0.01, 0.12),
        indent=Spread(0.05, 0.05, 0, 0.2),
        nucleoli=Spread(2.2, 0.8, 1, 4),
        nucleolus_clarity=Spread(0.6, 0.15, 0.25, 0.95),
        basophilia=Spread(1.6, 0.22, 1.1, 2.2),
        vacuoles=Spread(13, 4, 5, 24),
    ),
}


def draw_traits(
    rng: np.random.Generator, kind: CellKind, trait_spread: float, reactive_fraction: float
) -> CellTraits:
    """One cell of a nucleated kind; lymphocytes are reactive with the probability given."""
    if kind is CellKind.LYMPHOCYTE:
        table = _REACTIVE_LYMPHOCYTE if rng.random() < reactive_fraction else _SMALL_LYMPHOCYTE
    else:
        table = _TRAITS[kind]

    def draw(spread: Spread) -> float:
        return spread.draw(rng, trait_spread)

    return CellTraits(
        kind=kind,
        diameter_um=draw(table.diameter_um),
        nucleus_ratio=draw(table.nucleus_ratio),
        chromatin=draw(table.chromatin),
        clumping=draw(table.clumping),
        waviness=draw(table.waviness),
        indent=draw(table.indent),
        n_nucleoli=round(draw(table.nucleoli)),
        nucleolus_clarity=draw(table.nucleolus_clarity),
        basophilia=draw(table.basophilia),
        n_vacuoles=round(draw(table.vacuoles)),
    )
