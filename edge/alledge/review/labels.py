"""What a person may call a cell: the model's own labels, and the kinds that a haematologist counts.

A model knows a handful of labels; a smear holds more. A person may name any of these, and what they name is
counted under its own name. The kinds are those of a peripheral blood differential (CLSI H20-A2), the blasts
with it. A journal keeps the English word; the page shows it in its language.
"""

import re
from dataclasses import dataclass
from typing import Final

from alledge.errors import InputError

LONGEST_LABEL: Final = 40
_LABEL: Final = re.compile(r"[\w(][\w ()/.+-]*")


class LabelUnusable(InputError):
    """A label that a person gave is empty, too long, or holds signs that are no letters."""

    code = "label-unusable"


@dataclass(frozen=True, slots=True)
class PersonLabel:
    """A kind of cell that a person may name. key: the letter that stands for it on the page."""

    label: str
    key: str


PERSON_LABELS: Final = (
    PersonLabel("blast", "b"),
    PersonLabel("lymphocyte", "l"),
    PersonLabel("neutrophil", "n"),
    PersonLabel("band neutrophil", "d"),
    PersonLabel("monocyte", "m"),
    PersonLabel("eosinophil", "e"),
    PersonLabel("basophil", "o"),
    PersonLabel("immature granulocyte", "g"),
    PersonLabel("erythroblast", "y"),
    PersonLabel("plasma cell", "p"),
    PersonLabel("smudge cell", "s"),
)
"""Kinds that a person may name beside the model's labels."""


def check_label(label: str | None) -> str | None:
    """The label, if it can be kept; None (no cell) can. Raises LabelUnusable."""
    if label is None:
        return None
    if len(label) > LONGEST_LABEL or not _LABEL.fullmatch(label) or label != label.strip():
        raise LabelUnusable(
            f"{label[:LONGEST_LABEL]!r} is no label.", f"Use at most {LONGEST_LABEL} letters and digits."
        )
    return label
