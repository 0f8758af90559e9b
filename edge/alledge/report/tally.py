"""Counts of a slide by label, the model's and the persons' apart, and the differential above them.

Who said what is never mixed: each cell is counted under one label, and the table tells on whose word.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from alledge.card import Card
from alledge.differential import CountedCell, Differential, Share, differential
from alledge.differential.exact import clopper_pearson
from alledge.report.contents import ClassMorphology, LabelCount, Spread
from alledge.review import ReviewedCell

BLAST: Final = "blast"
"""What a person calls a blast, whatever names the model has for its sorts."""

MEASURES: Final = ("diameter_um", "nucleus_area_um2", "nucleus_cytoplasm_ratio", "roundness", "texture")


def counted_label(cell: ReviewedCell) -> str | None:
    """The label that a cell is counted under; None for one that waits, or is no cell by a person's word."""
    return None if cell.is_open else cell.label


def count_labels(cells: Sequence[ReviewedCell], card: Card | None) -> tuple[LabelCount, ...]:
    """Counts by label: the card's labels in its order, then others that were said, by the alphabet.

    Args:
        cells: counted cells, each once.
        card: of the model; None counts the labels that occur, and takes none of them for a finding.
    """
    by_model: Counter[str] = Counter()
    by_person: Counter[str] = Counter()
    likeliest = Counter(cell.call.label for cell in cells if cell.call is not None)
    for cell in cells:
        label = counted_label(cell)
        if label is not None:
            (by_model if cell.opinion is None else by_person)[label] += 1
    known = card.labels if card is not None else ()
    positive = positive_labels(card)
    names = (*known, *sorted((by_model.keys() | by_person.keys() | likeliest.keys()) - set(known)))
    n = sum(by_model.values()) + sum(by_person.values())
    return tuple(
        LabelCount(
            label=name,
            is_positive=name in positive,
            n_by_model=by_model[name],
            n_by_person=by_person[name],
            n_likeliest=likeliest[name],
            share=share_of(by_model[name] + by_person[name], n),
        )
        for name in names
    )


def share_of(n_found: int, n: int) -> Share | None:
    """A share with its exact interval; None of nothing."""
    return Share(n_found / n, clopper_pearson(n_found, n)) if n else None


def positive_labels(card: Card | None) -> frozenset[str]:
    """Labels that count as blasts: the card's, and the word that persons have for all of them."""
    return (
        frozenset() if card is None or not card.positive_labels else frozenset({*card.positive_labels, BLAST})
    )


def tell(cells: Sequence[CountedCell], card: Card | None, target: int) -> Differential | None:
    """The differential, a person's "blast" among its positive labels; None without a card or a cell."""
    if card is None or not cells:
        return None
    return differential(cells, _with_persons_word(cells, card), target)


def _with_persons_word(cells: Sequence[CountedCell], card: Card) -> Card:
    """The card with BLAST as a positive label, where a person said it and the model has finer names."""
    said = any(cell.person_label == BLAST for cell in cells)
    if not said or not card.positive_labels or BLAST in card.labels:
        return card
    return replace(card, labels=(*card.labels, BLAST), positive_labels=(*card.positive_labels, BLAST))


def morphology_by_label(cells: Sequence[ReviewedCell], labels: Sequence[str]) -> tuple[ClassMorphology, ...]:
    """Median and quartiles of every measure, of each label that has a cell."""
    groups = {label: [cell.cell for cell in cells if counted_label(cell) == label] for label in labels}
    return tuple(
        ClassMorphology(
            label,
            len(group),
            {name: spread([float(getattr(cell, name)) for cell in group]) for name in MEASURES},
        )
        for label, group in groups.items()
        if group
    )


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, linear between the two nearest values (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    low, median, high = (_quantile(ordered, quarter) for quarter in (1, 2, 3))
    return Spread(low, median, high)


def _quantile(ordered: Sequence[float], quarter: int) -> float:
    place, rest = divmod(quarter * (len(ordered) - 1), 4)
    above = ordered[min(place + 1, len(ordered) - 1)]
    return ordered[place] + (above - ordered[place]) * rest / 4
