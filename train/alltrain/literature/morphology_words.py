"""From the measures of a cell to the words that a morphologist uses for it.

The words are those of the FAB group (J. M. Bennett et al., Br. J. Haematol. 33 (1976) 451-458, and its
scoring of L1 against L2, Br. J. Haematol. 47 (1981) 553-561): size of the cell, amount of cytoplasm,
outline of the nucleus, evenness of the chromatin. The words only name what was measured; they type no
cell and no leukaemia. Limits are in physical units, so the same words fit every objective. Chromatin is
the exception: its contrast also follows focus and resolution, so its word compares cells of one
microscope only, and `describe` leaves it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from alledge.types import F64
from alltrain.datasets.dataset import MORPHOLOGY

NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one measure.

    measure: its name in MORPHOLOGY. limits: ascending, where the next word begins. words: one more than
    limits, lowest value first. template: how a range of values is said. unit: after a value. scale: what
    a value is multiplied by to be read. decimals: as many as say something.
    """

    measure: str
    limits: tuple[float, ...]
    words: tuple[str, ...]
    template: str
    unit: str = ""
    scale: float = 1.0
    decimals: int = 2

    def word(self, value: float) -> str:
        """The word for a finite value."""
        return self.words[sum(value >= limit for limit in self.limits)]

    def interval(self, low: float, high: float) -> str:
        """A range (low, high] as a person reads it: "> 14.2 um", "nucleus 80 to 90 % of the cell"."""
        first, last = (f"{end * self.scale:.{self.decimals}f}" for end in (low, high))
        if isfinite(low) and isfinite(high):
            values = f"{first} to {last}"
        elif isfinite(low) or isfinite(high):
            values = f"> {first}" if isfinite(low) else f"<= {last}"
        else:
            values = "any"
        return self.template.format(f"{values} {self.unit}".strip())


# Small lymphocytes are about 10 um across on a smear and large ones 12 to 16 um (B. J. Bain, Blood Cells);
# the limits of the nucleus are seven tenths of the discs of those of the cell. FAB calls cytoplasm scanty
# below a fifth of the cell. The rest is ours, from ALL-IDB1 and PBC: the median eosinophil and neutrophil
# have a roundness of 0.4 to 0.55, the median lymphocyte 0.84.
VOCABULARIES: Final = (
    Vocabulary(
        "diameter_um",
        (12.0, 15.0),
        ("small cell", "medium-sized cell", "large cell"),
        "{}",
        unit="um",
        decimals=1,
    ),
    Vocabulary(
        "nucleus_area_um2",
        (80.0, 125.0),
        ("small nucleus", "medium-sized nucleus", "large nucleus"),
        "{}",
        unit="um2",
        decimals=0,
    ),
    Vocabulary(
        "nucleus_cytoplasm_ratio",
        (0.6, 0.8),
        ("abundant cytoplasm", "moderate cytoplasm", "scant cytoplasm"),
        "nucleus {} of the cell",
        unit="%",
        scale=100.0,
        decimals=0,
    ),
    Vocabulary(
        "roundness",
        (0.6, 0.75),
        ("cleft or lobed nucleus", "irregular nucleus", "regular nucleus"),
        "roundness {}",
    ),
    Vocabulary(
        "texture",
        (0.08, 0.14),
        ("homogeneous chromatin", "mixed chromatin", "heterogeneous chromatin"),
        "contrast {}",
    ),
)
"""One vocabulary a measure, in the order of MORPHOLOGY."""


def words(measures: Sequence[float] | F64) -> tuple[str, ...]:
    """A word for each measure of one cell, in the order of MORPHOLOGY; "" where it was not measured.

    measures: (5,) as in `PatchSet.morphology`.
    """
    if len(measures) != len(MORPHOLOGY):
        raise ValueError(f"expected {len(MORPHOLOGY)} measures, got {len(measures)}")
    return tuple(
        vocabulary.word(float(value)) if isfinite(value) else ""
        for vocabulary, value in zip(VOCABULARIES, measures, strict=True)
    )


def describe(measures: Sequence[float] | F64) -> str:
    """One cell in a few words: "small cell, scant cytoplasm, regular nucleus"; "not measured" if none is."""
    size, _, cytoplasm, outline, _ = words(measures)
    return ", ".join(word for word in (size, cytoplasm, outline) if word) or NOT_MEASURED


def phrase(measure: str, low: float, high: float, typical: float) -> str:
    """A range of one measure in words and numbers: "large cell (> 14.2 um)".

    low, high: ends of the range, -inf or inf where it is open. typical: value in it that the word is for.
    """
    vocabulary = VOCABULARIES[MORPHOLOGY.index(measure)]
    return f"{vocabulary.word(typical)} ({vocabulary.interval(low, high)})"
