"""What the words of a dataset mean: leukaemic, normal, or nothing that a white-cell model learns.

Every laboratory names its classes in its own way. A label is cut into words; a few words decide. What
is not known stays neutral: it is learned as a class, and no sensitivity is claimed for it.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Meaning(IntEnum):
    """What a label says of a cell; the order is the order of classes in a model."""

    NEGATIVE = 0
    UNKNOWN = 1
    POSITIVE = 2


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


POSITIVE_WORDS: Final = _listed(
    """all b-all t-all blast blasts lymphoblast lymphoblasts myeloblast myeloblasts monoblast monoblasts
    l1 l2 l3 leukemia leukaemia leukemic leukaemic malignant malignancy cancer cancerous tumor tumour
    early pre pro preb prob positive pos"""
)
# Of the patient or the study rather than of the cell: "all_benign" is a benign cell in a study of ALL.
DISEASE_WORDS: Final = _listed("all b-all t-all leukemia leukaemia leukemic leukaemic cancer")
STATED_NORMAL_WORDS: Final = _listed("normal benign hem healthy control negative neg")
NEGATIVE_WORDS: Final = STATED_NORMAL_WORDS | _listed(
    """haematogone haematogones hematogone hematogones
    lymphocyte lymphocytes monocyte monocytes neutrophil neutrophils eosinophil eosinophils basophil
    basophils granulocyte granulocytes erythroblast erythroblasts"""
)
RED_CELL_OR_PLATELET_WORDS: Final = _listed(
    """rbc rbcs red erythrocyte erythrocytes platelet platelets plt thrombocyte thrombocytes background
    stain dirt"""
)
SMUDGE_WORDS: Final = _listed(
    "smudge smudged basket artefact artefacts artifact artifacts difficult unknown ignore unlabelled"
)
# ALL-IDB's numbers, which many folders of others follow; meant only when the number is the whole label.
_NUMBERS: Final = {"0": Meaning.NEGATIVE, "1": Meaning.POSITIVE}
_NEGATIONS: Final = frozenset({"no", "non", "not", "without"})
# Sorts of leukaemic cells in the order that the field counts them: the FAB subtypes (Bennett et al.,
# Br J Haematol 1976, 33:451), and the stages of a B-cell precursor.
SORTS: Final = (("l1", "l2", "l3"), ("early", "pre", "pro"))
_SORT_WORDS: Final = {"preb": "pre", "prob": "pro"}
_NUMBER: Final = re.compile(r"([0-9]+)")
_WORD: Final = re.compile(r"[bt]-all\b|[a-z]+\d*|\d+")


def clean(label: str) -> str:
    """One spelling for labels that differ in case, padding or separators: "WBC_Blast " -> "wbc blast"."""
    return re.sub(r"[\s_]+", " ", label).strip().lower()


def words(label: str) -> tuple[str, ...]:
    """The words of a label, lower case: "[Malignant] Pre-B" -> ("malignant", "pre", "b")."""
    return tuple(_WORD.findall(clean(label)))


def meaning(label: str) -> Meaning:
    """Whether a label names leukaemic cells, normal cells, or neither is known."""
    if clean(label) in _NUMBERS:
        return _NUMBERS[clean(label)]
    found = set(words(label))
    says_leukaemia = found & POSITIVE_WORDS
    if says_leukaemia <= DISEASE_WORDS and found & STATED_NORMAL_WORDS:
        return Meaning.NEGATIVE
    if says_leukaemia:
        return Meaning.NEGATIVE if found & _NEGATIONS else Meaning.POSITIVE
    return Meaning.NEGATIVE if found & NEGATIVE_WORDS else Meaning.UNKNOWN


def is_no_white_cell(label: str) -> bool:
    """Red cells, platelets and stain: a white cell found there is a mistake of the finder."""
    return bool(set(words(label)) & RED_CELL_OR_PLATELET_WORDS)


def is_undecidable(label: str) -> bool:
    """Smudge cells and artefacts: a cell found there is neither right nor wrong."""
    return bool(set(words(label)) & SMUDGE_WORDS)


def is_learnable(label: str) -> bool:
    """A label of an annotated white cell that a model can be fitted on."""
    return not is_no_white_cell(label) and not is_undecidable(label)


def sort_of(label: str) -> str | None:
    """Which sort of leukaemic cell a label names: l1, l2, l3, early, pre or pro; None for any other.

    "early pre-b" is early: the first sort in the order of SORTS that the words name.
    """
    found = {_SORT_WORDS.get(word, word) for word in words(label)}
    return next((sort for series in SORTS for sort in series if sort in found), None)


def order_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels, negative ones first and positive ones last.

    Among the positive ones those without a sort come first, then L1, L2, L3, then early, pre, pro;
    numbers in names count as numbers, so that "class 2" stands before "class 10".
    """
    return tuple(sorted(set(labels), key=_place))


def _place(label: str) -> tuple[int, int, list[tuple[int, str]], str]:
    sort, ordered = sort_of(label), [sort for series in SORTS for sort in series]
    natural = [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBER.split(label) if part]
    return meaning(label), -1 if sort is None else ordered.index(sort), natural, label


def positive_among(labels: Iterable[str]) -> tuple[str, ...]:
    """Those labels that mean leukaemia, in the order given."""
    return tuple(label for label in labels if meaning(label) is Meaning.POSITIVE)
